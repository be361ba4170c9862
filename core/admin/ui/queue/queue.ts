/** The queue page: what waits, why, until when, which destinations rest, and what a person can do about it. */
import type { DestinationState } from "../../../delivery/destination.ts";
import { formatAddress } from "../../../model/address.ts";
import { shortId } from "../../../model/id.ts";
import type { QueueItem, QueuePage, QueueState, QueueTotals } from "../../../store/store.ts";
import type { QueueVerb } from "../../queue/change.ts";
import { age, count, plural, shownOf, size } from "../format.ts";
import { type Child, type Html, markup } from "../html.ts";
import { icon } from "../icons.ts";
import { action, page, type PageContext } from "../layout.ts";
import { destinationsCard } from "./destinations.ts";
import { heard, nextTry, STATE_ORDER, STATE_WORDS, stateWord, telling, why } from "./recipient.ts";
import { filterFields, queuePath } from "./view.ts";

interface QueueData {
  readonly state: QueueState | undefined;
  readonly domain: string | undefined;
  readonly page: QueuePage;
  /** Items in each state. */
  readonly totals: QueueTotals;
  readonly destinations: readonly DestinationState[];
}
export function queuePage(context: PageContext, data: QueueData): Html {
  const { state, domain, page: found } = data;
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
<form class="filter" role="search" action="/queue" aria-label="Queue">
  ${state !== undefined && markup`<input type="hidden" name="state" value="${state}">`}
  <div class="find">${
    icon("find")
  }<label class="vh" for="find">Domain of a recipient</label><input id="find" name="domain" type="search" maxlength="255" placeholder="Domain of a recipient" value="${
    domain ?? ""
  }" autocomplete="off" spellcheck="false"><kbd aria-hidden="true">/</kbd></div>${
    (domain !== undefined || state !== undefined) && markup`<a href="/queue">Show all</a>`
  }
</form>
${destinationsCard(context, { domain, destinations: data.destinations })}
${(state !== undefined || domain !== undefined) && found.total > 0 && bulk(context, data)}
${found.corrupt.length > 0 && corrupt(found)}
${found.items.length === 0 ? none(data) : table(context, data)}`;
  return page(context, { title: "Queue", current: "queue", main });
}

function bulk(context: PageContext, { state, domain, page: { total } }: QueueData): Html {
  const filter = { state, domain }, fields = filterFields(filter);
  return markup`
    <div class="bulk" role="group" aria-label="With all that match"><b>${plural(total, "message")} ${
    total === 1 ? "matches" : "match"
  }</b><span class="btns">${action(context, { to: "/queue/retry", label: "Try now", kind: "main", fields })}${
    action(context, { to: "/queue/hold", label: "Hold", fields })
  }${action(context, { to: "/queue/release", label: "Release", fields })}${
    asks((verb) => queuePath(filter, `/${verb}`), "btn")
  }</span><span class="soft">Bounce tells the senders. Delete tells nobody.</span></div>
  `;
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

function none(data: QueueData): Html {
  if (data.state !== undefined || data.domain !== undefined) {
    const what = data.domain !== undefined ? markup`a recipient at <b>${data.domain}</b>` : markup`that state`;
    return markup`
      <section class="card pad">
        <h2>Nothing matches</h2>
        <p class="soft">No message has ${what}${
      data.state !== undefined && data.domain !== undefined && markup` and is <b>${STATE_WORDS[data.state].word}</b>`
    }. <a href="${data.domain !== undefined ? queuePath({ state: data.state }) : "/queue"}">Look without it</a></p>
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
  const { total, items } = data.page;
  return markup`
    <section class="card tw">
      <table class="rows queue">
        <caption>Messages <span>${shownOf(items.length, total)}</span></caption>
        <thead>
          <tr>
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
        <tbody>${items.map((item) => row(context, item))}</tbody>
      </table>
    </section>
  `;
}

function row(context: PageContext, item: QueueItem): Html {
  const { message, recipients } = item;
  const first = telling(recipients), more = recipients.length - 1, told = first && heard(context, first);
  const path = `/queue/${message.id}`;
  return markup`
    <tr>
      <td><a href="${path}"><code>${shortId(message.id)}</code></a></td>
      <td class="wide brk"><bdi>${formatAddress(message.sender) || "null sender"}</bdi></td>
      <td class="brk">${
    first !== undefined &&
    markup`<bdi>${formatAddress(first.address)}</bdi>${more > 0 && markup` <small>and ${count(more)} more</small>`} ${
      stateWord(first.state)
    }<small class="sub">${why(first)}${told && markup`; ${told}`}</small>`
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
