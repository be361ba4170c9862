/** The first page: what to act on, how much came and what became of it, the queue, and how long things take. */
import type { LedgerPage, PluginCount } from "../../../ledger/ledger.ts";
import type { QueueTotals } from "../../../store/store.ts";
import { count } from "../format.ts";
import { type Html, markup } from "../html.ts";
import { MARK } from "../icons.ts";
import { command, page, type PageContext } from "../layout.ts";
import { sessionsPath } from "../sessions/filters.ts";
import { type Act, actsList } from "./acts.ts";
import { commitPlot, delayPlot, deliveryPlot, type PlotsData, queuePlot, sum, verdictPlot } from "./plots.ts";
import { RANGES } from "./range.ts";
import { pluginsTable, reasonsTable, share } from "./reasons.ts";

export interface OverviewData {
  readonly acts: readonly Act[];
  /** Messages in the store by the states of their recipients. */
  readonly totals: QueueTotals;
  /** Null: nobody keeps a ledger. */
  readonly told: {
    readonly plots: PlotsData;
    readonly plugins: readonly PluginCount[];
    readonly refused: LedgerPage;
    /** Nothing has ever been written down. */
    readonly fresh: boolean;
  } | null;
}

export function overviewPage(context: PageContext, { acts, totals, told }: OverviewData): Html {
  const fresh = told !== null && told.fresh;
  const main = markup`${
    fresh ? first(context) : markup`<div class="head">
  <h1>Overview</h1>
  ${
      told !== null && markup`<nav class="seg" aria-label="Time range">${
        RANGES.map(({ name, label }) =>
          markup`<a href="/overview?range=${name}"${
            name === told.plots.range.name && markup` aria-current="true"`
          }>${label}</a>`
        )
      }</nav>`
    }
</div>`
  }
${actsList(acts)}
${!fresh && figures(context, { totals, told })}
${told === null ? unkept() : !fresh && plots(told)}`;
  return page({ ...context, warnings: [] }, { title: "Overview", current: "overview", main }); // acts tell the warnings
}

function figures(context: PageContext, { totals, told }: Omit<OverviewData, "acts">): Html {
  const waits = (totals.ready ?? 0) + (totals.deferred ?? 0);
  const queue = markup`<div><dt>Queue</dt><dd>${count(waits)}<small><a href="/queue">${
    (totals.deferred ?? 0) > 0
      ? `${count(totals.deferred!)} to be tried again`
      : waits === 0
      ? "nothing waits"
      : "not tried yet"
  }</a></small></dd></div>`;
  const kept = markup`<dt><i class="sw hold"></i>Held</dt>`;
  const quarantine = markup`<small>${
    context.pages.includes("quarantine")
      ? markup`<a href="/quarantine">${count(totals.held ?? 0)} in the quarantine</a>`
      : `${count(totals.held ?? 0)} now`
  }</small>`;
  if (told === null) {
    return markup`<dl class="figs few">${queue}<div>${kept}<dd>${count(totals.held ?? 0)}${quarantine}</dd></div></dl>`;
  }
  const { points, range } = told.plots;
  const [accepted, held, refused, deferred] = (["accepted", "held", "refused", "deferred"] as const).map((each) =>
    sum(points, each)
  ) as [number, number, number, number];
  const all = accepted + held + refused + deferred;
  const figure = (tone: string, name: string, n: number, verdict: string) =>
    markup`<div><dt><i class="sw ${tone}"></i>${name}</dt><dd>${count(n)}<small>${
      n === 0 ? "none" : markup`<a href="${sessionsPath({ verdict, when: range.name })}">${share(n / all)} of all</a>`
    }</small></dd></div>`;
  return markup`<dl class="figs">
  <div><dt>Messages</dt><dd>${count(all)}<small>${count(sum(points, "sessions"))} sessions</small></dd></div>
  ${figure("ok", "Accepted", accepted, "accepted")}
  ${figure("bad", "Refused", refused, "refused")}
  ${figure("wait", "Deferred", deferred, "deferred")}
  <div>${kept}<dd>${count(held)}${quarantine}</dd></div>
  ${queue}
</dl>`;
}

function plots({ plots, plugins, refused }: NonNullable<OverviewData["told"]>): Html {
  return markup`<div class="grid">
${verdictPlot(plots)}
${commitPlot(plots)}
${queuePlot(plots)}
${deliveryPlot(plots)}
${delayPlot(plots)}
${reasonsTable(refused.entries, { range: plots.range, more: refused.more })}
${pluginsTable(plugins, plots.range)}
</div>`;
}

function unkept(): Html {
  return markup`<section class="card pad gap"><h2>Nothing is written down</h2><p class="soft">The configuration says <code>ledger: off</code>, so there are no plots, and nobody can say why a message was refused. Take the line out and restart.</p></section>`;
}

/** Nothing has come yet: what would be here, and the next command to copy. */
function first({ site }: PageContext): Html {
  const address = site.smtp[0] ?? "127.0.0.1:2525";
  return markup`<div class="first">
  <div class="hero">${MARK}<div><h1>The gate stands. Nobody has knocked yet.</h1><p>${
    site.devInbox
      ? "Postern is running and takes mail for every domain into the dev inbox. Nothing leaves this machine."
      : "Postern is running and takes mail as its configuration says."
  }</p></div></div>
  <dl class="card wires">
    <div><dt>Send mail to</dt><dd><code>${address}</code></dd></div>
    <div><dt>Data</dt><dd><code>${site.data}</code></dd></div>
    <div><dt>Server</dt><dd><code>${site.hostname}</code></dd></div>
  </dl>
  <ol class="card steps">
    <li><h2>Send a first message</h2><p>${
    site.devInbox
      ? markup`It shows up in the <a href="/inbox">inbox</a> the moment it is taken, and here with what each plugin thought of it.`
      : "It shows up here with what each plugin thought of it, taken or not."
  }</p>${
    command(
      "first-send",
      `postern send --server ${address.replace(/^(?:0\.0\.0\.0|\[::\]):/, "127.0.0.1:")} --to you@example.org`,
      { shell: true },
    )
  }</li>
    <li><h2>Read why</h2><p>Put its id, the sender or the address of the client into the search field above (<kbd>/</kbd>). What was refused ends with a short id: <code>(ref XXXXXXXX)</code>.</p></li>
  </ol>
  <section class="card pad gap"><h2>What this page becomes</h2><p class="soft">Rates, verdicts, the queue and what is worth acting on, as soon as the first session has ended. Plots need about 15 minutes of traffic.</p></section>
</div>`;
}
