/** What `nextHops`, `delivery` and `dns` mean once they are read, and what of them is warned of. */
import { assertEquals, assertMatch } from "@std/assert";
import type { Config } from "../../../core/config/config.ts";
import { loadConfig } from "../../../core/config/load.ts";
import { RouteRules } from "../../../core/delivery/route_rules.ts";
import { TempFolder } from "../../support/temp.ts";

async function load(text: string, env: Record<string, string> = {}): Promise<Config> {
  await using temp = await TempFolder.make();
  const folder = temp.path;
  await Deno.writeTextFile(`${folder}/postern.yaml`, text);
  return await loadConfig({ env, cwd: folder });
}
const HOUR = 3_600_000, DAY = 24 * HOUR;
const QUIET = "hostname: mx.example.org\npostmaster: ops@example.org\nplugins: [inbox]\n";

Deno.test("nothing said: the defaults, by MX, with a postmaster or without one", async () => {
  const { delivery, nextHops, dns } = await load(QUIET);
  assertEquals([nextHops.size, dns, delivery.leaves], [0, null, true]);
  assertEquals(
    [delivery.expire, delivery.nullSenderExpire, delivery.delayNotice, delivery.returnSize],
    [5 * DAY, DAY, 4 * HOUR, 50 * 1024],
  );
  assertEquals([delivery.doubleBounce, delivery.routes, delivery.source, delivery.preferFamily], [
    "postmaster",
    [],
    {},
    null,
  ]);
  assertEquals(delivery.tls, { rules: {}, mtaSts: true, dane: true, ca: null, reports: null });
  assertEquals((await load("hostname: mx.example.org\n")).delivery.doubleBounce, "drop");
  assertEquals((await load("delivery: { expire: 12h }\n")).delivery.nullSenderExpire, 12 * HOUR);
});

Deno.test("in the dev inbox nothing leaves", async () => {
  await using temp = await TempFolder.make();
  const { delivery, nextHops } = await loadConfig({ env: {}, cwd: temp.path });
  assertEquals([delivery.leaves, nextHops.size], [false, 0]);
});

Deno.test("everything said, once", async () => {
  const config = await load(
    `${QUIET}
delivery:
  delayNotice: off
  rates: { example.net: 100/1m, "*": 10/1s }
  routes:
    - { domain: "*", to: remote, via: upstream }
    - { domain: [example.net], sender: ["news@Example.ORG", "*.lists.example.org", "<>"], to: hold }
    - { sender: example.com, to: local, plugin: inbox }
    - { domain: nobody.example, to: discard }
  doubleBounce: drop
  port: 2525
  source: { ipv4: 192.0.2.1, ipv6: "2001:DB8::0:1" }
  preferFamily: ipv4
  suspend: [{ reply: "421*too many", for: 10m }]
  suppress: { hardBounces: 30d }
  tls:
    rules: { example.net: { level: secure, names: [mx.example.net] }, "*": encrypt }
    dane: false
    ca: ./ca.pem
    reports: {}
nextHops:
  upstream:
    hosts: ["smtp://relay.example.org:587", "smtps://relay2.example.org"]
    auth: { user: x, password: "\${RELAY_PASSWORD}" }
    concurrency: 5
    rate: 60/1m
  token: { hosts: ["smtp://localhost"], auth: { user: x, token: "12345", inClear: true } }
  hook: { hosts: ["https://app.example.org/mail"], secret: s, headers: { X-Key: abc }, timeout: 5s }
  spare: { hosts: ["http://127.0.0.1:8000/"], format: json }
  domain: { hosts: ["smtp://example.net"], mx: true }
dns: { servers: ["127.0.0.1:5353", "2001:db8::53"], validating: false }
`,
    { RELAY_PASSWORD: "hunter2-hunter2" },
  );
  const { delivery, nextHops, dns } = config;
  assertEquals([delivery.delayNotice, delivery.doubleBounce, delivery.port], [null, "drop", 2525]);
  assertEquals(delivery.rates, {
    "example.net": { count: 100, milliseconds: 60_000 },
    "*": { count: 10, milliseconds: 1000 },
  });
  const rest = { senders: null, via: null, plugin: null, reason: null };
  assertEquals(delivery.routes, [
    { ...rest, domains: ["*"], to: "remote", via: "upstream" },
    {
      ...rest,
      domains: ["example.net"],
      senders: ["news@example.org", "*.lists.example.org", "<>"],
      to: "hold",
      reason: "a route of the configuration",
    },
    { ...rest, domains: ["*"], senders: ["example.com"], to: "local", plugin: "inbox" },
    { ...rest, domains: ["nobody.example"], to: "discard" },
  ]);
  new RouteRules(delivery.routes);
  assertEquals(delivery.source, { 4: "192.0.2.1", 6: "2001:db8::1" });
  assertEquals([delivery.preferFamily, delivery.suppress], [4, { hardBounces: 30 * DAY }]);
  assertEquals(delivery.suspend, [{ reply: "421*too many", milliseconds: 600_000 }]);
  const { rules, ca, ...tls } = delivery.tls;
  assertEquals(rules, { "example.net": { level: "secure", names: ["mx.example.net"] }, "*": { level: "encrypt" } });
  assertMatch(ca!, /^\/.*\/ca\.pem$/);
  assertEquals(tls, {
    mtaSts: true,
    dane: false,
    reports: {
      from: { local: "ops", domain: "example.org" },
      contact: "ops@example.org",
      organization: "example.org",
    },
  });
  const hop = { auth: null, mx: false, http: null, concurrency: null, rate: null };
  const smtp = { kind: "smtp", implicitTls: false, lmtp: false };
  assertEquals([...nextHops.values()], [
    {
      ...hop,
      name: "upstream",
      hosts: [
        { ...smtp, host: "relay.example.org", port: 587 },
        { ...smtp, host: "relay2.example.org", port: 465, implicitTls: true },
      ],
      auth: { user: "x", password: "hunter2-hunter2", inClear: false },
      concurrency: 5,
      rate: { count: 60, milliseconds: 60_000 },
    },
    {
      ...hop,
      name: "token",
      hosts: [{ ...smtp, host: "localhost", port: 25 }],
      auth: { user: "x", password: "12345", token: true, inClear: true },
    },
    {
      ...hop,
      name: "hook",
      hosts: [{ kind: "http", url: "https://app.example.org/mail" }],
      http: { format: "raw", secret: "s", headers: { "x-key": "abc" }, timeout: 5000 },
    },
    {
      ...hop,
      name: "spare",
      hosts: [{ kind: "http", url: "http://127.0.0.1:8000/" }],
      http: { format: "json", secret: null, headers: {}, timeout: 60_000 },
    },
    { ...hop, name: "domain", hosts: [{ ...smtp, host: "example.net", port: 25 }], mx: true },
  ]);
  assertEquals([...nextHops.keys()], ["upstream", "token", "hook", "spare", "domain"]);
  assertEquals(dns, {
    servers: [{ address: "127.0.0.1", port: 5353 }, { address: "2001:db8::53", port: 53 }],
    validating: false,
  });
});

Deno.test("what works and is probably not meant is a warning", async () => {
  const { warnings } = await load(`
postmaster: ops@example.org
listeners:
  - { address: "127.0.0.1:2525", name: world }
  - { address: "127.0.0.1:2526", name: other, plugins: [{ discard: { everything: true } }] }
plugins: [relay, { inbox: { everything: true } }]
nextHops:
  clear: { hosts: ["smtp://relay.example.org", "smtp://127.0.0.1"], auth: { user: x, password: y, inClear: true } }
  never: { hosts: ["smtp://relay.example.net", "smtps://relay.example.net"], auth: { user: x, password: y } }
  web: { hosts: ["http://app.example.org/mail?key=hidden", "http://[::1]/", "https://app.example.org/"] }
delivery:
  routes:
    - { sender: example.org, to: local, plugin: inbox }
    - { sender: ["*", "<>"], to: remote }
    - { to: remote, via: clear }
  tls: { rules: { "*.example.net": none } }
`);
  assertEquals(warnings.length, 6, warnings.join("\n"));
  const expected = [
    /^hostname: is localhost/,
    /^delivery\.routes\[1\]: takes everything/,
    /^delivery\.routes\[0\]: "inbox" stores no mail of listener other/,
    /^nextHops: clear tells its password to whoever answers for smtp:\/\/relay\.example\.org/,
    /^nextHops: never has a password for smtp:\/\/relay\.example\.net, .*forbid/,
    /^nextHops: web posts to http:\/\/app\.example\.org\/mail in clear/,
  ];
  for (const [index, pattern] of expected.entries()) assertMatch(warnings[index]!, pattern);
});
