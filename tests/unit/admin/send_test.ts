/** POST /api/v1/send: what a message is made of, what is refused before anybody sees it, and what the answers say. */
import { assert, assertEquals, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
import PostalMime from "postal-mime";
import { createAdmin } from "../../../core/admin/app.ts";
import { compose } from "../../../core/admin/send/compose.ts";
import { Problem } from "../../../core/admin/problem.ts";
import { messageJson } from "../../../core/admin/send/json.ts";
import { formatAddress } from "../../../core/model/address.ts";
import { defer, reject, Reply } from "../../../core/model/reply.ts";
import type { Injection, InjectionResult } from "../../../core/net/injection.ts";
import { adminOptions, NOW, TestStore } from "./fixture.ts";

const OPTIONS = { now: NOW, unique: "01M816MWB0W45X6Q9VJDZ8M01S", hostname: "mx.example.org", recipients: 3 };
const MINIMAL = { from: "shop@example.org", to: "ada@example.com", subject: "Hello", text: "Hello Ada" };
const textOf = (octets: Uint8Array) => new TextDecoder().decode(octets);

Deno.test("compose: a plain message, field by field", () => {
  const { sender, recipients, content } = compose(MINIMAL, OPTIONS);
  assertEquals([formatAddress(sender), recipients.map(formatAddress)], ["shop@example.org", ["ada@example.com"]]);
  assertEquals(
    textOf(content),
    [
      "Date: Sun, 22 Nov 2026 09:41:00 +0000",
      "From: shop@example.org",
      "To: ada@example.com",
      "Subject: Hello",
      "Message-ID: <01M816MWB0W45X6Q9VJDZ8M01S@mx.example.org>",
      "MIME-Version: 1.0",
      "Content-Type: text/plain; charset=utf-8",
      "Content-Transfer-Encoding: quoted-printable",
      "",
      "Hello Ada",
      "",
    ].join("\r\n"),
  );
});

Deno.test("compose: another MIME reader finds everything again, and every octet is ASCII in short lines", async () => {
  const pixel = btoa("\x89PNG pixel");
  const { recipients, content } = compose({
    from: { name: 'Ada "Countess" Lovelace', address: "ada@example.org" },
    to: ["Bücherei Köln <info@example.net>", "ada@example.com"],
    cc: "Smith, A. <a@example.com>",
    bcc: [],
    replyTo: "help@example.org",
    subject: `Grüße: ${"sehr ".repeat(40)}lang 🎉`,
    text: "Ein Gruß.\n.\nFrom here\n" + "x".repeat(2000) + " \n",
    html: '<p>Ein <b>Gruß</b> <img src="cid:dot@shop"></p>',
    headers: { "X-Campaign": "spring", "List-Id": ["Neues <news.example.org>"] },
    attachments: [
      { name: "dot.png", type: "image/png", content: pixel, contentId: "dot@shop" },
      { name: 'Rech"nung März.pdf', type: "application/pdf", content: btoa("%PDF-1.4\r\n\x00\xff") },
      { name: "mail.eml", type: "message/rfc822", content: btoa("Subject: x\r\n\r\n") },
    ],
  }, OPTIONS);
  const raw = textOf(content);
  assert(content.every((octet) => octet < 128));
  for (const line of raw.split("\r\n")) assert(line.length <= 998 && !/[\r\n]/.test(line), line);
  assertEquals(recipients.length, 3);
  const mail = await PostalMime.parse(content);
  assertEquals(mail.from, { name: 'Ada "Countess" Lovelace', address: "ada@example.org" });
  assertEquals(mail.to, [
    { name: "Bücherei Köln", address: "info@example.net" },
    { name: "", address: "ada@example.com" },
  ]);
  assertEquals(mail.cc, [{ name: "Smith, A.", address: "a@example.com" }]);
  assertEquals([mail.bcc, mail.replyTo?.[0]?.address], [undefined, "help@example.org"]);
  assertEquals(mail.subject, `Grüße: ${"sehr ".repeat(40)}lang 🎉`);
  assertStringIncludes(mail.text!, "Ein Gruß.\n.\nFrom here\n" + "x".repeat(2000) + " \n");
  assertStringIncludes(mail.html!, "<b>Gruß</b>");
  assertEquals(
    mail.attachments.map(({ filename, mimeType, disposition, content }) => [
      filename,
      mimeType,
      disposition,
      String.fromCharCode(...new Uint8Array(content as ArrayBuffer)),
    ]),
    [
      ["dot.png", "image/png", "inline", "\x89PNG pixel"],
      ['Rech"nung März.pdf', "application/pdf", "attachment", "%PDF-1.4\r\n\x00\xff"],
      ["mail.eml", "application/octet-stream", "attachment", "Subject: x\r\n\r\n"],
    ],
  );
});

Deno.test("compose: nothing that a program says ends a line, begins a field or forges a trace", () => {
  const bad: [change: Record<string, unknown>, says: string][] = [
    [{ subject: "a\r\nBcc: eve@example.net" }, "subject is one line"],
    [{ subject: "a\nb" }, "subject is one line"],
    [{ subject: "a\u2028b" }, "subject is one line"],
    [{ subject: "x".repeat(2001) }, "2000 characters"],
    [{ subject: 7 }, "subject is a text"],
    [{ from: "Eve\r\nX: y <eve@example.net>" }, "from is one line"],
    [{ from: { name: "Eve\nX: y", address: "eve@example.net" } }, "the name in from"],
    [{ from: { name: "Eve", address: "eve@example.net", group: 1 } }, "nothing else"],
    [{ from: "eve@example.net>, <x@y.z" }, "from is like"],
    [{ from: "" }, "from is like"],
    [{ from: ["a@example.org"] }, "from is a text"],
    [{ to: "a@example.org, b@example.org" }, "to is like"],
    [{ to: [] }, "at least one address"],
    [{ to: ["a@b.c", "b@b.c", "c@b.c", "d@b.c"] }, "at most 3 recipients"],
    [{ to: "postmaster" }, "to is like"],
    [{ headers: { "X-A\r\nX-B": "c" } }, "name of a header field"],
    [{ headers: { "X:": "c" } }, "name of a header field"],
    [{ headers: { "X-A": "b\r\nBcc: eve@example.net" } }, "headers.X-A is one line"],
    [{ headers: { Bcc: "eve@example.net" } }, "cannot set Bcc"],
    [{ headers: { "DKIM-Signature": "v=1" } }, "cannot set DKIM-Signature"],
    [{ headers: { received: "from here" } }, "cannot set received"],
    [{ headers: { "Content-Type": "text/html" } }, "cannot set Content-Type"],
    [{ headers: [] }, "headers is a JSON object"],
    [{ headers: { X: Array(101).fill("y") } }, "100 at most"],
    [{ text: { a: 1 } }, "text is a text"],
    [{ html: 5 }, "html is a text"],
    [{ attachments: [{ name: "a\r\nb", content: "" }] }, "attachments[0].name"],
    [{ attachments: [{ name: "a", content: "***" }] }, "base64"],
    [{ attachments: [{ name: "a", content: "", type: "text/html; x\r\ny" }] }, "application/pdf"],
    [{ attachments: [{ name: "a", content: "", contentId: "a>\r\nX: <b" }] }, "contentId"],
    [{ attachments: [{ name: "a", content: "", path: "/etc/passwd" }] }, 'no "path" in attachments[0]'],
    [{ attachments: Array(101).fill({ name: "a", content: "" }) }, "100 at most"],
    [{ raw: "x" }, 'no "raw" here'],
    [JSON.parse('{ "__proto__": "x" }'), 'no "__proto__" here'],
  ];
  for (const [change, says] of bad) {
    let told = "";
    try {
      compose({ ...MINIMAL, ...change }, OPTIONS);
    } catch (error) {
      assert(error instanceof Problem && error.status === 400, String(error));
      told = error.detail;
    }
    assertStringIncludes(told, says, JSON.stringify(change).slice(0, 100));
  }
  for (const body of [null, 7, "x", [MINIMAL]]) {
    let told: unknown;
    try {
      compose(body, OPTIONS);
    } catch (error) {
      told = error;
    }
    assert(told instanceof Problem);
  }
});

Deno.test("compose: every kind of line end becomes one, a long text is whole again too", async () => {
  const lines = "a\r\nb\nc\rd\r\r\n\n\re \ud800";
  const rows = [["", "\n"], ["x", "x\n"], ["x\r", "x\n"], [lines, "a\nb\nc\nd\n\n\n\ne \ufffd\n"]];
  for (const text of ["line \u00fc\n".repeat(200_000), "x\r".repeat(600_000)]) {
    rows.push([text, text.replaceAll("\r", "\n")]);
  }
  for (const [text, read] of rows) {
    const { content } = compose({ ...MINIMAL, text }, OPTIONS);
    const raw = textOf(content);
    assert(!/\r(?!\n)|(?<!\r)\n/.test(raw) && raw.endsWith("\r\n"));
    const { text: found = "" } = await PostalMime.parse(content); // which leaves CR LF in what was base64
    assert(found.replaceAll("\r\n", "\n") === read, JSON.stringify(text!.slice(0, 40)));
  }
});

Deno.test("compose: a megabyte of anything is read in no time", () => {
  const big = "x".repeat(1_000_000);
  const began = performance.now();
  for (const subject of [big, `${"=?".repeat(500_000)}`]) {
    try {
      compose({ ...MINIMAL, subject }, OPTIONS);
    } catch { /* too long */ }
  }
  for (const from of [`${"<".repeat(1_000_000)}`, `"${"\\".repeat(1_000_000)}`, { name: big, address: big }]) {
    try {
      compose({ ...MINIMAL, from }, OPTIONS);
    } catch { /* no address */ }
  }
  compose({ ...MINIMAL, text: "ü ".repeat(500_000), html: "\r".repeat(1_000_000) }, OPTIONS);
  assert(performance.now() - began < 10_000);
});

Deno.test("messageJson: millions of values are not made, whatever strings stand around them", () => {
  const bombs = [
    "[".repeat(30_000),
    `{"to":[${"{},".repeat(30_000)}{}]}`,
    `{${Array.from({ length: 30_000 }, (_, at) => `"k${at}":1`)}}`,
    `["\\\\",${"1,".repeat(30_000)}1]`,
    `["\\"",${"1,".repeat(30_000)}1]`,
  ];
  for (const bomb of bombs) {
    assertThrows(() => messageJson(new TextEncoder().encode(bomb)), Problem, "more values");
  }
  const whole = {
    ...MINIMAL,
    text: `"[{,:\\`.repeat(100_000),
    html: "\\".repeat(99_999),
    to: Array(1000).fill("a@b.example"),
  };
  assertEquals(messageJson(new TextEncoder().encode(JSON.stringify(whole))), whole);
  for (const text of ["", '"', '"\\', '{"a":"', "[}", "\ufeff"]) {
    assertThrows(() => messageJson(new TextEncoder().encode(text)), Problem, "no JSON");
  }
});

// ---- The route ---------------------------------------------------------------------------------------------------------

type Send = (body: BodyInit, init?: { type?: string; query?: string }) => Promise<Response>;

async function withSite(
  result: (injection: Injection) => Partial<InjectionResult>,
  body: (send: Send, seen: Injection[], audits: string[]) => Promise<void>,
): Promise<void> {
  const seen: Injection[] = [], audits: string[] = [];
  const options = adminOptions(new TestStore(), {
    limits: { messageSize: 100_000 },
    inject: (injection) => {
      seen.push(injection);
      return Promise.resolve({
        id: OPTIONS.unique,
        accepted: true,
        reply: new Reply(250, "2.0.0", `queued as ${OPTIONS.unique}`),
        refused: [],
        ...result(injection),
      });
    },
  });
  options.bus.subscribe((event) => event.type === "audit" && audits.push(`${event.action} ${event.subject}`));
  const admin = createAdmin(options);
  const send: Send = async (body, { type = "application/json", query = "" } = {}) =>
    await admin.fetch(
      new Request(`http://127.0.0.1:8025/api/v1/send${query}`, {
        method: "POST",
        body,
        headers: { "content-type": type },
      }),
      { remote: "192.0.2.7" },
    );
  try {
    await body(send, seen, audits);
  } finally {
    await admin.close();
  }
}

Deno.test("send: as JSON and as a message; who sends, from where, to whom", () =>
  withSite(() => ({}), async (send, seen, audits) => {
    const answer = await send(JSON.stringify(MINIMAL));
    assertEquals(await answer.json(), {
      id: OPTIONS.unique,
      reply: `250 2.0.0 queued as ${OPTIONS.unique}`,
      refused: [],
    });
    const raw = await send("Subject: x\nFrom: a@example.org\n\n.\nbody", {
      type: "message/rfc822",
      query: "?from=&to=ada%40example.com&to=bob%40example.com",
    });
    assertEquals(raw.status, 200);
    assertEquals(seen.map(({ ip, identity, sender, recipients }) => [ip, identity, sender, recipients.length]), [
      ["192.0.2.7", "anyone", { local: "shop", domain: "example.org" }, 1],
      ["192.0.2.7", "anyone", null, 2],
    ]);
    assertEquals(textOf(seen[1]!.content), "Subject: x\r\nFrom: a@example.org\r\n\r\n.\r\nbody\r\n");
    assertEquals(audits, [`send ${OPTIONS.unique}`, `send ${OPTIONS.unique}`]);
  }));

Deno.test("send: refusals are told as they were given: 422 for good, 503 for now, others beside an acceptance", async () => {
  const no = reject("5.1.1", "No such user (ref 0123ABCD)"), later = defer("4.2.2", "Mailbox full");
  const rows: [result: Partial<InjectionResult>, status: number, says: RegExp][] = [
    [{ accepted: false, reply: no }, 422, /^Refused: 550 5\.1\.1 No such user \(ref 0123ABCD\)$/],
    [
      { accepted: false, reply: later, refused: [{ address: "a@b.c", reply: later }] },
      503,
      /^Not now: a@b\.c: 45\d 4\.2\.2/,
    ],
  ];
  for (const [result, status, says] of rows) {
    await withSite(() => result, async (send, _, audits) => {
      const response = await send(JSON.stringify(MINIMAL));
      assertEquals(response.status, status);
      assertEquals(response.headers.has("retry-after"), status === 503);
      assertMatch((await response.json()).detail, says);
      assertEquals(audits, []);
    });
  }
  await withSite(() => ({ refused: [{ address: "a@b.c", reply: no }] }), async (send) => {
    const { refused } = await (await send(JSON.stringify(MINIMAL))).json();
    assertEquals(refused, [{ address: "a@b.c", reply: "550 5.1.1 No such user (ref 0123ABCD)" }]);
  });
});

Deno.test("send: what is no message never comes in", () =>
  withSite(() => ({}), async (send, seen) => {
    const rows: [body: BodyInit, init: { type?: string; query?: string }, status: number][] = [
      ["{", {}, 400],
      ["", {}, 400],
      [new Uint8Array([0x22, 0xff, 0x22]), {}, 400],
      [`${"[".repeat(100_000)}`, {}, 400],
      [`{"to":[${"[],".repeat(30_000)}[]]}`, {}, 400],
      ["x".repeat(150_001), {}, 413],
      [JSON.stringify({ ...MINIMAL, text: "\u0001".repeat(20_000), html: "ü".repeat(19_000) }), {}, 413],
      ["Subject: x\r\n\r\n", { type: "text/plain" }, 415],
      ["a=b", { type: "application/x-www-form-urlencoded" }, 415],
      ["Subject: x\r\n\r\n", { type: "application/xml" }, 415],
      ["Subject: x\r\n\r\n", { type: "message/rfc822" }, 400],
      ["Subject: x\r\n\r\n", { type: "message/rfc822", query: "?from=a@b.c" }, 400],
      ["Subject: x\r\n\r\n", { type: "message/rfc822", query: "?from=a@b.c&to=x" }, 400],
      ["Subject: x\r\n\r\n", { type: "message/rfc822", query: "?from=a@b.c%0D%0A&to=d@e.f%0D%0ADATA" }, 400],
      ["Subject: x\r\r\n\r\n", { type: "message/rfc822", query: "?from=a@b.c&to=d@e.f" }, 400],
      ["", { type: "message/rfc822", query: "?from=a@b.c&to=d@e.f" }, 400],
      ["x".repeat(100_001), { type: "message/rfc822", query: "?from=a@b.c&to=d@e.f" }, 413],
    ];
    for (const [index, [body, init, status]] of rows.entries()) {
      const response = await send(body, init);
      assertEquals(response.status, status, `row ${index}`);
      assertEquals(response.headers.get("content-type"), "application/problem+json");
      await response.body?.cancel();
    }
    assertEquals(seen, []);
  }));
