/** The queue page: what waits, why, until when, which destinations rest, and what a person can do about it. */
import type { DestinationState } from "../../../delivery/destination.ts";
import { formatAddress } from "../../../model/address.ts";
import { shortId } from "../../../model/id.ts";
import type { QueueItem, QueueOrder, QueuePage, QueueQuery, QueueState, QueueTotals } from "../../../store/store.ts";
import type { QueueVerb } from "../../queue/change.ts";
import { age, count, plural, shortTime, size } from "../format.ts";
import { type Child, type Html, markup } from "../html.ts";
import { icon } from "../icons.ts";
import { action, hidden, page, type PageContext } from "../layout.ts";
import { destinationsCard } from "./destinations.ts";
import { heard, nextTry, STATE_ORDER, STATE_WORDS, stateWord, telling, why } from "./recipient.ts";
import { type Age, askPath, filterFields, isFiltered, queuePath, type QueueView } from "./view.ts";

/** States in which something will be tried. */
const WAITS: ReadonlySet<QueueState> = new Set<QueueState>(["ready", "deferred"]);

/** Messages of a page. */
export const ITEMS = 100;

interface QueueData {
  readonly view: QueueView;
  /** What of it a change of all that match is about. */
  readonly filter: QueueQuery;
  readonly page: QueuePage;
  /** Items in each state. */
  readonly totals: QueueTotals;
  readonly destinations: readonly DestinationState[];
}
export function queuePage(context: PageContext, data: QueueData): Html {
  const { view, page: found } = data, { state, domain } = view;
  const main = markup`<div class="head">
  <h1>Queue</h1>
  <nav class="states" aria-label="States"><a href="${queuePath({ domain })}"${
    state === undefined && markup` aria-current="true"`
  }>all</a>${
    STATE_ORDER.filter((each) => each === state || (data.totals[each] ?? 0) > 0).map((each) =>
      markup`
        <a href="${queuePath({ state: each, domain })}"${each === state && markup` aria-current="true"`}>${
        STATE_WORDS[each].word
      } <b>${count(data.totals[each] ?? 0)}</b></a>
      `
    )
  }</nav>
</div>
${searchForm(view)}
${destinationsCard(context, { domain, destinations: data.destinations })}
${isFiltered(view) && found.total > 0 && bulk(context, data)}
${found.corrupt.length > 0 && corrupt(found)}
${found.items.length === 0 ? none(data) : table(context, data)}`;
  return page(context, { title: "Queue", current: "queue", main });
}

const AGE_WORDS: Readonly<Record<Age, string>> = {
  "10m": "10 minutes",
  "1h": "1 hour",
  "6h": "6 hours",
  "1d": "1 day",
  "3d": "3 days",
};
const ORDER_WORDS: Readonly<Record<QueueOrder, string>> = {
  newest: "newest first",
  oldest: "oldest first",
  next: "next try first",
};

function searchForm(view: QueueView): Html {
  const { state, domain, q, older, order = "newest" } = view;
  const options = (words: Readonly<Record<string, string>>, chosen: string | undefined) =>
    Object.entries(words).map(([value, word]) =>
      markup`<option value="${value}"${value === chosen && markup` selected`}>${word}</option>`
    );
  return markup`<form class="filter" role="search" action="/queue" aria-label="Queue">
  ${state !== undefined && markup`<input type="hidden" name="state" value="${state}">`}
  <div class="find">${
    icon("find")
  }<label class="vh" for="find">Sender, recipient or id</label><input id="find" name="q" type="search" maxlength="200" placeholder="Sender, recipient or id" value="${
    q ?? ""
  }" autocomplete="off" spellcheck="false"><kbd aria-hidden="true">/</kbd></div>
  <label>At <input name="domain" type="text" maxlength="255" placeholder="example.org" value="${
    domain ?? ""
  }" autocomplete="off" spellcheck="false" aria-label="Domain of a recipient"></label>
  <label>Older than <select name="older"><option value="">any age</option>${options(AGE_WORDS, older)}</select></label>
  <label>In order <select name="order">${options(ORDER_WORDS, order)}</select></label>
  <button class="btn">Show</button>${(isFiltered(view) || order !== "newest") && markup`<a href="/queue">Show all</a>`}
</form>`;
}

function bulk(context: PageContext, { view, filter, page: { total } }: QueueData): Html {
  const fields = markup`${filterFields(filter)}${thenField(view)}`;
  return markup`
    <div class="bulk" role="group" aria-label="With all that match"><b>${plural(total, "message")} ${
    total === 1 ? "matches" : "match"
  }</b><span class="btns">${action(context, { to: "/queue/retry", label: "Try now", kind: "main", fields })}${
    action(context, { to: "/queue/hold", label: "Hold", fields })
  }${action(context, { to: "/queue/release", label: "Release", fields })}${
    asks((verb) => askPath(verb, filter), "btn")
  }</span><span class="soft">Bounce tells the senders. Delete tells nobody.</span></div>
  `;
}

/** Where a change leads back to. */
function thenField(view: QueueView): Html {
  return markup`<input type="hidden" name="then" value="${queuePath(view).replace(/^[^?]*\??/, "")}">`;
}

/** With those that are chosen: the boxes of the rows belong to this form. */
function chosen(context: PageContext, view: QueueView): Html {
  const button = (verb: QueueVerb, label: string, { asks = false, kind = "" } = {}) =>
    markup`<button class="btn ${kind}" formaction="/queue/${verb}${asks && "/ask"}">${label}</button>`;
  return markup`<form id="chosen" class="chosen" method="post" action="/queue/retry" role="group" aria-label="With the chosen messages">${
    hidden(context)
  }<input type="hidden" name="chosen" value="1">${
    thenField(view)
  }<span class="soft" data-chosen aria-live="polite">With those that you choose:</span><span class="btns">${
    button("retry", "Try now")
  }${button("hold", "Hold")}${button("release", "Release")}${button("route", "Send another way…", { asks: true })}${
    button("bounce", "Bounce…", { asks: true, kind: "danger" })
  }${button("delete", "Delete…", { asks: true, kind: "danger" })}</span></form>`;
}

/** What asks again, each on a page of its own. */
function asks(path: (verb: QueueVerb) => string, kind: string): Child {
  return markup`<a class="${kind}" href="${path("route")}">Send another way…</a><a class="${kind} danger" href="${
    path("bounce")
  }">Bounce…</a><a class="${kind} danger" href="${path("delete")}">Delete…</a>`;
}

function corrupt(found: QueuePage): Html {
  return markup`<ul class="acts">${
    found.corrupt.map((row) =>
      markup`<li class="bad">${icon("warn")}<span><b><code>${row.id}</code> cannot be read.</b> ${row.why}</span></li>`
    )
  }</ul>`;
}

function none({ view, page: { total } }: QueueData): Html {
  const { state, domain, q, older, page = 1 } = view;
  if (page > 1 && total > 0) {
    return markup`
      <section class="card pad">
        <h2>The list is shorter now</h2>
        <p class="soft">${plural(total, "message")} ${total === 1 ? "is" : "are"} there. <a href="${
      queuePath({ ...view, page: 1 })
    }">Look at the first</a></p>
      </section>
    `;
  }
  if (isFiltered(view)) {
    const without: readonly (readonly [string, QueueView])[] = [
      ...q === undefined ? [] : [["the text", { ...view, q: undefined }] as const],
      ...domain === undefined ? [] : [["the domain", { ...view, domain: undefined }] as const],
      ...older === undefined ? [] : [["the age", { ...view, older: undefined }] as const],
      ...state === undefined ? [] : [["the state", { ...view, state: undefined }] as const],
    ];
    return markup`
      <section class="card pad">
        <h2>Nothing matches</h2>
        <p class="soft">No message has a recipient${domain !== undefined && markup` at <b>${domain}</b>`}${
      state !== undefined && markup` that is <b>${STATE_WORDS[state].word}</b>`
    }${q !== undefined && markup`, with <q>${q}</q> in an address or as its id`}${
      older !== undefined && `, older than ${AGE_WORDS[older]}`
    }. Look without ${
      without.map(([word, to], i) => markup`${i > 0 && ", "}<a href="${queuePath(to)}">${word}</a>`)
    }</p>
      </section>
    `;
  }
  return markup`
    <section class="card pad">
      <h2>The queue is empty</h2>
      <p class="soft">What could not be delivered at once waits here, with the reason and the time of the next try. Mail for the dev inbox and for mailboxes on this machine is stored at once and does not pass through.</p>
    </section>
  `;
}

function table(context: PageContext, data: QueueData): Html {
  const { view, destinations, page: { total, items } } = data, { page: at = 1, order = "newest" } = view;
  const first = (at - 1) * ITEMS + 1, last = first + items.length - 1;
  const resting = new Map(
    destinations.filter(({ closedUntil }) => closedUntil !== null).map((each) => [each.destination, each]),
  );
  return markup`
    <section class="card tw">
      ${chosen(context, view)}
      <table class="rows queue">
        <caption>Messages <span>${
    items.length < total ? `${count(first)} to ${count(last)} of ${count(total)}` : count(total)
  }, ${ORDER_WORDS[order]}</span></caption>
        <thead>
          <tr>
            <th scope="col" class="pick"><span class="vh">Chosen</span></th>
            <th scope="col">Id</th>
            <th scope="col" class="wide">From</th>
            <th scope="col">To, and why it waits</th>
            <th scope="col" class="num wide">Size</th>
            <th scope="col" class="num wide">Tries</th>
            <th scope="col" class="num wide">Age</th>
            <th scope="col" class="num wide">Next try</th>
            <th scope="col"><span class="vh">Actions</span></th>
          </tr>
        </thead>
        <tbody>${items.map((item) => row(context, item, resting))}</tbody>
      </table>
      ${
    items.length < total &&
    markup`<nav class="pager" aria-label="Pages of the list"><span>${
      at > 1 && markup`<a href="${queuePath({ ...view, page: at - 1 })}" rel="prev">Before</a>`
    }</span><span>page ${count(at)} of ${count(Math.ceil(total / ITEMS))}</span><span>${
      last < total && markup`<a href="${queuePath({ ...view, page: at + 1 })}" rel="next">After</a>`
    }</span></nav>`
  }
    </section>
  `;
}

/** Why it waits though its own next try may have come. */
function rests({ now }: PageContext, { closedUntil, reason }: DestinationState, said: string): Html {
  const why = reason !== null && reason !== said && markup`: ${reason}`;
  return markup`<small class="sub">its destination rests until ${shortTime(closedUntil!, now)}${why}</small>`;
}

function row(context: PageContext, item: QueueItem, resting: ReadonlyMap<string, DestinationState>): Html {
  const { message, recipients } = item;
  const first = telling(recipients), more = recipients.length - 1, told = first && heard(context, first);
  const path = `/queue/${message.id}`, rest = first && WAITS.has(first.state) && resting.get(first.destination);
  return markup`
    <tr>
      <td class="pick"><input type="checkbox" name="id" value="${message.id}" form="chosen" aria-label="Choose ${
    shortId(message.id)
  }"></td>
      <td><a href="${path}"><code>${shortId(message.id)}</code></a></td>
      <td class="wide brk"><bdi>${formatAddress(message.sender) || "null sender"}</bdi></td>
      <td class="brk">${
    first !== undefined &&
    markup`<bdi>${formatAddress(first.address)}</bdi>${more > 0 && markup` <small>and ${count(more)} more</small>`} ${
      stateWord(first.state)
    }<small class="sub">${why(first)}${told && markup`; ${told}`}</small>${
      rest && rests(context, rest, why(first))
    }<small class="slim">${age(context.now - message.receivedAt)} old, next try ${nextTry(context, first)}</small>`
  }</td>
      <td class="num wide">${size(message.size)}</td>
      <td class="num wide">${count(Math.max(0, ...recipients.map((each) => each.attempts)))}</td>
      <td class="num wide">${age(context.now - message.receivedAt)}</td>
      <td class="num wide">${first !== undefined && nextTry(context, first)}</td>
      <td class="num"><div class="btns">${
    changes(context, item, "quiet")
  }<details class="ask more"><summary class="btn quiet">More<span class="vh"> for ${
    shortId(message.id)
  }</span></summary><div class="menu">${asks((verb) => `${path}/${verb}`, "")}</div></details></div></td>
    </tr>
  `;
}

/** The changes that make sense for the item in its state, and need no second word. */
function changes(context: PageContext, item: QueueItem, kind: string): Html {
  const path = `/queue/${item.message.id}`;
  const has = (...states: QueueState[]) => item.recipients.some((each) => states.includes(each.state));
  const verbs: [QueueVerb, string][] = [];
  if (has("deferred", "failed", "expired", "corrupt")) verbs.push(["retry", "Try now"]);
  if (has("deferred", "ready")) verbs.push(["hold", "Hold"]);
  if (has("held")) verbs.push(["release", "Release"]);
  return markup`${verbs.map(([verb, label]) => action(context, { to: `${path}/${verb}`, label, kind }))}`;
}

/** Everything that can be done with one message. */
export function buttons(context: PageContext, item: QueueItem): Html {
  const path = `/queue/${item.message.id}`;
  return markup`<div class="btns">${changes(context, item, "")}${asks((verb) => `${path}/${verb}`, "btn")}</div>`;
}
