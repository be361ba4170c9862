/**
 * One message open: its envelope, and tabs for HTML (a closed frame), text, source, parts, headers, and what the checks
 * wrote on it. Everything here is the sender's word and is put in escaped.
 */
import { formatAddress } from "../../../model/address.ts";
import { shortId } from "../../../model/id.ts";
import { partName } from "../../messages/messages.ts";
import type { Lesson } from "../../../pipeline/plugin.ts";
import type { MimeMail } from "../../messages/mime.ts";
import type { Opened } from "../../messages/reader.ts";
import { checks, checksTable } from "./checks.ts";
import { count, longTime, plural, size } from "../format.ts";
import { type Child, type Html, markup } from "../html.ts";
import { icon } from "../icons.ts";
import type { InboxView } from "./inbox.ts";
import { action, type PageContext } from "../layout.ts";

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
    tabs.push({ id: "headers", label: "Headers", n: count(mail.headerCount), content: headers(mail) });
  }
  const found = checks(message.edits.prepend);
  tabs.push({ id: "checks", label: "Checks", n: found.length > 0 && count(found.length), content: checksTable(found) });
  const fields = markup`${keep("inbox", options.view.inbox)}${keep("q", options.view.q)}${
    keep("before", options.view.before)
  }`;
  return markup`
    <header>
      <p class="back"><a href="${options.back}">${icon("back")}All messages</a></p>
      <div class="top">
        <h2 id="subject" dir="auto" data-id="${entry.id}"${!entry.read && markup` data-unread`}>${
    entry.subject.trim() || "(no subject)"
  }</h2>
        <div class="btns"><a class="btn quiet" href="${api}/raw" download>Download</a>${
    action(context, {
      to: `/inbox/${entry.id}/${entry.read ? "unread" : "read"}`,
      label: entry.read ? "Mark unread" : "Mark read",
      kind: "quiet mark-read",
      fields,
    })
  }${
    options.learns &&
    markup`${action(context, { to: `/inbox/${entry.id}/spam`, label: "Spam", kind: "quiet", fields })}${
      action(context, { to: `/inbox/${entry.id}/ham`, label: "Not spam", kind: "quiet", fields })
    }`
  }${
    action(context, {
      to: `/inbox/${entry.id}/delete`,
      label: "Delete",
      kind: "danger delete",
      fields: markup`${fields}${keep("next", options.next ?? undefined)}`,
    })
  }</div>
      </div>
      <dl class="env">
        <dt>From</dt>
        <dd><bdi>${entry.from || "nobody"}</bdi>${envelopeSender(options.opened)}</dd>
        <dt>To</dt>
        <dd>${entry.to.map((each, i) => markup`${i > 0 && ", "}<bdi>${each}</bdi>`)}</dd>
        <dt>Came</dt>
        <dd>${longTime(entry.receivedAt)}, ${
    size(entry.size)
  }, into <b dir="auto">${entry.inbox}</b>, from ${message.origin.ip}${
    message.origin.identity !== null && markup` as <bdi>${message.origin.identity}</bdi>`
  }, <code title="${message.id}">${shortId(message.id)}</code></dd>
      </dl>
    </header>
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

function keep(name: string, value: string | undefined): Html | null {
  return value === undefined ? null : markup`<input type="hidden" name="${name}" value="${value}">`;
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
    </div>${
    mail.omitted > 0 &&
    markup`<p class="strip"><span>${plural(mail.omitted, "more part")}, in the source only.</span></p>`
  }
  `;
}

function unnamed(type: string): string {
  return type === "text/plain" ? "the text" : type === "text/html" ? "the HTML" : "no name";
}

function headers(mail: MimeMail): Html {
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
  `;
}
