/**
 * ValiMail's ARC suite: what chains come to, and what our seals are, octet for octet in canonical form. The vectors are not
 * part of the project: VECTORS_DIR says where they are.
 */
import { assert, assertEquals } from "@std/assert";
import {
  arcResult,
  type ChainValidation,
  KeyRecords,
  ownResults,
  PrivateKey,
  seal,
  SignedHeader,
  verifyChain,
} from "../../core/dkim/mod.ts";
import { MemoryResolver } from "../../core/dns/memory_resolver.ts";
import { mail } from "../support/bytes.ts";
import { readVectors } from "../support/vectors.ts";

interface Validation {
  readonly description: string;
  readonly message: string;
  /** Empty: the suite does not say. */
  readonly cv: "None" | "Pass" | "Fail" | "";
}
interface Signing {
  readonly description: string;
  readonly message: string;
  readonly t: number;
  readonly "sig-headers": string;
  readonly "srv-id": string;
  readonly AS: string;
  readonly AMS: string;
  readonly AAR: string;
}
interface Suite<T> {
  readonly description: string;
  readonly tests: Readonly<Record<string, T>>;
  readonly "txt-records": Readonly<Record<string, string>>;
  readonly domain: string;
  readonly sel: string;
  readonly privatekey: string;
}

/** What the suite says nothing of: RFC 8617 5.2, step 2, does. */
const SILENT = ["cv_fail_i1_as_cv_fail", "cv_fail_i2_as2_fail", "cv_fail_i2_as1_fail"];

const content = (message: string) => {
  const memory = mail(message);
  return { head: memory, memory, stream: () => new Blob([memory]).stream() };
};
function door(records: Readonly<Record<string, string>>) {
  const zone = Object.entries(records).map(([name, text]) => [name, { txt: [text.replaceAll("\n", "")] }] as const);
  const dns = new MemoryResolver(Object.fromEntries(zone));
  return { txt: (name: string) => dns.txt(name), records: new KeyRecords() };
}

const validation = readVectors<readonly Suite<Validation>[]>("arc-valimail/tests/arc-draft-validation-tests.json");
Deno.test({
  name: "case 57: ARC vectors: what each chain comes to",
  ignore: validation === null,
  async fn(t) {
    let seen = 0;
    for (const { description, tests, "txt-records": records } of validation!) {
      for (const [name, test] of Object.entries(tests)) {
        seen++;
        await t.step(`${description}: ${name}`, async () => {
          const { cv, reason, temporary } = await verifyChain(content(test.message), {
            ...door(records),
            now: Date.now(),
          });
          assertEquals(temporary, false);
          assertEquals(test.cv === "", SILENT.includes(name));
          const expected = test.cv === "" ? "fail" : test.cv.toLowerCase();
          assertEquals(cv, expected, `${test.description}: ${reason}`);
        });
      }
    }
    assert(seen >= 171, `${seen} cases found`);
  },
});

/** As it is hashed, without what is only layout: the suite's own has line ends inside its base64. */
const plain = (field: string) => field.replace(/^[\w-]+:/, "").replace(/\s+/g, " ").trim();
const withoutSpace = (text: string) => text.replace(/\s+/g, "");

const signing = readVectors<readonly Suite<Signing>[]>("arc-valimail/tests/arc-draft-sign-tests.json");
Deno.test({
  name: "case 57: ARC vectors: each set that we add, octet for octet",
  ignore: signing === null,
  async fn(t) {
    let seen = 0;
    for (const { description, tests, domain, sel, privatekey } of signing!) {
      const key = { domain, selector: sel, key: PrivateKey.parse(privatekey) };
      for (const [name, test] of Object.entries(tests)) {
        seen++;
        await t.step(`${description}: ${name}`, async () => {
          const given = content(test.message), host = test["srv-id"];
          const results = ownResults(new SignedHeader(given.head), host);
          const added = await seal(given, {
            key,
            host,
            results,
            cv: arcResult(results) as ChainValidation | undefined ?? "none",
            now: test.t * 1000,
            order: ["a", "b", "bh", "c", "cv", "d", "h", "i", "s", "t"], // as the suite's README has it
            fields: (section) =>
              test["sig-headers"].split(":").map((name) => ({ name, range: section.named(name).at(-1) ?? null })),
          });
          const fields = added === null ? ["", "", ""] : added.split(/(?<=\r\n)(?![ \t])/);
          const [as, ams, aar] = fields.map(plain);
          assertEquals([withoutSpace(as!), withoutSpace(ams!)], [withoutSpace(test.AS), withoutSpace(test.AMS)]);
          assertEquals(aar, plain(test.AAR));
        });
      }
    }
    assert(seen >= 17, `${seen} cases found`);
  },
});
