/** A server inside a program: what it is without a word, what options and a configuration make of it, how it ends. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { createTransport } from "nodemailer";
import { ConfigError, createServer as createHere } from "../../../server.ts";
import { createServer, type EmbeddedOptions, type Event, MemoryResolver, on, reject } from "../../../mod.ts";
import { SmtpClient } from "../../support/smtp_client.ts";
import { TempFolder } from "../../support/temp.ts";

const mail = { from: "shop@example.org", to: "bob@example.net", subject: "Your order", text: "It is on its way." };

/** A client of one message. */
async function send(server: { host: string; port: number }, changes: Record<string, unknown> = {}): Promise<string> {
  const transport = createTransport({ host: server.host, port: server.port, ignoreTLS: true });
  try {
    return (await transport.sendMail({ ...mail, ...changes })).response;
  } finally {
    transport.close();
  }
}

Deno.test("without a word: everybody's mail is taken on a free port, nothing is written, two run side by side", async () => {
  await using folder = await TempFolder.make();
  await using one = await createServer({ base: folder.path });
  await using other = await createServer({ base: folder.path });
  assertEquals([one.host, one.url, one.addresses.length], ["127.0.0.1", null, 1]);
  assert(one.port > 0 && one.port !== other.port);
  const response = await send(one);
  const { id, envelope } = await one.nextMessage();
  assert(response.includes(id), response);
  assertEquals([envelope.from, envelope.to, envelope.ip], ["shop@example.org", ["bob@example.net"], "127.0.0.1"]);
  assertEquals(await other.messages(), []);
  assertEquals([...Deno.readDirSync(folder.path)], []);
});

Deno.test("plugins stand before the inbox, made or named; events are told; a login is anybody's", async () => {
  const early: Event[] = [], late: Event[] = [];
  const no_lists = on(
    "rcpt",
    (ctx, next) => ctx.recipient.address.local === "all" ? reject("5.7.1", "No lists") : next(),
    { name: "no_lists" },
  );
  await using server = await createServer({
    plugins: [no_lists, "chaos", { headers: {}, mode: "observe" }],
    observe: (event) => early.push(event),
  });
  const end = server.observe((event) => late.push(event));
  await assertRejects(() => send(server, { to: "all@example.net" }), Error, "5.7.1 No lists");
  end();
  const decisions = early.flatMap((event) => event.type === "decision" ? [`${event.plugin} ${event.verdict}`] : []);
  assert(decisions.includes("no_lists reject"), decisions.join());
  assert(late.some(({ type }) => type === "refused"));
  const transport = createTransport({
    host: server.host,
    port: server.port,
    ignoreTLS: true,
    auth: { user: "shop", pass: "x" },
  });
  await transport.sendMail(mail);
  transport.close();
  assertEquals((await server.nextMessage()).envelope.identity, "shop");
  assertEquals(late.filter(({ type }) => type === "accepted").length, 0);
});

Deno.test("domains bound what is taken; dns and the clock are the program's", async () => {
  const dns = new MemoryResolver({ "example.org": { txt: ["v=spf1 -all"] } });
  await using server = await createServer({
    domains: ["example.net"],
    plugins: [{ spf: { fail: "reject" } }],
    dns,
    now: () => Date.UTC(2001, 0, 2),
  });
  await assertRejects(() => send(server, { from: "a@example.com", to: "bob@example.com" }), Error, "550 5.7.1");
  await send(server, { from: "a@example.com" });
  const { receivedAt, raw } = await server.nextMessage();
  assertEquals(receivedAt.getUTCFullYear(), 2001);
  assert(new TextDecoder().decode(raw).startsWith("Return-Path: <a@example.com>\r\n"));
});

Deno.test("the site is there for whom asks for it", async () => {
  await using server = await createServer({ site: true });
  await send(server);
  const answer = await fetch(`${server.url}/api/v1/messages`);
  const { messages } = await answer.json() as { messages: { subject: string }[] };
  assertEquals(messages.map(({ subject }) => subject), ["Your order"]);
});

Deno.test("with a configuration it is a whole server: listeners, a data folder that is found again, the site with its token", async () => {
  await using folder = await TempFolder.make();
  const options: EmbeddedOptions = {
    base: folder.path,
    store: "sqlite",
    site: true,
    config: {
      hostname: "mx.example.net",
      data: "./data",
      domains: ["example.net"],
      listeners: [{ address: "127.0.0.1:0" }, { address: "unix:./lmtp.sock", role: "lmtp" }],
      plugins: [{ inbox: { everything: true } }],
      admin: { token: "a token of the tests" },
      ledger: "off",
    },
  };
  await using first = await createHere(options);
  assertEquals(first.addresses.map(({ listener }) => listener), ["127.0.0.1:0", `unix:./lmtp.sock`]);
  await send(first);
  assertEquals(
    (await fetch(`${first.url}/api/v1/messages`).then(async (it) => [it.status, await it.body?.cancel()]))[0],
    401,
  );
  await first.stop();
  await using again = await createHere(options);
  assertEquals((await again.nextMessage({ to: "bob@example.net" })).subject, "Your order");
});

Deno.test("stop: who waits for mail is told, twice is once, and a new one can be had", async () => {
  const server = await createServer();
  const waits = assertRejects(() => server.nextMessage({ to: "bob@example.net" }), Error, "has stopped");
  await Promise.all([server.stop(), server.stop()]);
  await waits;
  await assertRejects(() => server.nextMessage(), Error, "has stopped");
  await using another = await createServer({ listen: "localhost:0" });
  using client = await SmtpClient.connect(another.port);
  await client.expect(220);
});

const FAULTS: readonly [options: Record<string, unknown>, ...messages: string[]][] = [
  [{ listen: "here" }, 'listen: "here" is not an address and a port'],
  [{ listens: "127.0.0.1:0" }, 'listens: there is no such option; did you mean "listen"?'],
  [{ plugins: "spf" }, "plugins: must be a list"],
  [{ plugins: [{ spf: { fial: "reject" } }] }, "plugins[0].spf.fial: unknown key"],
  [{ plugins: ["spff"] }, 'plugins[0]: there is no plugin "spff"'],
  [
    { plugins: [() => {}, {}] },
    "plugins[0]: is a factory, no plugin yet: call it",
    "plugins[1]: names no plugin: there",
  ],
  [{ domains: ["no domain"] }, "domains[0]: "],
  [{ config: { limits: { recipients: 5 } } }, "config.limits.recipients: must be at least 100"],
  [{ plugins: ["dkim"], config: { plugins: ["dkim"] } }, 'config.plugins[0]: "dkim" stands here twice'],
  [{ domains: ["a.example"], config: { domains: [] } }, "domains: config.domains says it too"],
  [{ store: "sqlite" }, "config.data: is missing"],
  [
    { base: 5, dns: "x", observe: {}, now: 5 },
    "base: must be a path",
    "observe: must be",
    "now: must be",
    "dns: must be",
  ],
  [{ plugins: [{ name: "a\n", handlers: {} }] }, "plugins[0]: is no plugin: its name is no name"],
  [{ plugins: [{ name: "a", handlers: {}, after: 5 }] }, "plugins[0]: is no plugin: after is no list of names"],
  [{ config: { hostnam: "x" }, site: "nowhere" }, "config.hostnam: unknown key", "site: "],
];

Deno.test("what is wrong is a ConfigError with the path of each fault", async () => {
  for (const [options, ...messages] of FAULTS) {
    const error = await assertRejects(() => createHere(options as EmbeddedOptions), ConfigError);
    for (const message of messages) assert(error.message.includes(message), `${error.message} has not: ${message}`);
    assertEquals(error.message.match(/^[\w.[\]]+: /gm)?.length, error.issues.length, error.message);
  }
});
