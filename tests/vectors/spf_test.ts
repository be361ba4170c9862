/**
 * The RFC 7208 test suite of openspf.org, all of it, and what pyspf tests beside it. The vectors are not part of the
 * project: VECTORS_DIR says where they are.
 */
import { assert, assertEquals } from "@std/assert";
import { type MemoryRecords, MemoryResolver } from "../../core/dns/memory_resolver.ts";
import { checkHost } from "../../plugins/identity/spf/check_host.ts";
import { readVectors } from "../support/vectors.ts";

type ZoneRecord = "TIMEOUT" | Readonly<Record<string, string | readonly string[] | readonly [number, string]>>;
interface Case {
  readonly helo: string;
  readonly host: string;
  readonly mailfrom: string;
  readonly result: string | readonly string[];
  readonly explanation?: string;
  /** How strict pyspf is to be: such a case of its own file is about its lax mode. */
  readonly strict?: number;
}
interface Suite {
  readonly description?: string;
  readonly comment?: string;
  readonly tests: Readonly<Record<string, Case>>;
  readonly zonedata: Readonly<Record<string, readonly ZoneRecord[]>>;
}

const load = (file: string) => readVectors<readonly Suite[]>(`spf-rfc7208/${file}`);

/**
 * The zone as the suite means it: SPF records stand for TXT ones unless the name has TXT of its own ("NONE" is none),
 * and after TIMEOUT a type that the name does not list is never answered.
 */
function zone(data: Suite["zonedata"]): Record<string, MemoryRecords> {
  return Object.fromEntries(
    Object.entries(data).map(([name, records]) => {
      const of = (type: string) =>
        records.flatMap((each) => each !== "TIMEOUT" && type in each ? [each[type]!] : []) as unknown[];
      const texts = of("TXT").length > 0 ? of("TXT").filter((each) => each !== "NONE") : of("SPF");
      const orSilent = <T>(list: T[]): T[] | "timeout" =>
        list.length === 0 && records.includes("TIMEOUT") ? "timeout" : list;
      const [cname] = of("CNAME") as string[];
      return [name, {
        a: orSilent(of("A") as string[]),
        aaaa: orSilent(of("AAAA") as string[]),
        mx: orSilent(of("MX") as [number, string][]),
        txt: orSilent(texts.map((each) => Array.isArray(each) ? each.join("") : each as string)),
        ptr: orSilent((of("PTR") as string[]).map((each) => each.toLowerCase().replace(/\.$/, ""))),
        ...(cname !== undefined ? { cname } : {}),
      }];
    }),
  );
}

function run(suite: Suite, test: Case) {
  const at = test.mailfrom.lastIndexOf("@");
  return checkHost(
    {
      ip: test.host,
      helo: test.helo,
      domain: test.mailfrom === "" ? test.helo : test.mailfrom.slice(at + 1),
      local: at < 0 ? "" : test.mailfrom.slice(0, at),
    },
    new MemoryResolver(zone(suite.zonedata)),
    { receiver: "receiver.example.net", now: 0 },
  );
}

for (const [file, count] of [["rfc7208-tests.json", 203], ["test.json", 14]] as const) {
  const suites = load(file);
  Deno.test({
    name: `RFC 7208 vectors: ${file}`,
    ignore: suites === null,
    async fn(t) {
      let seen = 0;
      for (const suite of suites ?? []) {
        for (const [name, test] of Object.entries(suite.tests)) {
          if (test.strict !== undefined && file === "test.json") continue;
          seen++;
          await t.step(`${(suite.description ?? suite.comment ?? "").trim()}: ${name}`, async () => {
            const { result, explanation, problem } = await run(suite, test);
            const allowed = typeof test.result === "string" ? [test.result] : test.result;
            assert(allowed.includes(result), `${result} (${problem}) instead of ${allowed.join(" or ")}`);
            if (test.explanation === "DEFAULT") assertEquals(explanation, null);
            // In any case of letters: the suite writes %{i} of an IPv6 address large, the RFC's own example (7.4) small.
            else if (test.explanation) assertEquals(explanation?.toLowerCase(), test.explanation.toLowerCase());
          });
        }
      }
      assert(seen >= count, `${seen} of ${count} cases found`);
    },
  });
}
