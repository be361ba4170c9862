/**
 * What other verifiers' own tests say of signatures: chasquid's cases and dkimpy's messages and records. The vectors are not
 * part of the project: VECTORS_DIR says where they are.
 */
import { assert, assertEquals } from "@std/assert";
import { KeyRecords, verify, type VerifyOptions } from "../../core/dkim/mod.ts";
import { DnsError } from "../../core/dns/resolver.ts";
import { mail } from "../support/bytes.ts";
import { readVectorText } from "../support/vectors.ts";

type Zone = Readonly<Record<string, readonly string[] | "temporary" | "permanent">>;

const content = (message: string) => {
  const memory = mail(message);
  return { head: memory, memory, stream: () => new Blob([memory]).stream() };
};

function run(message: string, zone: Zone, options: Partial<VerifyOptions> = {}) {
  const txt = (name: string) => {
    const found = zone[name] ?? "permanent";
    if (typeof found !== "string") return Promise.resolve(found);
    return Promise.reject(new DnsError(found === "temporary" ? "servfail" : "nxdomain", `TXT ${name}`));
  };
  return verify(content(message), { txt, records: new KeyRecords(), now: Date.UTC(2026, 0), ...options });
}

// ---- chasquid --------------------------------------------------------------------------------------------------------

const CASES = [
  "01-rfc8463",
  "02-too_many_headers",
  "03-bad_message",
  "04-bad_dkim_signature_header",
  "05-dns_temp_error",
  "06-dns_perm_error",
  "07-algo_mismatch",
  "08-our_signature",
  "09-limited_body",
  "10-strict_domain_check_pass",
  "11-strict_domain_check_fail",
];

/** A file of the set; some hold nothing but the name of another. */
function file(name: string): string | null {
  const text = readVectorText(`dkim-chasquid/cases/${name}`);
  return text !== null && /^\d\d-\S+$/.test(text.trim()) ? file(text.trim()) : text;
}

/** Lines of `name: text`, continued behind a backslash. */
function zoneOf(text: string): Zone {
  const zone: Record<string, readonly string[] | "temporary" | "permanent"> = {};
  for (const [, name, value] of text.replaceAll(/\\\n\s*/g, "").matchAll(/^(\S+): *(.*)$/gm)) {
    if (value === "TEMPERROR") zone[name!] = "temporary";
    else if (value === "PERMERROR") zone[name!] = "permanent";
    else zone[name!] = [...zone[name!] ?? [], value!];
  }
  return zone;
}

interface Expected {
  readonly Found: number;
  readonly Valid: number;
  readonly Results: readonly { readonly State: "SUCCESS" | "TEMPFAIL" | "PERMFAIL"; readonly Domain: string }[];
}
const STATES: Readonly<Record<string, readonly string[]>> = {
  SUCCESS: ["pass"],
  TEMPFAIL: ["temperror"],
  PERMFAIL: ["fail", "permerror"],
};

Deno.test({
  name: "DKIM vectors: chasquid's cases",
  ignore: file("01-rfc8463.msg") === null,
  async fn(t) {
    for (const name of CASES) {
      await t.step(name, async () => {
        const { signatures } = await run(file(`${name}.msg`)!, zoneOf(file(`${name}.dns`) ?? ""), { most: 5 });
        const expected = file(`${name}.result`);
        if (expected === null) return assertEquals(signatures.filter(({ result }) => result === "pass"), []);
        const { Found, Valid, Results } = JSON.parse(expected) as Expected;
        const passed = signatures.filter(({ result }) => result === "pass");
        assertEquals([signatures.length, passed.length], [Found, Valid]);
        for (const [at, { State, Domain }] of Results.entries()) {
          const { result, domain, reason } = signatures[at]!;
          assert(STATES[State]!.includes(result), `${at}: ${result} (${reason}) instead of ${State}`);
          if (Domain !== "") assertEquals(domain, Domain);
        }
      });
    }
  },
});

// ---- dkimpy ----------------------------------------------------------------------------------------------------------

const given = (name: string) => readVectorText(`dkim-dkimpy/cases/${name}`)!;
const missing = readVectorText("dkim-dkimpy/cases/test.txt") === null;
const KEY = "test._domainkey.football.example.com";

Deno.test({
  name: "DKIM vectors: dkimpy's message signed twice, with records good and bad",
  ignore: missing,
  async fn() {
    const message = given("rfc6376.signed.msg"), brisbane = "brisbane._domainkey.football.example.com";
    const ed25519 = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
    const table: readonly [record: string, result: string][] = [
      ["test.txt", "pass"],
      ["test2.txt", "pass"], // no k=
      ["badk.txt", "permerror"],
      ["badversion.txt", "permerror"],
      ["test_bad.txt", "permerror"],
      ["test_tlsrpt.txt", "permerror"],
    ];
    for (const [record, expected] of table) {
      const { signatures } = await run(message, { [brisbane]: [ed25519], [KEY]: [given(record)] });
      assertEquals(signatures.map(({ result }) => result), ["pass", expected], `${record}: ${signatures[1]!.reason}`);
    }
  },
});

Deno.test({
  name: "DKIM vectors: messages of Gmail and Exim that dkimpy has, folded in ways that are ugly and legal",
  ignore: missing,
  async fn() {
    const exim = await run(given("ed25519test2.msg"), { "sed._domainkey.test.ex": [given("eximtest.dns")] });
    assertEquals(exim.signatures.map(({ result, reason }) => [result, reason]), [["pass", null]]);
    const gmail = await run(given("test2.message"), {});
    assertEquals(gmail.signatures.map(({ domain, selector, reason }) => [domain, selector, reason]), [
      ["gmail.com", "20120113", "there is no key for it"], // which is not in the set: read as far as that
    ]);
    assertEquals((await run(given("test_nofrom.message"), {})).signatures, []);
  },
});
