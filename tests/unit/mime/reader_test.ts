/** The reader of entities: tables, any cut, structures made to hurt, and Python's email package as a second opinion. */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { messageContent } from "../../../core/mime/content.ts";
import type { MimeDefect, PartHead } from "../../../core/mime/entity.ts";
import { MimeReader } from "../../../core/mime/reader.ts";
import { MAX_DEPTH, MAX_PARTS } from "../../../core/mime/structure.ts";
import { join, latin1, mail, octets } from "../../support/bytes.ts";
import { programOf, testUnless } from "../../support/debian.ts";

type Octets = Uint8Array<ArrayBuffer>;

interface Seen {
  readonly head: PartHead;
  readonly text: string;
  readonly size: number;
  readonly bodyEnd: number;
  readonly defects: readonly MimeDefect[];
}

/** All entities, in the order in which they begin. */
function read(...cuts: readonly Octets[]): Seen[] {
  const seen: { head: PartHead; texts: string[]; size: number; bodyEnd: number; defects: readonly MimeDefect[] }[] = [];
  const reader = new MimeReader({
    part(head) {
      const one = { head, texts: [] as string[], size: -1, bodyEnd: -2, defects: head.defects };
      seen.push(one);
      return {
        write: (given) => void one.texts.push(latin1(given)),
        end(end) {
          assertEquals(one.size, -1, "ended twice");
          one.size = end.size;
          one.bodyEnd = end.bodyEnd;
          one.defects = [...one.defects, ...end.defects];
        },
      };
    },
  });
  for (const each of cuts) reader.write(each);
  reader.end();
  return seen.map(({ head, texts, size, bodyEnd, defects }) => {
    const text = texts.join("");
    // A coded message is its own reader's, and not written to whoever wants the entity
    assertEquals(size, head.composite ? size : text.length, head.path);
    return { head, text, size, bodyEnd, defects };
  });
}
const brief = (parts: readonly Seen[]) =>
  parts.map(({ head, text }) => `${head.path} ${head.type} ${JSON.stringify(text)}`);

Deno.test("entities: where they are, what they hold", () => {
  const table: readonly [text: string, parts: readonly string[]][] = [
    ["", ['1 text/plain ""']],
    ["Subject: a\n\nb\n", ['1 text/plain "b\\r\\n"']],
    ["\nb", ['1 text/plain "b"']],
    ["no field\n\nb", ['1 text/plain "no field\\r\\n\\r\\nb"']],
    ["Content-Type : TEXT/Html (a (b)) ; charset=x\n\nb", ['1 text/html "b"']],
    ["Content-Type: text\n\nb", ['1 text/plain "b"']],
    [
      "Content-Type: multipart/mixed; boundary=a\n\npre\n--a\n\none\n--a\nContent-Type: image/png\n\ntwo\n\n--a--\npost\n",
      ['1 multipart/mixed ""', '1.1 text/plain "one"', '1.2 image/png "two\\r\\n"'],
    ],
    [ // a boundary in the fields, an entity without a body, space behind a delimiter
      "Content-Type: multipart/mixed; boundary=a\n--a \t\nContent-Type: x/y\n--a\n--a--",
      ['1 multipart/mixed ""', '1.1 x/y ""', '1.2 text/plain ""'],
    ],
    [
      "Content-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: multipart/alternative; boundary=aa\n\n--aa\n\none\n" +
      "--aa--\n--a\nContent-Type: message/rfc822\n\nContent-Type: text/html\n\ntwo\n--aa\n--a--\n",
      ['1 multipart/mixed ""', '1.1 multipart/alternative ""', '1.1.1 text/plain "one"', '1.2 message/rfc822 ""']
        .concat(
          '1.2.1 text/html "two\\r\\n--aa"',
        ),
    ],
    [
      "Content-Type: multipart/digest; boundary=a\n\n--a\n\nSubject: x\n\none\n--a--\n",
      ['1 multipart/digest ""', '1.1 message/rfc822 ""', '1.1.1 text/plain "one"'],
    ],
    [ // a message that was coded, as no message should be: RFC 2046 5.2.1
      `Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n${
        btoa("Content-Type: text/html\r\n\r\n<p>")
      }\n`,
      ['1 message/rfc822 ""', '1.1 text/html "<p>"'],
    ],
    ["Content-Transfer-Encoding: BASE64 (x)\n\nSGVs\nbG8=\n", ['1 text/plain "Hello"']],
    ["Content-Transfer-Encoding: base64\n\nSGVsbG8", ['1 text/plain "Hello"']],
    [
      "Content-Transfer-Encoding: quoted-printable\n\n=48e=6C=\nl=\t \no=\n",
      ['1 text/plain "Hello"'],
    ],
    ["Content-Transfer-Encoding: quoted-printable\n\na=b =3d =3D=", ['1 text/plain "a=b = ="']],
    [
      "Content-Transfer-Encoding: x-uuencode\n\nbegin 644 a\n%2&5L;&\\`\n`\nend\n",
      ['1 text/plain "Hello"'],
    ],
    ["Content-Transfer-Encoding: rot13\n\nUryyb", ['1 text/plain "Uryyb"']],
  ];
  for (const [text, parts] of table) {
    assertEquals(brief(read(mail(text))), parts, text);
  }
});

Deno.test("defects: what another reader may see otherwise is noted", () => {
  const table: readonly [text: string, defects: readonly string[]][] = [
    ["Content-Type: text/plain; charset=utf-8\n\n", []],
    ["Content-Type: plain\n\n", ["badType"]],
    ['Content-Type: text/plain; name="a\n\n', ["badParameters"]],
    ["Content-Type: text/plain; name=a; name=b\n\n", ["badParameters"]],
    ["Content-Type: text/plain; name*0=a; name*2=b\n\n", ["parameterGap"]],
    ["Content-Type: text/plain\nContent-Type: text/html\n\n", ["duplicateField"]],
    [`Content-Type: text/plain; x="${"a".repeat(20_000)}"\n\n`, ["longField", "badParameters"]],
    ["Subject: a\nno field\n\n", ["malformedHeader"]],
    ["Content-Transfer-Encoding: rot13\n\n", ["unknownEncoding"]],
    ["Content-Type: multipart/mixed\n\n--\n", ["noBoundary"]],
    ['Content-Type: multipart/mixed; boundary=""\n\n--\n', ["noBoundary"]],
    ["Content-Type: multipart/mixed; boundary=a\n\n--a\n\n", ["missingEnd"]],
    ["Content-Type: multipart/mixed; boundary=a\n\nb\n", ["noParts"]],
    ["Content-Type: multipart/mixed; boundary=a\n\n--a\n\n--ab\n--a--\n", ["nearBoundary"]],
    ["Content-Type: multipart/mixed; boundary=a\n\n--a\n\n--a--\n--a\n\nb\n", ["behindEnd"]],
    [
      "Content-Type: multipart/mixed; boundary=a\nContent-Transfer-Encoding: base64\n\n--a\n\n--a--\n",
      ["codedMultipart"],
    ],
    ["Content-Transfer-Encoding: base64\n\nSGVsbG8=\nSGVsbG8=\n", ["badCoding"]],
    ["Content-Transfer-Encoding: base64\n\nSGVsbG8\n", ["badCoding"]],
    ["Content-Transfer-Encoding: base64\n\nSGV!sbG8=\n", ["badCoding"]],
    ["Content-Transfer-Encoding: quoted-printable\n\na=zz\n", ["badCoding"]],
  ];
  for (const [text, defects] of table) assertEquals(read(mail(text))[0]!.defects, defects, text.slice(0, 200));
  const shared = read(mail(
    "Content-Type: multipart/mixed; boundary=a\n\n--a\n" +
      "Content-Type: multipart/mixed; boundary=a\n\n--a\n\none\n--a--\n",
  ));
  assertEquals(shared.map(({ head, defects }) => [head.path, ...defects]), [["1"], ["1.1", "sharedBoundary"], ["1.2"]]);
  assertEquals(shared[2]!.text, "one");
});

Deno.test("case 33: file names in every form that a reader shows, and every other one that some reader may take", () => {
  const table: readonly [fields: string, filename: string | null, others?: readonly string[]][] = [
    ["Content-Type: a/b", null],
    ["Content-Disposition: attachment; filename=a.exe", "a.exe"],
    ['Content-Disposition: attachment; filename="a b.exe"', "a b.exe"],
    ["Content-Disposition: attachment; filename=a b.exe", "a b.exe", ["a"]],
    ["Content-Disposition: attachment; filename=(a).exe", "(a).exe"],
    ["Content-Disposition: attachment; filename=(a.exe", "(a.exe"],
    ["Content-Disposition: attachment (x; filename=a.exe", "a.exe"],
    ["Content-Disposition: attachment filename=a.exe", "a.exe"],
    ["Content-Disposition: ; filename=a.exe", "a.exe"],
    ['Content-Disposition: attachment; filename="a\\"b\\\\c\\d.exe"', 'a"b\\c\\d.exe'],
    ['Content-Disposition: attachment; filename="a\n .exe"', "a .exe"],
    ['Content-Disposition: attachment; filename="a.exe', "a.exe"],
    ['Content-Disposition: attachment; x="; filename=a.txt"; filename=b.exe', "b.exe"],
    ["Content-Type: a/b; name=a.exe", "a.exe"],
    ["Content-Type: a/b; name=a.exe\nContent-Disposition: attachment; filename=b.txt", "b.txt", ["a.exe"]],
    ["Content-Disposition: attachment; filename*=utf-8''%e4%bd%a0%2Eexe", "\u4f60.exe"],
    ["Content-Disposition: attachment; filename*=iso-8859-1'de'%e4.exe; filename=a.txt", "ä.exe", ["a.txt"]],
    ["Content-Disposition: attachment; filename*=ä.exe", "ä.exe"],
    ['Content-Disposition: attachment; filename*0="a.";\n filename*1=exe', "a.exe"],
    ["Content-Disposition: attachment; filename*1=exe; filename*0=a.", "a.exe"],
    ["Content-Disposition: attachment; filename*0=a.exe; filename*2=.txt", "a.exe.txt", ["a.exe"]],
    ["Content-Disposition: attachment; filename*1=a.; filename*2=exe", "a.exe"],
    ["Content-Disposition: attachment; filename*0*=utf-8''%c3; filename*1*=%a4.e; filename*2=xe", "ä.exe"],
    ["Content-Disposition: attachment; filename*0=a.exe; filename*0=b.txt", "a.exe", ["a.exeb.txt"]],
    ['Content-Disposition: attachment; filename="=?utf-8?B?YS5leGU=?="', "a.exe"],
    ['Content-Disposition: attachment; filename="=?utf-8?Q?a=2E?=\n =?utf-8?Q?exe?="', "a.exe"],
    ["Content-Disposition: attachment; FileName==?utf-8?B?YS5leGU=?=", "a.exe"],
    ['Content-Disposition: attachment; filename="\u00c3\u00a4.exe"', "ä.exe"],
    ['Content-Disposition: attachment; filename="\u00e4.exe"', "ä.exe"],
    ["Content-Disposition: attachment; filename=", null],
  ];
  for (const [fields, filename, others = []] of table) {
    const { head } = read(mail(`${fields}\n\n`))[0]!;
    assertEquals(head.filename, filename, fields);
    assertEquals(head.filenames, filename === null ? [] : [filename, ...others], fields);
  }
});

Deno.test("offsets lead to the octets themselves", () => {
  const content = mail("Content-Type: multipart/mixed; boundary=a\n\npre\n--a\nX: 1\n\none\n--a\n\ntwo\n\n--a--\n");
  const text = latin1(content), [root, one, two] = read(content);
  assertEquals(text.slice(one!.head.start, one!.head.bodyStart), "X: 1\r\n\r\n");
  assertEquals(text.slice(one!.head.bodyStart, one!.bodyEnd), "one");
  assertEquals(text.slice(two!.head.bodyStart, two!.bodyEnd), "two\r\n");
  assertEquals([root!.head.start, root!.bodyEnd], [0, content.length]);
});

/** Messages whose pieces mean something to a reader. */
const pieces = fc.constantFrom(
  "\r\n",
  "\r\n\r\n",
  "\n",
  "\r",
  "-",
  "--",
  "--a",
  "\r\n--a\r\n",
  "\r\n--a--\r\n",
  "--b\n",
  "\r\n--b--",
  "Content-Type: multipart/mixed; boundary=a\r\n",
  "Content-Type: multipart/mixed; boundary=b\r\n\r\n",
  "Content-Type: message/rfc822\r\n\r\n",
  "Content-Transfer-Encoding: base64\r\n\r\n",
  "Content-Transfer-Encoding: quoted-printable\r\n\r\n",
  "Content-Transfer-Encoding: x-uuencode\r\n\r\nbegin 644 a\n",
  "Content-Disposition: attachment; filename*0=a;\r\n filename*1=b\r\n",
  "SGVsbG8=",
  "%2&5L;&\\`\n",
  "=3D",
  "= \t",
  "=",
  "text",
  "\0\xff",
  "x".repeat(5000),
);

Deno.test("any cut of the same octets gives the same entities", () => {
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 40 }), fc.array(fc.nat(2000), { maxLength: 12 }), (texts, cuts) => {
      const content = octets(texts.join("")), whole = read(content);
      const places = [...new Set(cuts.map((cut) => cut % (content.length + 1)))].sort((a, b) => a - b);
      const parts = [0, ...places].map((from, index) => content.subarray(from, places[index] ?? content.length));
      assertEquals(read(...parts), whole);
      if (content.length < 400) {
        assertEquals(read(...Array.from(content, (_, at) => content.subarray(at, at + 1))), whole);
      }
    }),
    { numRuns: 400 },
  );
});

Deno.test("case 32: structures made to hurt are read in bounded memory, depth and time", async () => {
  const nested = (levels: number) => {
    let text = "";
    for (let level = 0; level < levels; level++) {
      text += `Content-Type: multipart/mixed; boundary=b${level}\n\n--b${level}\n`;
    }
    return mail(text + "\nend");
  };
  let chain: Octets = mail("\nend");
  for (let level = 0; level < 40; level++) { // each a third larger than the one in it
    chain = join(mail("Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n"), octets(chain.toBase64()));
  }
  const table: readonly [name: string, content: Octets, parts: number, depth: number][] = [
    ["1e4 levels", nested(10_000), MAX_DEPTH + 1, MAX_DEPTH],
    ["1e4 messages in messages", mail("Content-Type: message/rfc822\n\n".repeat(10_000)), MAX_DEPTH + 1, MAX_DEPTH],
    ["a chain of coded messages", chain, 41, 40],
    ["1e5 parts", mail("Content-Type: multipart/mixed; boundary=a\n\n" + "--a\n\nx\n".repeat(100_000)), MAX_PARTS, 1],
    ["a boundary of 1 MB", mail(`Content-Type: multipart/mixed; boundary="${"a".repeat(1e6)}"\n\n--a\n`), 1, 0],
    [
      "1e6 lines that begin as delimiters",
      mail("Content-Type: multipart/mixed; boundary=a\n\n" + "--b\n".repeat(1e6)),
      1,
      0,
    ],
    [
      "a line of 10 MB that begins as one",
      mail(`Content-Type: multipart/mixed; boundary=a\n\n--${"a".repeat(1e7)}`),
      1,
      0,
    ],
    ["1e5 fields", mail("Content-Type: text/plain; a=b\n".repeat(100_000) + "\nx"), 1, 0],
    ["1e5 parameters", mail(`Content-Type: text/plain${";\n a*0=b".repeat(100_000)}\n\nx`), 1, 0],
    ["1e6 parentheses", mail(`Content-Type: ${"(".repeat(1e6)}\n\nx`), 1, 0],
  ];
  for (const [name, content, parts, depth] of table) {
    const before = performance.now();
    const seen = await messageContent({
      size: content.length,
      bytes: () => Promise.resolve(content),
      stream: () => ReadableStream.from([content]),
    });
    assertEquals(seen.parts.length, parts, name);
    assertEquals(Math.max(...seen.parts.map((part) => part.depth)), depth, name);
    assertEquals(seen.tooMany, name === "1e5 parts", name);
    assert(performance.now() - before < 10_000, name); // seconds where it were quadratic; linear it is milliseconds
  }
  const deepest = read(nested(10_000)).at(-1)!;
  assertEquals(deepest.defects, ["tooDeep"]);
});

Deno.test("case 33: fields made to hurt cost no more than their length", () => {
  for (const char of ["(", "<", '"', " ", "@", "\\", "*", "'", "%", "=?", ";", "\r\n\t", "=?a?q?", "a*0*=", "()"]) {
    const field = `Content-Type: text/plain; name=${char.repeat(1e6)}\nContent-ID: ${char.repeat(1e5)}\n\nx`;
    const before = performance.now();
    assertEquals(read(octets(field)).at(-1)?.head.path, "1", char);
    assert(performance.now() - before < 5000, char);
  }
});

const SCRIPT = `
import sys, json, base64, email, email.policy
for line in sys.stdin:
    message = email.message_from_bytes(base64.b64decode(line), policy=email.policy.compat32)
    out = []
    for part in message.walk():
        payload = None if part.is_multipart() else part.get_payload(decode=True)
        name = part.get_filename()
        out.append([part.get_content_type(), None if payload is None else base64.b64encode(payload).decode(),
                    None if name is None else str(email.header.make_header(email.header.decode_header(name)))])
    print(json.dumps(out))
`;

testUnless(
  programOf("python3") === null ? "python3: apt-get install python3" : null,
  "Python's email package reads the same entities, octets and names",
  async () => {
    const word = fc.string({ unit: fc.constantFrom(..."abcXYZ 019.-_äü€"), minLength: 1, maxLength: 30 })
      .map((text) => text.trim() || "x");
    const named = word.map((name) => {
      const utf8 = new TextEncoder().encode(name);
      const percent = Array.from(utf8, (octet) => `%${octet.toString(16).padStart(2, "0")}`);
      return fc.sample(
        fc.constantFrom(
          `filename*=utf-8''${percent.join("")}`,
          percent.map((each, at) => `filename*${at}*=${at === 0 ? "utf-8''" : ""}${each}`).join(";\n "),
          `filename="=?utf-8?B?${utf8.toBase64()}?="`,
          `filename="=?utf-8?q?${percent.join("").replaceAll("%", "=")}?="`,
        ),
        { numRuns: 1, seed: name.length },
      )[0]!;
    });
    const leaf = fc.tuple(
      fc.uint8Array({ maxLength: 300 }),
      fc.constantFrom("base64", "quoted-printable", "8bit"),
      fc.option(named),
      fc.constantFrom("text/plain", "application/octet-stream", "image/png; x=y"),
    ).map(([data, encoding, name, type]) => {
      const body = encoding === "base64"
        ? data.toBase64().replace(/.{1,76}/g, "$&\n")
        : encoding === "quoted-printable"
        ? Array.from(data, (octet) => `=${octet.toString(16).toUpperCase().padStart(2, "0")}`).join("")
          .replace(/.{1,72}/g, "$&=\n")
        : "plain text\n.\n -- -\n";
      return `Content-Type: ${type}\nContent-Transfer-Encoding: ${encoding}\n` +
        (name === null ? "" : `Content-Disposition: attachment; ${name}\n`) + `\n${body}`;
    });
    const tree = fc.letrec<{ node: string; multi: string; message: string }>((tie) => ({
      node: fc.oneof({ depthSize: "small" }, leaf, tie("multi"), tie("message")),
      multi: fc.tuple(
        fc.array(tie("node"), { minLength: 1, maxLength: 4 }),
        fc.string({ unit: fc.constantFrom(..."0123456789abcdef"), minLength: 8, maxLength: 20 }),
      )
        .map(([parts, boundary]) =>
          `Content-Type: multipart/mixed; boundary="=_${boundary}"\n\npreamble\n` +
          parts.map((part) => `--=_${boundary}\n${part}\n`).join("") + `--=_${boundary}--\nepilogue\n`
        ),
      message: tie("node").map((inner) =>
        `Content-Type: message/rfc822\n\nSubject: inner\nMIME-Version: 1.0\n${inner}`
      ),
    })).node;
    const messages = fc.sample(tree, { numRuns: 300, seed: 7 }).map((text) => mail(`MIME-Version: 1.0\n${text}`));
    const python = new Deno.Command(programOf("python3")!, {
      args: ["-c", SCRIPT],
      stdin: "piped",
      stdout: "piped",
      env: { PYTHONIOENCODING: "utf-8" },
    }).spawn();
    const writer = python.stdin.getWriter();
    const fed = writer.write(new TextEncoder().encode(messages.map((each) => `${each.toBase64()}\n`).join("")))
      .then(() => writer.close());
    const { stdout } = await python.output();
    await fed;
    const theirs = new TextDecoder().decode(stdout).trim().split("\n").map((line) => JSON.parse(line));
    assertEquals(theirs.length, messages.length);
    messages.forEach((message, index) => {
      const ours = read(message).map(({ head, text }) => [
        head.type,
        head.composite ? null : octets(text).toBase64(),
        head.filename,
      ]);
      assertEquals(ours, theirs[index], latin1(message));
    });
  },
);

Deno.test("entities that nobody wants are passed over, those inside of them are told of", () => {
  const paths: string[] = [];
  const reader = new MimeReader({
    part: ({ path }) => void paths.push(path),
  });
  reader.write(mail("Content-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: message/rfc822\n\n\nx\n--a--\n"));
  reader.end();
  assertEquals(paths, ["1", "1.1", "1.1.1"]);
  assertEquals(brief(read(mail("\nx"))), ['1 text/plain "x"']);
});
