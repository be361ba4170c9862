/** Attributes of XCLIENT, as Postfix's XCLIENT_README has them. */
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { Reply } from "../../../core/model/reply.ts";
import { parseXclient, XCLIENT_KEYWORDS } from "../../../core/smtp/xclient.ts";

function parse(text: string): Record<string, string | null> | string {
  const found = parseXclient(text);
  return found instanceof Reply ? found.toString() : Object.fromEntries(found);
}

Deno.test("EHLO lists what is understood, and each of them is", () => {
  const [verb, ...names] = XCLIENT_KEYWORDS.split(" ");
  assertEquals(verb, "XCLIENT");
  for (const name of names) assertEquals(parse(`${name}=[UNAVAILABLE]`), { [name]: null });
});

Deno.test("values come out as they are meant", () => {
  const rows: [text: string, expected: Record<string, string | null>][] = [
    ["NAME=spike.porcupine.org ADDR=168.100.189.2", { NAME: "spike.porcupine.org", ADDR: "168.100.189.2" }],
    ["name=Spike.Example proto=esmtp", { NAME: "spike.example", PROTO: "ESMTP" }],
    ["NAME=under_score.example", { NAME: "under_score.example" }],
    ["ADDR=IPV6:2001:DB8::0:1", { ADDR: "2001:db8::1" }],
    ["ADDR=ipv6:::ffff:192.0.2.1 DESTADDR=192.0.2.2", { ADDR: "192.0.2.1", DESTADDR: "192.0.2.2" }],
    ["PORT=00025 DESTPORT=65535", { PORT: "25", DESTPORT: "65535" }],
    ["HELO=[192.0.2.1]", { HELO: "[192.0.2.1]" }],
    ["HELO=a+2Bb  LOGIN=j+C3+BCrgen@example.org ", { HELO: "a+b", LOGIN: "jürgen@example.org" }],
    ["NAME=[TEMPUNAVAIL] ADDR=[unavailable] LOGIN=[UNAVAILABLE]", { NAME: null, ADDR: null, LOGIN: null }],
    ["HELO=+5BUNAVAILABLE+5D", { HELO: null }],
  ];
  for (const [text, expected] of rows) assertEquals(parse(text), expected, text);
});

Deno.test("what is no value is 501 5.5.4", () => {
  const rows: [text: string, says: string][] = [
    ["", "XCLIENT takes NAME=value"],
    ["  ", "XCLIENT takes NAME=value"],
    ["ADDR", "XCLIENT takes NAME=value, and the names that EHLO lists"],
    ["ADDR=", "XCLIENT takes NAME=value, and the names that EHLO lists"],
    ["=1.2.3.4", "XCLIENT takes NAME=value, and the names that EHLO lists"],
    ["FOO=bar", "XCLIENT takes NAME=value, and the names that EHLO lists"],
    ["ADDR=1.2.3.4=5", "XCLIENT takes NAME=value, and the names that EHLO lists"],
    ["HELO=a+2", "XCLIENT takes NAME=value, and the names that EHLO lists"],
    ["HELO=b\u00fccher", "XCLIENT takes NAME=value, and the names that EHLO lists"],
    ["ADDR=1.2.3.4 addr=1.2.3.5", "ADDR stands twice"],
    ["ADDR=[1.2.3.4]", "Bad ADDR value"],
    ["ADDR=1.2.3.256", "Bad ADDR value"],
    ["ADDR=2001:db8::1", "Bad ADDR value"],
    ["ADDR=IPV6:1.2.3.4", "Bad ADDR value"],
    ["ADDR=IPV6:fe80::1%25eth0", "Bad ADDR value"],
    ["PORT=65536", "Bad PORT value"],
    ["PORT=-1", "Bad PORT value"],
    ["PROTO=HTTP", "Bad PROTO value"],
    ["NAME=a..b", "Bad NAME value"],
    ["NAME=-a.example", "Bad NAME value"],
    [`NAME=${"a.".repeat(128)}aa`, "Bad NAME value"],
    ["HELO=a+0D+0AMAIL", "Bad HELO value"],
    ["HELO=a+20b", "Bad HELO value"],
    ["LOGIN=a+00b", "Bad LOGIN value"],
    ["LOGIN=+FF", "Bad LOGIN value"],
    [`LOGIN=${"x".repeat(256)}`, "Bad LOGIN value"],
  ];
  for (const [text, says] of rows) assertEquals(parse(text), `501 5.5.4 ${says}`, text);
});

Deno.test("whatever comes: a refusal, or values that can stand in a log line", () => {
  const name = fc.constantFrom("NAME", "ADDR", "PORT", "HELO", "LOGIN", "DESTADDR", "x");
  const value = fc.oneof(
    fc.string({ unit: "grapheme", maxLength: 30 }),
    fc.stringMatching(/^(?:\+[0-9A-F]{2}|[!-~])*$/),
  );
  fc.assert(fc.property(fc.array(fc.tuple(name, value)), (pairs) => {
    const found = parseXclient(pairs.map((pair) => pair.join("=")).join(" "));
    if (found instanceof Reply) return assertEquals(found.code, 501);
    for (const each of found.values()) assertEquals(/[\s\p{Cc}]/u.test(each ?? ""), false, JSON.stringify(each));
  }));
});

Deno.test("any login comes through xtext", () => {
  fc.assert(fc.property(fc.string({ unit: "grapheme", minLength: 1, maxLength: 60 }), (login) => {
    if (/[\s\p{Cc}]/u.test(login) || !login.isWellFormed()) return;
    const xtext = [...new TextEncoder().encode(login)].map((octet) =>
      octet > 0x20 && octet < 0x7f && octet !== 0x2b && octet !== 0x3d
        ? String.fromCharCode(octet)
        : `+${octet.toString(16).toUpperCase().padStart(2, "0")}`
    ).join("");
    if (/^\[(UNAVAILABLE|TEMPUNAVAIL)\]$/i.test(login)) return;
    assertEquals(parse(`LOGIN=${xtext}`), { LOGIN: login });
  }));
});
