/** The suppression list: addresses to which nothing is sent, with the reason and the end; to look, to add, to remove. */
import type { Suppressed } from "../../../delivery/suppression.ts";
import { formatAddress } from "../../../model/address.ts";
import { age, shortTime } from "../format.ts";
import { type Html, markup } from "../html.ts";
import { action, hidden, page, type PageContext } from "../layout.ts";
import { searchForm } from "../search_form.ts";

export interface SuppressionsData {
  /** How the addresses begin. */
  readonly q: string | undefined;
  /** It is the first page. */
  readonly first: boolean;
  readonly entries: readonly Suppressed[];
  /** The address that the next page begins after; null: there is none. */
  readonly next: string | null;
}

export function suppressionsPage(context: PageContext, data: SuppressionsData): Html {
  const { q } = data;
  const main = markup`<div class="head">
  <div><h1>Suppression list</h1><p>Nothing is sent to these addresses. A sender is told so at once.</p></div>
</div>
${searchForm("/suppressions", "Addresses", { name: "q", label: "How the address begins", max: 256, value: q })}
${data.entries.length === 0 ? none(data) : table(context, data)}
${form(context)}`;
  return page(context, { title: "Suppression list", current: "suppressions", main });
}

function none({ q, first }: SuppressionsData): Html {
  if (q !== undefined || !first) {
    return markup`
      <section class="card pad">
        <h2>Nothing matches</h2>
        <p class="soft">No address on the list begins with <q>${
      q ?? ""
    }</q>. <a href="/suppressions">Look at all of it</a></p>
      </section>
    `;
  }
  return markup`
    <section class="card pad">
      <h2>The list is empty</h2>
      <p class="soft">An address that a host refused for good can be left alone for a while, so that your mail is not taken for that of somebody who does not care: <code>delivery: { suppress: { hardBounces: 30d } }</code>. A person can put one here too.</p>
    </section>
  `;
}

function table(context: PageContext, { q, entries, next }: SuppressionsData): Html {
  const more = new URLSearchParams({ ...q === undefined ? {} : { q }, after: next ?? "" });
  return markup`
    <section class="card tw" tabindex="0" aria-label="Addresses">
      <table class="rows queue flat">
        <caption>Addresses <span>in the order of their letters</span></caption>
        <thead>
          <tr>
            <th scope="col">Address, and why</th>
            <th scope="col" class="num wide">Since</th>
            <th scope="col" class="num">Ends</th>
            <th scope="col"><span class="vh">Actions</span></th>
          </tr>
        </thead>
        <tbody>${entries.map((entry) => row(context, entry))}</tbody>
      </table>
      ${
    next !== null &&
    markup`<nav class="pager" aria-label="Pages of the list"><a href="/suppressions${
      q === undefined ? "" : `?${new URLSearchParams({ q })}`
    }">First</a><a href="/suppressions?${String(more)}" rel="next">After</a></nav>`
  }
    </section>
  `;
}

function row(context: PageContext, { address, reason, since, until }: Suppressed): Html {
  const text = formatAddress(address), { now } = context;
  return markup`
    <tr>
      <th scope="row" class="brk"><bdi>${text}</bdi><small class="sub words">${reason || "no reason given"}</small></th>
      <td class="num wide"><time datetime="${new Date(since).toISOString()}">${shortTime(since, now)}</time></td>
      <td class="num">${
    until === null
      ? markup`<span class="dim">never</span>`
      : markup`<time datetime="${new Date(until).toISOString()}">in ${age(until - now)}</time>`
  }</td>
      <td class="num"><div class="btns">${
    action(context, {
      to: "/suppressions/remove",
      label: markup`Remove<span class="vh"> ${text}</span>`,
      kind: "quiet",
      fields: markup`<input type="hidden" name="address" value="${text}">`,
    })
  }</div></td>
    </tr>
  `;
}

function form(context: PageContext): Html {
  return markup`
    <section class="card gap">
      <h2 class="pad">Put an address here</h2>
      <form class="adding" method="post" action="/suppressions/add">${hidden(context)}
        <label>Address <input name="address" type="text" inputmode="email" maxlength="320" required autocomplete="off" placeholder="someone@example.org"></label>
        <label>Why <input name="reason" type="text" maxlength="500" autocomplete="off" placeholder="asked to be left alone"></label>
        <label>For how long <select name="days"><option value="30">30 days</option><option value="90">90 days</option><option value="365">a year</option><option value="0">without an end</option></select></label>
        <button class="btn main">Add</button>
      </form>
    </section>
  `;
}
