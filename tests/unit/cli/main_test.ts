import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { run } from "../../../cli/main.ts";
import { serve } from "../../../cli/serve.ts";
import type { startServer } from "../../../core/server.ts";
import { FakeTerminal } from "./fake_terminal.ts";
import { TempFolder } from "../../support/temp.ts";

async function folder(work: (path: string) => Promise<void>): Promise<void> {
  await using temp = await TempFolder.make();
  const path = temp.path;
  await work(path);
}

Deno.test("exit codes: 0 done, 1 the answer is no or the input is bad, 2 usage; one line says what", async () => {
  const table: readonly [args: string, code: number, complaint: RegExp | null][] = [
    ["--version", 0, null],
    ["--help", 0, null],
    ["help queue", 0, null],
    ["schema", 0, null],
    ["snd", 2, /^postern: unknown command 'snd' \(Did you mean send\?\); see postern --help$/],
    ["check --confg x", 2, /^postern: unknown option '--confg'.*; see postern check --help$/],
    ["check extra", 2, /^postern: too many arguments.*; see postern check --help$/],
    ["check --config nowhere.yaml", 1, /^nowhere\.yaml: there is no such file$/],
    ["serve --config nowhere.yaml", 1, /^nowhere\.yaml: there is no such file$/],
    ["send", 2, /^postern: required option '--to <address\.\.\.>' not specified; see postern send --help$/],
    ["send --to nobody", 2, /^postern: --to: "nobody" is no address such as you@example\.org$/],
    ["send --to a@example.org --server here", 2, /^postern: --server: "here" is not host:port$/],
    ["send --to a@example.org --file nowhere.eml", 1, /^postern: nowhere\.eml: there is no such file$/],
    [
      "queue list --state lost",
      2,
      /^postern: option '--state <state>' argument 'lost' is invalid.*see postern queue list --help$/,
    ],
    ["queue list --limit 0", 2, /^postern: --limit: must be 1 to 1000$/],
    ["queue show short", 2, /^postern: "short" is no message id; it has 26 letters and digits, or 8$/],
    [
      "queue retry",
      2,
      /^postern: queue retry: name messages by id, or all that match --state, --domain, --from, --to, --older$/,
    ],
  ];
  await folder(async (cwd) => {
    await Deno.mkdir(`${cwd}/data`);
    for (const [args, code, complaint] of table) {
      const terminal = new FakeTerminal({ cwd, env: { POSTERN_ADMIN: "127.0.0.1:1" } });
      assertEquals(await run(args.split(" "), terminal), code, args);
      assertEquals(terminal.complaints.length, complaint === null ? 0 : 1, `${args}: ${terminal.complaints}`);
      if (complaint !== null) assertMatch(terminal.complaints[0]!, complaint);
    }
  });
});

Deno.test("the help lists the commands that there are", async () => {
  const terminal = new FakeTerminal();
  await run(["--help"], terminal);
  const commands = [...terminal.text.matchAll(/^ {2}([a-z]+)\b.* {2,}\S/gm)].map((match) => match[1]);
  assertEquals(commands, [
    "serve",
    "check",
    "schema",
    "reload",
    "send",
    "sendmail",
    "explain",
    "sessions",
    "ledger",
    "top",
    "events",
    "try",
    "replay",
    "queue",
    "quarantine",
    "suppress",
    "train",
    "ban",
    "user",
    "dkim",
    "dmarc",
    "doctor",
    "backup",
    "verify",
    "restore",
    "build",
    "import",
    "plugin",
    "completion",
    "help",
  ]);
});

/** Where the empty line stands after which `check` speaks of delivery. */
function beforeDelivery(terminal: FakeTerminal): number {
  return terminal.printed.findIndex((each) => each.startsWith("delivery ")) - 1;
}

Deno.test("check prints listeners and the plugins of each phase, and every fault of a bad file", async () => {
  await folder(async (cwd) => {
    await Deno.writeTextFile(
      `${cwd}/postern.yaml`,
      `hostname: mx.example.org
postmaster: ops@example.org
domains: [example.org]
listeners: [{ address: "127.0.0.1:2525" }, { address: "unix:l.sock", role: lmtp, name: local }]
admin: { token: 0123456789-do-not-show }
plugins:
  - spf: { fail: reject }
    mode: observe
  - parallel: [relay, discard]
  - inbox: { everything: true }
`,
    );
    const terminal = new FakeTerminal({ cwd });
    assertEquals(await run(["check"], terminal), 0);
    assertEquals(terminal.printed.slice(6, beforeDelivery(terminal)), [
      "",
      "listener 127.0.0.1:2525, role mx",
      "           connect helo auth mail rcpt data queue deliver",
      "  spf      .       .    .    x    .    x    .     .        observe",
      "  relay    .       .    .    .    x    .    .     .",
      "  discard  .       .    .    .    x    .    x     .",
      "  inbox    .       .    .    .    x    .    x     .",
      "",
      `listener unix:${cwd}/l.sock (local), role lmtp`,
      "           connect helo auth mail rcpt data queue deliver",
      "  relay    .       .    .    .    x    .    .     .",
      "  discard  .       .    .    .    x    .    x     .",
      "  inbox    .       .    .    .    x    .    x     .",
    ]);
    assert(!terminal.text.includes("do-not-show"));

    await Deno.writeTextFile(`${cwd}/postern.yaml`, "hostnam: a\nlimits: { recipients: 5 }\n");
    const bad = new FakeTerminal({ cwd });
    assertEquals(await run(["check"], bad), 1);
    assertEquals(bad.complaints, [
      'postern.yaml:1:1: hostnam: unknown key; did you mean "hostname"?\n' +
      "postern.yaml:2:23: limits.recipients: must be at least 100 (RFC 5321 4.5.3.1.8)",
    ]);
  });
});

Deno.test("check shows conditions, and leaves out what they rule out on a listener", async () => {
  await folder(async (cwd) => {
    await Deno.writeTextFile(
      `${cwd}/postern.yaml`,
      `hostname: mx.example.org
domains: [example.org]
listeners: [{ address: "127.0.0.1:2525", name: in }, { address: "unix:l.sock", role: lmtp, name: local }]
plugins:
  - spf: { fail: reject }
    mode: observe
    when: { role: mx, network: [192.0.2.0/24, 198.51.100.1] }
  - firstOf:
      - relay: {}
        unless: { listener: [in, out], authenticated: true }
      - discard: {}
        unless: { listener: in }
    when: { recipientDomain: example.org }
  - inbox: { everything: true }
    when: { listener: local }
`,
    );
    const terminal = new FakeTerminal({ cwd });
    assertEquals(await run(["check"], terminal), 0, terminal.complaints.join());
    const both = "when recipientDomain: example.org; unless listener: in";
    assertEquals(terminal.printed.slice(7, beforeDelivery(terminal)), [
      "listener 127.0.0.1:2525 (in), role mx",
      "           connect helo auth mail rcpt data queue deliver",
      "  spf      .       .    .    x    .    x    .     .        observe; when role: mx, network: 192.0.2.0/24 or 198.51.100.1",
      `  relay    .       .    .    .    x    .    .     .        ${both} or out, authenticated: true`,
      `  discard  .       .    .    .    .    .    x     .        ${both}`,
      "  inbox    .       .    .    .    .    .    x     .        when listener: local",
      "",
      `listener unix:${cwd}/l.sock (local), role lmtp`,
      "           connect helo auth mail rcpt data queue deliver",
      `  relay    .       .    .    .    x    .    .     .        ${both} or out, authenticated: true`,
      `  discard  .       .    .    .    x    .    x     .        ${both}`,
      "  inbox    .       .    .    .    x    .    x     .        when listener: local",
    ]);
  });
});

Deno.test("check prints where mail goes, and when, and under which TLS", async () => {
  await folder(async (cwd) => {
    const write = (text: string) =>
      Deno.writeTextFile(`${cwd}/postern.yaml`, `hostname: mx.example.org\npostmaster: ops@example.org\n${text}`);
    const told = async () => {
      const terminal = new FakeTerminal({ cwd });
      assertEquals(await run(["check"], terminal), 0, terminal.complaints.join());
      return terminal.printed.slice(beforeDelivery(terminal) + 1);
    };
    await write("plugins: [inbox]\ndns: { servers: [127.0.0.1] }\n");
    assertEquals(await told(), [
      "delivery       retry after 1m, 5m, 15m, 30m, 1h, 2h, 4h; notice of delay after 4h; given up after 5d, without a sender after 1d",
      "at once        20 to a destination, 200 in all",
      "route          *: the hosts of the domain",
      "TLS            *: where it is offered",
      "MTA-STS        on",
      "DANE           on",
      "TLS reports    off",
    ]);
    await write(`plugins: [inbox]
dns: { servers: [192.0.2.53] }
nextHops:
  upstream:
    hosts: ["smtp://relay.example.net:587", "smtps://relay.example.net"]
    auth: { user: example, password: do-not-show-this }
    concurrency: 5
    rate: 60/1m
  mailboxes: { hosts: ["lmtp+unix:///run/lmtp"] }
  web: { hosts: ["https://app.example.org/mail?key=do-not-show-this"], format: json, secret: do-not-show-this }
delivery:
  retry: [1m]
  delayNotice: off
  rates: { example.com: 10/1s }
  suspend: [{ reply: "421*too many", for: 10m }]
  suppress: { hardBounces: 1d }
  softBounce: true
  port: 2525
  routes:
    - { domain: [example.com, "*.example.com"], sender: "<>", to: discard }
    - { sender: news@example.org, to: hold, reason: look at it }
    - { domain: example.org, to: local, plugin: inbox }
    - { domain: example.edu, to: remote }
    - { domain: "*.net", to: remote, via: upstream }
  tls:
    rules:
      "*": { level: secure, names: [mx.example.net], ignorePublished: true }
      example.com: { level: fingerprint, fingerprints: ["${"ab".repeat(32)}"] }
    mtaSts: false
    reports: {}
`);
    const lines = await told();
    assertEquals(lines.slice(1), [
      "at once        20 to a destination, 200 in all",
      "rate           example.com: 10/1s",
      'suspend        10m after "421*too many"',
      "suppress       1d what was refused for good",
      "soft bounce    what is refused for good is tried again",
      "next hop       upstream: smtp://relay.example.net:587, then smtps://relay.example.net; login example; 5 at once; 60/1m",
      "next hop       mailboxes: lmtp+unix:///run/lmtp",
      "next hop       web: https://app.example.org/mail; json, signed",
      "route          example.com, *.example.com from <>: discarded",
      "route          * from news@example.org: held: look at it",
      "route          example.org: stored by inbox",
      "route          example.edu: the hosts of the domain, port 2525",
      "route          *.net: via upstream",
      "route          all others: the hosts of the domain, port 2525",
      "TLS            *: secure; names mx.example.net; whatever is published",
      "TLS            example.com: fingerprint; 1 fingerprint",
      "MTA-STS        off",
      "DANE           off, the resolver is not on this host",
      "TLS reports    from ops@example.org",
    ]);
    await write("plugins: [inbox]\ndelivery: { tls: { ca: ./ca.pem } }\n");
    for (const content of [null, "no PEM", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]) {
      if (content !== null) await Deno.writeTextFile(`${cwd}/ca.pem`, content);
      const terminal = new FakeTerminal({ cwd });
      assertEquals(await run(["check"], terminal), 1);
      assertMatch(terminal.complaints.at(-1)!, /^postern: delivery\.tls\.ca: .*ca\.pem: \S/);
    }
  });
  await folder(async (cwd) => {
    const terminal = new FakeTerminal({ cwd });
    assertEquals(await run(["check"], terminal), 0);
    assertEquals(terminal.printed.slice(beforeDelivery(terminal) + 1), ["delivery       nothing leaves this machine"]);
  });
});

Deno.test("check does not warn of a postmaster whom only name service knows: it asks nobody", async () => {
  await folder(async (cwd) => {
    await Deno.writeTextFile(
      `${cwd}/asking.ts`,
      `import { defer, on } from "postern";
export default on("rcpt", async (ctx, next) => {
  try {
    await ctx.dns.txt("ops.mailboxes.example.org");
    ctx.route({ to: "remote" });
    return next();
  } catch {
    return defer("4.4.3", "Later");
  }
}, { name: "asking" });
`,
    );
    await Deno.writeTextFile(
      `${cwd}/postern.yaml`,
      `hostname: mx.example.org
postmaster: ops@example.org
domains: [example.org]
plugins: [./asking.ts]
`,
    );
    const asking = new FakeTerminal({ cwd });
    assertEquals([await run(["check"], asking), asking.complaints], [0, []]);
  });
});

Deno.test("check warns of a postmaster whom no mail reaches", async () => {
  await folder(async (cwd) => {
    for (const [account, warnings] of [["ops", 0], ["somebody", 1]] as const) {
      await Deno.writeTextFile(
        `${cwd}/postern.yaml`,
        `hostname: mx.example.org
postmaster: ops@example.org
domains: [example.org]
plugins: [{ recipients: { accounts: [${account}] } }, { maildir: { root: ./mail } }]
`,
      );
      const terminal = new FakeTerminal({ cwd });
      assertEquals(await run(["check"], terminal), 0);
      assertEquals(terminal.complaints.length, warnings);
      if (warnings > 0) assertMatch(terminal.complaints[0]!, /takes no mail for ops@example\.org: 550 5\.1\.1/);
    }
    await Deno.writeTextFile(
      `${cwd}/postern.yaml`,
      `hostname: mx.example.org
postmaster: ops@example.org
domains: [example.org]
plugins:
  - recipients: { accounts: [ops], deliverTo: { to: remote, via: inner } }
  - verify_recipient
nextHops: { inner: { hosts: ["smtp://127.0.0.1:9"] } }
`,
    );
    const gateway = new FakeTerminal({ cwd });
    assertEquals([await run(["check"], gateway), gateway.complaints], [0, []], "no host is asked by check");
    assertEquals([...Deno.readDirSync(cwd)].map((each) => each.name), ["postern.yaml"], "check writes nothing");
  });
});

Deno.test("check warns of what a plugin finds odd in its options", async () => {
  await folder(async (cwd) => {
    await Deno.writeTextFile(
      `${cwd}/postern.yaml`,
      `domains: [example.org]
postmaster: ops@example.org
plugins: [{ any_login: { networks: [10.0.0.0/8] }, as: guests }, { inbox: { everything: true } }]
`,
    );
    const terminal = new FakeTerminal({ cwd });
    assertEquals(await run(["check"], terminal), 0);
    assertEquals(terminal.complaints, [
      "warning: listeners: 127.0.0.1:2525 takes logins, and whoever logs in may send as anybody: add sender_login",
      "warning: guests: takes every password from 10.0.0.0/8; that is for development only",
    ]);
  });
});

Deno.test("the JSON Schema knows every plugin, its options and the host's words", async () => {
  const terminal = new FakeTerminal();
  await run(["schema"], terminal);
  const schema = JSON.parse(terminal.text);
  assertEquals(schema.additionalProperties, false);
  const entry = schema.$defs.entry.anyOf[1].properties;
  for (const name of ["relay", "spf", "maildir", "inbox", "parallel", "firstOf", "as", "mode", "when"]) {
    assert(entry[name], name);
  }
  assertEquals(entry.relay.anyOf[0].properties.networks.type, "array");
  assertEquals(schema.properties.plugins.items, { $ref: "#/$defs/entry" });
  assertEquals(schema.properties.listeners.items.properties.plugins.items, { $ref: "#/$defs/entry" });
  assertEquals(schema.properties.limits.properties.messageSize.default, "50MiB");
});

/** A server that is about to start, and does once `go` is called. */
async function starting(start: typeof startServer, terminal: FakeTerminal) {
  const { promise, resolve: go } = Promise.withResolvers<void>(), asked = Promise.withResolvers<void>();
  const code = serve(undefined, terminal, async (config, options) => {
    asked.resolve();
    await promise;
    return await start(config, options);
  });
  await asked.promise;
  return { code, go };
}

Deno.test("SIGHUP while the server starts does not end it: the configuration is read again once it runs", async () => {
  await folder(async (cwd) => {
    const server = fakeServer(), terminal = new FakeTerminal({ cwd });
    const { code, go } = await starting(server.start, terminal);
    assertEquals(terminal.signal("SIGHUP"), 1);
    assertEquals(server.reloads(), 0);
    go();
    await server.running;
    assertEquals(server.reloads(), 1);
    server.end();
    assertEquals(await code, 0);
    assertEquals(terminal.signal("SIGHUP"), 0, "still listening after the end");
  });
});

Deno.test("SIGTERM while the server starts: it stops in order as soon as it runs", async () => {
  await folder(async (cwd) => {
    const server = fakeServer(), terminal = new FakeTerminal({ cwd });
    const { code, go } = await starting(server.start, terminal);
    assertEquals(terminal.signal("SIGTERM"), 1);
    go();
    await server.running;
    assertEquals([server.stops(), terminal.exits], [1, []]);
    server.end();
    assertEquals(await code, 0);
  });
});

/** A server that runs until it is told to stop. */
function fakeServer() {
  let end = () => {};
  let started = () => {};
  const done = new Promise<void>((resolve) => end = resolve);
  const running = new Promise<void>((resolve) => started = resolve);
  let stops = 0, reloads = 0;
  const start: typeof startServer = (_config, options) => {
    options?.observers?.forEach((observe) => observe({ type: "trouble", where: "test", message: "only a test" }));
    setTimeout(started);
    return Promise.resolve({
      addresses: [{ listener: "x", address: "127.0.0.1:4242" }],
      admin: "http://127.0.0.1:4243",
      reload: () => (reloads++, Promise.resolve({ changed: [], faults: [] })),
      stop: () => (stops++, Promise.resolve()),
      done,
    });
  };
  return { start, running, end: () => end(), stops: () => stops, reloads: () => reloads };
}

Deno.test("case 78: the first signal drains, the second ends at once, SIGHUP reads certificates again", async () => {
  await folder(async (cwd) => {
    const server = fakeServer(), terminal = new FakeTerminal({ cwd });
    const code = serve(undefined, terminal, server.start);
    await server.running;
    assertStringIncludes(terminal.text, "127.0.0.1:4242");
    assertStringIncludes(terminal.text, "http://127.0.0.1:4243");
    assertEquals(terminal.signal("SIGHUP"), 1);
    assertEquals([server.stops(), server.reloads(), terminal.exits], [0, 1, []]);
    terminal.signal("SIGTERM");
    assertEquals([server.stops(), terminal.exits], [1, []]);
    terminal.signal("SIGTERM"); // handed on by deno task: not a second request
    assertEquals([server.stops(), terminal.exits], [1, []]);
    terminal.signal("SIGINT");
    assertEquals([server.stops(), terminal.exits], [1, [1]]);
    server.end();
    assertEquals(await code, 0);
    assertEquals(terminal.signal("SIGTERM"), 0, "still listening after the end");
    const words = terminal.logged.split("\n").slice(0, -1).map((line) => line.slice(25).split(/[ :]+/)[0]);
    assertEquals(words, ["error", "info", "info", "info"]);
  });
});

Deno.test("case 77: a plugin's timer that throws while the last lines are written does not change the exit code", async () => {
  await folder(async (cwd) => {
    const server = fakeServer(), terminal = new FakeTerminal({ cwd });
    const write = terminal.log.write;
    terminal.log.write = async (bytes) => {
      if (new TextDecoder().decode(bytes).includes("stopped")) {
        await new Promise<void>((resolve) =>
          setTimeout(() => {
            resolve();
            throw new Error("one last time");
          })
        );
      }
      return await write(bytes);
    };
    const code = serve(undefined, terminal, server.start);
    await server.running;
    server.end();
    assertEquals(await code, 0);
    assertStringIncludes(terminal.logged, "one last time");
  });
});

Deno.test("a machine's log has the addresses as JSON too", async () => {
  await folder(async (cwd) => {
    await Deno.writeTextFile(`${cwd}/postern.yaml`, "log: { format: json }\n");
    const server = fakeServer(), terminal = new FakeTerminal({ cwd });
    const code = serve(undefined, terminal, server.start);
    await server.running;
    server.end();
    assertEquals(await code, 0);
    assertEquals(terminal.printed, []);
    const lines = terminal.logged.split("\n").slice(0, -1).map((line) => JSON.parse(line));
    assertEquals(lines.find((each) => each.message === "listening").address, "127.0.0.1:4242");
  });
});

Deno.test("a server that cannot start is one line and exit code 1", async () => {
  await folder(async (cwd) => {
    const terminal = new FakeTerminal({ cwd });
    const start = () => Promise.reject(new Error("127.0.0.1:2525 is in use: stop the other server\nor not"));
    assertEquals(await serve(undefined, terminal, start), 1);
    assertEquals(terminal.complaints, ["postern: 127.0.0.1:2525 is in use: stop the other server or not"]);
  });
});
