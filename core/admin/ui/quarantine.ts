/**
 * The quarantine pages: what plugins hold for a person, why, and until when; one message with its text, so that a person
 * can judge it. Everything of the message is the sender's word and is put in escaped.
 */
import { saying } from "./foreign.ts";
import { formatAddress } from "../../model/address.ts";
import { shortId } from "../../model/id.ts";
import type { QueueItem, QueuePage, StoredRecipient } from "../../store/store.ts";
import type { Content } from "../messages/reader.ts";
import { age, count, longTime, plural, shownOf, size } from "./format.ts";
import { type Child, type Html, markup } from "./html.ts";
import { icon } from "./icons.ts";
import { action, ask, page, type PageContext } from "./layout.ts";
import { searchForm } from "./search_form.ts";

const MAX_TEXT = 64 * 1024; // characters that a page shows

/** What the pages know of the quarantine beside the mail. */
export interface QuarantineTerms {
  /** How long it holds a message, milliseconds; null: for good. */
  readonly keep: number | null;
  /** Octets of all of it together. */
  readonly size: number;
  /** Somebody learns what is spam. */
  readonly learns: boolean;
}
export interface QuarantineData {
  readonly domain: string | undefined;
  readonly page: QueuePage;
  readonly octets: number;
  readonly terms: QuarantineTerms;
}

export function quarantinePage(context: PageContext, data: QuarantineData): Html {
  const { domain, page: { total }, octets, terms } = data;
  const main = markup`<div class="head">
  <h1>Quarantine</h1>
  <p class="soft">${plural(total, "message")}, ${size(octets)} of ${size(terms.size)}${
    terms.keep !== null && markup`; each goes after ${age(terms.keep)}`
  }</p>
</div>
${searchForm("/quarantine", "Quarantine", { name: "domain", label: "Domain of a recipient", max: 255, value: domain })}
${total === 0 ? none(domain) : table(context, data)}`;
  return page(context, { title: "Quarantine", current: "quarantine", main });
}

function none(domain: string | undefined): Html {
  if (domain !== undefined) {
    return markup`
      <section class="card pad">
        <h2>Nothing matches</h2>
        <p class="soft">Nothing is held for a recipient at <b>${domain}</b>. <a href="/quarantine">Look at all of it</a></p>
      </section>
    `;
  }
  return markup`
    <section class="card pad">
      <h2>Nothing is held</h2>
      <p class="soft">Mail that a plugin doubts (<code>spam_score</code>, <code>dmarc</code>, a scanner) is kept here with the reason. It reaches nobody, and its sender hears nothing, until a person releases it.</p>
    </section>
  `;
}

function table(context: PageContext, { page: { total, items }, terms }: QuarantineData): Html {
  return markup`
    <section class="card tw">
      <table class="rows queue">
        <caption>Messages <span>${shownOf(items.length, total)}</span></caption>
        <thead>
          <tr>
            <th scope="col">Message, and why it is held</th>
            <th scope="col" class="wide">From</th>
            <th scope="col" class="wide">To</th>
            <th scope="col" class="num wide">Size</th>
            <th scope="col" class="num wide">Age</th>
            <th scope="col" class="num wide">Goes in</th>
            <th scope="col"><span class="vh">Actions</span></th>
          </tr>
        </thead>
        <tbody>${items.map((item) => row(context, item, terms))}</tbody>
      </table>
    </section>
  `;
}

function row(context: PageContext, item: QueueItem, terms: QuarantineTerms): Html {
  const { message, recipients } = item, [first] = heldOf(recipients), others = heldOf(recipients).length - 1;
  const from = markup`<bdi>${message.summary.from || "null sender"}</bdi>`;
  const to = markup`${first !== undefined && markup`<bdi>${formatAddress(first.address)}</bdi>`}${
    others > 0 && markup` <small>and ${count(others)} more</small>`
  }`;
  const old = age(context.now - message.receivedAt), rest = left(context, item, terms);
  return markup`
    <tr>
      <td class="brk"><a href="/quarantine/${message.id}"><bdi>${
    saying(message.summary.subject.trim()) || "(no subject)"
  }</bdi></a><small class="sub">${breakable(first?.lastReply ?? "")}</small><small class="slim">from ${from}</small>
        <small class="slim">to ${to}</small>
        <small class="slim">${old} old; goes in: ${rest}</small></td>
      <td class="wide brk who">${from}</td>
      <td class="wide brk who">${to}</td>
      <td class="num wide">${size(message.size)}</td>
      <td class="num wide">${old}</td>
      <td class="num wide">${rest}</td>
      <td class="num"><div class="btns">${
    action(context, { to: `/quarantine/${message.id}/release`, label: "Release", kind: "quiet" })
  }</div></td>
    </tr>
  `;
}

/** A list of rules has commas and no space: a line may end behind each. */
function breakable(text: string): Child {
  return text.split(",").map((part, i) => markup`${i > 0 && markup`,<wbr>`}${part}`);
}

/** What a person held has no end, nor has what a rule held on its way out. */
function left(context: PageContext, { message, recipients }: QueueItem, { keep }: QuarantineTerms): Child {
  if (keep === null || heldOf(recipients).every(({ released }) => released)) {
    return markup`<span class="dim">never</span>`;
  }
  return age(Math.max(0, message.receivedAt + keep - context.now));
}

function heldOf(recipients: readonly StoredRecipient[]): readonly StoredRecipient[] {
  return recipients.filter(({ state }) => state === "held");
}

export function quarantinedPage(
  context: PageContext,
  { item, content, terms }: {
    readonly item: QueueItem;
    readonly content: Content | null;
    readonly terms: QuarantineTerms;
  },
): Html {
  const { message, recipients } = item, path = `/quarantine/${message.id}`, held = heldOf(recipients);
  const why = [...new Set(held.map(({ lastReply }) => lastReply ?? "waits for a person"))];
  const main = markup`
    <p class="crumb"><a href="/quarantine">Quarantine</a></p>
    <div class="head"><h1 dir="auto">${
    saying(message.summary.subject.trim()) || "(no subject)"
  }</h1><div class="btns">${action(context, { to: `${path}/release`, label: "Release", kind: "main" })}${
    terms.learns && action(context, { to: `${path}/ham`, label: "Not spam: learn and release" })
  }${
    terms.learns &&
    ask(context, {
      to: `${path}/spam`,
      label: "Spam",
      effect: "The filter learns that this is spam, and the message is removed. Nobody is told.",
      sure: "Learn and delete",
    })
  }${
    ask(context, {
      to: `${path}/delete`,
      label: "Delete",
      effect: "The message is removed. Nobody is told: neither its sender nor its recipients.",
      sure: "Delete it",
    })
  }</div></div>
    <ul class="acts">${
    why.map((each) => markup`<li class="hold">${icon("hold")}<b>Held: ${breakable(each)}</b></li>`)
  }</ul>
    <dl class="card facts">
      <div><dt>Id</dt><dd><code title="${message.id}">${shortId(message.id)}</code></dd></div>
      <div><dt>From</dt><dd class="brk"><bdi>${message.summary.from || "nobody"}</bdi><small><bdi>${
    formatAddress(message.sender) || "null sender"
  }</bdi></small></dd></div>
      <div><dt>To</dt><dd class="brk">${
    held.map(({ address }, i) => markup`${i > 0 && ", "}<bdi>${formatAddress(address)}</bdi>`)
  }</dd></div>
      <div><dt>Came</dt><dd>${longTime(message.receivedAt)}<small>from ${message.origin.ip}</small></dd></div>
      <div><dt>Size</dt><dd>${size(message.size)}</dd></div>
      <div><dt>Goes in</dt><dd>${left(context, item, terms)}</dd></div>
    </dl>
    ${text(content)}
    <p class="soft gap">Its octets: <a href="/api/v1/queue/${message.id}/raw" download>as they would be delivered</a>, <a href="/api/v1/queue/${message.id}/received" download>as they were received</a>. <a href="/queue/${message.id}">All that the queue knows</a>${
    context.pages.includes("sessions") && markup`. <a href="/explain/${message.id}">Why it is held: its story</a>`
  }</p>
  `;
  return page(context, { title: `Quarantine ${shortId(message.id)}`, current: "quarantine", main });
}

/** The text if there is one, else the source: never HTML. */
function text(content: Content | null): Html {
  if (content === null) return markup`<section class="card pad gap"><p class="soft">Its octets are gone.</p></section>`;
  const plain = content.mail?.text?.trim() ? content.mail.text : null, shown = plain ?? content.source;
  return markup`
    <section class="card gap">
      <h2 class="pad">${plain === null ? "Source" : "Text"}</h2>
      <pre class="pad words" tabindex="0" dir="auto">${shown.slice(0, MAX_TEXT)}</pre>
      ${shown.length > MAX_TEXT && markup`<p class="strip"><span>It goes on: the whole is in the download.</span></p>`}
    </section>
  `;
}
