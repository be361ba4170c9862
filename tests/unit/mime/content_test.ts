/** Decoded content: charsets, bounds, what is kept between plugins; and what HTML shows and hides. */
import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import fc from "fast-check";
import { type ContentSource, messageContent } from "../../../core/mime/content.ts";
import { htmlText } from "../../../core/mime/html_text.ts";
import { type Message, on, runPhase } from "../../../core/pipeline/mod.ts";
import { mail } from "../../support/bytes.ts";

/** Counts how often it is read. */
class Source implements ContentSource {
  reads = 0;
  readonly #octets: Uint8Array<ArrayBuffer>;
  constructor(text: string) {
    this.#octets = mail(text);
  }
  get size(): number {
    return this.#octets.length;
  }
  bytes(): Promise<Uint8Array> {
    this.reads++;
    return Promise.resolve(this.#octets);
  }
  stream(): ReadableStream<Uint8Array> {
    this.reads++;
    return ReadableStream.from([this.#octets]);
  }
}

Deno.test("text in the charset that the part names, the page names, or that it can only be", async () => {
  const table: readonly [message: string, text: string][] = [
    ["Content-Type: text/plain; charset=iso-8859-1\n\n\xe4", "ä"],
    ['Content-Type: text/plain; charset="UTF-8"\n\n\xc3\xa4', "ä"],
    ["Content-Type: text/plain; charset=utf-8\n\n\xe4", "\ufffd"],
    ["\n\xc3\xa4", "ä"],
    ["\n\xe4\x80", "ä€"],
    ["Content-Type: text/plain; charset=koi8-r\n\n\xd4", "т"],
    ['Content-Type: text/plain; charset=iso-2022-jp\n\n\x1b$B$"\x1b(B', "あ"],
    ["Content-Type: text/plain; charset=unknown-8bit\n\n\xe4", "ä"],
    ["Content-Type: text/plain; charset=utf-16le\n\na\0b\0", "ab"],
    ['Content-Type: text/html\n\n<meta http-equiv="x" content="text/html; charset=koi8-r">\xd4', "т"],
  ];
  for (const [message, text] of table) {
    const { texts } = await messageContent(new Source(message));
    assertEquals(texts[0]!.text.replace(/<.*>/, ""), text, message);
  }
});

Deno.test("parts with their sizes and beginnings, texts to the bound and no further", async () => {
  const { parts, texts, cut } = await messageContent(
    new Source(
      `Content-Type: multipart/mixed; boundary=a\n\n--a\n\n${"x".repeat(600)}\n--a\nContent-Type: text/html\n` +
        `Content-Disposition: attachment\n\n${"y".repeat(600)}\n--a\nContent-Type: image/png\n\n${
          "z".repeat(9000)
        }\n--a--\n`,
    ),
    { max: 1000 },
  );
  assertEquals(parts.map((part) => [part.path, part.size, part.beginning.length]), [
    ["1", 0, 0],
    ["1.1", 600, 600],
    ["1.2", 600, 400],
    ["1.3", 9000, 4096],
  ]);
  assertEquals(texts.map(({ html, attached, text, cut }) => [html, attached, text.length, cut]), [
    [false, false, 600, false],
    [true, true, 400, true],
  ]);
  assert(cut);
});

Deno.test("a message is read once, again only for more of it, and after a failure", async () => {
  const source = new Source(`\n${"x".repeat(5000)}`);
  const first = await messageContent(source, { max: 1000 });
  assertStrictEquals(await messageContent(source, { max: 10 }), first);
  assertEquals(source.reads, 1);
  assertEquals((await messageContent(source)).texts[0]!.text.length, 5000);
  assertEquals(source.reads, 2);
  let fails = true;
  const spooled: ContentSource = {
    size: 1,
    bytes: () => fails ? Promise.reject(new Error("no disk")) : Promise.resolve(mail("\nx")),
    stream: () => ReadableStream.from([]),
  };
  assertEquals(await messageContent(spooled).catch((error: Error) => error.message), "no disk");
  fails = false;
  assertEquals((await messageContent(spooled)).texts[0]!.text, "x");
});

Deno.test("plugins share what was read, header edits between them or not", async () => {
  const seen: unknown[] = [];
  const look = on("data", async (ctx, next) => {
    seen.push(await messageContent(ctx.message));
    ctx.prependHeader("X-Seen", "yes");
    return await next();
  });
  let message: Message | undefined;
  await runPhase(
    [look, { ...look, name: "second" }, on("data", (ctx, next) => (message = ctx.message, next()))],
    "data",
  );
  assertEquals(seen.length, 2);
  assertStrictEquals(seen[0], seen[1]);
  assertEquals(message?.header("x-seen"), "yes");
});

Deno.test("HTML: what a person sees, what is hidden, where links lead", () => {
  const table: readonly [html: string, text: string, hidden?: string][] = [
    ["a  b\n c", "a b c"],
    ["<p>a<p>b<br>c", "\na\nb\nc"],
    ["a<b>b</b>c", "abc"],
    ["a&amp;b&#x41;&#66;&auml;&nosuch;&#0;&lt", "a&bABä&nosuch;\ufffd<"],
    ["a<!-- b > c -->d<!-->e<!--->f<!x>g<?y>h", "adefgh"],
    ["a<script>if (a < b) '</p>'</script>b<STYLE>x</style >c<title>t</title>d", "abcd"],
    ["a<script>b", "a"],
    ["1 < 2 <3", "1 < 2 <3"],
    ["a<b c='>' d=\">\">e", "ae"],
    ["a<b c='", "a"],
    ["a</ b>c</>d", "acd"],
    ["<span style='display: none'>x<span>y</span>z</span>a", "a", "xyz"],
    ["<span hidden>x</span>a", "a", "x"],
    ["<div style='font-size:0px'>x</div>a<i style='COLOR:#FFF; background-color: #fff'>y</i>", "\n\na", "xy"],
    ["<br style='display:none'>a", "\na"],
    ["<p style='font-size:10px; opacity:0.9'>a", "\na"],
  ];
  for (const [html, text, hidden = ""] of table) {
    const seen = htmlText(html);
    assertEquals(seen.text.replace(/\n$/, ""), text, html);
    assertEquals(seen.hidden.trim(), hidden, html);
  }
  assertEquals(
    htmlText(
      '<a href="http://a/?b&amp;c">one <img src=x alt=two></a><area href=d><a name=e>f</a><A HREF=g>h<a href=i>j',
    )
      .links,
    [
      { href: "http://a/?b&c", text: "one two" },
      { href: "d", text: "" },
      { href: "g", text: "h" },
      { href: "i", text: "j" },
    ],
  );
  assertEquals(htmlText("<base href=a><img src=' b '><form action=c><body background=d>").sources, [
    "a",
    "b",
    "c",
    "d",
  ]);
});

Deno.test("HTML: any input is read to its end, and costs no more than its length", () => {
  fc.assert(fc.property(
    fc.array(
      fc.constantFrom(
        "<",
        ">",
        "a",
        "<a ",
        "href=",
        "'",
        '"',
        "/",
        "<!--",
        "-->",
        "<script>",
        "</",
        "&",
        "#",
        ";",
        " ",
      ),
    ),
    (pieces) => void htmlText(pieces.join("")),
  ));
  for (
    const piece of [
      "<",
      "<a ",
      "<a '",
      "&",
      "&#",
      "<!--",
      "</",
      "<script>",
      "<a href=",
      '<a b="c" ',
      "<p style='",
      "<i hidden>",
    ]
  ) {
    const before = performance.now();
    htmlText(piece.repeat(1e6 / piece.length));
    assert(performance.now() - before < 5000, piece);
  }
});
