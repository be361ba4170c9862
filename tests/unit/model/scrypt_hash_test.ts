import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { formatScryptHash, parseScryptHash, SCRYPT_MEMORY, scryptMemory } from "../../../core/model/scrypt_hash.ts";

const SALT = "c2FsdHNhbHQ", HASH = "hm9XXUOsvSSJ3jnBZLGoXw";

Deno.test("a scrypt hash is read with padding or without, and written without", () => {
  for (const [salt, hash] of [[SALT, HASH], [`${SALT}=`, `${HASH}==`]]) {
    const found = parseScryptHash(`$scrypt$ln=15,r=8,p=1$${salt}$${hash}`)!;
    assertEquals([found.ln, found.r, found.p, found.salt.length, found.hash.length], [15, 8, 1, 8, 16]);
    assertEquals(formatScryptHash(found), `$scrypt$ln=15,r=8,p=1$${SALT}$${HASH}`);
  }
});

Deno.test("what costs nothing, or the machine, and what is no hash at all is none", () => {
  const table: readonly [text: string, good: boolean][] = [
    [`$scrypt$ln=10,r=8,p=1$${SALT}$${HASH}`, true],
    [`$scrypt$ln=9,r=8,p=1$${SALT}$${HASH}`, false],
    [`$scrypt$ln=18,r=8,p=1$${SALT}$${HASH}`, true], // 256 MiB
    [`$scrypt$ln=18,r=8,p=16$${SALT}$${HASH}`, true],
    [`$scrypt$ln=19,r=8,p=1$${SALT}$${HASH}`, false],
    [`$scrypt$ln=20,r=2,p=1$${SALT}$${HASH}`, true],
    [`$scrypt$ln=21,r=1,p=1$${SALT}$${HASH}`, false],
    [`$scrypt$ln=10,r=32,p=16$${SALT}$${HASH}`, true],
    [`$scrypt$ln=10,r=33,p=1$${SALT}$${HASH}`, false],
    [`$scrypt$ln=10,r=8,p=17$${SALT}$${HASH}`, false],
    [`$scrypt$ln=10,r=0,p=1$${SALT}$${HASH}`, false],
    [`$scrypt$ln=10,r=8,p=0$${SALT}$${HASH}`, false],
    [`$scrypt$ln=010,r=8,p=1$${SALT}$${HASH}`, false],
    [`$scrypt$ln=99999,r=8,p=1$${SALT}$${HASH}`, false],
    [`$scrypt$r=8,ln=15,p=1$${SALT}$${HASH}`, false],
    [`$scrypt$ln=15,r=8,p=1$$${HASH}`, false],
    [`$scrypt$ln=15,r=8,p=1$c2Fs$${HASH}`, false], // three octets of salt
    [`$scrypt$ln=15,r=8,p=1$${"A".repeat(88)}$${HASH}`, false],
    [`$scrypt$ln=15,r=8,p=1$${SALT}$c2hvcnQ`, false],
    [`$scrypt$ln=15,r=8,p=1$${SALT}$${"A".repeat(88)}`, false],
    [`$scrypt$ln=15,r=8,p=1$${SALT}$${HASH}===`, false],
    [`$scrypt$ln=15,r=8,p=1$${SALT}$${HASH}AAA`, false], // base64 of no octets
    [`$scrypt$ln=15,r=8,p=1$${SALT}$${HASH} `, false],
    [`$scrypt$ln=15,r=8,p=1$${SALT}`, false],
    ["$2b$12$abcdefghijklmnopqrstuv", false],
    ["", false],
  ];
  for (const [text, good] of table) assertEquals(parseScryptHash(text) !== null, good, text);
});

Deno.test("any hash in the bounds is read as it was written; none in the bounds needs more memory than allowed", () => {
  const octets = (minLength: number) =>
    fc.uint8Array({ minLength, maxLength: 64 }).map((each) => Uint8Array.from(each));
  const cost = {
    ln: fc.integer({ min: 1, max: 24 }),
    r: fc.integer({ min: 1, max: 40 }),
    p: fc.integer({ min: 1, max: 20 }),
  };
  fc.assert(fc.property(fc.record({ ...cost, salt: octets(4), hash: octets(16) }), (value) => {
    const found = parseScryptHash(formatScryptHash(value));
    const within = value.ln >= 10 && value.ln <= 20 && value.r <= 32 && value.p <= 16;
    if (found !== null) {
      assertEquals(found, { ...value });
      assertEquals(scryptMemory({ ...found, p: 0 }) <= SCRYPT_MEMORY, true);
    } else assertEquals(within && 128 * value.r * 2 ** value.ln <= SCRYPT_MEMORY, false);
  }));
});
