/** PROXY headers of both versions: what they say, what is wrong with them, and that no cut of the input matters. */
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { type ProxyAnswer, ProxyHeader } from "../../../core/net/proxy.ts";
import { octets } from "../../support/bytes.ts";

const SIGNATURE = "\r\n\r\n\0\r\nQUIT\n";
const HEADER4 = "\xcb\x00\x71\x05\xc0\x00\x02\x01\xdd\xd5\x00\x19"; // 203.0.113.5:56789 to 192.0.2.1:25
const CLIENT4 = { source: { ip: "203.0.113.5", port: 56789 }, destination: { ip: "192.0.2.1", port: 25 } };

const u16 = (n: number) => String.fromCharCode(n >> 8, n & 255);
/** A header of version 2: version and command, family, block. */
const v2 = (command: number, family: number, block: string) =>
  SIGNATURE + String.fromCharCode(command, family) + u16(block.length) + block;
const tlv = (type: number, value: string) => String.fromCharCode(type) + u16(value.length) + value;

/** The answer to the whole, the rest as text. */
function read(text: string): unknown {
  return plain(new ProxyHeader().add(octets(text)));
}
function plain(answer: ProxyAnswer): unknown {
  if (answer === "more" || "bad" in answer) return answer;
  return { header: answer.header, rest: String.fromCharCode(...answer.rest) };
}

Deno.test("version 1: who is there, and the octets behind the line are the client's", () => {
  assertEquals(read("PROXY TCP4 203.0.113.5 192.0.2.1 56789 25\r\nEHLO x\r\n"), {
    header: { ...CLIENT4, tls: null },
    rest: "EHLO x\r\n",
  });
  assertEquals(read("PROXY TCP6 2001:DB8::5 2001:db8:0:0::1 0 65535\r\n"), {
    header: {
      source: { ip: "2001:db8::5", port: 0 },
      destination: { ip: "2001:db8::1", port: 65535 },
      tls: null,
    },
    rest: "",
  });
  assertEquals(read("PROXY TCP6 ::ffff:203.0.113.5 ::ffff:192.0.2.1 56789 25\r\n"), {
    header: { ...CLIENT4, tls: null },
    rest: "",
  });
  for (const words of ["UNKNOWN", "UNKNOWN ffff::1 ffff::2 1 2", `UNKNOWN ${"x".repeat(91)}`]) {
    assertEquals(read(`PROXY ${words}\r\nx`), {
      header: { source: null, destination: null, tls: null },
      rest: "x",
    });
  }
});

Deno.test("version 1: nothing but the exact form", () => {
  const rows: [text: string, why: string][] = [
    ["EHLO x\r\n", "no PROXY header"],
    ["proxy TCP4 1.2.3.4 5.6.7.8 1 2\r\n", "no PROXY header"],
    ["PROXY  TCP4 1.2.3.4 5.6.7.8 1 2\r\n", "it is TCP4, TCP6 or UNKNOWN"],
    ["PROXY UDP4 1.2.3.4 5.6.7.8 1 2\r\n", "it is TCP4, TCP6 or UNKNOWN"],
    ["PROXY TCP4\r\n", "TCP4 takes two such addresses and two ports"],
    ["PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n", "TCP4 takes two such addresses and two ports"],
    ["PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3\r\n", "TCP4 takes two such addresses and two ports"],
    ["PROXY TCP4 1.2.3.4 5.6.7.8 1 2 \r\n", "TCP4 takes two such addresses and two ports"],
    ["PROXY TCP4 1.2.3.4  5.6.7.8 1 2\r\n", "TCP4 takes two such addresses and two ports"],
    ["PROXY TCP4 1.2.3.04 5.6.7.8 1 2\r\n", "TCP4 takes two such addresses and two ports"],
    ["PROXY TCP4 1.2.3.256 5.6.7.8 1 2\r\n", "TCP4 takes two such addresses and two ports"],
    ["PROXY TCP4 1.2.3.4 5.6.7.8 01 2\r\n", "TCP4 takes two such addresses and two ports"],
    ["PROXY TCP4 1.2.3.4 5.6.7.8 1 65536\r\n", "TCP4 takes two such addresses and two ports"],
    ["PROXY TCP4 1.2.3.4 5.6.7.8 +1 2\r\n", "TCP4 takes two such addresses and two ports"],
    ["PROXY TCP4 ::1 ::2 1 2\r\n", "TCP4 takes two such addresses and two ports"],
    ["PROXY TCP6 1.2.3.4 5.6.7.8 1 2\r\n", "TCP6 takes two such addresses and two ports"],
    ["PROXY TCP6 fe80::1%eth0 ::2 1 2\r\n", "TCP6 takes two such addresses and two ports"],
    ["PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n", "the line ends with CRLF and holds no control characters"],
    ["PROXY TCP4 1.2.3.4 5.6.7.8 1 2\rEHLO x\r\n", "the line ends with CRLF and holds no control characters"],
    ["PROXY TCP4\t1.2.3.4 5.6.7.8 1 2\r\n", "the line ends with CRLF and holds no control characters"],
    ["PROXY UNKNOWN \xff\r\n", "the line ends with CRLF and holds no control characters"],
    [`PROXY UNKNOWN ${"x".repeat(92)}\r\n`, "the line is longer than 107 octets"],
    [`PROXY UNKNOWN ${"x".repeat(500)}`, "the line is longer than 107 octets"],
  ];
  for (const [text, why] of rows) assertEquals(read(text), { bad: why }, JSON.stringify(text));
});

Deno.test("version 2: both families, the proxy itself, and what has no address of IP", () => {
  assertEquals(read(`${v2(0x21, 0x11, HEADER4)}EHLO x\r\n`), {
    header: { ...CLIENT4, tls: null },
    rest: "EHLO x\r\n",
  });
  const six = "\x20\x01\x0d\xb8" + "\0".repeat(11) + "\x05";
  const mapped = "\0".repeat(10) + "\xff\xff\xc0\x00\x02\x01";
  assertEquals(read(v2(0x21, 0x21, `${six}${mapped}\x00\x01\xff\xff`)), {
    header: { source: { ip: "2001:db8::5", port: 1 }, destination: { ip: "192.0.2.1", port: 65535 }, tls: null },
    rest: "",
  });
  const nobody = { header: { source: null, destination: null, tls: null }, rest: "x" };
  const rows: [header: string, what: string][] = [
    [v2(0x20, 0x00, ""), "a health check"],
    [v2(0x20, 0x11, HEADER4), "a health check with addresses, which mean nothing"],
    [v2(0x20, 0xff, "\xff\xff\xff"), "a health check with a block that nobody may read"],
    [v2(0x21, 0x00, ""), "an unknown family"],
    [v2(0x21, 0x00, "whatever"), "an unknown family with addresses of its own"],
    [v2(0x21, 0x31, "\0".repeat(216)), "a socket file"],
  ];
  for (const [header, what] of rows) assertEquals(read(`${header}x`), nobody, what);
});

Deno.test("version 2: what is wrong is said, and bounded", () => {
  const rows: [text: string, why: string][] = [
    ["\r\n\r\nEHLO x\r\n", "no PROXY header"],
    [v2(0x11, 0x11, HEADER4), "version 1 is not known"],
    [v2(0x31, 0x11, HEADER4), "version 3 is not known"],
    [v2(0x22, 0x11, HEADER4), "command 2 is not known"],
    [v2(0x21, 0x41, HEADER4), "family 65 is not known"],
    [v2(0x21, 0x13, HEADER4), "family 19 is not known"],
    [v2(0x21, 0x12, HEADER4), "it speaks of no TCP connection"],
    [v2(0x21, 0x10, HEADER4), "it speaks of no TCP connection"],
    [v2(0x21, 0x11, HEADER4.slice(1)), "it is too short for its addresses"],
    [v2(0x21, 0x21, HEADER4), "it is too short for its addresses"],
    [v2(0x21, 0x31, HEADER4), "it is too short for its addresses"],
    [v2(0x21, 0x11, `${HEADER4}\x04`), "a TLV ends behind the header"],
    [v2(0x21, 0x11, `${HEADER4}\x04\x00\x02x`), "a TLV ends behind the header"],
    [v2(0x21, 0x11, HEADER4 + tlv(0x20, "\x01\0\0")), "its TLV on TLS is cut short"],
    [v2(0x21, 0x11, HEADER4 + tlv(0x20, "\x01\0\0\0\0\x21\xff\xff")), "its TLV on TLS is cut short"],
    [`${SIGNATURE}\x21\x11\x10\x01`, "it is longer than 4096 octets"],
    [`${SIGNATURE}\x20\x00\xff\xff`, "it is longer than 4096 octets"],
  ];
  for (const [text, why] of rows) assertEquals(read(text), { bad: why }, JSON.stringify(text));
});

Deno.test("version 2: TLVs that nobody knows are skipped, up to 4096 octets of them", () => {
  const block = HEADER4 + tlv(0x04, "padding") + tlv(0xe0, "") + tlv(0x05, "id");
  const most = block + tlv(0xea, "x".repeat(4096 - block.length - 3));
  for (const each of [block, most]) {
    assertEquals(read(`${v2(0x21, 0x11, each)}rest`), { header: { ...CLIENT4, tls: null }, rest: "rest" });
  }
});

Deno.test("version 2: the checksum is looked at when it is there", () => {
  const sound = v2(0x21, 0x11, HEADER4 + tlv(0x03, "SUM!") + tlv(0x04, ""));
  const at = sound.indexOf("SUM!");
  const sum = reference(sound.replace("SUM!", "\0\0\0\0"));
  const right = sound.replace("SUM!", () => sum);
  assertEquals(read(right), { header: { ...CLIENT4, tls: null }, rest: "" });
  fc.assert(fc.property(fc.nat(right.length - 1), fc.integer({ min: 1, max: 255 }), (where, flip) => {
    const damaged = right.slice(0, where) + String.fromCharCode(right.charCodeAt(where) ^ flip) +
      right.slice(where + 1);
    const answer = new ProxyHeader().add(octets(damaged));
    // Not here: octets that make another kind of header of it, and those that say that there is a checksum
    if (where === 12 || where === 13 || where === 14 || where === 15 || where >= at - 3 && where < at) return;
    assertEquals(typeof answer === "object" && "bad" in answer, true, `octet ${where}`);
  }));
  assertEquals(read(v2(0x21, 0x11, HEADER4 + tlv(0x03, "abc"))), { bad: "its checksum is wrong" });
});

Deno.test("CRC-32C is the one of RFC 3720 B.4: 32 zeros, ones, and the numbers up to 31", () => {
  assertEquals(reference("\0".repeat(32)), "\x8a\x91\x36\xaa");
  assertEquals(reference("\xff".repeat(32)), "\x62\xa8\xab\x43");
  assertEquals(reference(String.fromCharCode(...Array(32).keys())), "\x46\xdd\x79\x4e");
});

/** CRC-32C by long division over the message's bits, most significant octet first; the slow way, from its definition. */
function reference(text: string): string {
  const reflect = (value: number, bits: number) =>
    Array.from({ length: bits }, (_, i) => value >>> i & 1).reduce((sum, bit) => sum * 2 + bit, 0);
  let crc = 0xffffffff;
  for (const char of text) {
    crc = (crc ^ reflect(char.charCodeAt(0), 8) << 24) >>> 0;
    for (let bit = 0; bit < 8; bit++) crc = ((crc << 1) ^ (crc & 0x80000000 ? 0x1edc6f41 : 0)) >>> 0;
  }
  const sum = (reflect(crc, 32) ^ 0xffffffff) >>> 0;
  return String.fromCharCode(sum >>> 24, sum >>> 16 & 255, sum >>> 8 & 255, sum & 255);
}

Deno.test("version 2: what the proxy says of TLS are facts, and a certificate counts only when it was verified", () => {
  const facts = tlv(0x21, "TLSv1.3") + tlv(0x23, "TLS_AES_128_GCM_SHA256") + tlv(0x22, "J\xc3\xbcrgen");
  const said = (client: number, verify: string, more = facts) => {
    const answer = new ProxyHeader().add(
      octets(v2(0x21, 0x11, HEADER4 + tlv(0x20, String.fromCharCode(client) + verify + more))),
    );
    return typeof answer === "object" && "header" in answer ? answer.header.tls : answer;
  };
  const full = { version: "TLSv1.3", cipher: "TLS_AES_128_GCM_SHA256", commonName: "Jürgen" };
  assertEquals(said(0x03, "\0\0\0\0"), { ...full, verified: true });
  assertEquals(said(0x05, "\0\0\0\0"), { ...full, verified: true }, "in the session that was resumed");
  assertEquals(said(0x03, "\0\0\0\x01"), { ...full, verified: false }, "the proxy did not trust it");
  assertEquals(said(0x01, "\0\0\0\0"), { ...full, verified: false }, "there was none");
  assertEquals(said(0x01, "\0\0\0\0", ""), { version: "", cipher: "", commonName: "", verified: false });
  assertEquals(said(0x06, "\0\0\0\0"), null, "no TLS");
});

const header = fc.oneof(
  fc.tuple(fc.ipV4(), fc.ipV4(), fc.nat(65535), fc.nat(65535)).map(([a, b, c, d]) =>
    `PROXY TCP4 ${a} ${b} ${c} ${d}\r\n`
  ),
  fc.constantFrom(
    "PROXY UNKNOWN\r\n",
    "PROXY UNKNOWN\n",
    "PROXY TCP6 ::1 ::2 1 2\r\n",
    `PROXY UNKNOWN ${"x".repeat(200)}\r\n`,
    "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r",
    "EHLO x\r\n",
  ),
  fc.tuple(
    fc.constantFrom(0x20, 0x21, 0x22),
    fc.constantFrom(0, 0x11, 0x21, 0x31, 0x12),
    fc.string({ unit: "binary-ascii", maxLength: 60 }),
  ).map(([command, family, block]) => v2(command, family, block)),
  fc.string({ unit: "binary-ascii", maxLength: 130 }),
);

Deno.test("any cut of the same octets gives the same answer, and never takes an octet of the client", () => {
  fc.assert(
    fc.property(
      header,
      fc.string({ unit: "binary-ascii", maxLength: 40 }),
      fc.array(fc.nat(200)),
      (head, tail, ends) => {
        const all = octets(head + tail);
        const whole = plain(new ProxyHeader().add(all));
        const cuts = [...new Set([...ends.filter((end) => end < all.length), all.length])].sort((a, b) => a - b);
        for (const places of [cuts, all.map((_, i) => i + 1)]) {
          const reader = new ProxyHeader();
          let answer: ProxyAnswer = "more", from = 0;
          for (const end of places) {
            answer = reader.add(all.slice(from, end));
            from = end;
            if (answer !== "more") break;
          }
          const found = plain(answer);
          if (typeof answer === "object" && "rest" in answer) {
            const rest = String.fromCharCode(...answer.rest, ...all.slice(from));
            assertEquals({ header: answer.header, rest }, whole);
          } else assertEquals(found, whole);
        }
      },
    ),
    { numRuns: 500 },
  );
});
