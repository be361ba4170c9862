/** Rewriting: what goes and what comes, and that everything else stays octet by octet. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import fc from "fast-check";
import { on, runPhase, type SimulatedResult } from "../../../../../core/pipeline/mod.ts";
import { editedBody, outermost, readParts } from "../../../../../plugins/content/body_edits.ts";
import { rewrite } from "../../../../../plugins/content/rewrite/mod.ts";
import { RELAY } from "../../../../../plugins/access/relay/key.ts";
import { latin1, mail } from "../../../../support/bytes.ts";

type Options = Parameters<typeof rewrite>[0];

async function run(options: Options, message: string, facts = {}): Promise<SimulatedResult> {
  const result = await runPhase(rewrite(options), "data", { message: mail(message), ...facts });
  assertEquals(result.reply.code, 250);
  return result;
}
/** CRLF as LF. */
const output = async (options: Options, message: string, facts = {}) =>
  (await run(options, message, facts)).output.replaceAll("\r\n", "\n");
const footer = (text: string, html?: string): Options => ({
  footer: { text, direction: "both", ...(html === undefined ? {} : { html }) },
});

Deno.test("a footer in text and HTML of every coding", async () => {
  const table: readonly [message: string, out: string][] = [
    ["Subject: a\n\nHello\n", "Subject: a\n\nHello\n-- \nBye\n"],
    ["Subject: a\n\nHello", "Subject: a\n\nHello\n-- \nBye\n"],
    ["Subject: a\n\n", "Subject: a\n\n-- \nBye\n"],
    [
      "Content-Type: text/html\n\n<body>x</BODY></html>\n",
      "Content-Type: text/html\n\n<body>x<p>-- <br>\nBye</p>\n</BODY></html>\n",
    ],
    ["Content-Type: text/html\n\n<p>x</html>", "Content-Type: text/html\n\n<p>x<p>-- <br>\nBye</p>\n</html>"],
    ["Content-Type: text/html\n\n<p>x", "Content-Type: text/html\n\n<p>x<p>-- <br>\nBye</p>\n"],
    [
      "Content-Transfer-Encoding: quoted-printable\n\nGr=C3=BC=\n=C3=9Fe\n",
      "Content-Transfer-Encoding: quoted-printable\n\nGr=C3=BC=C3=9Fe\n--=20\nBye\n",
    ],
    [
      `Content-Transfer-Encoding: base64\n\n${btoa("Hello\r\n")}\n`,
      `Content-Transfer-Encoding: base64\n\n${btoa("Hello\r\n-- \r\nBye\r\n")}\n`,
    ],
    ["Content-Type: image/png\n\nx\n", "Content-Type: image/png\n\nx\n"],
    [
      "Content-Type: text/plain\nContent-Disposition: attachment\n\nx\n",
      "Content-Type: text/plain\nContent-Disposition: attachment\n\nx\n",
    ],
    ["Content-Type: text/plain; charset=utf-16\n\nx\n", "Content-Type: text/plain; charset=utf-16\n\nx\n"],
  ];
  for (const [message, out] of table) assertEquals(await output(footer("-- \nBye"), message), out, message);
});

Deno.test("what a charset or a coding has no character for is written with what it has", async () => {
  const table: readonly [fields: string, added: string][] = [
    [
      "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit",
      "Gr\xc3\xbc\xc3\x9fe \xe2\x82\xac\r\n",
    ],
    ["Content-Type: text/plain; charset=utf-8", "Gru?e ?\r\n"],
    ["Content-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: 8bit", "Gr\xfc\xdfe ?\r\n"],
    ["Content-Type: text/plain; charset=koi8-r\nContent-Transfer-Encoding: 8bit", "Gru?e ?\r\n"],
    ["Content-Type: text/html; charset=us-ascii", "<p>Gr&#252;&#223;e &#8364;</p>\r\n"],
    [
      "Content-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: 8bit",
      "<p>Gr\xc3\xbc\xc3\x9fe \xe2\x82\xac</p>\r\n",
    ],
  ];
  for (const [fields, added] of table) {
    let octets = "";
    const look = on("data", async (ctx, next) => {
      const reply = await next();
      octets = latin1(await new Response(ctx.message.content()).bytes());
      return reply;
    });
    await runPhase([look, rewrite(footer("Grüße €"))], "data", { message: mail(`${fields}\n\n`) });
    assertEquals(octets.slice(octets.indexOf("\r\n\r\n") + 4), added, fields);
  }
});

const MIXED = `Subject: a
Content-Type: multipart/mixed; boundary=m

pre
--m
Content-Type: multipart/alternative; boundary=a

--a

Hello
--a
Content-Type: text/html
Content-Transfer-Encoding: quoted-printable

<body>Hello=20</body>
--a--
between
--m
Content-Type: message/rfc822

Subject: inner

Inner
--m
Content-Type: application/x-foo; name="b.EXE"
Content-Transfer-Encoding: base64

QUJDRA==

--m
Content-Type: text/plain; name=c.txt

file
--m--
post
`;

Deno.test("footer and dropped parts in one pass, everything else as it was", async () => {
  const out = await output({
    ...footer("Bye"),
    dropParts: [{ names: ["*.exe"], note: "Gone: {name}, {type}" }],
    direction: "both",
  }, MIXED);
  assertEquals(
    out,
    MIXED.replace("\nHello\n", "\nHello\nBye\n\n").replace("Hello=20</body>", "Hello <p>Bye</p>\n</body>").replace(
      /Content-Type: application[^]*?==\n/,
      "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\nContent-Disposition: inline\n\n" +
        "Gone: b.EXE, application/x-foo",
    ),
  );
});

Deno.test("which parts go", async () => {
  const paths = async (dropParts: Options extends undefined ? never : NonNullable<Options>["dropParts"]) => {
    const { events } = await run({ dropParts: dropParts!, direction: "both" }, MIXED);
    const event = events.find((each) => each.type === "rewritten");
    return event?.reason ?? null;
  };
  assertEquals(await paths([{ types: ["application/*"] }]), "rewrite: without 1.3");
  assertEquals(await paths([{ names: ["b.exe"] }]), "rewrite: without 1.3");
  assertEquals(await paths([{ names: ["*.txt", "b*"], types: ["text/plain"] }]), "rewrite: without 1.4");
  assertEquals(await paths([{ larger: "4B" }]), "rewrite: without 1.1.1, without 1.1.2, without 1.2.1");
  assertEquals(await paths([{ types: ["message/rfc822"] }, { larger: "8B" }]), "rewrite: without 1.1.2, without 1.2");
  assertEquals(await paths([{ names: ["*.pdf"] }]), null);
  assertEquals(outermost([{ path: "1.2" }, { path: "1.2.1" }, { path: "1.20" }]), [{ path: "1.2" }, { path: "1.20" }]);
});

Deno.test("whose mail: that of users, that of others", async () => {
  const options: Options = { footer: { text: "Bye" }, dropParts: [{ types: ["text/plain"], note: "Gone" }] };
  assertStringIncludes(await output(options, "\nHello\n"), "Gone");
  assertEquals(await output(options, "\nHello\n", { identity: "ann" }), "\nHello\nBye\n");
  const relayed = await output(options, "\nHello\n", { keys: [[RELAY, "network"]] });
  assertStringIncludes(relayed, "Gone"); // the key is of a recipient, and no recipient has it here
});

Deno.test("what is signed or encrypted stays as it is, or waits for a person", async () => {
  for (const kind of ["signed", "encrypted"]) {
    const message = `Content-Type: multipart/${kind}; boundary=s\n\n--s\n\nHello\n--s\nContent-Type: x/y\n\nz\n--s--\n`;
    const left = await run(footer("Bye"), message);
    assertEquals([left.output, left.held], [new TextDecoder().decode(mail(message)), null]);
    const held = await run({ ...footer("Bye"), signed: "hold" }, message);
    assertEquals(held.held, `rewrite: part 1.1 is ${kind} and cannot be changed`);
  }
});

Deno.test("two that rewrite work on one another's outcome", async () => {
  const first = rewrite(footer("One")), second = { ...rewrite(footer("Two")), name: "second" };
  const { output } = await runPhase([first, second], "data", { message: "Subject: x\n\nHello\n" });
  assertEquals(output, "Subject: x\r\n\r\nHello\r\nOne\r\nTwo\r\n");
  const note = rewrite({ dropParts: [{ types: ["image/*"], note: "Gone" }], direction: "both" });
  const both = await runPhase([note, second], "data", { message: "Content-Type: image/png\n\nx\n" });
  assertEquals(
    both.output,
    "MIME-Version: 1.0\r\nContent-Transfer-Encoding: quoted-printable\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" +
      "Gone\r\nTwo\r\n",
  );
});

Deno.test("edits in any cut: the octets between them are those that were there", async () => {
  const message = mail(MIXED), body = latin1(message).slice(latin1(message).indexOf("\r\n\r\n") + 4);
  await fc.assert(fc.asyncProperty(
    fc.array(fc.nat(body.length), { maxLength: 8 }),
    fc.array(fc.nat(message.length), { maxLength: 8 }),
    async (places, cuts) => {
      const sorted = places.toSorted((a, b) => a - b);
      const edits = Array.from({ length: sorted.length >> 1 }, (_, at) => ({
        start: sorted[2 * at]!,
        end: sorted[2 * at + 1]!,
        by: new TextEncoder().encode(`<${at}>`),
      }));
      const ends = [...cuts, message.length].sort((a, b) => a - b);
      const chunks = ends.map((end, at) => message.slice(ends[at - 1] ?? 0, end));
      const source = {
        bodyStart: message.length - body.length,
        content: () => ReadableStream.from(chunks),
      } as unknown as Parameters<typeof editedBody>[0];
      let expected = "", from = 0;
      for (const [at, { start, end }] of edits.entries()) {
        expected += body.slice(from, start) + `<${at}>`;
        from = end;
      }
      assertEquals(latin1(await new Response(editedBody(source, edits)).bytes()), expected + body.slice(from));
    },
  ));
});

Deno.test("offsets of parts are those of the body, whatever the header has become", async () => {
  const look = on("data", async (ctx, next) => {
    ctx.prependHeader("X-Long", "x".repeat(500));
    const parts = await readParts(ctx.message),
      body = MIXED.replaceAll("\n", "\r\n").split("\r\n\r\n").slice(1).join("\r\n\r\n");
    const three = parts.find(({ path }) => path === "1.3")!;
    assertEquals(body.slice(three.bodyStart, three.bodyEnd), "QUJDRA==\r\n");
    assert(body.slice(three.start).startsWith("Content-Type: application/x-foo"));
    assertEquals(parts.map(({ path, locked }) => [path, locked])[0], ["1", null]);
    return await next();
  });
  assertEquals((await runPhase(look, "data", { message: mail(MIXED) })).reply.code, 250);
});
