/**
 * What the tests of the admin site share: a store that keeps what a test puts in, options around it, and mails.
 */
import type { AdminOptions } from "../../../core/admin/app.ts";
import { NO_MAIL_PARAMETERS, NO_RCPT_PARAMETERS } from "../../../core/model/envelope.ts";
import { parseAddress } from "../../../core/model/address.ts";
import { newId } from "../../../core/model/id.ts";
import { Bus } from "../../../core/observe/bus.ts";
import type {
  InboxMessage,
  QueueChange,
  QueueItem,
  QueueQuery,
  QueueState,
  Store,
  StoredMessage,
} from "../../../core/store/store.ts";

export const NOW = Date.UTC(2026, 10, 22, 9, 41);
const utf8 = new TextEncoder();

interface Kept {
  entry: InboxMessage;
  message: StoredMessage;
  raw: Uint8Array<ArrayBuffer>;
}
type Watcher = Parameters<Store["inboxes"]["watch"]>[0];

/** A Store in which only what the admin site calls is there. */
export class FakeStore {
  readonly kept: Kept[] = [];
  readonly items: QueueItem[] = [];
  readonly changes: { what: { readonly id: string } | QueueQuery; change: QueueChange }[] = [];
  readonly watchers = new Set<Watcher>();
  /** How often the octets of a message were read. */
  reads = 0;

  /** Puts a message into a mailbox and returns its id. */
  deliver(
    raw: string | Uint8Array<ArrayBuffer>,
    options: { inbox?: string; from?: string; to?: string[]; subject?: string; prepend?: string; at?: number } = {},
  ): string {
    const at = options.at ?? NOW + this.kept.length;
    const id = newId(at);
    const bytes = typeof raw === "string" ? utf8.encode(raw.replace(/\r?\n/g, "\r\n")) : raw;
    const head = new TextDecoder().decode(bytes.subarray(0, 4096));
    const field = (name: string) => new RegExp(`^${name}: *(.*)$`, "im").exec(head)?.[1]?.trim() ?? "";
    const from = options.from ?? field("From"), subject = options.subject ?? field("Subject");
    const to = options.to ?? ["ada@example.com"];
    this.kept.unshift({
      entry: {
        id,
        inbox: options.inbox ?? "default",
        from,
        to,
        subject,
        size: bytes.length,
        receivedAt: at,
        read: false,
      },
      message: storedMessage(id, { from, subject, at, size: bytes.length, prepend: options.prepend ?? "" }),
      raw: bytes,
    });
    this.#tell("arrived", id, options.inbox ?? "default");
    return id;
  }

  queueUp(recipients: { address: string; state: QueueState; reply?: string }[]): string {
    const id = newId(NOW - 3_600_000 + this.items.length);
    this.items.unshift({
      message: storedMessage(id, {
        from: "shop@example.org",
        subject: "Order",
        at: NOW - 3_600_000,
        size: 2048,
        prepend: "",
      }),
      recipients: recipients.map(({ address, state, reply }, index) => ({
        index,
        address: parseAddress(address)!,
        original: parseAddress(address)!,
        parameters: NO_RCPT_PARAMETERS,
        route: { to: "remote" },
        state,
        attempts: state === "deferred" ? 3 : 0,
        nextAttempt: NOW + 600_000,
        lastReply: reply ?? null,
      })),
    });
    return id;
  }

  get store(): Store {
    return this as unknown as Store;
  }

  readonly inboxes: Store["inboxes"] = {
    names: () => {
      const names = [...new Set(this.kept.map(({ entry }) => entry.inbox))].sort();
      return Promise.resolve(names.map((name) => {
        const mine = this.kept.filter(({ entry }) => entry.inbox === name);
        return { name, total: mine.length, unread: mine.filter(({ entry }) => !entry.read).length };
      }));
    },
    list: ({ inbox, q, limit = 50, before }) => {
      const all = this.kept.map(({ entry }) => entry).filter((entry) =>
        (inbox === undefined || entry.inbox === inbox) &&
        (q === undefined || JSON.stringify(entry).toLowerCase().includes(q.toLowerCase()))
      );
      const from = before === undefined ? all : all.filter(({ id }) => id < before);
      return Promise.resolve({ total: all.length, messages: from.slice(0, limit) });
    },
    get: (id) => Promise.resolve(this.kept.find(({ entry }) => entry.id === id) ?? null),
    markRead: (id, read) => {
      const found = this.kept.find(({ entry }) => entry.id === id);
      if (found !== undefined) found.entry = { ...found.entry, read };
      return Promise.resolve(found !== undefined);
    },
    remove: ({ id, inbox }) => {
      const gone = this.kept.filter(({ entry }) =>
        id !== undefined ? entry.id === id : inbox === undefined || entry.inbox === inbox
      );
      for (const each of gone) {
        this.kept.splice(this.kept.indexOf(each), 1);
        this.#tell("removed", each.entry.id, each.entry.inbox);
      }
      return Promise.resolve(gone.length);
    },
    watch: (listener) => {
      this.watchers.add(listener);
      return () => this.watchers.delete(listener);
    },
  };

  queue({ state, domain, limit = 100 }: QueueQuery) {
    const all = this.items.filter(({ recipients }) =>
      recipients.some((each) =>
        (state === undefined || each.state === state) && (domain === undefined || each.address.domain === domain)
      )
    );
    return Promise.resolve({ total: all.length, items: all.slice(0, limit), corrupt: [] });
  }
  item(id: string) {
    return Promise.resolve(this.items.find(({ message }) => message.id === id) ?? null);
  }
  change(what: { readonly id: string } | QueueQuery, change: QueueChange) {
    this.changes.push({ what, change });
    return Promise.resolve(1);
  }
  raw(id: string) {
    this.reads++;
    const found = this.kept.find(({ message }) => message.id === id);
    return Promise.resolve(found === undefined ? null : new Response(found.raw.slice()).body);
  }

  #tell(type: "arrived" | "removed", id: string, inbox: string): void {
    for (const watcher of this.watchers) watcher({ type, id, inbox });
  }
}

function storedMessage(
  id: string,
  options: { from: string; subject: string; at: number; size: number; prepend: string },
): StoredMessage {
  const address = options.from.slice(options.from.lastIndexOf("<") + 1).replace(/>$/, "");
  return {
    id,
    sender: parseAddress(address),
    parameters: NO_MAIL_PARAMETERS,
    origin: {
      session: `s${id.slice(1)}`,
      ip: "127.0.0.1",
      helo: "client.example.org",
      identity: null,
      protocol: "ESMTP",
      listener: "127.0.0.1:2525",
    },
    receivedAt: options.at,
    edits: { prepend: options.prepend, drop: [] },
    summary: { from: options.from, to: "", subject: options.subject },
    size: options.size,
    version: 1,
  };
}

/** Options of a dev inbox on loopback, changed by `change`. */
export function adminOptions(fake: FakeStore, change: Partial<AdminOptions> = {}): AdminOptions {
  return {
    store: fake.store,
    bus: new Bus(),
    site: {
      version: "0.1.0",
      hostname: "localhost",
      devInbox: true,
      smtp: ["127.0.0.1:2525"],
      data: "./data",
      startedAt: NOW - 2_520_000,
    },
    plugins: () => [{
      listener: "127.0.0.1:2525",
      plugins: [
        { name: "spf", mode: "enforce", phases: ["mail", "data"] },
        { name: "spam_score", mode: "observe", phases: ["data"] },
        { name: "inbox", mode: "enforce", phases: ["rcpt", "queue"] },
      ],
    }],
    token: null,
    hosts: [],
    metrics: () => "# EOF\n",
    ready: () => true,
    now: () => NOW,
    ...change,
  };
}

export const PLAIN = `From: CI <ci@example.org>
To: team@example.com
Subject: Build 892 failed on main
Date: Sun, 22 Nov 2026 09:38:00 +0000
Message-ID: <892@ci.example.org>

Step "test" ended with 1.
`;

export const ORDER = `From: Checkout <shop@example.org>
To: ada@example.com
Subject: Your order 4711 is on its way
Date: Sun, 22 Nov 2026 09:40:11 +0000
Message-ID: <4711.20261122@shop.example.org>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="b1"

--b1
Content-Type: multipart/related; boundary="r"

--r
Content-Type: multipart/alternative; boundary="b2"

--b2
Content-Type: text/plain; charset=utf-8

Dear Ada,

your parcel left our house this morning.

Follow the parcel: https://shop.example.org/t/4711
--b2
Content-Type: text/html; charset=utf-8

<style>body{font:15px/1.5 Georgia,serif;margin:0;color:#222}div{max-width:520px;margin:0 auto;padding:24px}h1{font-size:22px}a{display:inline-block;background:#234;color:#fff;padding:8px 16px;border-radius:4px;text-decoration:none}table{width:100%;border-collapse:collapse}td{padding:8px 0;border-top:1px solid #ddd}td+td{text-align:right}</style>
<div><img src="https://img.example.net/banner.png" alt="Banner" width="470" height="40"><h1>Your order is on its way</h1><p>Dear Ada, your parcel left our house this morning and should reach you on Tuesday. <img src="cid:dot@shop" alt="dot" width="12" height="12"></p><table><tr><td>One analytical engine, brass</td><td>1,840.00</td></tr><tr><td>Punched cards, box of 500</td><td>12.50</td></tr></table><p><a href="https://shop.example.org/t/4711">Follow the parcel</a></p></div>
--b2--
--r
Content-Type: image/png
Content-ID: <dot@shop>
Content-Disposition: inline
Content-Transfer-Encoding: base64

iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==
--r--
--b1
Content-Type: application/pdf
Content-Disposition: attachment; filename="invoice-4711.pdf"
Content-Transfer-Encoding: base64

JVBERi0xLjQKJcOkCg==
--b1--
`;

/** Everything that a hostile mail tries at once. */
export const HOSTILE = `From: "</b><script>alert('from')</script>" <evil@example.net>
To: ada@example.com
Subject: </title><script>alert('subject')</script>"><img src=x onerror=alert(1)>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="x"

--x
Content-Type: text/html; charset=utf-8

<script>window.parent.postMessage("ran","*");document.title="ran";fetch("/api/v1/messages",{method:"DELETE"})</script>
<img src="x" onerror="document.title='ran'"><img src="https://tracker.example.net/pixel.gif">
<link rel="preconnect" href="https://tracker.example.net"><base href="https://evil.example.net/">
<meta http-equiv="refresh" content="0;url=https://evil.example.net/">
<style>@import url(https://tracker.example.net/a.css);body{background:url(https://tracker.example.net/bg.png)}</style>
<iframe src="https://evil.example.net/"></iframe><object data="https://evil.example.net/"></object>
<form action="/api/v1/queue/retry" method="post"><button id="go">Click here</button></form>
<a id="js" href="javascript:document.title='ran'">A link</a>
<svg onload="document.title='ran'"><script href="https://evil.example.net/a.js"></script></svg>
<p>A hostile message, quite readable.</p>
--x
Content-Type: text/html; name="a.html"
Content-Disposition: attachment; filename="../..\\\\\\"><script>alert(1)</script>\u202Egnp.exe"

<script>alert(1)</script>
--x--
`;
