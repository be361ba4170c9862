import { assert, assertEquals, assertRejects } from "@std/assert";
import { unpack, UnpackError } from "../../../../../plugins/identity/dmarc/unpack.ts";

const XML = "<feedback>é</feedback>", utf8 = new TextEncoder().encode(XML);
type Octets = Uint8Array<ArrayBuffer>;

async function packed(octets: Octets, format: "gzip" | "deflate-raw"): Promise<Octets> {
  const stream = new Blob([octets]).stream().pipeThrough(new CompressionStream(format));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** An archive as the common programs write it, without checksums, which nobody here looks at. */
function zip(files: readonly (readonly [name: string, method: number, content: Octets])[], flags = 0): Octets {
  const parts: Octets[] = [], directory: Octets[] = [];
  let offset = 0;
  const header = (size: number, fields: readonly (readonly [at: number, bytes: 2 | 4, value: number])[]) => {
    const view = new DataView(new ArrayBuffer(size));
    for (const [at, bytes, value] of fields) {
      bytes === 2 ? view.setUint16(at, value, true) : view.setUint32(at, value, true);
    }
    return new Uint8Array(view.buffer);
  };
  for (const [text, method, content] of files) {
    const name = new TextEncoder().encode(text);
    const local = header(30, [[0, 4, 0x04034b50], [6, 2, flags], [8, 2, method], [18, 4, content.length], [
      26,
      2,
      name.length,
    ]]);
    directory.push(
      header(46, [
        [0, 4, 0x02014b50],
        [8, 2, flags],
        [10, 2, method],
        [20, 4, content.length],
        [28, 2, name.length],
        [42, 4, offset],
      ]),
      name,
    );
    parts.push(local, name, content);
    offset += local.length + name.length + content.length;
  }
  const size = directory.reduce((sum, each) => sum + each.length, 0);
  const end = header(22, [[0, 4, 0x06054b50], [8, 2, files.length], [10, 2, files.length], [12, 4, size], [
    16,
    4,
    offset,
  ]]);
  return new Uint8Array([...parts, ...directory, end].flatMap((each) => [...each]));
}
const mail = (type: string, name: string, ...contents: readonly Octets[]): Octets =>
  new TextEncoder().encode(
    `From: a@example.com\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\ntext\r\n${
      contents.map((content) =>
        `--b\r\nContent-Type: ${type}; name="${name}"\r\nContent-Transfer-Encoding: base64\r\n\r\n${content.toBase64()}\r\n`
      ).join("")
    }--b--\r\n`,
  );

Deno.test("whatever a report comes in", async () => {
  const gzip = await packed(utf8, "gzip"), deflated = await packed(utf8, "deflate-raw");
  const table: readonly [string, Octets][] = [
    ["plain", utf8],
    ["with a mark and space", new TextEncoder().encode(`\ufeff\r\n ${XML}`)],
    ["UTF-16", Uint8Array.from([0xff, 0xfe, ...[...XML].flatMap((char) => [char.charCodeAt(0), 0])])],
    ["Latin-1", Uint8Array.from(`<?xml version="1.0" encoding="ISO-8859-1"?>${XML}`, (char) => char.charCodeAt(0))],
    ["gzip", gzip],
    ["gzip, and a line end behind it, as one of the large reporters writes it", Uint8Array.of(...gzip, 13, 10)],
    ["zip, deflated", zip([["a.xml", 8, deflated]])],
    [
      "zip, stored, with a folder and a text",
      zip([["d/", 0, new Uint8Array()], ["t", 0, new TextEncoder().encode("x")], ["a.xml", 0, utf8]]),
    ],
    ["mail with gzip", mail("application/gzip", "r.xml.gz", gzip)],
    ["mail with zip", mail("application/octet-stream", "r.zip", zip([["a.xml", 8, deflated]]))],
    ["mail with a type that says nothing", mail("application/x-foo", "R.XML.GZ", gzip)],
    ["mail with XML", mail("text/xml", "r", utf8)],
    ["a mail that is nothing else", new TextEncoder().encode(`Content-Type: application/xml\r\n\r\n${XML}`)],
  ];
  for (const [what, octets] of table) {
    const documents = await unpack(octets);
    assertEquals(documents.map((each) => each.replace(/^[^]*(?=<feedback)/, "")), [XML], what);
  }
  assertEquals((await unpack(zip([["a", 8, deflated], ["b", 8, deflated]]))).length, 2);
});

Deno.test("what is none, broken, or grows beyond all bounds is refused", async () => {
  const gzip = await packed(utf8, "gzip");
  const bomb = await packed(new Uint8Array(80 * 1024 * 1024), "gzip");
  const inner = await packed(new Uint8Array(80 * 1024 * 1024), "deflate-raw");
  assert(bomb.length < 200_000);
  const half = await packed(new Uint8Array(40 * 1024 * 1024).fill(60), "gzip");
  const good = zip([["a.xml", 0, utf8]]);
  const table: readonly [string, Octets, string][] = [
    ["nothing", new Uint8Array(), "it is no XML"],
    ["a text", new TextEncoder().encode("Hello"), "it is no XML"],
    ["a mail without one", mail("image/png", "x.png", gzip), "it is no XML"],
    ["half a gzip", gzip.slice(0, gzip.length - 10), "broken"],
    ["a broken gzip", gzip.map((octet, at) => at > 12 && at < 20 ? ~octet : octet), "broken"],
    ["a bomb", bomb, "unpacks to more than"],
    ["a bomb in a zip", zip([["a.xml", 8, inner]]), "unpacks to more than"],
    ["a bomb in a mail", mail("application/gzip", "r.xml.gz", bomb), "unpacks to more than"],
    [
      "a mail of two that are one bomb together",
      mail("application/gzip", "r.xml.gz", half, half),
      "unpacks to more than",
    ],
    ["a zip without its end", good.slice(0, good.length - 22), "zip is broken"],
    ["a zip with offsets out of it", good.map((octet, at) => at === good.length - 5 ? 0xff : octet), "zip is broken"],
    ["an encrypted zip", zip([["a.xml", 0, utf8]], 1), "zip is broken"],
    ["a zip of another method", zip([["a.xml", 12, utf8]]), "zip is broken"],
    ["a zip of many", zip(Array.from({ length: 30 }, () => ["a", 0, utf8] as const)), "more than 20 files"],
    ["a zip without XML", zip([["a.txt", 0, new TextEncoder().encode("x")]]), "no XML"],
    ["an encoding of nobody", new TextEncoder().encode('<?xml version="1.0" encoding="klingon"?><a/>'), "encoding"],
  ];
  for (const [what, octets, why] of table) {
    const error = await assertRejects(() => unpack(octets), UnpackError);
    assert(error.message.includes(why), `${what}: ${error.message}`);
  }
});
