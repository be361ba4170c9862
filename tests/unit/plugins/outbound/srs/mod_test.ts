/** srs: forwarded mail goes out under a return path of ours, and what bounces finds its way back. */
import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import {
  formatAddress,
  OptionsError,
  runPhase,
  simulate,
  type Simulated,
  SimulatedCounters,
  type SimulatedRecipient,
} from "postern";
import { recipients } from "../../../../../plugins/accounts/recipients/mod.ts";
import { relay } from "../../../../../plugins/access/relay/mod.ts";
import { srs } from "../../../../../plugins/outbound/srs/mod.ts";

const plugin = srs({ domain: "example.org", secrets: ["a secret of some length"] });
const site = [plugin, relay(), recipients({ accounts: ["alice"], aliases: { away: "c@far.example" } })];
const FORWARDED: SimulatedRecipient = { address: "c@far.example", original: "away@example.org" };

async function paths(facts: Simulated): Promise<string[]> {
  return (await runPhase(plugin, "deliver", facts)).departure!.envelopes.map(({ from }) => from);
}

Deno.test("only what an address of ours forwards is rewritten, for each recipient by itself", async () => {
  const ours: SimulatedRecipient = { address: "alice@example.org", original: "info@example.org" };
  const rows: [name: string, facts: Simulated, expected: RegExp[]][] = [
    ["forwarded", { from: "bob@a.example", to: FORWARDED }, [/^SRS0=.*=a\.example=bob@example\.org$/]],
    ["relayed for a login", { from: "bob@a.example", to: "c@far.example" }, [/^bob@a\.example$/]],
    ["to a host behind this one", { from: "bob@a.example", to: ours }, [/^bob@a\.example$/]],
    ["of ours", { from: "bob@example.org", to: FORWARDED }, [/^bob@example\.org$/]],
    ["a bounce", { from: null, to: FORWARDED }, [/^$/]],
    ["both", { from: "bob@a.example", to: ["d@far.example", FORWARDED] }, [/^bob@/, /^SRS0=/]],
  ];
  for (const [name, facts, expected] of rows) {
    const found = await paths(facts);
    assertEquals(found.length, expected.length, name);
    for (const [at, pattern] of expected.entries()) assertMatch(found[at]!, pattern, name);
  }
});

Deno.test("a bounce goes back through this host to whoever sent the mail", async () => {
  const long = `${"x".repeat(60)}@${"y".repeat(50)}.example`, counters = new SimulatedCounters();
  for (const from of ["bob@a.example", "SRS0=h=TT=z.example=u@h.example", long]) {
    const [path] = await paths({ from, to: FORWARDED, counters });
    const { reply, recipients } = await simulate(site, { from: null, to: path!, counters });
    assertEquals(reply.code, 250, String(reply));
    assertEquals(recipients.map(({ address, route }) => [formatAddress(address), route]), [[from, { to: "remote" }]]);
  }
});

Deno.test("the way back is for bounces, for what was signed here, and for its time", async () => {
  const [path] = await paths({ from: "bob@a.example", to: FORWARDED });
  const ask = async (facts: Simulated, on = site) => String((await simulate(on, facts)).replies.at(-1)!.reply);
  const later = Date.UTC(2026, 1, 1);
  assertEquals(await ask({ from: "eve@e.example", to: path! }), "550 5.7.1 This return path takes bounces only");
  assertEquals(await ask({ from: null, to: path!.replace("bob", "eve") }), "550 5.1.1 No such return path here");
  assertEquals(await ask({ from: null, to: path!, now: () => later }), "550 5.1.1 This return path has expired");
  assertEquals(await ask({ from: null, to: "SRS0=a=b=c@far.example" }), "550 5.7.1 Relaying denied");
  const open = srs({ domain: "example.org", secrets: ["a secret of some length"], anyone: true });
  assertEquals(await ask({ from: "eve@e.example", to: path! }, [open, ...site.slice(1)]), "250 2.0.0 OK");
});

Deno.test("a sender who is one of ours by now gets the bounce here", async () => {
  const [path] = await paths({ from: "alice@example.org", to: FORWARDED, host: { domains: ["example.net"] } });
  assertEquals(path, "alice@example.org", "nothing is forwarded that was addressed elsewhere");
  const host = { domains: ["example.net", "example.org"] };
  const [written] = await paths({ from: "alice@a.example", to: FORWARDED, host });
  const { recipients } = await simulate(site, {
    from: null,
    to: written!,
    host: { domains: ["example.org", "a.example"] },
  });
  assertEquals(recipients.map(({ address, route }) => [formatAddress(address), route?.to]), [[
    "alice@example.org",
    "local",
  ]]);
});

Deno.test("options that make no sense", () => {
  const rows = [
    [{ domain: "no domain", secrets: ["a secret of some length"] }, '"no domain" is no domain'],
    [{ domain: "example.org", secrets: ["short"] }, "16 characters"],
    [{ domain: "example.org", secrets: [] }, ">=1"],
    [{ domain: "example.org", secrets: ["a secret of some length"], maxAge: "1h" }, "between 1d and 1000d"],
  ] as const;
  for (const [options, message] of rows) assertThrows(() => srs.parse(options, ["srs"]), OptionsError, message);
});
