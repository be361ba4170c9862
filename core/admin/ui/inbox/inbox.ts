/**
 * The inbox page: boxes, the list, and the message that is open (message.ts). The regions with an id are what the script
 * exchanges when mail arrives or another message is opened; without it every link and form works the same.
 */
import type { InboxMessage } from "../../../store/store.ts";
import type { Entry, Story } from "../../../ledger/story.ts";
import type { Lesson } from "../../../pipeline/plugin.ts";
import type { Opened } from "../../messages/reader.ts";
import { saying } from "../foreign.ts";
import { count, longTime, plural, shortTime } from "../format.ts";
import { type Html, markup } from "../html.ts";
import { icon, MARK, verdict } from "../icons.ts";
import { action, ask, hidden, page, type PageContext } from "../layout.ts";
import { empty } from "./empty.ts";
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
  /** What the ledger knows of the open message; null: nothing, or there is none. */
  readonly story: Story | null;
  /** By message: what plugins in mode observe would have done. */
  readonly marks: ReadonlyMap<string, NonNullable<Entry["observed"]>>;
  /** Errors on purpose that are on, and whether there is a plugin for them. */
  readonly errors: number;
  readonly chaos: boolean;
  /** Where messages may be sent on to; null: nowhere. */
  readonly releases: readonly string[] | null;
  /** The id in the queue of what was just sent on. */
  readonly released: string | null;
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
  const title = data.open === null ? "Inbox" : saying(data.open.entry.subject.trim()) || "(no subject)";
  const main = markup`
    <div class="head">
      <h1>Inbox</h1>
      ${
    context.site.devInbox &&
    markup`<p class="note">${
      icon("lock")
    }Nothing leaves this machine. Every domain is taken, and any name and password signs in.</p>`
  }
    </div>
    ${
    data.errors > 0 &&
    markup`<p class="strip warn alone"><span>${icon("warn")}${plural(data.errors, "rule")} for errors on purpose ${
      data.errors === 1 ? "is" : "are"
    } on.</span><a href="/chaos">Look at them</a></p>`
  }
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
      story: data.story,
      releases: data.releases,
      released: data.released,
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
    }${unread > 0 && markup` class="new"`}><span class="name" dir="auto">${label}</span><span>${
      unread > 0 &&
      markup`<b class="n">${count(unread)}<span class="vh"> unread, </span></b><span aria-hidden="true"> / </span>`
    }${count(total)}<span class="vh"> in all</span></span></a></li>`;
  const inbox = data.view.inbox;
  const fresh = inbox === undefined ? context.unread : data.boxes.find((box) => box.name === inbox)?.unread ?? 0;
  const shown = inbox === undefined ? stored : data.boxes.find((box) => box.name === inbox)?.total ?? 0;
  return markup`
    <h2>Inboxes</h2>
    <ul>${link(undefined, "All mail", stored, context.unread)}${
    data.boxes.map((box) => link(box.name, box.name, box.total, box.unread))
  }</ul>
    <div class="use">${
    fresh > 0 &&
    action(context, {
      to: "/inbox/read",
      label: "Mark all read",
      kind: "quiet",
      fields: inbox !== undefined && markup`<input type="hidden" name="inbox" value="${inbox}">`,
    })
  }${
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
    ${
    context.site.devInbox &&
    markup`<div class="use"><b>A new inbox</b> is made when somebody signs in under its name, with any password.</div>`
  }
    ${data.chaos && markup`<div class="use stays"><a href="/chaos">Errors on purpose</a></div>`}
    <div class="use keys" aria-hidden="true">
      <p><kbd>j</kbd> <kbd>k</kbd> next, previous</p>
      <p><kbd>Enter</kbd> to the message</p>
      <p><kbd>x</kbd> select</p>
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
  return markup`<p class="vh" role="status">${plural(data.total, "message")}</p>${
    many(context, data)
  }<ul class="msgs">${data.messages.map((each) => row(context, data, each))}</ul>${
    (data.more || view.before !== undefined) &&
    markup`<p class="pager">${
      view.before !== undefined && markup`<a href="${inboxPath({ ...view, before: undefined })}">Newest</a>`
    }<span>${plural(data.total, "message")}</span>${
      data.more && markup`<a href="${inboxPath({ ...view, before: data.messages.at(-1)!.id })}">Older</a>`
    }</p>`
  }`;
}

/** What is done with those that are ticked; shown where one is. */
function many(context: PageContext, { view }: InboxData): Html {
  const button = (verb: string, label: string, kind: string) =>
    markup`<button class="btn ${kind}" name="do" value="${verb}">${label}</button>`;
  return markup`<form class="many" id="many" method="post" action="/inbox/many" aria-label="Selected messages">${
    hidden(context)
  }${kept("inbox", view.inbox)}${kept("q", view.q)}${kept("before", view.before)}<b>Selected:</b>${
    button("read", "Read", "quiet")
  }${button("unread", "Unread", "quiet")}${button("delete", "Delete", "danger delete-many")}</form>`;
}

/** A hidden field, where it has a value. */
export function kept(name: string, value: string | undefined): Html | null {
  return value === undefined ? null : markup`<input type="hidden" name="${name}" value="${value}">`;
}

const WOULD = { refused: "would be refused", deferred: "would be put off", held: "would be held" } as const;

function row(context: PageContext, data: InboxData, each: InboxMessage): Html {
  const mark = data.marks.get(each.id.split(".", 1)[0]!), subject = saying(each.subject.trim()) || "(no subject)";
  const to = each.to.length > 1 ? markup`${each.to[0]} and ${count(each.to.length - 1)} more` : each.to[0] ?? "nobody";
  return markup`<li><input type="checkbox" name="id" value="${each.id}" form="many" aria-label="Select ${subject}"><a href="${
    inboxPath(data.view, each.id)
  }" data-id="${each.id}"${each.id === data.open?.entry.id && markup` aria-current="true"`}${
    !each.read && markup` class="new"`
  }>${
    !each.read && markup`<span class="u"><span class="vh">unread</span></span>`
  }<b dir="auto">${subject}</b><time class="when" datetime="${new Date(each.receivedAt).toISOString()}" title="${
    longTime(each.receivedAt)
  } UTC">${shortTime(each.receivedAt, context.now)}</time><span class="to"><bdi>${
    saying(senderName(each.from)) || "no sender"
  }</bdi> to <bdi>${to}</bdi></span>${mark && verdict("seen", WOULD[mark])}</a></li>`;
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
