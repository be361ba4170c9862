/**
 * One message open: its envelope, and tabs for HTML (a closed frame), text, source, parts, headers, and what the checks
 * wrote on it. Everything here is the sender's word and is put in escaped.
 */
import { formatAddress } from "../../../model/address.ts";
import { shortId } from "../../../model/id.ts";
import { partName } from "../../messages/messages.ts";
import type { Lesson } from "../../../pipeline/plugin.ts";
import type { MimeMail } from "../../messages/mime.ts";
import type { Content, Opened } from "../../messages/reader.ts";
import type { Story } from "../../../ledger/story.ts";
import { checks, checksTable } from "./checks.ts";
import { saying } from "../foreign.ts";
import { count, longTime, plural, size } from "../format.ts";
import { type Child, type Html, markup } from "../html.ts";
import { icon } from "../icons.ts";
import { type InboxView, kept } from "./inbox.ts";
import { action, hidden, type PageContext } from "../layout.ts";
import { inEarnest, pluginWords } from "./plugin_words.ts";

const MAX_TEXT = 512 * 1024; // characters of text that a page shows

export interface MessageOptions {
  readonly opened: Opened;
  /** The list, for narrow screens. */
  readonly back: string;
  /** The id to open after this one is deleted. */
  readonly next: string | null;
  readonly view: InboxView;
  /** Somebody learns what is spam. */
  readonly learns: boolean;
  /** What it was just taught as. */
  readonly taught: Lesson | null;
  /** What the ledger knows of it. */
  readonly story: Story | null;
  /** Where it may be sent on to; null: nowhere. */
  readonly releases: readonly string[] | null;
  /** The id in the queue of what was just sent on. */
  readonly released: string | null;
}
interface Tab {
  readonly id: string;
  readonly label: string;
  readonly n?: Child;
  readonly content: Child;
}

export function messageView(context: PageContext, options: MessageOptions): Html {
  const { entry, message, content } = options.opened;
  const api = `/api/v1/messages/${entry.id}`;
  const mail = content.mail;
  const tabs: Tab[] = [];
  if (mail?.frame) tabs.push({ id: "html", label: "HTML", content: frame(api, mail.frame.remote) });
  if (mail !== null && (mail.text !== null || mail.frame === null)) {
    tabs.push({ id: "plain", label: "Text", content: text(mail, api) });
  }
  tabs.push({ id: "source", label: "Source", content: source(options.opened, api) });
  if (mail !== null) {
    tabs.push({ id: "parts", label: "Parts", n: count(mail.parts.length + mail.omitted), content: parts(mail, api) });
    tabs.push({ id: "headers", label: "Headers", n: count(mail.headerCount), content: headers(mail, content) });
  }
  tabs.push({ id: "envelope", label: "Envelope", content: envelope(options.opened) });
  const found = checks(message.edits.prepend), { story } = options;
  tabs.push({
    id: "checks",
    label: "Checks",
    n: found.length > 0 && count(found.length),
    content: markup`${checksTable(found)}${story !== null && pluginWords(story)}`,
  });
  const { view: { inbox, q, before } } = options;
  const fields = markup`${kept("inbox", inbox)}${kept("q", q)}${kept("before", before)}`;
  return markup`
    <header>
      <p class="back"><a href="${options.back}">${icon("back")}All messages</a></p>
      <div class="top">
        <h2 id="subject" dir="auto" data-id="${entry.id}"${!entry.read && markup` data-unread`}>${
    saying(entry.subject.trim()) || "(no subject)"
  }</h2>
        <div class="btns"><a class="btn quiet" href="${api}/raw" download>Download</a>${
    action(context, {
      to: `/inbox/${entry.id}/${entry.read ? "unread" : "read"}`,
      label: entry.read ? "Mark unread" : "Mark read",
      kind: "quiet mark-read",
      fields,
    })
  }${options.releases !== null && sendOn(context, { id: entry.id, to: options.releases, fields })}${
    options.learns &&
    markup`${action(context, { to: `/inbox/${entry.id}/spam`, label: "Spam", kind: "quiet", fields })}${
      action(context, { to: `/inbox/${entry.id}/ham`, label: "Not spam", kind: "quiet", fields })
    }`
  }${
    action(context, {
      to: `/inbox/${entry.id}/delete`,
      label: "Delete",
      kind: "danger delete",
      fields: markup`${fields}${kept("next", options.next ?? undefined)}`,
    })
  }</div>
      </div>
      <dl class="env">
        <dt>From</dt>
        <dd><bdi>${saying(entry.from) || "nobody"}</bdi>${envelopeSender(options.opened)}</dd>
        <dt>To</dt>
        <dd>${entry.to.map((each, i) => markup`${i > 0 && ", "}<bdi>${each}</bdi>`)}</dd>
        <dt>Came</dt>
        <dd>${longTime(entry.receivedAt)}, ${
    size(entry.size)
  }, into <b dir="auto">${entry.inbox}</b>, from ${message.origin.ip}${
    message.origin.identity !== null && markup` as <bdi>${message.origin.identity}</bdi>`
  }, ${
    story === null
      ? markup`<code title="${message.id}">${shortId(message.id)}</code>`
      : markup`<a href="/explain/${message.id}" title="The story of this message"><code>${
        shortId(message.id)
      }</code></a>`
  }</dd>
      </dl>
    </header>
    ${
    options.released !== null &&
    markup`<p class="strip"><span>Sent on: it stands in the queue as <a href="/queue/${options.released}"><code>${
      shortId(options.released)
    }</code></a>.</span></p>`
  }
    ${story !== null && inEarnest(story)}
    ${
    options.taught !== null &&
    markup`<p class="strip"><span>Learned as ${options.taught === "spam" ? "spam" : "good mail"}.</span></p>`
  }
    ${
    content.fault !== null &&
    markup`
        <p class="strip warn"><span>${
      icon("warn")
    }Too complex to show: ${content.fault}. The source is below, and whole in the <a href="${api}/raw" download>download</a>.</span></p>
      `
  }
    <nav class="tabs" aria-label="Views of this message">${
    tabs.map((tab) => markup`<a href="#${tab.id}">${tab.label}${tab.n && markup` <span class="n">${tab.n}</span>`}</a>`)
  }</nav>
    ${tabs.map((tab) => markup`<section class="panel" id="${tab.id}"><h3>${tab.label}</h3>${tab.content}</section>`)}
  `;
}

/** A question for the address; no script is needed. */
function sendOn(
  context: PageContext,
  { id, to, fields }: { readonly id: string; readonly to: readonly string[]; readonly fields: Child },
): Html {
  const whole = to.filter((pattern) => !pattern.includes("*"));
  return markup`
    <details class="ask send">
      <summary class="btn quiet">Send on…</summary>
      <div class="menu"><p>It goes into the queue as a new message. Allowed: ${
    to.map((each, n) => markup`${n > 0 && ", "}<code>${each}</code>`)
  }.</p><form method="post" action="/inbox/${id}/release">${
    hidden(context)
  }${fields}<label class="vh" for="send-to">Address</label><input type="text" id="send-to" name="to" required maxlength="320" inputmode="email" autocomplete="email" list="send-list" value="${
    whole.length === 1 ? whole[0]! : ""
  }" placeholder="you@example.org"><datalist id="send-list">${
    whole.map((each) => markup`<option value="${each}"></option>`)
  }</datalist><button class="btn main">Send on</button></form></div>
    </details>
  `;
}

/** How it was handed in: what a header cannot say. */
function envelope({ entry, message }: Opened): Html {
  const { origin, parameters } = message;
  const said = [
    parameters.body !== "7BIT" && `BODY=${parameters.body}`,
    parameters.smtputf8 && "SMTPUTF8",
    parameters.size !== null && `SIZE=${parameters.size}`,
    parameters.ret !== null && `RET=${parameters.ret}`,
    parameters.envid !== null && `ENVID=${parameters.envid}`,
    parameters.requireTls && "REQUIRETLS",
  ].filter((each) => typeof each === "string");
  const rows: readonly (readonly [name: string, value: Child])[] = [
    ["MAIL FROM", markup`<code>&lt;${formatAddress(message.sender)}&gt;</code>`],
    ["With", said.length === 0 ? markup`<span class="dim">nothing</span>` : markup`<code>${said.join(" ")}</code>`],
    ["RCPT TO", entry.to.map((each) => markup`<div><code>&lt;${each}&gt;</code></div>`)],
    ["Client", markup`<code>${origin.ip}</code>`],
    ["Said hello as", markup`<code>${origin.helo}</code>`],
    ["Protocol", markup`<code>${origin.protocol}</code>`],
    [
      "Login",
      origin.identity === null ? markup`<span class="dim">nobody</span>` : markup`<bdi>${origin.identity}</bdi>`,
    ],
    ["Listener", markup`<code>${origin.listener}</code>`],
    ["Session", markup`<code>${origin.session}</code>`],
  ];
  return markup`
    <div class="tw">
      <table class="fields">
        <caption class="vh">The envelope of the message</caption>
        <tbody>${
    rows.map(([name, value]) => markup`<tr><th scope="row">${name}</th><td class="brk">${value}</td></tr>`)
  }</tbody>
      </table>
    </div>
  `;
}

/** The envelope's sender where the header does not already name it. */
function envelopeSender({ entry, message }: Opened): Html | null {
  const sender = formatAddress(message.sender);
  if (sender === "") {
    return markup` <span class="dim">null sender</span>`;
  }
  return entry.from.toLowerCase().includes(sender.toLowerCase())
    ? null
    : markup` <span class="dim">envelope <bdi>${sender}</bdi></span>`;
}

function frame(api: string, remote: number): Html {
  return markup`
    <p class="strip"><span>Shown in a closed frame: no scripts, no forms, nothing from outside.${
    remote > 0 && markup` ${plural(remote, "remote image")} not loaded.`
  }</span>${
    remote > 0 &&
    markup`<a class="btn load-remote" href="${api}/html?remote=1" target="message">Load ${
      remote === 1 ? "it" : "them"
    } once</a>`
  }</p>
    <iframe title="The message as HTML" name="message" sandbox="allow-popups allow-popups-to-escape-sandbox"
      src="${api}/html" referrerpolicy="no-referrer"></iframe>
  `;
}

function text(mail: MimeMail, api: string): Html {
  if (mail.text === null) return markup`<p class="pad soft">The message has no text.</p>`;
  if (mail.text.trim() === "") return markup`<p class="pad soft">The text is empty.</p>`;
  const cut = mail.text.length > MAX_TEXT;
  return markup`<pre class="pad words" tabindex="0" dir="auto">${mail.text.slice(0, MAX_TEXT)}</pre>${
    cut && markup`<p class="strip"><span>The text goes on: <a href="${api}/parts/1">all of it</a></span></p>`
  }`;
}

function source({ content, message }: Opened, api: string): Html {
  return markup`<pre class="pad" tabindex="0">${content.source}</pre>${
    content.sourceCut &&
    markup`
      <p class="strip"><span>The source goes on, ${
      size(message.size)
    } in all: <a href="${api}/raw" download>download it</a></span></p>
    `
  }`;
}

function parts(mail: MimeMail, api: string): Html {
  if (mail.parts.length === 0) return markup`<p class="pad soft">The message has a header and nothing else.</p>`;
  return markup`
    <div class="tw">
      <table class="rows">
        <caption class="vh">Parts of the message</caption>
        <thead>
          <tr>
            <th scope="col">Part</th>
            <th scope="col">Name</th>
            <th scope="col" class="wide">Type</th>
            <th scope="col" class="num">Size</th>
          </tr>
        </thead>
        <tbody>${
    mail.parts.map((part) =>
      markup`
            <tr>
              <td>${part.n}</td>
              <td class="brk"><a href="${api}/parts/${part.n}" download="${partName(part)}"><bdi>${
        part.name === null ? unnamed(part.type) : partName(part)
      }</bdi></a></td>
              <td class="wide"><code>${part.type}</code></td>
              <td class="num">${size(part.size)}</td>
            </tr>
          `
    )
  }</tbody>
      </table>
    </div>${looks(mail, api)}${
    mail.omitted > 0 &&
    markup`<p class="strip"><span>${plural(mail.omitted, "more part")}, in the source only.</span></p>`
  }
  `;
}

/** Pictures of pixels that a browser draws without running anything; no SVG. */
const PICTURE = /^image\/(?:png|jpeg|gif|webp|avif|bmp)$/;
const MOST_LOOKS = 24, LARGEST_LOOK = 10 * 1024 * 1024;

function looks(mail: MimeMail, api: string): Html | null {
  const pictures = mail.parts.filter(({ type, size }) => PICTURE.test(type) && size <= LARGEST_LOOK)
    .slice(0, MOST_LOOKS);
  if (pictures.length === 0) return null;
  return markup`<div class="looks">${
    pictures.map((part) =>
      markup`<figure><img src="${api}/parts/${part.n}" alt="Part ${part.n}: ${
        partName(part)
      }" loading="lazy"><figcaption>${part.n}: <bdi>${partName(part)}</bdi></figcaption></figure>`
    )
  }</div>`;
}

function unnamed(type: string): string {
  return type === "text/plain" ? "the text" : type === "text/html" ? "the HTML" : "no name";
}

function headers(mail: MimeMail, { source }: Content): Html {
  const end = /\r?\n\r?\n/.exec(source)?.index ?? source.length;
  return markup`
    <div class="tw">
      <table class="fields">
        <caption class="vh">Headers in the order received</caption>
        <tbody>${
    mail.headers.map((field) =>
      markup`
            <tr>
              <th scope="row">${field.name}</th>
              <td class="brk" dir="auto">${field.value}</td>
            </tr>
          `
    )
  }</tbody>
      </table>
    </div>${
    mail.headerCount > mail.headers.length &&
    markup`<p class="strip"><span>${
      plural(mail.headerCount - mail.headers.length, "more field")
    }, in the source only.</span></p>`
  }
    <details class="rawhead"><summary>As they came, octet by octet</summary><pre class="pad" tabindex="0">${
    source.slice(0, end)
  }</pre></details>
  `;
}
