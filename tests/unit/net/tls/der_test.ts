/** DER: what is written can be read again, and no octets make the readers do anything but return or say DerError. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { readCertificate } from "../../../../core/net/tls/certificate.ts";
import { der, DerError, DerReader, integer, oid, oidText, TAG } from "../../../../core/net/tls/der.ts";
import { makeSelfSigned } from "../../../../core/net/tls/self_signed.ts";

const hex = (octets: Uint8Array) => octets.toHex();
const bytes = (text: string) => Uint8Array.fromHex(text.replaceAll(" ", ""));

Deno.test("values as X.690 has them", () => {
  assertEquals(hex(oid("2.5.29.17")), "0603551d11");
  assertEquals(hex(oid("1.2.840.113549.1.1.11")), "06092a864886f70d01010b"); // X.690 8.19, RFC 8017
  assertEquals(hex(integer(bytes("00 00 7f"))), "02017f");
  assertEquals(hex(integer(bytes("80"))), "02020080"); // 8.3: positive
  assertEquals(hex(integer(bytes("00"))), "020100");
  assertEquals(hex(der(TAG.octetString, new Uint8Array(200)).subarray(0, 3)), "0481c8");
  assertEquals(hex(der(TAG.octetString, new Uint8Array(300)).subarray(0, 4)), "0482012c");
});

Deno.test("what is no DER is refused", () => {
  const bad = {
    "nothing": "",
    "no length": "30",
    "the end is missing": "30 03 01 01",
    "an indefinite length": "30 80 00 00",
    "a length in four octets": "30 84 00 00 00 01 05",
    "a length that needs no second octet": "30 81 05 01 02 03 04 05",
    "a length with a leading zero": "30 82 00 81" + "00".repeat(129),
    "a length that is cut": "30 82 01",
    "a tag of many octets": "3f 81 01 00",
  };
  for (const [name, octets] of Object.entries(bad)) {
    const read = () => new DerReader(bytes(octets)).next();
    assertThrows(() => assertEquals(read(), null, name), DerError);
  }
  assertThrows(() => new DerReader(bytes("02 01 00")).next(TAG.sequence), DerError);
});

Deno.test("what is written can be read", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 70_000 - 5000 }), (octets) => {
    const reader = new DerReader(der(TAG.sequence, der(TAG.octetString, octets), integer(Uint8Array.of(1)))).enter();
    assertEquals(reader.next(TAG.octetString).contents, new Uint8Array(octets));
    assertEquals(reader.optional(TAG.set), null);
    reader.next(TAG.integer);
    assert(reader.ended);
  }));
  const arcs = fc.tuple(fc.nat(2), fc.nat(39), fc.nat(), fc.nat(200));
  fc.assert(fc.property(arcs, (numbers) => {
    const text = numbers.join(".");
    assertEquals(oidText(new DerReader(oid(text)).next(TAG.oid).contents), text);
  }));
});

Deno.test("a certificate with any octets changed, cut off or added is read or refused, nothing else", async () => {
  const { certificate } = await makeSelfSigned(["localhost", "127.0.0.1"]);
  const good = Uint8Array.fromBase64(certificate.replace(/-----[^-]+-----/g, ""));
  const refusedOnly = (octets: Uint8Array<ArrayBuffer>) => {
    try {
      readCertificate(octets);
    } catch (error) {
      assert(error instanceof DerError, String(error));
    }
  };
  refusedOnly(good);
  for (let length = 0; length < good.length; length++) {
    assertThrows(() => readCertificate(good.slice(0, length)), DerError);
  }
  assertThrows(() => readCertificate(Uint8Array.from([...good, 0])), DerError);
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { maxLength: 4 }), (changes) => {
      const octets = good.slice();
      for (const [at, value] of changes) octets[at] = value;
      refusedOnly(octets);
    }),
    { numRuns: 2000 },
  );
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (octets) => refusedOnly(new Uint8Array(octets))));
});
