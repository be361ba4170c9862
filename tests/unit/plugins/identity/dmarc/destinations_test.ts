/** RFC 9990 4, its example among them. */
import { assertEquals, assertRejects } from "@std/assert";
import { DnsError, MemoryResolver, type MemoryZone, parseAddress } from "../../../../../core/pipeline/mod.ts";
import { destinationsOf } from "../../../../../plugins/identity/dmarc/destinations.ts";

const { signal } = new AbortController();
const txt = (...records: string[]) => ({ txt: records });
const ORG = { "_dmarc.example.com": txt("v=DMARC1; p=none") };

async function to(zone: MemoryZone, domain: string, ...rua: string[]) {
  const dns = new MemoryResolver(zone);
  const found = await destinationsOf(domain, rua.map((each) => parseAddress(each)!), { dns, signal });
  return found.map(({ local, domain }) => `${local}@${domain}`);
}

Deno.test("reports go to the organization itself, and to others that agree", async () => {
  const name = "blue.example.com._report._dmarc.red.example.net";
  const table: readonly [MemoryZone, string, readonly string[]][] = [
    [{}, "a@blue.example.com", ["a@blue.example.com"]],
    [ORG, "a@example.com", ["a@example.com"]],
    [ORG, "a@mail.example.com", ["a@mail.example.com"]],
    [{}, "a@example.com", []], // no record says that they belong together
    [{}, "reports@red.example.net", []],
    [{ [name]: txt("v=DMARC1") }, "reports@red.example.net", ["reports@red.example.net"]],
    [{ [name]: txt("v=DMARC1;", "v=spf1 -all") }, "reports@red.example.net", ["reports@red.example.net"]],
    [{ [name]: txt("v=DMARC2", "dmarc") }, "reports@red.example.net", []],
    [{ [name]: txt("v=DMARC1; rua=mailto:x@red.example.net") }, "reports@red.example.net", ["x@red.example.net"]],
    // another host: neither the one nor the other
    [{ [name]: txt("v=DMARC1; rua=mailto:x@victim.example") }, "reports@red.example.net", []],
    [{ [name]: txt("v=DMARC1; rua=mailto:y@red.example.net,mailto:x@victim.example") }, "reports@red.example.net", []],
  ];
  for (const [zone, address, expected] of table) {
    assertEquals(await to(zone, "blue.example.com", address), expected, JSON.stringify([zone, address]));
  }
  assertEquals(await to(ORG, "example.com", "a@example.com", "b@red.example.net", "a@example.com"), ["a@example.com"]);
});

Deno.test("a failure of name service is no answer, and a name too long for it is one", async () => {
  const name = "blue.example.com._report._dmarc.red.example.net";
  await assertRejects(() => to({ [name]: "servfail" }, "blue.example.com", "a@red.example.net"), DnsError);
  await assertRejects(() => to({ "_dmarc.com": "timeout" }, "blue.example.com", "a@red.example.net"), DnsError);
  const long = `${"a".repeat(60)}.`.repeat(3);
  assertEquals(await to({}, `${long}example.com`, `a@${long}example.net`), []);
});
