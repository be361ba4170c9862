/** What an operator should act on, the gravest first, each with the page where it is done. Pure, but for the list. */
import type { DestinationState } from "../../../delivery/destination.ts";
import type { PluginCount } from "../../../ledger/ledger.ts";
import { count, plural, shortTime } from "../format.ts";
import { foreign } from "../foreign.ts";
import { type Html, markup } from "../html.ts";
import { icon } from "../icons.ts";
import { destinationWord } from "../queue/recipient.ts";
import type { Range } from "./range.ts";

/** Something to act on. */
export interface Act {
  readonly tone: "bad" | "wait";
  readonly text: Html | string;
  /** Where more is said, and what the link is called; null: nowhere. */
  readonly to: readonly [href: string, label: string] | null;
}

export interface ActsData {
  /** Sentences of the server's own. */
  readonly warnings: readonly string[];
  /** What of certificates is worth it. */
  readonly certificates: readonly { readonly tone: "bad" | "wait"; readonly text: string; readonly href: string }[];
  readonly destinations: readonly DestinationState[];
  readonly plugins: readonly PluginCount[];
  readonly range: Range;
  readonly now: number;
}

const MANY = 5; // of one kind; the rest is told by its number

export function actsOf({ warnings, certificates, destinations, plugins, range, now }: ActsData): readonly Act[] {
  const ends = certificates.map(({ tone, text, href }): Act => ({
    tone,
    text: markup`<b>${foreign(text, 300)}</b>`,
    to: [href, "See certificate"],
  }));
  const says = warnings.map((text): Act => ({ tone: "wait", text: markup`<b>${text}</b>`, to: null }));
  const closed = destinations.filter(({ closedUntil }) => closedUntil !== null && closedUntil > now);
  const rests = closed.slice(0, MANY).map(({ destination, closedUntil, reason }): Act => {
    const domain = /^mx:(.+)$/s.exec(destination)?.[1];
    return {
      tone: "wait",
      text: markup`<b>Mail for ${
        domain === undefined ? destinationWord(destination) : foreign(domain, 255)
      } waits until ${shortTime(closedUntil!, now)}.</b>${
        reason !== null && reason !== "" && markup` <bdi>${foreign(reason, 240)}</bdi>`
      }`,
      to: [domain === undefined ? "/queue" : `/queue?${new URLSearchParams({ domain })}`, "See queue"],
    };
  });
  if (closed.length > MANY) {
    rests.push({
      tone: "wait",
      text: markup`<b>${plural(closed.length - MANY, "more destination waits", "more destinations wait")}.</b>`,
      to: ["/queue", "See queue"],
    });
  }
  const failing = plugins.filter(({ errors }) => errors > 0).toSorted((a, b) => b.errors - a.errors).slice(0, MANY)
    .map(({ plugin, errors }): Act => ({
      tone: "wait",
      text: markup`<b><code>${foreign(plugin, 64)}</code> failed ${
        errors === 1 ? "once" : `${count(errors)} times`
      }</b> in the last ${range.label}: it threw, was late or broke a rule. Those clients were asked to come again.`,
      to: [`/sessions?${new URLSearchParams({ plugin, when: range.name })}`, "See sessions"],
    }));
  return [...ends, ...says, ...rests, ...failing].sort((a, b) => Number(b.tone === "bad") - Number(a.tone === "bad"));
}

export function actsList(acts: readonly Act[]): Html | null {
  if (acts.length === 0) return null;
  return markup`<section aria-labelledby="acts-title"><h2 class="vh" id="acts-title">Worth acting on</h2><ul class="acts">${
    acts.map(({ tone, text, to }) =>
      markup`<li class="${tone}">${icon("warn")}<span>${text}</span>${
        to !== null && markup`<a href="${to[0]}">${to[1]}</a>`
      }</li>`
    )
  }</ul></section>`;
}
