/** Conversion for lesser transport: tables, what stays, what is refused, and what holds for any message in any cut. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import fc from "fast-check";
import PostalMime from "postal-mime";
import { convert, examine, needsConversion } from "../../../core/mime/convert.ts";
import { MAX_PARTS, StructureReader } from "../../../core/mime/structure.ts";
import { join, latin1, mail, octets } from "../../support/bytes.ts";

type Octets = Uint8Array<ArrayBuffer>;
type To = "7BIT" | "8BITMIME";

const streamOf = (parts: readonly Octets[]) => ReadableStream.from(parts) as ReadableStream<Octets>;

async function converted(content: Octets, to: To = "7BIT", cuts: readonly Octets[] = [content]): Promise<string> {
  const outcome = convert(streamOf(cuts), await examine(streamOf(cuts)), to);
  return outcome === "impossible" ? outcome : latin1(await new Response(outcome).bytes());
}

const look = async (content: Octets) => await examine(streamOf([content]));

Deno.test("what a message needs", async () => {
  const table: readonly [text: string, body: string, utf8Header: boolean, longLines: boolean][] = [
    ["Subject: a\r\n\r\nb\r\n", "7BIT", false, false],
    ["Subject: \xe4\r\n\r\nb\r\n", "7BIT", true, false],
    ["Subject: a\r\n\r\n\xe4\r\n", "8BITMIME", false, false],
    ["Subject: a\r\n\r\nb\rc\r\n", "BINARYMIME", false, false],
    ["Subject: a\r\n\r\nb\nc\r\n", "BINARYMIME", false, false],
    ["Subject: a\r\n\r\nb\0c\r\n", "BINARYMIME", false, false],
    [`Subject: a\r\n\r\n${"b".repeat(998)}\r\n`, "7BIT", false, false],
    [`Subject: a\r\n\r\n${"b".repeat(999)}\r\n`, "7BIT", false, true],
    ["", "7BIT", false, false],
    ["Subject: a", "7BIT", false, false],
    ["no field\xe4\r\n", "8BITMIME", false, false],
  ];
  for (const [text, body, utf8Header, longLines] of table) {
    const examined = await look(octets(text));
    assertEquals([examined.body, examined.utf8Header, examined.longLines], [body, utf8Header, longLines], text);
  }
  assert((await look(mail("DKIM-Signature: v=1\n\nx"))).signed);
  assert((await look(mail("ARC-Seal: i=1\n\nx"))).signed);
});

Deno.test("single parts: fields and octets as they go out", async () => {
  const table: readonly [from: string, to: string][] = [
    [ // nobody said what it is: RFC 1428
      "Subject: a\n\n\xfc b\n",
      "Subject: a\nMIME-Version: 1.0\nContent-Type: text/plain; charset=unknown-8bit\n" +
      "Content-Transfer-Encoding: quoted-printable\n\n=FC b\n",
    ],
    [
      "MIME-Version: 1.0\nContent-Type:\n text/plain; format=flowed\nContent-Transfer-Encoding: 8bit\nTo: x\n\n\xfc \n",
      "MIME-Version: 1.0\nContent-Type:\n text/plain; charset=unknown-8bit; format=flowed\n" +
      "Content-Transfer-Encoding: quoted-printable\nTo: x\n\n=FC=20\n",
    ],
    [
      'MIME-Version: 1.0\nContent-Type: text/html (a (b); c) ; x="a\\";b"; charset=utf-8\n\n\xc3\xbc=\n',
      'MIME-Version: 1.0\nContent-Type: text/html (a (b); c) ; x="a\\";b"; charset=utf-8\n' +
      "Content-Transfer-Encoding: quoted-printable\n\n=C3=BC=3D\n",
    ],
    [
      "MIME-Version: 1.0\nContent-Type: image/png\nContent-Transfer-Encoding: binary\n\n\x89PNG",
      "MIME-Version: 1.0\nContent-Type: image/png\nContent-Transfer-Encoding: base64\n\niVBORw==\n",
    ],
    [ // a line that ended the fields does not become one
      "Subject: a\nB\xfccher: x\n",
      "Subject: a\nMIME-Version: 1.0\nContent-Type: text/plain; charset=unknown-8bit\n" +
      "Content-Transfer-Encoding: quoted-printable\n\nB=FCcher: x\n",
    ],
    [
      `MIME-Version: 1.0\nContent-Type: image/png\nContent-Transfer-Encoding: base64\n\n${"AAAA".repeat(300)}\xff\n`,
      "MIME-Version: 1.0\nContent-Type: image/png\nContent-Transfer-Encoding: base64\n\n" +
      `${`${"AAAA".repeat(19)}\n`.repeat(15)}${"AAAA".repeat(15)}\n`,
    ],
  ];
  for (const [from, to] of table) assertEquals(await converted(mail(from)), latin1(mail(to)), from);
});

const MIXED = `MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=outer
Content-Transfer-Encoding: 8bit

pre\xe4mble
--outer
Content-Type: multipart/alternative; boundary="outer-2"
Content-Transfer-Encoding: 8bit

--outer-2

plain
--outer-2
Content-Type: text/html; charset=utf-8
Content-Transfer-Encoding: 8bit

<p>\xc3\xbc
--outer-2--
--outer
Content-Type: message/rfc822

Subject: inner

inn\xebr
--outer
Content-Type: text/plain; charset=us-ascii
Content-Transfer-Encoding: 7bit

untouched \n
--outer--
epilogue
`;

Deno.test("parts inside parts, and a message inside: only what must be is changed (case 32: boundary inside boundary)", async () => {
  const to = MIXED.replace("pre\xe4mble", "pre?mble")
    .replace("boundary=outer\nContent-Transfer-Encoding: 8bit", "boundary=outer\nContent-Transfer-Encoding: 7bit")
    .replace(
      'boundary="outer-2"\nContent-Transfer-Encoding: 8bit',
      'boundary="outer-2"\nContent-Transfer-Encoding: 7bit',
    )
    .replace("utf-8\nContent-Transfer-Encoding: 8bit", "utf-8\nContent-Transfer-Encoding: quoted-printable")
    .replace("<p>\xc3\xbc", "<p>=C3=BC")
    .replace(
      "inner\n\ninn\xebr",
      "inner\nMIME-Version: 1.0\nContent-Type: text/plain; charset=unknown-8bit\n" +
        "Content-Transfer-Encoding: quoted-printable\n\ninn=EBr",
    );
  assertEquals(await converted(mail(MIXED)), latin1(mail(to)));
  assertEquals(await converted(mail(MIXED), "8BITMIME"), latin1(mail(MIXED)));
});

Deno.test("for a peer with 8BITMIME only what is binary is coded anew", async () => {
  const text =
    "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: binary\r\n\r\n" +
    "--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: binary\r\n\r\n\xc3\xbc\r\n" +
    "--b\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: binary\r\n\r\n\0\n\r\r\n--b--\r\n";
  assertEquals(
    await converted(octets(text), "8BITMIME"),
    text.replace("binary", "8bit").replace("binary", "8bit").replace("binary", "base64").replace("\0\n\r\r", "AAoN\r"),
  );
});

Deno.test("case 2: LF alone ends lines of the structure, and the outcome has CRLF only; in parts it is an octet", async () => {
  const from = "MIME-Version: 1.0\nX: a\rb\0c\nContent-Type: multipart/mixed; boundary=b\n\npre\n--b\n" +
    "Content-Type: text/plain; charset=utf-8\n\none\ntwo\n--b\n\nthree\r\n--b--\n";
  const to = "MIME-Version: 1.0\r\nX: a b c\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\npre\r\n--b\r\n" +
    "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\none=0Atwo\r\n" +
    "--b\r\n\r\nthree\r\n--b--\r\n";
  assertEquals(await converted(octets(from)), to);
  assertEquals(await converted(octets(from), "8BITMIME"), to);
  assertEquals((await look(octets(from))).body, "BINARYMIME");
});

Deno.test("lines that nobody reads are broken where they are too long, and make no boundary", async () => {
  const head = "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n";
  const out = await converted(mail(`${head}${"x".repeat(998)}--b\n--b\n\na\n--b--\n`));
  assertEquals(out, latin1(mail(`${head}${"x".repeat(998)}\n --b\n--b\n\na\n--b--\n`)));
});

Deno.test("case 66: what is signed, encrypted or not understood is impossible when it would have to change", async () => {
  const heads = [
    "Content-Type: multipart/signed; boundary=s",
    "Content-Type: Multipart/Encrypted; boundary=s",
    "Content-Type: message/partial; id=1; number=1",
    "Content-Type: message/external-body; access-type=x",
    "Content-Type: multipart/mixed",
    "Content-Type: multipart/mixed; boundary=b",
    `Content-Type: multipart/mixed; boundary=${"s".repeat(71)}`,
    `Content-Type: multipart/mixed; boundary="${"s".repeat(1 << 20)}"`,
    "Content-Type: multipart/mixed; boundary*0=s; boundary*1=t",
    'Content-Type: multipart/mixed; boundary="s',
    "Content-Type: text/plain\nContent-Type: text/html",
    "Content-Transfer-Encoding: x-uuencode",
    "Content-Transfer-Encoding: quoted-printable",
  ];
  for (const head of heads) {
    const whole = (body: string) =>
      mail(
        `MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\n${head}\n\n${body}\n--b\n\n\xfc\n--b--\n`,
      );
    assertEquals(await converted(whole("\xe4")), "impossible", head.slice(0, 60));
    const good = await converted(whole("a"));
    assertStringIncludes(good, "a\r\n--b\r\n", head.slice(0, 60));
    if (!head.endsWith("boundary=b")) assertStringIncludes(good, "=FC", head.slice(0, 60));
  }
});

/** Leaves as octets of any kind, in a tree; no line of them looks like a boundary. */
const leafOctets = fc.array(
  fc.oneof(
    fc.constantFrom(
      "\r\n",
      "\r",
      "\n",
      "\0",
      " ",
      "\t",
      "=",
      "-",
      "--b0",
      "--b0-",
      "-b1--",
      ".",
      "\xff",
      "a".repeat(1200),
    ),
    fc.uint8Array({ maxLength: 40 }).map((each) => latin1(each as Octets)),
  ),
  { maxLength: 12 },
).map((parts) => parts.join("").replace(/(^|[\r\n])--/g, "$1-x"));
interface Tree {
  readonly text: string;
  readonly leaves: readonly string[];
}
const leaf = fc.tuple(fc.constantFrom("text/plain; charset=utf-8", "image/png"), leafOctets).map((
  [type, text],
): Tree => ({
  text: `Content-Type: ${type}\r\nContent-Transfer-Encoding: binary\r\n\r\n${text}`,
  leaves: [text],
}));
const multipart = (depth: number, inner: fc.Arbitrary<Tree>): fc.Arbitrary<Tree> =>
  fc.array(inner, { minLength: 1, maxLength: 3 }).map((children) => ({
    text: `Content-Type: multipart/mixed; boundary=b${depth}\r\nContent-Transfer-Encoding: binary\r\n\r\n` +
      children.map(({ text }) => `--b${depth}\r\n${text}\r\n`).join("") + `--b${depth}--\r\n`,
    leaves: children.flatMap(({ leaves }) => leaves),
  }));
const tree = multipart(0, fc.oneof(leaf, multipart(1, leaf)));

Deno.test("any message in any cut: lines of 7-bit that decode to the same octets", async () => {
  await fc.assert(
    fc.asyncProperty(tree, fc.array(fc.nat(3000), { maxLength: 8 }), async ({ text, leaves }, places) => {
      const content = octets(`MIME-Version: 1.0\r\n${text}`);
      const out = await converted(content);
      assert(!/[^\x01-\x7f]/.test(out) && !/\r(?!\n)|(?<!\r)\n/.test(out), "7-bit lines");
      assert(out.split("\r\n").every((line) => line.length <= 998));
      const cuts: Octets[] = [];
      let from = 0;
      for (const to of [...places.sort((a, b) => a - b), content.length]) {
        cuts.push(content.subarray(from, Math.max(from, to)) as Octets);
        from = Math.max(from, to);
      }
      assertEquals(await converted(content, "7BIT", cuts), out, "the cut does not matter");
      assertEquals(decodedLeaves(out), leaves);
      const again = await look(octets(out));
      assertEquals([again.body, needsConversion(again, "7BIT")], ["7BIT", false]);
    }),
    { numRuns: 150 },
  );
});

/** The simplest reader there can be, for trees as above. */
function decodedLeaves(text: string): string[] {
  const at = text.indexOf("\r\n\r\n"), head = text.slice(0, at), body = text.slice(at + 4);
  const boundary = /boundary=(\S+)/.exec(head)?.[1];
  if (boundary !== undefined) {
    const parts = `\r\n${body}`.split(new RegExp(`\r\n--${boundary}(?:--)?(?=\r\n)`));
    return parts.slice(1, -1).flatMap((part) => decodedLeaves(part.slice(2)));
  }
  if (head.includes("base64")) return [latin1(Uint8Array.fromBase64(body))];
  if (!head.includes("quoted-printable")) return [body];
  const soft = body.replaceAll("=\r\n", "");
  return [soft.replace(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)))];
}

Deno.test("postal-mime reads the same out of both", async () => {
  const content = mail(MIXED.replace("inn\xebr", "inner")); // what is of no known charset it decodes as it likes
  const before = await PostalMime.parse(content);
  const after = await PostalMime.parse(octets(await converted(content)));
  assertEquals(after.html, before.html);
  assertEquals(after.attachments.length, before.attachments.length);
});

Deno.test("case 32: structures made to hurt are read in bounded memory, and cost no more than their octets", async () => {
  const nest = (levels: number) =>
    Array.from({ length: levels }, (_, n) => `Content-Type: multipart/mixed; boundary=n${n}\n\n--n${n}\n`).join("");
  const many = "Content-Type: multipart/mixed; boundary=b\n\n" + "--b\n\n\xfc\n".repeat(1e5);
  const table: readonly [name: string, text: string, possible: boolean][] = [
    ["1e4 levels", `${nest(1e4)}\n\xfc\n`, false],
    ["99 levels", `${nest(99)}\n\xfc\n`, true],
    ["1e4 messages", `${"Content-Type: message/rfc822\n\n".repeat(1e4)}\xfc\n`, false],
    ["1e5 parts", many, false],
    ["no end", "Content-Type: multipart/mixed; boundary=b\n\n--b\n\n\xfc", true],
    ["one name", `${nest(1)}${nest(1)}\xfc\n`, true],
    [
      "a million dashes",
      `Content-Type: multipart/mixed; boundary=b\n\n${"--b-\n".repeat(2e5)}${"-".repeat(1e6)}\xfc`,
      true,
    ],
    ["open comments", `Content-Type: ${"(".repeat(16000)}\n\n\xfc`, true],
    ["many fields", `${"Content-Type: text/plain\n".repeat(1e5)}\n\xfc`, false],
  ];
  for (const [name, text, possible] of table) {
    const content = mail(text), reader = new StructureReader();
    reader.write(content);
    reader.end();
    assert(reader.parts.length <= MAX_PARTS + 2, `${name}: ${reader.parts.length}`);
    assertEquals(await converted(content) !== "impossible", possible, name);
  }
});

Deno.test("cancelling what is written cancels what is read; a message that is fine is given back as it is", async () => {
  let cancelled = false;
  const content = mail("A: b\n\n\xfc\n");
  const source = new ReadableStream<Octets>({
    pull: (controller) => controller.enqueue(content),
    cancel: () => void (cancelled = true),
  });
  const outcome = convert(source, await look(content), "7BIT");
  assert(outcome !== "impossible");
  await outcome.cancel();
  assert(cancelled);
  const same = streamOf([join(content)]);
  assert(convert(same, await look(content), "8BITMIME") === same);
  await same.cancel();
});
