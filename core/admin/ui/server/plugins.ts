/**
 * The plugins page: what runs in which phase of which listener, in which order; how long it takes, what it did, what it
 * would have done where it only watches, and what went wrong. One matrix per list of plugins.
 */
import type { PluginCount } from "../../../ledger/ledger.ts";
import type { PluginFault } from "../../../observe/plugin_faults.ts";
import type { PluginTiming } from "../../../observe/metrics.ts";
import type { ListenerPlugins, PluginRow } from "../../options.ts";
import { age, count, plural } from "../format.ts";
import { type Child, type Html, markup } from "../html.ts";
import { icon, verdict } from "../icons.ts";
import { page, type PageContext } from "../layout.ts";

const PHASES = ["connect", "helo", "auth", "mail", "rcpt", "data", "queue", "deliver"] as const;

export interface PluginsData {
  readonly listeners: readonly ListenerPlugins[];
  /** Since the start; null: nobody measures. */
  readonly timings: readonly PluginTiming[] | null;
  /** Of the last day; null: nobody keeps it. */
  readonly counts: readonly PluginCount[] | null;
  readonly faults: readonly PluginFault[];
}

export function pluginsPage(context: PageContext, data: PluginsData): Html {
  const { listeners, timings } = data;
  const main = markup`
    <div class="head">
      <div>
        <h1>Plugins</h1>
        <p>Each phase runs this list from top to bottom. The first to refuse or defer ends it.${
    timings !== null && markup` Numbers: 95 of 100 calls took less, in milliseconds.`
  }</p>
      </div>
      ${context.pages.includes("configuration") && markup`<a href="/configuration">Their options, as configured</a>`}
    </div>
    ${
    listeners.length === 0
      ? markup`
        <section class="card pad">
          <h2>No listener</h2>
          <p class="soft">Name one in the configuration, then look at <code>postern check</code>.</p>
        </section>
      `
      : grouped(listeners).map((group) => matrix(group, data))
  }
    <div class="two">${watching(context, data)}${errors(context, data.faults)}</div>
  `;
  return page(context, { title: "Plugins", current: "plugins", main });
}

interface Group {
  readonly listeners: readonly string[];
  readonly plugins: ListenerPlugins["plugins"];
}

/** Listeners that run the same list share a matrix. */
function grouped(listeners: readonly ListenerPlugins[]): Group[] {
  const groups = new Map<string, { listeners: string[]; plugins: ListenerPlugins["plugins"] }>();
  for (const { listener, plugins } of listeners) {
    const same = JSON.stringify(plugins);
    const group = groups.get(same) ?? { listeners: [], plugins };
    group.listeners.push(listener);
    groups.set(same, group);
  }
  return [...groups.values()];
}

function matrix({ listeners, plugins }: Group, data: PluginsData): Html {
  const { timings, counts } = data, measured = timings !== null && timings.length > 0;
  const all = plugins.reduce((sum, { name }) => sum + own(timings, name), 0);
  const columns = 1 + PHASES.length + (measured ? 2 : 0) + (counts === null ? 0 : 1);
  return markup`
    <section class="card tw gap" tabindex="0" aria-label="Plugins of ${listeners.join(", ")}">
      <table class="matrix">
        <caption>${listeners.join(", ")} <span>${plural(plugins.length, "plugin")}; ${
    measured ? "a number or a dot" : "a dot"
  }: has a say in that phase</span></caption>
        <thead>
          <tr><th scope="col">Plugin, in order</th>${
    PHASES.map((phase) => markup`<th scope="col" class="ph">${phase}</th>`)
  }${measured && markup`<th scope="col" colspan="2">Of all plugin time</th>`}${
    counts !== null && markup`<th scope="col">Did, in a day</th>`
  }</tr>
        </thead>
        <tbody>${
    plugins.length === 0
      ? markup`
            <tr>
              <td colspan="${columns}" class="soft">None: every phase ends with its default.</td>
            </tr>
          `
      : plugins.map((plugin, at) =>
        markup`<tr${plugin.mode === "observe" && markup` class="obs"`}>${head(plugin, at)}${
          PHASES.map((phase) => cell(plugin, phase, timings))
        }${measured && share(own(timings, plugin.name), all, plugin.mode)}${
          counts !== null && markup`<td class="nb">${did(plugin, counts)}</td>`
        }</tr>`
      )
  }</tbody>
      </table>
    </section>
  `;
}

function head({ name, mode, note = "" }: PluginRow, at: number): Html {
  return markup`<th scope="row"><span class="ord">${at + 1}</span><code>${name}</code>${
    mode !== "enforce" && markup` <span class="tag seen">${mode}</span>`
  }${note !== "" && markup`<small class="sub note-of">${note}</small>`}</th>`;
}

function cell({ name, phases }: PluginRow, phase: string, timings: readonly PluginTiming[] | null): Html {
  if (!phases.includes(phase)) return markup`<td class="h"></td>`;
  const found = timings?.find((each) => each.plugin === name && each.phase === phase);
  if (found === undefined) return markup`<td class="h">${icon("pass")}<span class="vh">yes</span></td>`;
  const { p95, calls, total } = found, title = `${count(calls)} calls, ${milliseconds(total / calls)} ms on average`;
  return markup`<td class="h h${heat(p95)}" title="${title}"><span class="vh">less than </span>${
    milliseconds(p95)
  }</td>`;
}

/** How warm a cell is: 0 to 4. */
function heat(p95: number): number {
  return [1, 5, 25, 100].filter((bound) => p95 > bound).length;
}

function milliseconds(value: number): string {
  if (!Number.isFinite(value)) return "over 30,000";
  return value < 10 ? String(Number(value.toPrecision(2))) : count(Math.round(value));
}

function own(timings: readonly PluginTiming[] | null, plugin: string): number {
  return (timings ?? []).reduce((sum, each) => each.plugin === plugin ? sum + each.total : sum, 0);
}

function share(time: number, all: number, mode: string): Html {
  const part = all === 0 ? 0 : time / all * 100, width = Number(part.toFixed(2));
  return markup`<td class="barcell"><svg class="hb" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true"><rect class="bg" width="100" height="6"/><rect class="${
    mode === "observe" ? "f-seen" : "f-acc"
  }" x="0" width="${width}" height="6"/></svg></td><td class="num">${
    part === 0 ? markup`<span class="dim">0</span>` : `${part < 10 ? part.toFixed(1) : Math.round(part)}%`
  }</td>`;
}

function did({ name, mode }: PluginRow, counts: readonly PluginCount[]): Child {
  const found = counts.find(({ plugin }) => plugin === name);
  if (found === undefined) return markup`<span class="dim">nothing</span>`;
  const { refused, deferred, held, wouldRefuse, wouldDefer, wouldHold } = found;
  const times = mode === "observe" ? [wouldRefuse, wouldDefer, wouldHold] : [refused, deferred, held];
  const told = ["refused", "deferred", "held"].map((word, at) => [word, times[at]!] as const)
    .filter(([, times]) => times > 0).map(([word, times]) => `${word} ${count(times)}`).join(", ");
  if (told === "") return markup`<span class="dim">nothing</span>`;
  return mode === "observe" ? verdict("seen", `would have ${told}`) : told;
}

/** What those that only watch would have done in the last day. */
function watching(context: PageContext, { listeners, counts }: PluginsData): Html {
  const names = new Set(
    listeners.flatMap(({ plugins }) => plugins.filter(({ mode }) => mode === "observe").map(({ name }) => name)),
  );
  const rows = [...names].map((name) => [name, counts?.find(({ plugin }) => plugin === name)] as const);
  if (names.size === 0) {
    return markup`<section class="card pad c7"><h2>Only watching</h2><p class="soft">No plugin does. To try one out, put <code>mode: observe</code> at its entry: it is asked and told as if it counted, and changes nothing.</p></section>`;
  }
  return markup`
    <section class="card tw c7" tabindex="0" aria-label="Only watching">
      <table class="rows">
        <caption>Only watching <span>what plugins in mode observe would have done in the last day</span></caption>
        <thead>
          <tr>
            <th scope="col">Plugin</th>
            <th scope="col" class="num">Refused</th>
            <th scope="col" class="num">Deferred</th>
            <th scope="col" class="num">Held</th>
            <th scope="col">Look</th>
          </tr>
        </thead>
        <tbody>${
    rows.map(([name, found]) => {
      const all = found === undefined ? 0 : found.wouldRefuse + found.wouldDefer + found.wouldHold;
      return markup`<tr><th scope="row"><code>${name}</code></th>${
        (["wouldRefuse", "wouldDefer", "wouldHold"] as const).map((key) =>
          markup`<td class="num">${number(found?.[key] ?? 0)}</td>`
        )
      }<td>${
        all > 0 && context.pages.includes("sessions")
          ? markup`<a href="/sessions?${String(new URLSearchParams({ plugin: name, observed: "1" }))}">see the ${
            count(all)
          }</a>`
          : markup`<span class="dim">nothing yet</span>`
      }</td></tr>`;
    })
  }</tbody>
      </table>
      <p class="pad soft">To let one decide, take <code>mode: observe</code> off its entry and reload. <code>postern replay</code> shows first which recorded verdicts change.</p>
    </section>
  `;
}

function number(n: number): Html {
  return n > 0 ? markup`<b>${count(n)}</b>` : markup`<span class="dim">0</span>`;
}

function errors({ now }: PageContext, faults: readonly PluginFault[]): Html {
  if (faults.length === 0) {
    return markup`<section class="card pad c5"><h2>Errors</h2><p class="soft">None since the start. A plugin that fails never lets mail in: its client is told to come again, unless <code>onError: skip</code> says otherwise.</p></section>`;
  }
  return markup`
    <section class="card tw c5" tabindex="0" aria-label="Errors">
      <table class="rows">
        <caption>Errors <span>since the start; a plugin that fails never lets mail in</span></caption>
        <thead>
          <tr><th scope="col">Plugin</th><th scope="col">What happened</th><th scope="col" class="num">Times</th></tr>
        </thead>
        <tbody>${
    faults.map(({ plugin, times, at, phase, reason, observed }) =>
      markup`<tr><th scope="row"><code>${plugin}</code></th><td class="brk">${
        reason || "no reason was given"
      }<small class="sub">last ${age(now - at)} ago, in ${phase}${
        observed && ", observe: no effect"
      }</small></td><td class="num">${count(times)}</td></tr>`
    )
  }</tbody>
      </table>
    </section>
  `;
}
