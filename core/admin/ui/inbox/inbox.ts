/**
 * The inbox page: boxes, the list, and the message that is open (message.ts). The regions with an id are what the script
 * exchanges when mail arrives or another message is opened; without it every link and form works the same.
 */
import type { InboxMessage } from "../../../store/store.ts";
import type { Lesson } from "../../../pipeline/plugin.ts";
import type { Opened } from "../../messages/reader.ts";
import { count, longTime, plural, shortTime } from "../format.ts";
import { type Html, markup } from "../html.ts";
import { icon, MARK } from "../icons.ts";
import { ask, command, page, type PageContext } from "../layout.ts";
import { messageView } from "./message.ts";

/** Which part of the mail a page shows. */
export interface InboxView {
  readonly inbox: string | undefined;
  readonly q: string | undefined;
  readonly before: string | undefined;
}
export interface InboxData {
  readonly view: InboxView;
  readonly boxes: readonly { readonly name: string; readonly total: number; readonly unread: number }[];
  /** All that match, of which `messages` are some. */
  readonly total: number;
  readonly messages: readonly InboxMessage[];
  /** There are older ones behind these. */
  readonly more: boolean;
  readonly open: Opened | null;
  /** Somebody learns what is spam; and what the open message was just taught as. */
  readonly learns: boolean;
  readonly taught: Lesson | null;
}

/** The path of the list or of a message, keeping box, search and place. */
export function inboxPath(view: InboxView, id?: string): string {
  const query = new URLSearchParams();
  if (view.inbox !== undefined) query.set("inbox", view.inbox);
  if (view.q !== undefined) query.set("q", view.q);
  if (view.before !== undefined) query.set("before", view.before);
  const path = id === undefined ? "/inbox" : `/inbox/${id}`;
  return query.size > 0 ? `${path}?${query}` : path;
}

export function inboxPage(context: PageContext, data: InboxData): Html {
  const stored = data.boxes.reduce((sum, box) => sum + box.total, 0);
  if (stored === 0 && data.open === null) {
    return page(context, { title: "Inbox", current: "inbox", main: empty(context) });
  }
  const title = data.open === null ? "Inbox" : data.open.entry.subject.trim() || "(no subject)";
  const main = markup`
    <div class="head">
      <h1>Inbox</h1>
      ${
    context.site.devInbox &&
    markup`<p class="note">${icon("lock")}Nothing leaves this machine. Every domain is taken.</p>`
  }
    </div>
    <div class="mail${data.open !== null && " opened"}">
      <nav class="boxes" id="boxes" aria-label="Inboxes">${boxes(context, data, stored)}</nav>
      <section class="list" aria-label="Messages">
        <form class="find" role="search" action="/inbox" aria-label="Messages">${
    icon("find")
  }<label class="vh" for="find">Search this inbox</label><input id="find" name="q" type="search" maxlength="200" placeholder="Search" value="${
    data.view.q ?? ""
  }" autocomplete="off" spellcheck="false"><kbd aria-hidden="true">/</kbd><input type="hidden" id="find-inbox" name="inbox" value="${
    data.view.inbox ?? ""
  }"></form>
        <div id="msgs">${list(context, data)}</div>
      </section>
      <article class="read" id="read"${data.open !== null && markup` aria-labelledby="subject"`}>${
    data.open === null ? nothingOpen(data) : messageView(context, {
      opened: data.open,
      back: inboxPath(data.view),
      next: neighbour(data),
      view: data.view,
      learns: data.learns,
      taught: data.taught,
    })
  }</article>
    </div>
  `;
  return page(context, { title, current: "inbox", main });
}

/** What to show when the open message is deleted: the next older one, else the next newer. */
function neighbour(data: InboxData): string | null {
  const at = data.messages.findIndex((each) => each.id === data.open?.entry.id);
  return at < 0 ? null : (data.messages[at + 1] ?? data.messages[at - 1])?.id ?? null;
}

function boxes(context: PageContext, data: InboxData, stored: number): Html {
  const link = (name: string | undefined, label: string, total: number, unread: number) =>
    markup`<li><a href="${inboxPath({ inbox: name, q: undefined, before: undefined })}"${
      data.view.inbox === name && markup` aria-current="page"`
    }${unread > 0 && markup` class="new"`}><span class="name" dir="auto">${label}</span><span>${count(total)}${
      unread > 0 && markup`<span class="vh">, ${count(unread)} unread</span>`
    }</span></a></li>`;
  const inbox = data.view.inbox;
  const shown = inbox === undefined ? stored : data.boxes.find((box) => box.name === inbox)?.total ?? 0;
  return markup`
    <h2>Inboxes</h2>
    <ul>${link(undefined, "All mail", stored, context.unread)}${
    data.boxes.map((box) => link(box.name, box.name, box.total, box.unread))
  }</ul>
    <div class="use">${
    shown > 0 &&
    ask(context, {
      to: "/inbox/delete",
      label: inbox === undefined ? "Delete all mail" : "Empty this inbox",
      effect: markup`${plural(shown, "message")} ${shown === 1 ? "is" : "are"} removed for good.`,
      sure: `Delete ${count(shown)}`,
      fields: inbox !== undefined && markup`<input type="hidden" name="inbox" value="${inbox}">`,
    })
  }</div>
    ${
    context.site.smtp.length > 0 &&
    markup`<div class="use"><b>Send to</b>${context.site.smtp.map((address) => markup`<code>${address}</code>`)}</div>`
  }
    <div class="use keys" aria-hidden="true">
      <p><kbd>j</kbd> <kbd>k</kbd> next, previous</p>
      <p><kbd>u</kbd> mark unread</p>
      <p><kbd>Del</kbd> delete</p>
    </div>
  `;
}

function list(context: PageContext, data: InboxData): Html {
  const { view } = data;
  if (data.messages.length === 0) {
    return view.q !== undefined
      ? markup`
        <p class="pad soft">Nothing here has <q>${view.q}</q> in its sender, recipients or subject. <a href="${
        inboxPath({ ...view, q: undefined, before: undefined })
      }">Search no more</a></p>
      `
      : markup`<p class="pad soft">No message here${
        view.before !== undefined && " is older"
      }. <a href="/inbox">All mail</a></p>`;
  }
  return markup`<p class="vh" role="status">${plural(data.total, "message")}</p><ul class="msgs">${
    data.messages.map((each) => row(context, data, each))
  }</ul>${
    (data.more || view.before !== undefined) &&
    markup`<p class="pager">${
      view.before !== undefined && markup`<a href="${inboxPath({ ...view, before: undefined })}">Newest</a>`
    }<span>${plural(data.total, "message")}</span>${
      data.more && markup`<a href="${inboxPath({ ...view, before: data.messages.at(-1)!.id })}">Older</a>`
    }</p>`
  }`;
}

function row(context: PageContext, data: InboxData, each: InboxMessage): Html {
  const to = each.to.length > 1 ? markup`${each.to[0]} and ${count(each.to.length - 1)} more` : each.to[0] ?? "nobody";
  return markup`<li><a href="${inboxPath(data.view, each.id)}" data-id="${each.id}"${
    each.id === data.open?.entry.id && markup` aria-current="true"`
  }${!each.read && markup` class="new"`}>${
    !each.read && markup`<span class="u"><span class="vh">unread</span></span>`
  }<b dir="auto">${each.subject.trim() || "(no subject)"}</b><time class="when" datetime="${
    new Date(each.receivedAt).toISOString()
  }" title="${longTime(each.receivedAt)} UTC">${shortTime(each.receivedAt, context.now)}</time><span class="to"><bdi>${
    senderName(each.from) || "no sender"
  }</bdi> to <bdi>${to}</bdi></span></a></li>`;
}

/** The name of `Name <address>`, else the address. */
function senderName(from: string): string {
  const open = from.lastIndexOf("<");
  const name = open > 0 ? from.slice(0, open).trim().replace(/^"(.*)"$/, "$1") : "";
  return name || from.replace(/^<(.*)>$/, "$1");
}

function nothingOpen(data: InboxData): Html {
  return markup`<div class="none">${MARK}<p>${plural(data.total, "message")}. Open one to read it.</p></div>`;
}

/** Nothing has come yet: what would be here, and the next command to copy. */
function empty(context: PageContext): Html {
  const { site } = context;
  const address = site.smtp[0] ?? "127.0.0.1:2525";
  const colon = address.lastIndexOf(":");
  const host = address.slice(0, colon).replace(/^(?:0\.0\.0\.0|\[::\])$/, "127.0.0.1"), port = address.slice(colon + 1);
  const server = host === "127.0.0.1" && port === "2525" ? "" : ` --server ${host}:${port}`;
  const node = `nodemailer.createTransport({ host: "${host}", port: ${port} })\n` +
    `  .sendMail({ from: "me@example.org", to: "you@example.org", subject: "Hello", text: "It works" })`;
  return markup`
    <div class="first" id="empty">
      <div class="hero">${MARK}<div><h1>The gate stands. Nobody has knocked yet.</h1><p>${
    site.devInbox
      ? "Mail for every domain is taken into this inbox, and nothing leaves this machine."
      : "Mail for the dev inbox shows up here."
  } This page changes by itself when the first one comes.</p></div></div>
      <dl class="card wires">
        <div>
          <dt>Send mail to</dt>
          <dd><code>${host}:${port}</code></dd>
        </div>
        <div>
          <dt>Security</dt>
          <dd>none needed</dd>
        </div>
        <div>
          <dt>Data</dt>
          <dd><code>${site.data}</code></dd>
        </div>
        <div>
          <dt>Server</dt>
          <dd><code>${site.hostname}</code></dd>
        </div>
      </dl>
      <ol class="card steps">
        <li><h2>From a checkout of Postern</h2><p>The built-in client sends one message and prints the dialogue.</p>${
    command("c1", `deno task postern send${server} --to you@example.org`, { shell: true })
  }</li>
        <li><h2>With swaks</h2><p>The usual test client, in every distribution.</p>${
    command("c2", `swaks --server ${host}:${port} --to you@example.org --header "Subject: Hello"`, { shell: true })
  }</li>
        <li><h2>From your program</h2><p>Point its mail settings here. With nodemailer:</p>${
    command("c3", node, { shell: false })
  }</li>
      </ol>
      <section class="card pad gap">
        <h2>If nothing arrives</h2>
        <p class="soft">Is the program sending to port ${port}, not 25? In a container, 127.0.0.1 is the container itself: set <code>POSTERN_SMTP=0.0.0.0:${port}</code> and publish the port.</p>
      </section>
    </div>
  `;
}
