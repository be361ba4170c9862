/** What pages say, that forms do what they say, and that nothing of a mail becomes markup. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import fc from "fast-check";
import { createAdmin } from "../../../core/admin/app.ts";
import type { Admin, AdminOptions } from "../../../core/admin/app.ts";
import { age, longTime, shortTime, size } from "../../../core/admin/ui/format.ts";
import { escape, markup } from "../../../core/admin/ui/html.ts";
import { checks } from "../../../core/admin/ui/inbox/checks.ts";
import { formatAuthResults } from "../../../core/model/authres.ts";
import { adminOptions, HOSTILE, NOW, ORDER, PLAIN, TestStore } from "./fixture.ts";

const ORIGIN = "http://127.0.0.1:8025";
async function get(admin: Admin, path: string): Promise<string> {
  return await (await admin.fetch(new Request(ORIGIN + path), { remote: "127.0.0.1" })).text();
}
/** Sends the form of `page` that posts to `action`, as a browser would, with what a person filled in. */
async function submit(
  admin: Admin,
  page: string,
  action: string,
  filled: Readonly<Record<string, string>> = {},
): Promise<Response> {
  const form = new RegExp(`<form method="post"\\s+action="${action}">(.*?)</form>`, "s").exec(page)?.[1];
  assert(form !== undefined, `no form to ${action}`);
  const fields = [...form.matchAll(/name="([^"]+)" value="([^"]*)"/g)].map(([, name, value]) => [name!, value!]);
  const request = new Request(ORIGIN + action, {
    method: "POST",
    body: new URLSearchParams({ ...Object.fromEntries(fields), ...filled }),
    headers: { "sec-fetch-site": "same-origin", origin: "null" },
  });
  return await admin.fetch(request, { remote: "127.0.0.1" });
}
async function withSite(
  body: (admin: Admin, store: TestStore) => Promise<void>,
  change: Partial<AdminOptions> = {},
): Promise<void> {
  const store = new TestStore();
  const admin = createAdmin(adminOptions(store, change));
  try {
    await body(admin, store);
  } finally {
    await admin.close();
  }
}

Deno.test("inbox: the empty one says how to send the first mail", () =>
  withSite(async (admin) => {
    const page = await get(admin, "/inbox");
    assertStringIncludes(page, "deno task postern send --to you@example.org");
    assertStringIncludes(page, "swaks --server 127.0.0.1:2525");
    assertStringIncludes(page, "nodemailer.createTransport");
  }));

Deno.test("inbox: another address is in every command", () =>
  withSite(async (admin) => {
    const page = await get(admin, "/inbox");
    assertStringIncludes(page, "postern send --server 127.0.0.1:1025 --to");
    assertStringIncludes(page, "--server 127.0.0.1:1025 --to");
    assertStringIncludes(page, "port: 1025");
  }, { site: { ...adminOptions(new TestStore()).site, smtp: ["0.0.0.0:1025"] } }));

Deno.test("inbox: boxes, list, message, search and older ones", () =>
  withSite(async (admin, store) => {
    for (let i = 0; i < 60; i++) await store.deliver(PLAIN.replace("892", String(i)));
    const id = await store.deliver(ORDER, { inbox: "checkout", prepend: "Received-SPF: pass (ok)\r\n" });
    const page = await get(admin, "/inbox");
    assertEquals(page.match(/ data-id="/g)?.length, 50);
    assertStringIncludes(page, 'data-unread="61"');
    const older = /href="(\/inbox\?before=[^"]+)">Older/.exec(page)![1]!;
    const rest = await get(admin, older);
    assertEquals(rest.match(/<a href="[^"]+" data-id="/g)?.length, 11);
    assert(!rest.includes(">Older<") && rest.includes(">Newest<"));
    assertStringIncludes(await get(admin, "/inbox?q=Build+7"), "Build 7 failed");
    assertStringIncludes(await get(admin, "/inbox?q=%3Cb%3E"), "<q>&lt;b&gt;</q>");
    const message = await get(admin, `/inbox/${id}?inbox=checkout`);
    assertMatch(message, /<title>Your order 4711 is on its way · Postern<\/title>/);
    for (
      const text of ["1 remote image not loaded", "invoice-4711.pdf", "Message-ID", "pass</span>", "your parcel left"]
    ) {
      assertStringIncludes(message, text);
    }
    assertStringIncludes(message, `src="/api/v1/messages/${id}/html"`);
    assertMatch(message, /aria-current="page"[^>]*><span class="name" dir="auto">checkout/);
    assertStringIncludes(await get(admin, "/inbox/01ARZ3NDEKTSV4RRFFQ69G5FAV"), "That message is not here");
  }));

Deno.test("inbox: forms delete, mark and empty, and lead to what comes next", () =>
  withSite(async (admin, store) => {
    const oldest = await store.deliver(PLAIN), middle = await store.deliver(ORDER), newest = await store.deliver(PLAIN);
    const deleted = await submit(admin, await get(admin, `/inbox/${middle}`), `/inbox/${middle}/delete`);
    assertEquals([deleted.status, deleted.headers.get("location")], [303, `/inbox/${oldest}`]);
    assertEquals((await store.entries()).map(({ id }) => id), [newest, oldest]);
    const read = await submit(admin, await get(admin, `/inbox/${newest}`), `/inbox/${newest}/read`);
    assertEquals([read.headers.get("location"), (await store.entries())[0]!.read], [`/inbox/${newest}`, true]);
    const unread = await submit(admin, await get(admin, `/inbox/${newest}`), `/inbox/${newest}/unread`);
    assertEquals([unread.headers.get("location"), (await store.entries())[0]!.read], ["/inbox", false]);
    await store.deliver(PLAIN, { inbox: "other" });
    await submit(admin, await get(admin, "/inbox?inbox=other"), "/inbox/delete");
    assertEquals((await store.entries()).length, 2);
    await submit(admin, await get(admin, "/inbox"), "/inbox/delete");
    assertEquals((await store.entries()).length, 0);
  }));

Deno.test("queue: states, reasons, and forms for what can be done", () =>
  withSite(async (admin, store) => {
    assertStringIncludes(await get(admin, "/queue"), "The queue is empty");
    const id = await store.queueUp([
      { address: "hopper@example.com", state: "delivered" },
      { address: "turing@example.net", state: "deferred", reply: "421 4.7.0 <b>Too many</b>" },
    ]);
    const held = await store.queueUp([{ address: "knuth@example.com", state: "held" }]);
    const page = await get(admin, "/queue");
    assertStringIncludes(page, "<bdi>turing@example.net</bdi>");
    assertStringIncludes(page, "421 4.7.0 &lt;b&gt;Too many&lt;/b&gt;");
    assertStringIncludes(page, "in 10 min");
    await submit(admin, page, `/queue/${id}/retry`);
    await submit(admin, page, `/queue/${held}/release`);
    const question = await get(admin, `/queue/${id}/delete`);
    assertStringIncludes(question, "It is gone for good. Nobody is told.");
    assertEquals((await submit(admin, question, `/queue/${id}/delete`)).headers.get("location"), "/queue");
    const item = await store.queueUp([
      { address: "hopper@example.com", state: "delivered" },
      { address: "knuth@example.com", state: "held" },
    ]);
    assertStringIncludes(await get(admin, `/queue/${item}`), "1 of 2 recipients");
    await submit(admin, await get(admin, "/queue?state=held"), "/queue/release");
    assertEquals(store.changes.map(({ what, change }) => [what, change.do]), [
      [{ id }, "retry"],
      [{ id: held }, "release"],
      [{ id }, "delete"],
      [{ state: "held" }, "release"],
    ]);
    assertStringIncludes(await get(admin, "/queue?domain=nowhere.example"), "Nothing matches");
    assertStringIncludes(await get(admin, "/queue?state=nonsense"), "state is one of");
  }));

Deno.test("queue: bouncing, sending another way and deleting ask again, for one and for all that match", () =>
  withSite(async (admin, store) => {
    const id = await store.queueUp([{ address: "turing@example.net", state: "deferred" }]);
    const held = await store.queueUp([{ address: "<b>@example.net", state: "held" }]);
    const links = (page: string) =>
      [...page.matchAll(/href="(\/queue[^"]*\/?(?:bounce|route|delete)[^"]*)"/g)].map((each) => each[1]);
    assertEquals(
      links(await get(admin, `/queue/${id}`)),
      ["route", "bounce", "delete"].map((verb) => `/queue/${id}/${verb}`),
    );
    const all = await get(admin, "/queue?state=held&domain=example.com");
    for (const verb of ["route", "bounce", "delete"]) {
      assertStringIncludes(all, `href="/queue/${verb}?state=held&amp;domain=example.com"`);
    }
    const one = await get(admin, `/queue/${id}/bounce`);
    assertStringIncludes(one, "Bounce: 1 message");
    assertStringIncludes(one, "turing@example.net");
    const gone = await submit(admin, one, `/queue/${id}/bounce`, { reason: "no such project" });
    assertEquals([gone.status, gone.headers.get("location")], [303, `/queue/${id}`]);
    assertStringIncludes(await get(admin, `/queue/${id}`), "its sender is told next");
    const ways = await get(admin, "/queue/route?state=held");
    assertEquals([...ways.matchAll(/name="way" value="([^"]+)"/g)].map((each) => each[1]), [
      "rules",
      "via:upstream",
      "local:inbox",
    ]);
    await submit(admin, ways, "/queue/route", { way: "via:upstream" });
    await submit(admin, ways, "/queue/route", { way: "rules" });
    assertStringIncludes(
      await (await submit(admin, ways, "/queue/route", { way: "via:gone" })).text(),
      "no next hop &quot;gone&quot;",
    );
    assertEquals((await submit(admin, ways, "/queue/route", { way: "" })).status, 400);
    await submit(admin, await get(admin, `/queue/${held}/route`), `/queue/${held}/route`, { way: "local:inbox" });
    await submit(admin, await get(admin, "/queue/delete?state=held"), "/queue/delete");
    assertEquals(store.changes.map(({ what, change }) => [what, change]), [
      [{ id }, { do: "bounce", reason: "no such project" }],
      [{ state: "held" }, { do: "route", route: { to: "remote", via: "upstream" }, destination: "via:upstream" }],
      [{ state: "held" }, { do: "route", route: { to: "remote" }, destination: null }],
      [{ id: held }, { do: "route", route: { to: "local", plugin: "inbox" }, destination: "local:inbox" }],
      [{ state: "held" }, { do: "delete" }],
    ]);
    assertStringIncludes(await get(admin, "/queue/bounce?state=held"), "No message matches any more");
    assertStringIncludes(await get(admin, "/queue/bounce"), "Name a state, a domain, a text");
    assertStringIncludes(await get(admin, `/queue/${held}/bounce`), "Nothing in the queue has the id");
    const forged = await admin.fetch(new Request(`${ORIGIN}/queue/bounce`, { method: "POST", body: "state=ready" }));
    assertEquals(forged.status, 403);
  }));

Deno.test("queue: destinations that rest say until when and why; delay notices are told of", () =>
  withSite(async (admin, store) => {
    const id = await store.queueUp([{
      address: "turing@example.net",
      state: "deferred",
      reply: "421 4.7.0 Too many connections",
      told: NOW - 60_000,
      deadline: NOW + 5 * 3_600_000,
    }]);
    const page = await get(admin, "/queue");
    assertStringIncludes(page, "rests until 12:40");
    assertStringIncludes(page, "421 too many &lt;connections&gt;");
    assertStringIncludes(page, 'href="/queue?domain=example.net"');
    assert(!page.includes("quiet.example"), "what neither rests nor is full is no news");
    assertMatch(page, /sender told of the delay <time [^>]*>09:40<\/time>/);
    assertMatch(await get(admin, `/queue/${id}`), /sender hears\s+<time [^>]*>in 5 h at the latest<\/time>/);
    assert(!(await get(admin, "/queue?domain=example.com")).includes("rests until"));
    await submit(admin, page, "/queue/retry");
    assertEquals(store.changes, [{ what: { domain: "example.net" }, change: { do: "retry" } }]);
  }, {
    destinations: () => [
      {
        destination: "mx:example.net",
        waiting: 0,
        running: 0,
        closedUntil: NOW + 3 * 3_600_000 - 60_000,
        reason: "421 too many <connections>",
      },
      { destination: "mx:quiet.example", waiting: 1, running: 1, closedUntil: null, reason: null },
    ],
  }));

Deno.test("plugins: one matrix for listeners that run the same; observe is told apart", () =>
  withSite(async (admin) => {
    const page = await get(admin, "/plugins");
    assertEquals(page.match(/<table class="matrix"/g)?.length, 1);
    assertStringIncludes(page, "<caption>127.0.0.1:2525, [::1]:2525 <span>2 plugins");
    assertMatch(
      page,
      /<tr class="obs"><th scope="row"><span class="ord">2<\/span><code>b<\/code> <span class="tag seen">observe/,
    );
    assert(!page.includes('href="/inbox"'), "no inbox, no link to it");
  }, {
    site: { ...adminOptions(new TestStore()).site, devInbox: false },
    plugins: () =>
      ["127.0.0.1:2525", "[::1]:2525"].map((listener) => ({
        listener,
        plugins: [{ name: "a", mode: "enforce", phases: ["mail"] }, { name: "b", mode: "observe", phases: ["data"] }],
      })),
  }));

Deno.test("warnings are on every page", () =>
  withSite(async (admin) => {
    for (const path of ["/inbox", "/queue", "/plugins"]) {
      assertStringIncludes(await get(admin, path), "postmaster has no route &lt;here&gt;");
    }
  }, { warnings: () => ["postmaster has no route <here>"] }));

Deno.test("checks: what stands in front was written here, the trace left out, folding undone", () => {
  const prepend = "Return-Path: <a@b>\r\nX-Spam-Status: No, score=1.5\r\n\ttests=A\r\nReceived: from x\r\n by y\r\n";
  assertEquals(checks(prepend), [{ name: "X-Spam-Status", word: "No", text: "score=1.5\ttests=A" }]);
});

Deno.test("checks: each finding of Authentication-Results is a row, and a host's name is no verdict", () => {
  const host = "mx.example.org";
  const prepend = formatAuthResults(host, [
    { method: "iprev", result: "permerror", reason: "no name; none", properties: [["policy.iprev", "192.0.2.1"]] },
    { method: "dkim", result: "pass", properties: [["header.d", "a.example"], ["header.b", "AbC+/x=="]] },
    { method: "arc", result: "none" },
  ]);
  assertEquals(checks(prepend), [
    { name: "iprev", word: "permerror", text: "policy.iprev=192.0.2.1 (no name; none)" },
    { name: "dkim", word: "pass", text: "header.d=a.example header.b=AbC+/x==" },
    { name: "arc", word: "none", text: "" },
  ]);
  assertEquals(checks("X-Checked: mx.example.org; fine\r\nX-Who: pass\r\n"), [
    { name: "X-Checked", word: "", text: "mx.example.org; fine" },
    { name: "X-Who", word: "pass", text: "" },
  ]);
  assertEquals(checks("Authentication-Results: <b>;;;\r\n"), [
    { name: "Authentication-Results", word: "", text: "<b>;;;" },
  ]);
});

Deno.test("times, ages and sizes in words", () => {
  assertEquals([shortTime(NOW - 60_000, NOW), shortTime(NOW - 864e5, NOW)], ["09:40", "21 Nov"]);
  assertEquals(shortTime(Date.UTC(2025, 0, 2), NOW), "2 Jan 2025");
  assertEquals(longTime(NOW), "22 Nov 2026 09:41:00");
  assertEquals([8, 59 * 60, 3600, 22_800, 86_400 * 12 + 4 * 3600].map((s) => age(s * 1000)), [
    "8 s",
    "59 min",
    "1 h",
    "6 h 20 min",
    "12 d 4 h",
  ]);
  assertEquals([0, 1023, 18_842, 200 * 1024, 5 * 1024 ** 2].map(size), [
    "0 B",
    "1023 B",
    "18.4 KiB",
    "200 KiB",
    "5.0 MiB",
  ]);
});

// ---- Nothing of a mail becomes markup --------------------------------------------------------------------------------

/** The skeleton of a page: its tags with the names of their attributes, values and text left out. */
function skeleton(page: string): string {
  return page.replace(/"[^"]*"/g, '""').replace(/>[^<]*</g, "><");
}

Deno.test("property: no text put into markup yields a tag or ends an attribute", () => {
  const nasty = fc.constantFrom(
    "<",
    ">",
    '"',
    "'",
    "`",
    "&",
    "</",
    "<!--",
    "-->",
    "<script>",
    "&lt;",
    "]]>",
    "\0",
    "\u2028",
  );
  fc.assert(fc.property(fc.array(fc.oneof(nasty, fc.string({ unit: "binary" }))), (pieces) => {
    const text = pieces.join("");
    const out = markup`<a title="${text}" href="/x?${text}">${text}${[text, markup`<b>${text}</b>`]}</a>`.text;
    assertEquals(skeleton(out), '<a title="" href=""><b></b></a>'.replace("><b></b></a>", "><b></b></a>"));
    assert(!/[<>"'`]/.test(escape(text)));
  }));
});

Deno.test("property: a mail's subject, sender, file names and headers leave the page's skeleton as it was", async () => {
  const store = new TestStore();
  const admin = createAdmin(adminOptions(store, { limits: { mimeTime: 20_000 } }));
  const render = async (text: string) => {
    const clean = text.replace(/[\r\n\0]/g, " ").toWellFormed();
    const word = `=?utf-8?B?${btoa(String.fromCharCode(...new TextEncoder().encode(clean)))}?=`;
    const mail = `From: x <a@example.org>\nSubject: x\nX-Test: ${word}\nMIME-Version: 1.0\n` +
      `Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain; charset=utf-8\n\nx${clean}\n` +
      `--b\nContent-Type: application/x-y; name="${word}"\nContent-Disposition: attachment; filename="${word}"\n\nx\n--b--\n`;
    // "no" alone would be a verdict, which the page shows in another way
    const prepend = `X-Spam-Status: x${clean.replace(/[\r\n]/g, "")}\r\n`;
    const id = await store.deliver(mail, {
      subject: `x${clean}`,
      from: `x${clean} <a@example.org>`,
      to: [`x${clean}`],
      inbox: `x${clean}`,
      prepend,
      at: NOW,
    });
    const page = await get(admin, `/inbox/${id}`);
    await store.inboxes.remove({ id });
    return skeleton(page);
  };
  const plain = await render("x");
  const nasty = fc.constantFrom("<", ">", '"', "'", "`", "&", "</title>", "<script>", "</pre>", "--b", "\u202e");
  await fc.assert(
    fc.asyncProperty(fc.array(fc.oneof(nasty, fc.string()), { maxLength: 6 }), async (pieces) => {
      assertEquals(await render(pieces.join("")), plain);
    }),
    { numRuns: 40 },
  );
  await admin.close();
});

Deno.test("a hostile mail is text on the page, and a file name is only a name", () =>
  withSite(async (admin, store) => {
    const id = await store.deliver(HOSTILE);
    for (const path of ["/inbox", `/inbox/${id}`]) {
      const page = await get(admin, path);
      assertEquals(page.match(/<script\b/g)?.length, 1);
      assert(!/<img|onerror="|<object|<base|<link(?! rel="(?:icon|stylesheet)")/.test(page), path);
    }
    const part = await admin.fetch(new Request(`${ORIGIN}/api/v1/messages/${id}/parts/2`));
    assertEquals(part.headers.get("content-type"), "application/octet-stream"); // HTML is never shown as HTML from here
    assertMatch(
      part.headers.get("content-disposition")!,
      /^attachment; filename="[^"/\\<>]+"; filename\*=UTF-8''[^\r\n]+$/,
    );
    await part.body?.cancel();
  }));

Deno.test("a subject turns nothing around it, in a list or a heading, and scripts keep their joiners", () =>
  withSite(async (admin, store) => {
    const subject = "\u202etxt.exe\u0000\u001b[2J\u2066 \u{1f469}\u200d\u{1f4bb} \ud800";
    const id = await store.deliver(PLAIN, { subject, from: "\u202eBank <ci@example.org>" });
    for (const path of ["/inbox", `/inbox/${id}`]) {
      const page = await get(admin, path);
      assert(!/[\u0000-\u0008\u001b\u202a-\u202e\u2066-\u2069]/.test(page), path);
      assertStringIncludes(page, "\\u{202e}txt.exe\\u{0}\\u{1b}[2J\\u{2066} \u{1f469}\u200d\u{1f4bb} \\u{d800}");
      assertStringIncludes(page, "\\u{202e}Bank");
    }
  }));

Deno.test("quarantine: what is held, why and until when; released, judged, deleted; what is on its way is left alone", async () => {
  const lessons: string[] = [];
  const teach = (content: Uint8Array, as: string) => Promise.resolve([`${lessons.push(`${as} ${content.length}`)}`]);
  await withSite(async (admin, store) => {
    assertStringIncludes(await get(admin, "/quarantine"), "Nothing is held");
    const held = (address: string) => store.queueUp([{ address, state: "held", reply: "spam_score: score=7 <b>" }]);
    const ids = [];
    for (const name of ["a", "b", "c", "d"]) ids.push(await held(`${name}@example.org`));
    const mixed = await store.queueUp([
      { address: "x@held.example", state: "ready" },
      { address: "y@example.net", state: "ready" },
    ]);
    await store.change({ domain: "held.example" }, { do: "hold", reason: "held by hand" });
    store.changes.length = 0;
    const list = await get(admin, "/quarantine");
    assertStringIncludes(list, "spam_score: score=7 &lt;b&gt;");
    assertStringIncludes(list, "5 messages");
    assertStringIncludes(list, "29 d 23 h");
    assertStringIncludes(list, ">never<");
    assertStringIncludes(await get(admin, "/quarantine?domain=example.com"), "Nothing matches");
    const one = await get(admin, `/quarantine/${ids[0]}`);
    assertStringIncludes(one, "Not spam: learn and release");
    for (const [i, verb] of ["release", "ham", "spam", "delete"].entries()) {
      const path = `/quarantine/${ids[i]}`;
      const done = await submit(admin, await get(admin, path), `${path}/${verb}`);
      assertEquals([done.status, done.headers.get("location")], [303, "/quarantine"]);
    }
    assertEquals(lessons, ["ham 2048", "spam 2048"]);
    assertEquals(store.changes.map(({ change }) => change.do), ["release", "release", "delete", "delete"]);
    const part = await get(admin, `/quarantine/${mixed}`);
    assertEquals((await submit(admin, part, `/quarantine/${mixed}/delete`)).status, 409);
    const forged = await admin.fetch(new Request(`${ORIGIN}/quarantine/${mixed}/release`, { method: "POST" }));
    assertEquals(forged.status, 403);
  }, { teach, quarantine: { keep: 30 * 86_400_000, size: 2 ** 30 } });
});

Deno.test("quarantine: where nobody learns, nothing asks for lessons", () =>
  withSite(async (admin, store) => {
    const id = await store.queueUp([{ address: "a@example.org", state: "held", reply: "odd" }]);
    const one = await get(admin, `/quarantine/${id}`);
    assert(!one.includes("learn"));
    assertStringIncludes(one, "Release");
  }));
