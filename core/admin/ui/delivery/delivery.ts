/**
 * Delivery by domain: what waits for each, what was brought there in the last hour and day, what its hosts said last, why
 * it rests and until when, and what a person can do about it. What hosts said is theirs and is put in escaped.
 */
import type { DestinationState } from "../../../delivery/destination.ts";
import type { DomainHealth, Outcomes } from "../../../observe/destinations.ts";
import type { DomainTotals } from "../../../store/store.ts";
import { age, count, plural, shortTime } from "../format.ts";
import { type Child, type Html, markup } from "../html.ts";
import { icon, verdict } from "../icons.ts";
import { action, page, type PageContext } from "../layout.ts";
import { destinationWord } from "../queue/recipient.ts";
import { filterFields, queuePath } from "../queue/view.ts";
import { searchForm } from "../search_form.ts";

export interface DomainRow {
  readonly domain: string;
  /** What waits; null: nothing. */
  readonly totals: DomainTotals | null;
  /** What was tried; null: nothing lately. */
  readonly health: DomainHealth | null;
  /** Of `mx:DOMAIN`, where the server has it in mind. */
  readonly state: DestinationState | null;
  /** The mode of its MTA-STS policy, where one is kept. */
  readonly sts: "enforce" | "testing" | null;
}
export interface DeliveryData {
  readonly q: string | undefined;
  readonly rows: readonly DomainRow[];
  readonly total: number;
  /** Next hops and storages. */
  readonly others: readonly DestinationState[];
}

export function deliveryPage(context: PageContext, data: DeliveryData): Html {
  const { q, rows, total, others } = data, up = context.now - context.site.startedAt;
  const main = markup`<div class="head">
  <div><h1>Delivery by domain</h1><p>Counts are of recipients${
    up < 86_400_000 && markup`, since the start ${age(up)} ago`
  }. What rests comes first.</p></div>
</div>
${searchForm("/delivery", "Domains", { name: "q", label: "Part of a domain", max: 255, value: q })}
${rows.length === 0 ? none(data) : table(context, { rows, total })}
${others.length > 0 && otherTable(context, others)}`;
  return page(context, { title: "Delivery by domain", current: "delivery", main });
}

function none({ q }: DeliveryData): Html {
  if (q !== undefined) {
    return markup`
      <section class="card pad">
        <h2>No such domain</h2>
        <p class="soft">Nothing waits for a domain with <q>${q}</q> in it, and nothing was tried there lately. <a href="/delivery">Look at all</a></p>
      </section>
    `;
  }
  return markup`
    <section class="card pad">
      <h2>Nothing was sent yet</h2>
      <p class="soft">Each domain that mail goes to stands here with what waits for it, what its hosts said last, and how long mail takes. A restart begins to count anew.</p>
    </section>
  `;
}

function table(context: PageContext, { rows, total }: Pick<DeliveryData, "rows" | "total">): Html {
  return markup`
    <section class="card tw" tabindex="0" aria-label="Domains">
      <table class="rows queue flat delivery">
        <caption>Domains <span>${
    rows.length < total ? `the first ${count(rows.length)} of ${count(total)}` : count(total)
  }</span></caption>
        <thead>
          <tr>
            <th scope="col">Domain</th>
            <th scope="col" class="num">Waits</th>
            <th scope="col" class="num wide">Under way</th>
            <th scope="col" class="wide">Last hour</th>
            <th scope="col" class="wide">Last day</th>
            <th scope="col" class="num wide">Takes</th>
            <th scope="col" class="wide">TLS</th>
            <th scope="col" class="wide">Said last</th>
            <th scope="col"><span class="vh">Actions</span></th>
          </tr>
        </thead>
        <tbody>${rows.map((each) => row(context, each))}</tbody>
      </table>
    </section>
  `;
}

function row(context: PageContext, { domain, totals, health, state, sts }: DomainRow): Html {
  const waits = totals === null ? 0 : totals.ready + totals.deferred + totals.active;
  const active = Math.max(totals?.active ?? 0, state?.running ?? 0), held = totals?.held ?? 0;
  const said = health === null ? null : lastWords(context, health);
  const same = state !== null && state.closedUntil !== null && state.reason === health?.last.reply;
  return markup`
    <tr>
      <th scope="row" class="brk"><bdi>${domain}</bdi>${rest(context, state)}${
    !same && markup`<small class="slim">${said}</small>`
  }</th>
      <td class="num">${
    waits > 0
      ? markup`<a href="${queuePath({ domain, order: "oldest" })}">${count(waits)}</a><small class="sub">oldest ${
        age(context.now - totals!.oldest)
      }</small>`
      : zero()
  }${
    held > 0 &&
    markup`<small class="sub"><a href="${queuePath({ state: "held", domain })}">${count(held)} held</a></small>`
  }</td>
      <td class="num wide">${active > 0 ? count(active) : zero()}</td>
      <td class="wide">${health === null ? nothing() : outcomes(health.hour)}</td>
      <td class="wide">${health === null ? nothing() : outcomes(health.day)}</td>
      <td class="num wide">${health?.delay == null ? nothing() : short(health.delay)}</td>
      <td class="wide nb">${health === null ? nothing() : tlsWord(health)}${
    sts !== null && markup` <span class="tag">MTA-STS ${sts}</span>`
  }</td>
      <td class="wide">${said ?? nothing()}</td>
      <td class="num"><div class="btns">${buttons(context, domain, { waits, held, state })}</div></td>
    </tr>
  `;
}

/** Why nothing starts there, and until when. */
function rest({ now }: PageContext, state: DestinationState | null): Child {
  if (state === null || state.closedUntil === null && state.reason === null) return null;
  const { closedUntil, reason } = state;
  const word = closedUntil === null ? "is full" : `rests until ${shortTime(closedUntil, now)}`;
  return markup`<small class="sub">${verdict("wait", word)}${
    reason !== null && reason !== "" && markup` <span class="${closedUntil !== null && "words"}">${reason}</span>`
  }</small>`;
}

function lastWords({ now }: PageContext, { last: { at, reply, relay, outcome } }: DomainHealth): Html {
  const tone = ({ delivered: "ok", deferred: "wait", bounced: "bad" } as const)[outcome];
  return markup`<span class="v v-${tone}">${
    icon(tone)
  }</span><span class="words brk">${reply}</span><small class="sub brk">${age(now - at)} ago${
    relay !== null && markup`, <span class="mono">${relay}</span>`
  }</small>`;
}

/** `12 delivered, 1 put off, 2 failed`, without what is none. */
function outcomes({ delivered, deferred, bounced }: Outcomes): Html {
  if (delivered + deferred + bounced === 0) return zero();
  return markup`<span class="outs">${
    delivered > 0 &&
    markup`<span class="v v-ok" title="delivered">${icon("ok")}${
      count(delivered)
    }<span class="vh"> delivered</span></span>`
  }${
    deferred > 0 &&
    markup`<span class="v v-wait" title="put off">${icon("wait")}${
      count(deferred)
    }<span class="vh"> put off</span></span>`
  }${
    bounced > 0 &&
    markup`<span class="v v-bad" title="failed">${icon("bad")}${count(bounced)}<span class="vh"> failed</span></span>`
  }</span>`;
}

function tlsWord({ last: { tls, relay } }: DomainHealth): Child {
  if (tls !== null) return tls;
  return relay === null ? nothing() : "in clear";
}

/** `0.8 s`, else two units. */
function short(milliseconds: number): string {
  return milliseconds < 10_000 ? `${(milliseconds / 1000).toFixed(1)} s` : age(milliseconds);
}
function zero(): Html {
  return markup`<span class="dim">0</span>`;
}
function nothing(): Html {
  return markup`<span class="dim">none</span>`;
}

function buttons(
  context: PageContext,
  domain: string,
  { waits, held, state }: { readonly waits: number; readonly held: number; readonly state: DestinationState | null },
): Html {
  const button = (verb: string, word: string) =>
    action(context, {
      to: `/delivery/${verb}`,
      label: markup`${word}<span class="vh"> ${domain}</span>`,
      kind: "quiet",
      fields: filterFields({ domain }),
    });
  return markup`${(waits > 0 || state !== null && state.closedUntil !== null) && button("retry", "Try now")}${
    waits > 0 && button("hold", "Hold")
  }${held > 0 && button("release", "Release")}`;
}

/** What has no domain of its own: next hops, and plugins that store. */
function otherTable({ now }: PageContext, others: readonly DestinationState[]): Html {
  return markup`
    <section class="card tw gap" tabindex="0" aria-label="Next hops and storages">
      <table class="rows">
        <caption>Next hops and storages <span>${
    plural(others.length, "of them is", "of them are")
  } in use now</span></caption>
        <thead>
          <tr>
            <th scope="col">Destination</th>
            <th scope="col" class="num">Under way</th>
            <th scope="col" class="num">In memory</th>
            <th scope="col">Why it waits</th>
          </tr>
        </thead>
        <tbody>${
    others.map(({ destination, running, waiting, closedUntil, reason }) =>
      markup`
          <tr>
            <th scope="row">${destinationWord(destination)}</th>
            <td class="num">${running > 0 ? count(running) : zero()}</td>
            <td class="num">${waiting > 0 ? count(waiting) : zero()}</td>
            <td>${
        closedUntil === null
          ? reason ?? nothing()
          : markup`${
            verdict("wait", `rests until ${shortTime(closedUntil, now)}`)
          }<small class="sub words">${reason}</small>`
      }</td>
          </tr>
        `
    )
  }</tbody>
      </table>
    </section>
  `;
}
