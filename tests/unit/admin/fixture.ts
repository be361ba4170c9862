/**
 * What the tests of the admin site share: a store in memory that a test fills in a line, options around it, and mails.
 */
import type { Admin, AdminOptions } from "../../../core/admin/app.ts";
import { NO_MAIL_PARAMETERS, NO_RCPT_PARAMETERS } from "../../../core/model/envelope.ts";
import { parseAddress } from "../../../core/model/address.ts";
import { newId } from "../../../core/model/id.ts";
import { Bus } from "../../../core/observe/bus.ts";
import { MemoryStore } from "../../../core/store/memory.ts";
import type { InboxMessage, NewMessage, QueueChange, QueueQuery } from "../../../core/store/store.ts";

export const NOW = Date.UTC(2026, 10, 22, 9, 41);
const utf8 = new TextEncoder();

export interface Mail {
  readonly inbox?: string;
  readonly from?: string;
  readonly to?: readonly string[];
  readonly subject?: string;
  /** Header fields that plugins wrote. */
  readonly prepend?: string;
  /** When it came (default: a millisecond after the one before). */
  readonly at?: number;
}
export interface Queued {
  readonly address: string;
  readonly state: "ready" | "deferred" | "held" | "delivered";
  readonly reply?: string;
  /** When its sender heard of the delay. */
  readonly told?: number;
  /** When he hears at the latest. */
  readonly deadline?: number;
}

/** A MemoryStore that remembers what it was asked for. */
export class TestStore extends MemoryStore {
  /** Ids of the messages that were delivered, newest first. */
  readonly ids: string[] = [];
  readonly changes: { what: { readonly id: string } | QueueQuery; change: QueueChange }[] = [];
  /** How often the octets of a message were read. */
  reads = 0;

  constructor() {
    super({ now: () => NOW });
  }

  /** Puts a message into a mailbox and returns its id. */
  async deliver(raw: string | Uint8Array<ArrayBuffer>, mail: Mail = {}): Promise<string> {
    const at = mail.at ?? NOW + this.ids.length;
    const id = newId(at);
    const bytes = typeof raw === "string" ? utf8.encode(raw.replace(/\r?\n/g, "\r\n")) : raw;
    const head = new TextDecoder().decode(bytes.subarray(0, 4096));
    const field = (name: string) => new RegExp(`^${name}: *(.*)$`, "im").exec(head)?.[1]?.trim() ?? "";
    const from = mail.from ?? field("From"), subject = mail.subject ?? field("Subject");
    const inbox = mail.inbox ?? "default";
    const deposits = (mail.to ?? ["ada@example.com"]).map((to) => ({
      inbox,
      address: addressOf(to),
      original: addressOf(to),
    }));
    await this.#commit({
      ...messageOf(id, { from, subject, at, prepend: mail.prepend ?? "" }),
      recipients: [],
      deposits,
    }, bytes);
    this.ids.unshift(id);
    return id;
  }

  /** Puts a message into the queue and returns its id. Whoever was tried already was tried once. */
  async queueUp(recipients: readonly Queued[], content = new Uint8Array(2048)): Promise<string> {
    const at = NOW - 3_600_000;
    const id = newId(at);
    await this.#commit({
      ...messageOf(id, { from: "shop@example.org", subject: "Order", at, prepend: "" }),
      recipients: recipients.map(({ address, state, reply, deadline = null }) => {
        const tried = state === "deferred" || state === "delivered";
        return {
          address: addressOf(address),
          original: addressOf(address),
          parameters: NO_RCPT_PARAMETERS,
          route: { to: "remote" },
          destination: `mx:${addressOf(address).domain}`,
          deadline,
          state: tried ? "ready" : state,
          nextAttempt: tried ? at : NOW + 600_000,
          lastReply: reply ?? null,
        };
      }),
      deposits: [],
    }, content);
    for (const lease of await this.lease({ owner: "test", now: at, seconds: 60, limit: 10 })) {
      await this.settle(
        lease,
        lease.recipients.map(({ index, lastReply }) => ({
          index,
          lastReply,
          nextAttempt: NOW + 600_000,
          state: recipients[index]!.state,
          ...recipients[index]!.told !== undefined && { told: recipients[index]!.told },
        })),
      );
    }
    return id;
  }

  /** Every message of every mailbox, newest first. */
  async entries(): Promise<readonly InboxMessage[]> {
    return (await this.inboxes.list({ limit: 500 })).messages;
  }

  override change(what: { readonly id: string } | QueueQuery, change: QueueChange): Promise<number> {
    this.changes.push({ what, change });
    return super.change(what, change);
  }
  override content(id: string): ReturnType<MemoryStore["content"]> {
    this.reads++;
    return super.content(id);
  }

  async #commit(message: NewMessage, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    const writer = this.receive(message.id);
    await writer.write(bytes);
    await this.commit(message, await writer.finish());
  }
}

/** The address, or one whose local part is the whole text when it is none. */
function addressOf(text: string) {
  return parseAddress(text) ?? { local: text, domain: "example.com" };
}

function messageOf(
  id: string,
  options: { from: string; subject: string; at: number; prepend: string },
): Omit<NewMessage, "recipients" | "deposits"> {
  return {
    id,
    sender: parseAddress(options.from.slice(options.from.lastIndexOf("<") + 1).replace(/>$/, "")),
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
  };
}

/** Options of a dev inbox on loopback, changed by `change`. */
export function adminOptions(store: TestStore, change: Partial<AdminOptions> = {}): AdminOptions {
  return {
    store,
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
    ways: { leaves: true, nextHops: ["upstream"], storages: ["inbox"] },
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

/** Asks a resource of the API below `base`; a body that is no string goes as JSON. */
export function jsonCaller(admin: Admin, base: string) {
  return async (method: string, path = "", body?: unknown) => {
    const init = body === undefined ? {} : {
      body: typeof body === "string" ? body : JSON.stringify(body),
      headers: { "content-type": "application/json" },
    };
    const response = await admin.fetch(new Request(base + path, { method, ...init }), { remote: "127.0.0.1" });
    return { status: response.status, body: await response.json() };
  };
}
