import { assertEquals } from "@std/assert";
import { loadConfig } from "../../../core/config/load.ts";
import { RouteRules } from "../../../core/delivery/route_rules.ts";
import { TlsRules } from "../../../core/delivery/tls/rules.ts";
import { simulate, type Simulated } from "../../../core/pipeline/mod.ts";

Deno.test("example relay.yaml: loads without a warning, and each mail has its way out", async () => {
  const file = new URL("../../../examples/sites/relay.yaml", import.meta.url).pathname;
  const config = await loadConfig({ file, env: { RELAY_PASSWORD: "hunter2-hunter2", HOOK_SECRET: "secret-of-hooks" } });
  assertEquals(config.warnings, []);
  const { hostname: name, domains, postmaster } = config;
  const routes = async (facts: Simulated) => {
    const own = { ip: "192.0.2.9", from: "alice@example.org", role: "mx" } as const;
    const host = { name, domains, postmaster };
    const { reply, recipients } = await simulate(config.listeners[0]!.plugins, { ...own, host, ...facts });
    return recipients.length > 0 ? recipients.map(({ route }) => route) : [String(reply).slice(0, 9)];
  };
  const dovecot = { to: "remote", via: "dovecot" } as const;
  assertEquals(await routes({ to: "info@example.org" }), [dovecot, dovecot]);
  assertEquals(await routes({ to: "postmaster@example.org" }), [dovecot]);
  assertEquals(await routes({ to: "support@tickets.example.org" }), [{ to: "remote", via: "tickets" }]);
  assertEquals(await routes({ to: "alice@tickets.example.org" }), ["550 5.1.1"]);
  assertEquals(await routes({ to: "friend@example.com" }), [{ to: "remote" }]);
  assertEquals(await routes({ to: "friend@example.com", ip: "203.0.113.7" }), ["550 5.7.1"]);

  const rules = new RouteRules(config.delivery.routes);
  const way = (domain: string, local = "alice") => {
    const found = rules.of({ local: "friend", domain }, { local, domain: "example.org" });
    return found && [found.to, found.via];
  };
  assertEquals(way("mail.partner.example"), ["remote", null]);
  assertEquals(way("partner.example", "news"), ["remote", null]);
  assertEquals(way("example.com", "news"), ["hold", null]);
  assertEquals(way("example.com"), ["remote", "upstream"]);
  const tls = new TlsRules(config.delivery.tls.rules), upstream = config.nextHops.get("upstream")!;
  assertEquals(upstream.hosts.map((each) => each.kind === "smtp" && tls.of(each.host)?.level), ["secure", "secure"]);
});
