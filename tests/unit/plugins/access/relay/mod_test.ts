/** Who may send to foreign domains. */
import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { on, OptionsError } from "../../../../../core/pipeline/mod.ts";
import { simulate, type Simulated } from "../../../../../core/pipeline/testing/simulation.ts";
import { openNetworks, RELAY, relay } from "../../../../../plugins/access/relay/mod.ts";

const HOST = { name: "mx.example.org", domains: ["example.org", "*.lists.example.org"], postmaster: null };

/** The reply to RCPT, and what the plugins after `relay` saw. */
async function ask(options: Parameters<typeof relay>[0], facts: Simulated): Promise<[string, string | undefined]> {
  let why: string | undefined;
  const listens = on("rcpt", (ctx, next) => (why = ctx.recipient.get(RELAY), next()));
  const { replies, recipients } = await simulate([relay(options), listens], { host: HOST, ...facts });
  const { verdict, code, status } = replies.find(({ phase }) => phase === "rcpt")!.reply;
  assertEquals(recipients.map(({ route }) => route), verdict === "accept" ? [{ to: "remote" }] : []);
  return [verdict === "accept" ? "yes" : `${code} ${status}`, why];
}

Deno.test("a foreign recipient needs an identity, a listed network or a listed domain", async () => {
  const options = { networks: ["10.0.0.0/8", "2001:db8::/32"], domains: ["partner.example", "*.partner.example"] };
  const table: [Simulated, string, string?][] = [
    [{ to: "u@foreign.example" }, "550 5.7.1"],
    [{ to: "u@foreign.example", identity: "alice" }, "yes", "identity"],
    [{ to: "u@foreign.example", ip: "10.1.2.3" }, "yes", "network"],
    [{ to: "u@foreign.example", ip: "11.1.2.3" }, "550 5.7.1"],
    [{ to: "u@foreign.example", ip: "2001:db8::9" }, "yes", "network"],
    [{ to: "u@partner.example" }, "yes", "domain"],
    [{ to: "u@PARTNER.example" }, "yes", "domain"],
    [{ to: "u@a.partner.example" }, "yes", "domain"],
    [{ to: "u@partner.example.foreign.example" }, "550 5.7.1"],
    [{ to: "u@xpartner.example" }, "550 5.7.1"],
    [{ to: "u@example.org.foreign.example" }, "550 5.7.1"],
    [{ to: "u@foreign.example", from: "a@example.org" }, "550 5.7.1"],
    [{ to: "u@foreign.example", from: null }, "550 5.7.1"],
    [{ to: "u@[192.0.2.9]" }, "550 5.7.1"],
  ];
  for (const [facts, reply, why] of table) assertEquals(await ask(options, facts), [reply, why], String(facts.to));
});

Deno.test("local domains and <Postmaster> are never sent away, whoever asks", async () => {
  const options = { networks: ["0.0.0.0/0"], domains: ["example.org"] };
  for (const to of ["u@example.org", "u@a.lists.example.org", "postmaster"]) {
    assertEquals(await ask(options, { to, identity: "alice" }), ["550 5.1.1", undefined], to);
  }
});

Deno.test("with authenticated: false a login opens nothing", async () => {
  const facts = { to: "u@foreign.example", identity: "alice" };
  assertEquals(await ask({ authenticated: false }, facts), ["550 5.7.1", undefined]);
  assertEquals(await ask({ authenticated: false, networks: ["192.0.2.1"] }, facts), ["yes", "network"]);
});

Deno.test("a recipient that has a route is left alone", async () => {
  const first = on("rcpt", (ctx, next) => (ctx.route({ to: "remote", via: "upstream" }), next()));
  const { recipients } = await simulate([first, relay()], { host: HOST, to: "u@foreign.example", identity: "alice" });
  assertEquals(recipients[0]?.route, { to: "remote", via: "upstream" });
});

Deno.test("property: nothing that a stranger says opens the relay", async () => {
  const plugin = relay({ networks: ["10.0.0.0/8"], domains: ["partner.example"] });
  const word = fc.constantFrom("example.org", "lists", "partner.example", "foreign", "10.0.0.1", "localhost", "a");
  const domain = fc.array(word, { minLength: 1, maxLength: 3 }).map((words) => words.join("."));
  const local = fc.constantFrom(
    "u",
    "u%example.org",
    '"u@example.org"',
    "example.org!u",
    "postmaster",
    '"@partner.example:u"',
  );
  await fc.assert(
    fc.asyncProperty(local, domain, fc.oneof(domain, fc.constant(null)), async (local, domain, from) => {
      const sender = from === null ? null : `a@${from}`;
      const { recipients } = await simulate([plugin], {
        host: HOST,
        to: `${local}@${domain}`,
        from: sender,
        helo: "10.0.0.1",
      });
      assertEquals(recipients.length, domain === "partner.example" ? 1 : 0);
    }),
  );
});

Deno.test("options: each fault has its path, and * relays for nobody", () => {
  const faults = (value: unknown) => {
    const error = assertThrows(() => relay.parse(value, ["plugins", 0, "relay"]), OptionsError);
    return error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`);
  };
  assertEquals(faults({ networks: ["10.0.0.0/8", "10.0.0.0/40"], domains: ["*", "a b", "*.com"] }), [
    'plugins.0.relay.networks.1: "10.0.0.0/40" is no IP address or network like 192.0.2.0/24',
    'plugins.0.relay.domains.0: "*" would make an open relay: name the domains',
    'plugins.0.relay.domains.1: "a b" is no domain',
    'plugins.0.relay.domains.2: "*.com" would make an open relay: name the domains',
  ]);
  assertEquals(faults({ network: [] }).length, 1);
  relay.parse(null, []);
});

Deno.test("networks that are no site's are told from those that are", () => {
  const table: [string, boolean][] = [
    ["0.0.0.0/0", true],
    ["128.0.0.0/1", true],
    ["8.0.0.0/7", true],
    ["10.0.0.0/8", false],
    ["192.0.2.1", false],
    ["::/0", true],
    ["2000::/3", true],
    ["[::]/0", true],
    ["2001:db8::/32", false],
    ["fc00::/7", false],
    ["fe80::/10", false],
    ["f000::/4", true],
    ["::1", false],
  ];
  for (const [network, open] of table) assertEquals(openNetworks([network]).length > 0, open, network);
  assertEquals(openNetworks(["10.0.0.0/8", "0.0.0.0/0", "::/0"]), ["0.0.0.0/0", "::/0"]);
  assertEquals(openNetworks([]), []);
});
