import { assert, assertEquals } from "@std/assert";
import { decodeBase64 } from "../../../../core/smtp/sasl/base64.ts";
import { equalOctets } from "../../../../core/smtp/sasl/constant_time.ts";
import {
  deriveScramKeys,
  formatScramKeys,
  parseScramKeys,
  verifyScramPassword,
} from "../../../../core/smtp/sasl/scram_keys.ts";
import { octets } from "../../../support/bytes.ts";

const K = octets("k".repeat(32)).toBase64(), S = octets("s".repeat(16)).toBase64();
const line = ({ count = "4096", salt = S, stored = K, server = K } = {}) =>
  `SCRAM-SHA-256$${count}:${salt}$${stored}:${server}`;

Deno.test("stored keys come back as they were written", () => {
  const keys = parseScramKeys(line())!;
  assertEquals(keys.iterations, 4096);
  assertEquals(keys.salt, octets("s".repeat(16)));
  assertEquals(formatScramKeys(keys), line());
  assertEquals(parseScramKeys(line({ count: "10000000" }))?.iterations, 10_000_000);
});

Deno.test("what are no stored keys is null", () => {
  for (
    const text of [
      "",
      "SCRAM-SHA-256",
      line().replace("256", "1"),
      line().replace("256", "512"),
      line().toLowerCase(),
      `${line()}\n`,
      ` ${line()}`,
      `${line()}:`,
      line({ count: "4095" }), // RFC 7677 4
      line({ count: "10000001" }),
      line({ count: "04096" }),
      line({ count: "-4096" }),
      line({ count: "1e6" }),
      line({ count: "" }),
      line({ salt: "" }),
      line({ salt: S.slice(0, -1) }),
      line({ salt: octets("s".repeat(300)).toBase64() }),
      line({ stored: octets("k".repeat(31)).toBase64() }),
      line({ server: octets("k".repeat(33)).toBase64() }),
      line({ server: "====" }),
      "$scrypt$ln=15,r=8,p=1$c2FsdA$aGFzaA",
      "=".repeat(1e6),
      `SCRAM-SHA-256$4096:${"A".repeat(1e6)}`,
    ]
  ) assertEquals(parseScramKeys(text), null, text.slice(0, 80));
});

Deno.test("derived keys are those of a second implementation, and check their password only", async () => {
  const { createHash, createHmac, pbkdf2Sync } = await import("node:crypto");
  const salt = octets("0123456789abcdef"), password = "p\u00e4ss, =w\u00f6rd";
  const keys = await deriveScramKeys(password, { iterations: 5000, salt });
  const salted = pbkdf2Sync(password, salt, 5000, 32, "sha256");
  const key = (name: string) => createHmac("sha256", salted).update(name).digest();
  assertEquals(keys.storedKey.toHex(), createHash("sha256").update(key("Client Key")).digest("hex"));
  assertEquals(keys.serverKey.toHex(), key("Server Key").toString("hex"));
  assert(await verifyScramPassword(password, parseScramKeys(formatScramKeys(keys))!));
  assertEquals(await verifyScramPassword(password.toUpperCase(), keys), false);
});

Deno.test("base64 has one text for each value", () => {
  for (let length = 0; length < 20; length++) {
    const value = crypto.getRandomValues(new Uint8Array(length));
    assertEquals(decodeBase64(value.toBase64()), value);
  }
  for (
    const text of [
      "A",
      "AQ",
      "AQI",
      "AQ=",
      "A===",
      "====",
      "AQJ=",
      "AR==",
      "AQ ==",
      "AQ  ====",
      "AQ==    ",
      "\nAQ\n==\n\n",
      " AQ==",
      "AQ==\n",
      "AQ==AQ==",
      "AQ_-",
      "\u0100Q==",
    ]
  ) {
    assertEquals(decodeBase64(text), null, text);
  }
});

Deno.test("octets are equal when every one of them is", () => {
  const a = octets("secret");
  assert(equalOctets(a, octets("secret")));
  assert(equalOctets(new Uint8Array(), new Uint8Array()));
  for (const other of ["", "secre", "secrets", "Secret", "secreT", "sEcret"]) {
    assert(!equalOctets(a, octets(other)), other);
  }
});
