/** Messages made to hurt whoever takes them apart, and those that must come out right. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import fc from "fast-check";
import { disposition, partName } from "../../../../core/admin/messages/messages.ts";
import { frameDocument, mailHtml } from "../../../../core/admin/messages/mail_html.ts";
import { MimeThread } from "../../../../core/admin/messages/mime.ts";
import { readMime } from "../../../../core/admin/messages/mime_worker.ts";
import { MailReader } from "../../../../core/admin/messages/reader.ts";
import { HOSTILE, ORDER, TestStore } from "../fixture.ts";

const bytes = (text: string) => new TextEncoder().encode(text.replace(/\r?\n/g, "\r\n"));

/** A multipart in a multipart, `depth` times. */
function nested(depth: number): string {
  let text = "MIME-Version: 1.0\n";
  for (let i = 0; i < depth; i++) text += `Content-Type: multipart/mixed; boundary="b${i}"\n\n--b${i}\n`;
  return text + "\nthe end\n";
}
const head = (type: string) => `From: a@example.org\nSubject: x\nMIME-Version: 1.0\nContent-Type: ${type}\n\n`;

Deno.test("case 32: nesting, parts, boundaries and chains of messages end in an answer, soon", async () => {
  const parts = head("multipart/mixed; boundary=b") + "--b\n\nx\n".repeat(100_000) + "--b--\n";
  const attachments = head("multipart/mixed; boundary=b") + "--b\nContent-Type: a/b\n\nx\n".repeat(20_000) + "--b--\n";
  const wide = "B".repeat(1_000_000);
  let chain = "Subject: innermost\n\nhello\n";
  for (let i = 0; i < 12; i++) {
    chain = head("message/rfc822") + chain;
  }
  const cases: [string, string, (answer: { parts: number; fault: string | undefined }) => boolean][] = [
    ["1e4 levels", nested(10_000), ({ fault }) => fault !== undefined],
    ["90 levels", nested(90), ({ fault }) => fault === undefined],
    ["2e4 attachments", attachments, ({ parts }) => parts === 500],
    ["1e5 parts", parts, ({ parts, fault }) => fault !== undefined || parts <= 502],
    ["boundary of 1 MB", head(`multipart/mixed; boundary="${wide}"`) + `--${wide}\n\nx\n`, () => true],
    [
      "boundary inside boundary",
      head('multipart/mixed; boundary="b"') +
      '--b\nContent-Type: multipart/mixed; boundary="b--"\n\n--b--\n\nx\n--b----\n--b--\n',
      ({ fault }) => fault === undefined,
    ],
    ["missing end", head("multipart/mixed; boundary=b") + "--b\n\nx\n", ({ parts }) => parts === 1],
    ["messages in messages", chain, ({ parts }) => parts === 1],
    ["only line ends", "\n".repeat(5_000_000), ({ fault }) => fault !== undefined],
    ["1e5 header fields", "X: y\n".repeat(100_000) + "\nbody\n", () => true],
    ["one header field of 2 MB", `Subject: ${"x".repeat(2_000_000)}\n\nbody\n`, () => true],
    ["nothing", "", ({ parts, fault }) => parts === 0 && fault === undefined],
  ];
  const thread = new MimeThread({ time: 8000 });
  for (const [name, text, expected] of cases) {
    const answer = await thread.read(() => Promise.resolve(bytes(text)));
    const found = { parts: answer.mail?.parts.length ?? 0, fault: answer.fault };
    assert(expected(found), `${name}: ${JSON.stringify(found)}`);
  }
  const after = await thread.read(() => Promise.resolve(bytes(ORDER))); // and the thread still works
  assertEquals(after.mail?.parts.length, 4);
  await thread.close();
});

Deno.test("large honest messages are read well within the deadline, octet by octet", async () => {
  const thread = new MimeThread({ time: 8000 });
  const line = "x".repeat(50);
  const cases: [string, string, number][] = [
    ["8bit", (line + "\n").repeat(400_000), 400_000 * 51],
    ["base64", ("eHh4".repeat(19) + "\n").repeat(250_000), 250_000 * 57],
    ["quoted-printable", (line + "=3D=\n").repeat(300_000), 300_000 * 51],
  ];
  for (const [encoding, text, size] of cases) {
    const head = `Content-Type: application/x-y\nContent-Transfer-Encoding: ${encoding}\n\n`;
    const { mail, fault } = await thread.read(() => Promise.resolve(bytes(head + text)));
    assertEquals([fault, mail?.parts[0]?.size], [undefined, size], encoding);
    assertEquals(new Uint8Array(mail!.parts[0]!.content).subarray(0, 50), new Uint8Array(50).fill(120), encoding);
  }
  await thread.close();
});

Deno.test("case 32: a message that takes too long costs its thread and nothing else", async () => {
  const store = new TestStore();
  const reader = new MailReader(store, { mimeSize: 1_000_000, mimeTime: 1 }); // no thread starts in 1 ms
  const slow = await reader.open(await store.deliver(ORDER));
  assertEquals(slow!.content.mail, null);
  assertStringIncludes(slow!.content.fault!, "could not be read in");
  assertStringIncludes(slow!.content.source, "Subject: Your order 4711");
  const large = await reader.open(await store.deliver("Subject: large\n\n" + "x".repeat(1_000_000)));
  assertStringIncludes(large!.content.fault!, "too large");
  assertEquals([large!.content.source.length, large!.content.sourceCut], [256 * 1024, true]);
  await reader.close();
});

Deno.test("a reader that is asked twice at once reads once, and forgets what failed", async () => {
  const store = new TestStore();
  const reader = new MailReader(store, { mimeSize: 1_000_000, mimeTime: 8000 });
  const id = await store.deliver(ORDER);
  const [a, b] = await Promise.all([reader.open(id), reader.open(id)]);
  assert(a!.content === b!.content);
  assertEquals(store.reads, 1);
  const gone = await store.deliver(ORDER);
  const content = store.content.bind(store);
  store.content = () => Promise.resolve(null); // removed between the row and the octets
  assertEquals(await reader.open(gone), null);
  store.content = content;
  assertEquals((await reader.open(gone))!.content.mail!.parts.length, 4);
  assertEquals(await reader.open("01ARZ3NDEKTSV4RRFFQ69G5FAV"), null);
  await reader.close();
});

Deno.test("HTML: what could reach out is renamed, images come along once within a budget, remote ones are counted", async () => {
  const mail = await readMime(bytes(HOSTILE));
  assert(!/<(?:link|base|meta|iframe|object)\b/i.test(mail.frame!.body), mail.frame!.body);
  assertEquals(mail.frame!.remote, 2); // the pixel and the background; scripts and frames are no images
  const cases: [string, number][] = [
    ['<img src="http://x/y">', 1],
    ["<IMG SRC=//x/y>", 1],
    ["<img src='cid:a'><img src=data:x>", 0],
    ["<p style=\"background:url( 'https://x' )\">", 1],
    ['<script src="https://x"></script>', 0],
    ["text src=http://x is text", 0],
    ['<img srcset="https://x 2x" src="/local">', 1],
  ];
  for (const [source, remote] of cases) assertEquals(mailHtml(source, () => null).remote, remote, source);
  const big = mailHtml('<img src="cid:a">'.repeat(100), (id) => id === "a" ? "d".repeat(1024 * 1024) : null);
  assert(big.body.length < 18 * 1024 * 1024, String(big.body.length));
  assertEquals(mailHtml('<img src="cid:a%20b">', (id) => id === "a b" ? "data:," : null).body, '<img src="data:,">');
  assertStringIncludes(frameDocument({ body: "", remote: 0 }, { remote: false }), '<base target="_blank">');
});

Deno.test("HTML: linear in whatever is thrown at it", () => {
  for (const piece of ["<", "<img ", "src=", "src =  ", "url( ", "cid:", '"cid:', "<script", "</", "<img src="]) {
    const source = piece.repeat(1_000_000 / piece.length);
    const start = performance.now();
    mailHtml(source, () => null);
    assert(performance.now() - start < 2000, `${piece}: ${performance.now() - start} ms`);
  }
});

Deno.test("property: a name to save under has no path, no control, no turned text; its header is one line of ASCII", () => {
  const nasty = fc.constantFrom(
    "/",
    "\\",
    "..",
    "\r\n",
    "\0",
    "\u202e",
    "\u2066",
    '"',
    "%",
    "ü",
    "😀",
    "\ud800",
    "<b>",
    "'",
  );
  fc.assert(fc.property(fc.array(fc.oneof(nasty, fc.string({ unit: "binary" }))), (pieces) => {
    const name = partName({ n: 7, type: "application/x-y", name: pieces.join("") });
    assert(name.length > 0 && name.length <= 120);
    assert(!/[\p{Cc}\p{Cf}/\\"<>|:*?]/u.test(name) && !name.startsWith("."), JSON.stringify(name));
    const header = disposition(name);
    assert(
      /^attachment; filename="[\x20\x21\x23-\x5b\x5d-\x7e]*"; filename\*=UTF-8''[\w.~!-]*(?:%[0-9A-F]{2}[\w.~!-]*)*$/
        .test(header),
      header,
    );
    assertEquals(decodeURIComponent(header.split("UTF-8''")[1]!), name.toWellFormed());
  }));
  assertEquals(partName({ n: 2, type: "message/rfc822", name: null }), "part-2.eml");
  assertEquals(partName({ n: 3, type: "x/y", name: "..." }), "part-3.bin");
});

Deno.test("a small mail that becomes large when it is read does not stay: what is kept is weighed as it is kept", async () => {
  const image = btoa("x".repeat(6000)).replaceAll(/.{76}/g, "$&\r\n");
  const html = "<img src=cid:a>".repeat(900); // 7 MB of data URLs out of 20 KB
  const mail = "From: a@x.example\r\nMIME-Version: 1.0\r\nContent-Type: multipart/related; boundary=b\r\n\r\n" +
    `--b\r\nContent-Type: text/html\r\n\r\n${html}\r\n--b\r\nContent-Type: image/png\r\nContent-ID: <a>\r\n` +
    `Content-Transfer-Encoding: base64\r\n\r\n${image}\r\n--b--`;
  const store = new TestStore();
  const reader = new MailReader(store, { mimeSize: 1_000_000, mimeTime: 8000 });
  const ids: string[] = [];
  for (let i = 0; i < 8; i++) ids.push(await store.deliver(mail));
  for (const id of ids) assert((await reader.open(id))!.content.mail!.frame!.body.length > 7_000_000);
  const before = store.reads;
  for (const id of ids) await reader.open(id);
  assert(
    store.reads - before >= 4,
    `${store.reads - before} of 8 had to be read again: the others would be 14 MB each`,
  );
  await reader.close();
});
