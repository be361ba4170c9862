import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  certificateOf,
  formatLine,
  formatSecret,
  type Line,
  LineError,
  nameFault,
  readLine,
  readSecret,
  senderFault,
} from "../../../../../plugins/auth/accounts/line.ts";
import { parseAddressPattern } from "../../../../../core/model/address_pattern.ts";

const SCRYPT = "$scrypt$ln=15,r=8,p=1$c2FsdHNhbHQ$hm9XXUOsvSSJ3jnBZLGoXw";
const KEY = "A".repeat(43) + "=";
const SCRAM = `SCRAM-SHA-256$15000:c2FsdHNhbHQ=$${KEY}:${KEY}`;
const HEX = "AB:".repeat(31) + "CD";

Deno.test("a line says who, by what, as whom", () => {
  const words = [SCRYPT, SCRAM, `SHA256:${HEX}`, "sender=a@example.org", "sender=@example.net", "sender=*", "disabled"];
  const line: Line = {
    name: "alice@example.org",
    scrypt: SCRYPT,
    scram: SCRAM,
    cramMd5: "p ä",
    certificates: [`SHA256:${HEX}`],
    senders: ["a@example.org", "@example.net", "*"],
    disabled: true,
  };
  assertEquals(readLine(`alice@example.org ${words.join("  \t")} cram-md5=cCDDpA==`), line);
  assertEquals(readLine(formatLine(line)), line);
  const bare = { scrypt: null, scram: null, cramMd5: null, certificates: [], senders: [], disabled: false };
  assertEquals(readLine("  bob "), { name: "bob", ...bare });
  assertEquals(readLine(`x SHA256:${HEX.toLowerCase()}`)!.certificates, [`SHA256:${HEX}`]);
  for (const text of ["", "   ", "# alice", "\t#", "!secret abc"]) assertEquals(readLine(text), null, text);
});

Deno.test("a fault has its column and shows no secret", () => {
  const table: readonly [text: string, column: number, words: string][] = [
    ["@alice x", 0, "a name does not begin with @"],
    ["$scrypt$x", 0, "a name does not begin with $"],
    ["!secrets x", 0, "a name does not begin with !"],
    ["ali\u0000ce", 0, "a name holds no spaces and no control characters"],
    ["ali\u200bce", 0, "a name holds no spaces and no control characters"],
    ["a".repeat(256), 0, "a name has at most 255 octets"],
    ["alice hunter2", 6, "alice: a word that means nothing here"],
    ["alice Disabled", 6, "alice: a word that means nothing here"],
    [`alice ${SCRYPT} ${SCRYPT}`, 6 + SCRYPT.length + 1, "alice: a scrypt hash is there twice"],
    [`alice ${SCRAM} ${SCRAM}`, 6 + SCRAM.length + 1, "alice: a set of SCRAM keys is there twice"],
    ["alice $scrypt$ln=25,r=8,p=1$c2FsdHNhbHQ$hm9XXUOsvSSJ3jnBZLGoXw", 6, "alice: no scrypt hash that can be checked"],
    ["alice $2y$10$hunter2", 6, "alice: no scrypt hash"],
    ["alice SCRAM-SHA-1$4096:x$y:z", 6, "alice: no SCRAM keys"],
    ["alice SCRAM-SHA-256$1:c2FsdHNhbHQ=$x:y", 6, "alice: no SCRAM keys"],
    ["alice cram-md5=hunter2!", 6, "alice: cram-md5= is followed by a password in base64"],
    ["alice cram-md5=", 6, "alice: cram-md5= is followed by a password in base64"],
    ["alice cram-md5=/w==", 6, "alice: cram-md5= is followed by a password in base64"],
    ["alice SHA256:AB", 6, "alice: a word that means nothing here"],
    ["alice sender=nobody", 6, "alice: a sender is an address, a pattern such as @example.org, or * for any"],
    ["alice sender=@", 6, "alice: a sender is an address"],
    ["alice sender=a@b@example.org", 6, "alice: a sender is an address"],
    ["alice sender=", 6, "alice: a sender is an address"],
  ];
  for (const [text, column, words] of table) {
    const error = assertThrows(() => readLine(text), LineError, words) as LineError;
    assertEquals(error.column, column, text);
    assertEquals(error.message.includes("hunter2"), false, error.message);
  }
  assertEquals(readSecret("alice x"), null);
  assertEquals(readSecret(formatSecret("s".repeat(32))), "s".repeat(32));
  for (const text of ["!secret", "!secret short", `!secret ${"s".repeat(32)} x`]) {
    assertThrows(() => readSecret(text), LineError, "one word of at least 32 characters");
  }
});

Deno.test("property: whatever the text, a line is read or refused, and what was read is read again from what is written", () => {
  const word = fc.oneof(
    fc.constantFrom(SCRYPT, SCRAM, "disabled", "sender=*", "sender=@example.org", `SHA256:${HEX}`, "cram-md5=cCDDpA=="),
    fc.string({ maxLength: 12 }),
  );
  fc.assert(fc.property(fc.array(word, { maxLength: 6 }), (words) => {
    let line: Line | null;
    try {
      line = readLine(words.join(" "));
    } catch (error) {
      if (!(error instanceof LineError)) throw error;
      return;
    }
    if (line === null) return;
    assertEquals(nameFault(line.name), null);
    assertEquals(line.senders.map(senderFault), line.senders.map(() => null));
    assertEquals(readLine(formatLine(line)), line);
  }));
});

Deno.test("senders are what sender_login reads", () => {
  const good = [
    "*",
    "a@example.org",
    "@example.org",
    "*@example.org",
    "a+*@example.org",
    "*@*.example.org",
    '"a"@b.example',
  ];
  for (const sender of good) {
    assertEquals([senderFault(sender), parseAddressPattern(sender, "+") === null], [null, false], sender);
  }
  for (const sender of ["", "a", "@", "a@", "a b@example.org", "a@b c", "a@-"]) assert(senderFault(sender), sender);
});

Deno.test("a fingerprint as tools write it", () => {
  const hex = HEX.replaceAll(":", "");
  for (const text of [HEX, hex, hex.toLowerCase(), `SHA256:${HEX}`, `sha256:${hex}`]) {
    assertEquals(certificateOf(text), `SHA256:${HEX}`);
  }
  for (const text of ["", "SHA256:", `${hex}0`, hex.slice(1), "x".repeat(64)]) assertEquals(certificateOf(text), null);
});
