import { assertEquals, assertRejects } from "@std/assert";
import { MemoryResolver } from "../../../core/dns/memory_resolver.ts";
import { DnsError } from "../../../core/dns/resolver.ts";
import { SampleNames } from "../../../core/dns/sample_names.ts";

Deno.test("sample names answer by themselves, in any case; all other names are asked behind", async () => {
  const behind = new MemoryResolver({ "example.org": { txt: ["v=spf1 mx -all"], mx: [[10, "mx.example.org"]] } });
  const names = new SampleNames(behind);
  assertEquals(await names.txt("spf-fail.test"), ["v=spf1 -all"]);
  assertEquals(await names.txt("SPF-Pass.Test."), ["v=spf1 +all"]);
  assertEquals((await names.lookup("sample._domainkey.dkim-fail.test", "TXT")).records?.length, 1);
  assertEquals(behind.queries, []);
  assertEquals(await names.txt("example.org"), ["v=spf1 mx -all"]);
  assertEquals(await names.mx("example.org"), [{ preference: 10, exchange: "mx.example.org" }]);
  await assertRejects(() => names.ptr("192.0.2.7"), DnsError, "nxdomain");
  await assertRejects(() => names.a("spf-fail.test.example.org"), DnsError, "nxdomain");
  assertEquals(behind.queries, [
    "TXT example.org",
    "MX example.org",
    "PTR 7.2.0.192.in-addr.arpa",
    "A spf-fail.test.example.org",
  ]);
});

Deno.test("what nobody can have below .test and .invalid does not exist, and nobody is asked (RFC 6761)", async () => {
  const behind = new MemoryResolver();
  const names = new SampleNames(behind);
  for (const name of ["shop.test", "test", "a.b.invalid", "invalid"]) {
    const { fault } = await names.lookup(name, "TXT");
    assertEquals(fault, name === "test" ? "nodata" : "nxdomain", name);
  }
  await assertRejects(() => names.a("spf-fail.test"), DnsError, "nodata");
  assertEquals(behind.queries, []);
  await assertRejects(() => names.a("latest"), DnsError);
  await assertRejects(() => names.a("no name at all\n"), DnsError);
  assertEquals(behind.queries, ["A latest"]);
});
