import { assertEquals } from "@std/assert";
import { MemoryResolver, simulate, type Simulated } from "../../../../../core/pipeline/mod.ts";
import { null_mx } from "../../../../../plugins/access/null_mx/mod.ts";
import { relay } from "../../../../../plugins/access/relay/mod.ts";
import { recipients } from "../../../../../plugins/accounts/recipients/mod.ts";

const ZONE = {
  "none.example": { mx: [[0, ""]] },
  "mail.example": { mx: [[10, "mx.mail.example"]] },
  "both.example": { mx: [[0, ""], [10, "mx.both.example"]] },
  "bare.example": { a: ["192.0.2.7"] },
  "down.example": "servfail",
  "slow.example": "timeout",
} as const;
const HOST = { name: "mx.local.example", domains: ["local.example", "none.example.org"], postmaster: null };

async function run(facts: Simulated, options: Parameters<typeof null_mx>[0] = {}) {
  const dns = new MemoryResolver({ ...ZONE, "local.example": { mx: [[0, ""]] } });
  const plugins = [
    relay({ networks: ["192.0.2.0/24"] }),
    recipients({ accounts: ["alice"], aliases: { away: "bob@none.example" } }),
    null_mx(options),
  ];
  const { reply } = await simulate(plugins, { dns, host: HOST, ip: "192.0.2.1", ...facts });
  return { reply: `${reply.code} ${reply.status}`, queries: dns.queries };
}

Deno.test("case 27: a sender whose domain has a null MX is 550 5.7.27", async () => {
  const table: [string | null, string][] = [
    ["a@none.example", "550 5.7.27"],
    ["a@NONE.example", "550 5.7.27"],
    ["a@mail.example", "250 2.0.0"],
    ["a@both.example", "250 2.0.0"], // a null MX beside others is none: RFC 7505 3
    ["a@bare.example", "250 2.0.0"], // no MX at all: the address record counts, RFC 5321 5.1
    ["a@nowhere.example", "250 2.0.0"], // not this plugin's business
    [null, "250 2.0.0"],
  ];
  for (const [from, expected] of table) {
    assertEquals((await run({ from, to: "alice@local.example" })).reply, expected, String(from));
  }
});

Deno.test("case 27: a recipient elsewhere whose domain has a null MX is 556 5.1.10, also behind an alias of ours", async () => {
  const table: [string, string][] = [
    ["b@none.example", "556 5.1.10"],
    ["b@mail.example", "250 2.0.0"],
    ["b@both.example", "250 2.0.0"],
    ["away@local.example", "556 5.1.10"],
    ["alice@local.example", "250 2.0.0"],
  ];
  for (const [to, expected] of table) assertEquals((await run({ from: "a@mail.example", to })).reply, expected, to);
});

Deno.test("case 27: a recipient that does not leave, a literal, our own domains and the null sender cost no question", async () => {
  const table: Simulated[] = [
    { from: null, to: "alice@local.example" },
    { from: "alice@local.example", to: "alice@local.example" },
    { from: "a@[192.0.2.9]", to: "alice@local.example" },
    { from: null, to: "b@[192.0.2.9]" },
    { from: null, to: "b@none.example", ip: "198.51.100.1" }, // a stranger: 550 5.7.1 without a question
  ];
  for (const facts of table) assertEquals((await run(facts)).queries, [], JSON.stringify(facts));
});

Deno.test("cases 27 and 59: a failure of name service never refuses for good; it defers where the operator says so", async () => {
  for (const domain of ["down.example", "slow.example"]) {
    for (const facts of [{ from: `a@${domain}`, to: "alice@local.example" }, { from: null, to: `b@${domain}` }]) {
      assertEquals((await run(facts)).reply, "250 2.0.0", JSON.stringify(facts));
      assertEquals((await run(facts, { temperror: "defer" })).reply, "451 4.4.3", JSON.stringify(facts));
    }
  }
});

Deno.test("null_mx acts on mx listeners only", async () => {
  const { reply, queries } = await run({ from: "a@none.example", to: "alice@local.example", role: "lmtp" });
  assertEquals([reply, queries], ["250 2.0.0", []]);
});
