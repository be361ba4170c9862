import { assertEquals } from "@std/assert";
import { hmacMd5, md5 } from "../../../../core/smtp/sasl/md5.ts";
import { utf8 } from "../../../support/sasl.ts";

const DIGITS = "1234567890";

Deno.test("MD5 gives the digests of RFC 1321 A.5", () => {
  for (
    const [message, digest] of [
      ["", "d41d8cd98f00b204e9800998ecf8427e"],
      ["a", "0cc175b9c0f1b6a831c399e269772661"],
      ["abc", "900150983cd24fb0d6963f7d28e17f72"],
      ["message digest", "f96b697d7cb7938d525a2f31aaf161d0"],
      ["abcdefghijklmnopqrstuvwxyz", "c3fcd3d76192e4007dfb496cca67e13b"],
      ["ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", "d174ab98d277d9f5a5611c2c9f419d9f"],
      [DIGITS.repeat(8), "57edf4a22be3c955ac49da2e2107b67a"],
    ] as const
  ) assertEquals(md5(utf8(message)).toHex(), digest, message);
});

Deno.test("MD5 pads messages of every length around a block as another implementation does", async () => {
  const { createHash } = await import("node:crypto");
  for (let length = 0; length <= 130; length++) {
    const message = crypto.getRandomValues(new Uint8Array(length));
    assertEquals(md5(message).toHex(), createHash("md5").update(message).digest("hex"), String(length));
  }
});

Deno.test("HMAC-MD5 gives the digests of RFC 2104 and RFC 2202 2, keys longer than a block among them", () => {
  const octet = (value: number, count: number) => new Uint8Array(count).fill(value);
  for (
    const [key, text, digest] of [
      [octet(0x0b, 16), utf8("Hi There"), "9294727a3638bb1c13f48ef8158bfc9d"],
      [utf8("Jefe"), utf8("what do ya want for nothing?"), "750c783e6ab0b503eaa86e310a5db738"],
      [octet(0xaa, 16), octet(0xdd, 50), "56be34521d144c88dbb8c733f0e8b3f6"],
      [
        octet(0xaa, 80),
        utf8("Test Using Larger Than Block-Size Key - Hash Key First"),
        "6b1ab7fe4bd7bf8f0b62e6ce61b9d0cd",
      ],
    ] as const
  ) assertEquals(hmacMd5(key, text).toHex(), digest);
});
