/** The queue page: what waits, why, until when, and what a person can do about it; and one item in full. */
import { formatAddress } from "../../model/address.ts";
import type { Route } from "../../model/envelope.ts";
import { shortId } from "../../model/id.ts";
import type { QueueItem, QueuePage, QueueState, StoredRecipient } from "../../store/store.ts";
import { FINAL_STATES } from "../../store/store.ts";
import type { QueueVerb } from "../queue.ts";
import { age, count, longTime, plural, shortTime, size } from "./format.ts";
import { type Html, markup } from "./html.ts";
import { icon, type IconName, type Tone, verdict } from "./icons.ts";
import { action, ask, page, type PageContext } from "./layout.ts";

interface QueueData {
  readonly state: QueueState | undefined;
  readonly domain: string | undefined;
  readonly page: QueuePage;
  /** Items in each state. */
  readonly totals: ReadonlyMap<QueueState, number>;
}

const WORDS: Readonly<Record<QueueState, { word: string; tone: Tone; sign?: IconName }>> = {
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
const ORDER = Object.keys(WORDS) as QueueState[];

function stateWord(state: QueueState): Html {
  const { word, tone, sign } = WORDS[state];
  return verdict(tone, word, sign);
}

function queuePath(state: QueueState | undefined, domain: string | undefined): string {
  const query = new URLSearchParams();
  if (state !== undefined) query.set("state", state);
  if (domain !== undefined) query.set("domain", domain);
  return query.size > 0 ? `/queue?${query}` : "/queue";
}

export function queuePage(context: PageContext, data: QueueData): Html {
  const { state, domain, page: found } = data;
  const main = markup`<div class="head">
  <h1>Queue</h1>
  <nav class="states" aria-label="States"><a href="${queuePath(undefined, domain)}"${
    state === undefined && markup` aria-current="true"`
  }>all</a>${
    ORDER.filter((each) => each === state || (data.totals.get(each) ?? 0) > 0).map((each) =>
      markup`
        <a href="${queuePath(each, domain)}"${each === state && markup` aria-current="true"`}>${WORDS[each].word} <b>${
        count(data.totals.get(each) ?? 0)
      }</b></a>
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
${(state !== undefined || domain !== undefined) && found.total > 0 && bulk(context, data)}
${found.corrupt.length > 0 && corrupt(found)}
${found.items.length === 0 ? none(data) : table(context, data)}`;
  return page(context, { title: "Queue", current: "queue", main });
}

function fields(data: Pick<QueueData, "state" | "domain">): Html {
  return markup`${data.state !== undefined && markup`<input type="hidden" name="state" value="${data.state}">`}${
    data.domain !== undefined && markup`<input type="hidden" name="domain" value="${data.domain}">`
  }`;
}

function bulk(context: PageContext, data: QueueData): Html {
  const all = { fields: fields(data) };
  return markup`
    <div class="bulk" role="group" aria-label="With all that match"><b>${plural(data.page.total, "message")} ${
    data.page.total === 1 ? "matches" : "match"
  }</b><span class="btns">${action(context, { to: "/queue/retry", label: "Try now", ...all })}${
    action(context, { to: "/queue/hold", label: "Hold", ...all })
  }${
    action(context, {
      to: "/queue/release",
      label: "Release",
      ...all,
    })
  }${
    ask(context, {
      to: "/queue/delete",
      label: "Delete",
      effect: markup`${plural(data.page.total, "message")} ${
        data.page.total === 1 ? "is" : "are"
      } gone for good. Nobody is told.`,
      sure: "Delete them",
      ...all,
    })
  }</span></div>
  `;
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
      data.state !== undefined && data.domain !== undefined && markup` and is <b>${WORDS[data.state].word}</b>`
    }. <a href="${data.domain !== undefined ? queuePath(data.state, undefined) : "/queue"}">Look without it</a></p>
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
        <caption>Messages <span>${
    items.length < total ? `the newest ${count(items.length)} of ${count(total)}` : count(total)
  }</span></caption>
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

/** The recipient that says most about the item: the first in the order of ORDER. */
function telling(recipients: readonly StoredRecipient[]): StoredRecipient | undefined {
  return recipients.toSorted((a, b) => ORDER.indexOf(a.state) - ORDER.indexOf(b.state))[0];
}

function row(context: PageContext, item: QueueItem): Html {
  const { message, recipients } = item;
  const first = telling(recipients);
  const more = recipients.length - 1;
  const path = `/queue/${message.id}`;
  return markup`
    <tr>
      <td><a href="${path}"><code>${shortId(message.id)}</code></a></td>
      <td class="wide brk"><bdi>${formatAddress(message.sender) || "null sender"}</bdi></td>
      <td class="brk">${
    first !== undefined &&
    markup`<bdi>${formatAddress(first.address)}</bdi>${more > 0 && markup` <small>and ${count(more)} more</small>`} ${
      stateWord(first.state)
    }<small class="sub">${why(first)}</small>`
  }</td>
      <td class="num wide">${size(message.size)}</td>
      <td class="num wide">${count(Math.max(0, ...recipients.map((each) => each.attempts)))}</td>
      <td class="num wide">${age(context.now - message.receivedAt)}</td>
      <td class="num wide">${first !== undefined && next(context, first)}</td>
      <td class="num">${buttons(context, item, { quiet: true })}</td>
    </tr>
  `;
}

function why(recipient: StoredRecipient): string {
  if (recipient.lastReply !== null) return recipient.lastReply;
  const words: Partial<Record<QueueState, string>> = {
    ready: "its turn comes next",
    active: "is being delivered",
    deferred: "not tried yet",
    held: "waits for a person",
  };
  return words[recipient.state] ?? "";
}

function next(context: PageContext, recipient: StoredRecipient): string | Html {
  if (recipient.state !== "deferred" && recipient.state !== "ready") return markup`<span class="dim">none</span>`;
  const wait = recipient.nextAttempt - context.now;
  return wait <= 0
    ? "now"
    : markup`<time datetime="${new Date(recipient.nextAttempt).toISOString()}" title="${
      shortTime(recipient.nextAttempt, context.now)
    }">in ${age(wait)}</time>`;
}

function routeWord(route: Route): string | Html {
  if (route.to === "local") return markup`<code>${route.plugin}</code>`;
  return route.to === "report" ? "its sender is told" : route.via ?? "by MX";
}

/** The changes that make sense for the item in its state. */
function buttons(context: PageContext, item: QueueItem, options: { quiet: boolean }): Html {
  const path = `/queue/${item.message.id}`;
  const has = (...states: QueueState[]) => item.recipients.some((each) => states.includes(each.state));
  const verbs: [QueueVerb, string][] = [];
  if (has("deferred", "failed", "expired", "corrupt")) verbs.push(["retry", "Try now"]);
  if (has("deferred", "ready")) verbs.push(["hold", "Hold"]);
  if (has("held")) verbs.push(["release", "Release"]);
  const kind = options.quiet ? "quiet" : "";
  return markup`<div class="btns">${
    verbs.map(([verb, label]) => action(context, { to: `${path}/${verb}`, label, kind }))
  }${
    ask(context, {
      to: `${path}/delete`,
      label: "Delete",
      effect: "The message is gone for good. Nobody is told.",
      sure: "Delete it",
    })
  }</div>`;
}

export function queueItemPage(context: PageContext, item: QueueItem): Html {
  const { message, recipients } = item;
  const open = recipients.filter((each) => !FINAL_STATES.includes(each.state)).length;
  const main = markup`
    <p class="crumb"><a href="/queue">Queue</a></p>
    <div class="head"><h1 dir="auto">${message.summary.subject.trim() || "(no subject)"}</h1>${
    buttons(context, item, { quiet: false })
  }</div>
    <dl class="card facts">
      <div>
        <dt>Id</dt>
        <dd><code>${message.id}</code></dd>
      </div>
      <div>
        <dt>Sender</dt>
        <dd class="brk"><bdi>${formatAddress(message.sender) || "null sender"}</bdi></dd>
      </div>
      <div>
        <dt>Came</dt>
        <dd>${longTime(message.receivedAt)}<small>${age(context.now - message.receivedAt)} ago</small></dd>
      </div>
      <div>
        <dt>From host</dt>
        <dd class="brk">${message.origin.ip}<small><bdi>${message.origin.helo}</bdi></small></dd>
      </div>
      <div>
        <dt>Size</dt>
        <dd>${size(message.size)}</dd>
      </div>
      <div>
        <dt>Open</dt>
        <dd>${count(open)} of ${plural(recipients.length, "recipient")}</dd>
      </div>
    </dl>
    <section class="card tw gap">
      <table class="rows">
        <caption>Recipients</caption>
        <thead>
          <tr>
            <th scope="col">Address</th>
            <th scope="col">State</th>
            <th scope="col" class="wide">Route</th>
            <th scope="col" class="num wide">Tries</th>
            <th scope="col" class="num wide">Next try</th>
            <th scope="col">Last words</th>
          </tr>
        </thead>
        <tbody>${
    recipients.map((each) =>
      markup`
            <tr>
              <th scope="row" class="brk"><bdi>${formatAddress(each.address)}</bdi>${
        formatAddress(each.original) !== formatAddress(each.address) &&
        markup`<small class="sub">for <bdi>${formatAddress(each.original)}</bdi></small>`
      }</th>
              <td>${stateWord(each.state)}</td>
              <td class="wide">${routeWord(each.route)}</td>
              <td class="num wide">${count(each.attempts)}</td>
              <td class="num wide">${next(context, each)}</td>
              <td class="words">${each.lastReply ?? markup`<span class="dim">none</span>`}</td>
            </tr>
          `
    )
  }</tbody>
      </table>
    </section>
  `;
  return page(context, { title: `Queue ${shortId(message.id)}`, current: "queue", main });
}
