/** What pages say of a recipient in the queue: its state, why it waits, until when, by which way, what its sender heard. */
import type { Route } from "../../../model/envelope.ts";
import type { QueueState, StoredRecipient } from "../../../store/store.ts";
import { FINAL_STATES } from "../../../store/store.ts";
import { age, shortTime } from "../format.ts";
import { type Html, markup } from "../html.ts";
import { type IconName, type Tone, verdict } from "../icons.ts";
import type { PageContext } from "../layout.ts";

export const STATE_WORDS: Readonly<Record<QueueState, { word: string; tone: Tone; sign?: IconName }>> = {
  deferred: { word: "waits", tone: "wait" },
  ready: { word: "ready", tone: "seen", sign: "pass" },
  active: { word: "under way", tone: "seen", sign: "pass" },
  held: { word: "held", tone: "hold" },
  corrupt: { word: "corrupt", tone: "bad", sign: "warn" },
  delivered: { word: "delivered", tone: "ok" },
  failed: { word: "failed", tone: "bad" },
  expired: { word: "expired", tone: "bad", sign: "wait" },
};
/** What an operator looks at first comes first. */
export const STATE_ORDER = Object.keys(STATE_WORDS) as QueueState[];

export function stateWord(state: QueueState): Html {
  const { word, tone, sign } = STATE_WORDS[state];
  return verdict(tone, word, sign);
}

/** The recipient that says most about its message: the first in the order of states. */
export function telling(recipients: readonly StoredRecipient[]): StoredRecipient | undefined {
  return recipients.toSorted((a, b) => STATE_ORDER.indexOf(a.state) - STATE_ORDER.indexOf(b.state))[0];
}

export function why(recipient: StoredRecipient): string {
  if (recipient.route.to === "report" && recipient.state === "ready") return "its sender is told next";
  if (recipient.lastReply !== null) return recipient.lastReply;
  const words: Partial<Record<QueueState, string>> = {
    ready: "its turn comes next",
    active: "is being delivered",
    deferred: "not tried yet",
    held: "waits for a person",
  };
  return words[recipient.state] ?? "";
}

export function nextTry(context: PageContext, recipient: StoredRecipient): string | Html {
  if (recipient.state !== "deferred" && recipient.state !== "ready") return markup`<span class="dim">none</span>`;
  const wait = recipient.nextAttempt - context.now;
  return wait <= 0 ? "now" : moment(context, recipient.nextAttempt, `in ${age(wait)}`);
}

/** That its sender heard of a delay or an end; null: he heard nothing. */
export function heard(context: PageContext, { told, state }: StoredRecipient): Html | null {
  if (told === null) return null;
  const what = FINAL_STATES.includes(state) ? "" : " of the delay";
  return markup`sender told${what} ${moment(context, told, shortTime(told, context.now))}`;
}

/** When its sender hears at the latest; null: not by itself. */
export function owed(context: PageContext, { deadline, state, route }: StoredRecipient): Html | null {
  if (deadline === null || state === "held" || route.to === "report" || FINAL_STATES.includes(state)) return null;
  const wait = deadline - context.now;
  return markup`sender hears ${moment(context, deadline, wait <= 0 ? "now" : `in ${age(wait)} at the latest`)}`;
}

export function routeWord(route: Route): string | Html {
  if (route.to === "local") return markup`<code>${route.plugin}</code>`;
  if (route.to === "report") return "back to its sender";
  return route.via === undefined ? "by MX" : markup`<code>${route.via}</code>`;
}

/** A destination by its name in the queue, and what kind it is. */
export function destinationWord(destination: string): Html {
  const [, kind, name] = /^(mx|via|local):(.*)$/s.exec(destination) ?? [];
  if (kind === undefined) return markup`<b>nobody</b> <small>rules and reports</small>`;
  const words: Readonly<Record<string, string>> = { mx: "by MX", via: "next hop", local: "stored here" };
  return markup`<b class="brk"><bdi>${name}</bdi></b> <small>${words[kind]}</small>`;
}

function moment({ now }: PageContext, at: number, text: string): Html {
  return markup`<time datetime="${new Date(at).toISOString()}" title="${shortTime(at, now)}">${text}</time>`;
}
