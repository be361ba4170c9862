/** One message of the queue in full: its envelope, and each recipient with its way, its tries and what its sender heard. */
import { saying } from "../foreign.ts";
import { formatAddress } from "../../../model/address.ts";
import { shortId } from "../../../model/id.ts";
import type { Attempt, AttemptOutcome } from "../../../ledger/story.ts";
import type { QueueItem, StoredRecipient } from "../../../store/store.ts";
import { FINAL_STATES } from "../../../store/store.ts";
import type { Content } from "../../messages/reader.ts";
import { age, count, longTime, plural, shownOf, size } from "../format.ts";
import { type Html, markup } from "../html.ts";
import { type IconName, type Tone, verdict } from "../icons.ts";
import { page, type PageContext } from "../layout.ts";
import { buttons } from "./queue.ts";
import { destinationWord, heard, nextTry, owed, routeWord, stateWord, why } from "./recipient.ts";

const MOST_ATTEMPTS = 100, MOST_FIELDS = 200, LONGEST_FIELD = 2000;
const OUTCOMES: Readonly<Record<AttemptOutcome, { word: string; tone: Tone; sign?: IconName }>> = {
  delivered: { word: "delivered", tone: "ok" },
  deferred: { word: "waits", tone: "wait" },
  bounced: { word: "failed", tone: "bad" },
  expired: { word: "expired", tone: "bad", sign: "wait" },
  held: { word: "held", tone: "hold" },
};

export interface KnownItem {
  readonly item: QueueItem;
  /** Null: its octets are gone. */
  readonly content: Content | null;
  /** Null: nobody has kept them. */
  readonly attempts: readonly Attempt[] | null;
  /** There is a story to read. */
  readonly told: boolean;
}

export function queueItemPage(context: PageContext, { item, content, attempts, told }: KnownItem): Html {
  const { message, recipients } = item;
  const open = recipients.filter((each) => !FINAL_STATES.includes(each.state)).length;
  const main = markup`
    <p class="crumb"><a href="/queue">Queue</a> / <code>${shortId(message.id)}</code>${
    told && context.pages.includes("sessions") &&
    markup` · <a href="/explain/${message.id}">How it came in, and who decided what</a>`
  }</p>
    <div class="head"><h1 dir="auto">${saying(message.summary.subject.trim()) || "(no subject)"}</h1>${
    buttons(context, item)
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
    <section class="card tw gap" tabindex="0" aria-label="Recipients">
      <table class="rows">
        <caption>Recipients</caption>
        <thead>
          <tr>
            <th scope="col">Address</th>
            <th scope="col">State</th>
            <th scope="col" class="wide">Goes to</th>
            <th scope="col" class="num wide">Tries</th>
            <th scope="col" class="num wide">Next try</th>
            <th scope="col">Last words</th>
          </tr>
        </thead>
        <tbody>${recipients.map((each) => row(context, each))}</tbody>
      </table>
    </section>
    ${attempts !== null && attemptsCard(attempts)}
    ${headersCard(content)}
    <p class="soft gap">Its octets: <a href="/api/v1/queue/${message.id}/raw" download>as they would be delivered</a>, <a href="/api/v1/queue/${message.id}/received" download>as they were received</a>.</p>
  `;
  return page(context, { title: `Queue ${shortId(message.id)}`, current: "queue", main });
}

/** The newest first; of very many only those. */
function attemptsCard(attempts: readonly Attempt[]): Html {
  const shown = attempts.toReversed().slice(0, MOST_ATTEMPTS);
  if (shown.length === 0) {
    return markup`<section class="card pad gap"><h2>Tries</h2><p class="soft">None has been made yet.</p></section>`;
  }
  return markup`
    <section class="card tw gap" tabindex="0" aria-label="Tries">
      <table class="rows">
        <caption>Tries <span>${shownOf(shown.length, attempts.length)}, times in UTC</span></caption>
        <thead>
          <tr>
            <th scope="col">When</th>
            <th scope="col">Recipient</th>
            <th scope="col" class="wide">Host</th>
            <th scope="col" class="wide">Connection</th>
            <th scope="col">Its words</th>
          </tr>
        </thead>
        <tbody>${
    shown.map(({ at, recipient, outcome, relay, tls, reply }) => {
      const { word, tone, sign } = OUTCOMES[outcome];
      return markup`
          <tr>
            <td class="nb">${longTime(at)}</td>
            <td class="brk"><bdi>${recipient}</bdi><small class="sub">${verdict(tone, word, sign)}</small></td>
            <td class="wide brk mono">${relay ?? markup`<span class="dim">nobody</span>`}</td>
            <td class="wide soft">${tls ?? "in clear"}</td>
            <td class="words">${reply}</td>
          </tr>
        `;
    })
  }</tbody>
      </table>
    </section>
  `;
}

function headersCard(content: Content | null): Html {
  const fields = content?.mail?.headers ?? [];
  if (fields.length === 0) {
    const why = content === null ? "Its octets are gone." : content.fault ?? "It has none.";
    return markup`<section class="card pad gap"><h2>Header</h2><p class="soft">${why}</p></section>`;
  }
  const shown = fields.slice(0, MOST_FIELDS);
  return markup`
    <section class="card tw gap" tabindex="0" aria-label="Header">
      <table class="rows fields">
        <caption>Header <span>${
    shown.length < fields.length
      ? `the first ${count(shown.length)} of ${count(fields.length)} fields`
      : plural(fields.length, "field")
  }</span></caption>
        <thead class="vh"><tr><th scope="col">Name</th><th scope="col">Value</th></tr></thead>
        <tbody>${
    shown.map(({ name, value }) =>
      markup`<tr><th scope="row">${name.slice(0, 100)}</th><td class="brk words">${value.slice(0, LONGEST_FIELD)}${
        value.length > LONGEST_FIELD && "…"
      }</td></tr>`
    )
  }</tbody>
      </table>
    </section>
  `;
}

function row(context: PageContext, recipient: StoredRecipient): Html {
  const { address, original, state, route, destination, attempts, lastReply } = recipient;
  const told = heard(context, recipient), word = owed(context, recipient);
  return markup`
    <tr>
      <th scope="row" class="brk"><bdi>${formatAddress(address)}</bdi>${
    formatAddress(original) !== formatAddress(address) &&
    markup`<small class="sub">for <bdi>${formatAddress(original)}</bdi></small>`
  }</th>
      <td>${stateWord(state)}${[told, word].map((each) => each && markup`<small class="sub">${each}</small>`)}</td>
      <td class="wide">${
    route.to === "report" || FINAL_STATES.includes(state) ? routeWord(route) : destinationWord(destination)
  }</td>
      <td class="num wide">${count(attempts)}</td>
      <td class="num wide">${nextTry(context, recipient)}</td>
      <td class="words">${
    lastReply === null && route.to !== "report" ? markup`<span class="dim">none</span>` : why(recipient)
  }</td>
    </tr>
  `;
}
