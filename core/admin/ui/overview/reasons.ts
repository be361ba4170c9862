/** Who refused mail, and why: tables of the overview. */
import type { PluginCount } from "../../../ledger/ledger.ts";
import type { Entry } from "../../../ledger/story.ts";
import { count } from "../format.ts";
import { foreign } from "../foreign.ts";
import { type Html, markup } from "../html.ts";
import { sessionsPath } from "../sessions/filters.ts";
import { replyParts } from "../sessions/words.ts";
import type { Range } from "./range.ts";

const ROWS = 7;

interface Reason {
  readonly reply: string;
  readonly plugin: string;
  n: number;
}

/** Refusals by what was replied and who did it, the most frequent first. */
export function reasonsOf(refused: readonly Entry[]): readonly Readonly<Reason>[] {
  const reasons = new Map<string, Reason>();
  for (const { reply, plugin } of refused) {
    const key = JSON.stringify([reply, plugin]), known = reasons.get(key);
    if (known === undefined) reasons.set(key, { reply: reply ?? "", plugin: plugin ?? "core", n: 1 });
    else known.n++;
  }
  return [...reasons.values()].sort((a, b) => b.n - a.n);
}

/** `more`: there were older refusals than those that were looked at. */
export function reasonsTable(
  refused: readonly Entry[],
  { range, more }: { readonly range: Range; readonly more: boolean },
): Html {
  const reasons = reasonsOf(refused), most = reasons[0]?.n ?? 1;
  return markup`<section class="card c7 tw" tabindex="0" aria-label="Why mail was refused">
  <table class="rows"><caption>Why mail was refused <span>${
    more ? `the newest ${count(refused.length)} of the last ${range.label}` : `last ${range.label}`
  }</span></caption>
  ${
    reasons.length === 0
      ? markup`<tbody><tr><td class="soft">Nothing was refused.</td></tr></tbody>`
      : markup`<thead><tr><th scope="col">Reply</th><th scope="col">Plugin</th><th scope="col" class="num">Count</th><th scope="col" class="wide"><span class="vh">Share as a bar</span></th><th scope="col" class="num">Share</th></tr></thead>
  <tbody>${
        reasons.slice(0, ROWS).map(({ reply, plugin, n }) => {
          const [code, text] = replyParts(reply);
          return markup`<tr><td class="brk"><bdi>${foreign(text, 120)}</bdi><small class="sub"><code>${
            foreign(code, 24)
          }</code></small></td><td><code>${foreign(plugin, 40)}</code></td><td class="num"><a href="${
            sessionsPath({
              verdict: "refused",
              plugin: plugin.slice(0, 64),
              when: range.name,
            })
          }">${count(n)}</a></td>${bar(n / most, "bad")}<td class="num">${share(n / refused.length)}</td></tr>`;
        })
      }</tbody>`
  }</table></section>`;
}

/** What each plugin did, and would have done were it not only watching. */
export function pluginsTable(plugins: readonly PluginCount[], range: Range): Html {
  const weight = (each: PluginCount) => each.refused + each.deferred + each.held;
  const would = (each: PluginCount) => each.wouldRefuse + each.wouldDefer + each.wouldHold;
  const rows = plugins.filter((each) => weight(each) + would(each) > 0).toSorted((a, b) =>
    weight(b) - weight(a) || would(b) - would(a)
  );
  const link = (each: PluginCount, verdict: string, n: number) =>
    n === 0 ? markup`<span class="dim">0</span>` : markup`<a href="${
      sessionsPath({
        verdict,
        plugin: each.plugin.slice(0, 64),
        when: range.name,
      })
    }">${count(n)}</a>`;
  return markup`<section class="card c5 tw" tabindex="0" aria-label="Who decided">
  <table class="rows"><caption>Who decided <span>last ${range.label}</span></caption>
  ${
    rows.length === 0
      ? markup`<tbody><tr><td class="soft">No plugin had anything against anything.</td></tr></tbody>`
      : markup`<thead><tr><th scope="col">Plugin</th><th scope="col" class="num">Refused</th><th scope="col" class="num">Deferred</th><th scope="col" class="num">Held</th><th scope="col" class="num">Would have</th></tr></thead>
  <tbody>${
        rows.slice(0, ROWS + 1).map((each) =>
          markup`<tr><th scope="row"><code>${foreign(each.plugin, 40)}</code></th><td class="num">${
            link(each, "refused", each.refused)
          }</td><td class="num">${link(each, "deferred", each.deferred)}</td><td class="num">${
            link(each, "held", each.held)
          }</td><td class="num">${
            would(each) === 0 ? markup`<span class="dim">0</span>` : markup`<a class="v-seen" href="${
              sessionsPath({
                observed: "1",
                plugin: each.plugin.slice(0, 64),
                when: range.name,
              })
            }">${count(would(each))}</a>`
          }</td></tr>`
        )
      }</tbody>`
  }</table></section>`;
}

function bar(part: number, tone: string): Html {
  return markup`<td class="barcell wide"><svg class="hb" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true"><rect class="bg" width="100" height="6"/><rect class="f-${tone}" x="0" width="${
    Math.round(part * 10_000) / 100
  }" height="6"/></svg></td>`;
}

export function share(part: number): string {
  return part >= 0.1 || part === 0 ? `${Math.round(part * 100)}%` : `${(part * 100).toFixed(1)}%`;
}
