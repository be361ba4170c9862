/**
 * Reload seen from within the process (SEMANTICS 26): what it leaves behind in memory, attempts that outlast their lease
 * and the configuration that began them, and faults that show only while the change is made.
 */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { assert, assertEquals, assertMatch } from "@std/assert";
import { loadConfig } from "../../core/config/load.ts";
import type { Config } from "../../core/config/config.ts";
import type { Event } from "../../core/observe/events.ts";
import { type RunningServer, startServer } from "../../core/server.ts";
import { mail } from "../support/bytes.ts";
import { freePort } from "../support/ports.ts";
import { RawSink } from "../support/raw_sink.ts";
import { SmtpClient } from "../support/smtp_client.ts";
import { TempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";

const HEAD = `hostname: mx.local.example
domains: [local.example]
data: ./data
`;
const PLUGINS = `plugins:
  - relay: { networks: ["127.0.0.0/8"] }
  - recipients: { accounts: { box: inbox } }
  - inbox
`;
const LISTENER = `listeners: [{ address: "127.0.0.1:0" }]\n`;

class House implements AsyncDisposable {
  readonly events: Event[] = [];
  /** Of every configuration that was read. */
  readonly read: WeakRef<Config>[] = [];
  /** The clock is so many milliseconds ahead. */
  ahead = 0;
  server!: RunningServer;
  private constructor(readonly folder: TempFolder) {}

  static async open(yaml: string): Promise<House> {
    const house = new House(await TempFolder.make());
    await house.configure(yaml);
    house.server = await startServer(await house.#load(), {
      observers: [(event) => house.events.push(event)],
      now: () => Date.now() + house.ahead,
      load: () => house.#load(),
    });
    return house;
  }
  async #load(): Promise<Config> {
    const config = await loadConfig({ file: this.folder.at("postern.yaml"), env: {} });
    this.read.push(new WeakRef(config));
    return config;
  }
  async configure(yaml: string): Promise<void> {
    await this.folder.file("postern.yaml", yaml);
  }
  /** Another configuration, which is fine. */
  async reload(yaml: string): Promise<void> {
    await this.configure(yaml);
    assertEquals((await this.server.reload()).faults, []);
  }
  port(listener = 0): number {
    return Number(this.server.addresses[listener]!.address.split(":").at(-1));
  }
  get troubles(): string[] {
    return this.events.flatMap((each) => each.type === "trouble" ? [`${each.where}: ${each.message}`] : []);
  }
  async send(to: string, port = this.port()): Promise<void> {
    using client = await SmtpClient.ready(port);
    const message = mail(`From: amy@sender.example\nMessage-ID: <${to}>\nSubject: x\n\nhello\n`);
    const { code } = await client.deliver({ from: "amy@sender.example", to: [to], message });
    assertEquals(code, 250);
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.server.stop();
    await this.folder[Symbol.asyncDispose]();
  }
}

Deno.test("a configuration is free once its last session has gone, however many came after it", async () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  await using house = await House.open(HEAD + LISTENER + PLUGINS);
  using staying = await SmtpClient.ready(house.port());
  for (let round = 1; round <= 8; round++) {
    await house.reload(`${HEAD}${LISTENER}${PLUGINS}limits: { messageSize: ${round}MiB }\n`);
  }
  const alive = () => (collect(), house.read.filter((each) => each.deref() !== undefined).length);
  await waitFor("all but the session's and the last one to be freed", () => alive() <= 2, { deadline: 30_000 });
  await staying.command("NOOP", 250);
  assert(house.read[0]!.deref() !== undefined, "the session goes by what it began with");
  await staying.quit();
  await waitFor("that of the session to be freed", () => alive() === 1, { deadline: 30_000 });
});

Deno.test("an attempt that outlasts its lease and two configurations is made once", async () => {
  const answered = Promise.withResolvers<undefined>();
  let begun = 0;
  await using sink = new RawSink({
    answer: ({ step }) => {
      if (step !== "dot") return undefined;
      begun++;
      return answered.promise;
    },
  });
  const yaml = `${HEAD}${LISTENER}${PLUGINS}nextHops: { up: { hosts: ["smtp://127.0.0.1:${sink.port}"] } }
delivery: { routes: [{ domain: "*", to: remote, via: up }] }
`;
  await using house = await House.open(yaml);
  await house.send("far@example.net");
  await waitFor("the attempt", () => begun === 1);
  await house.reload(`${yaml}limits: { messageSize: 1MiB }\n`);
  house.ahead = 16 * 60_000;
  await house.reload(yaml); // whoever begins now asks the store for what is due
  await house.send("box@local.example"); // the store answers in order
  answered.resolve(undefined);
  await waitFor("what came of it", () => house.events.some(({ type }) => type === "delivered"));
  await house.send("box@local.example");
  assertEquals([begun, sink.taken.length], [1, 1]);
  assertEquals(house.troubles, []);
});

Deno.test("what goes wrong while the change is made leaves no half of it: socket files, hooks, doubled addresses", async () => {
  const socket = (path: string) => `  - { address: "unix:${path}", name: local, mode: "660" }\n`;
  await using house = await House.open(HEAD + LISTENER + PLUGINS);
  const path = house.folder.at("local.sock");
  const two = `${HEAD}listeners:\n  - { address: "127.0.0.1:0", name: a }\n  - { address: "127.0.0.1:0", name: b }\n`;
  await house.reload(two + socket(path) + PLUGINS);
  assertEquals(house.server.addresses.map(({ listener }) => listener), ["a", "b", "local"]);
  const ports = [house.port(0), house.port(1)];
  await Deno.remove(path);
  await Deno.mkdir(house.folder.at("data/webhooks.db"));
  await house.reload(
    `${two}${
      socket(path)
    }${PLUGINS}limits: { messageSize: 1MiB }\nwebhooks: [{ url: "http://127.0.0.1:9/", events: [alert], secret: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw }]\n`,
  );
  assertEquals([house.port(0), house.port(1)], ports);
  assertMatch(house.troubles.join("\n"), /local: .*local\.sock[^]*webhooks: .*webhooks\.db cannot be had/);
  for (const port of ports) {
    using client = await SmtpClient.ready(port);
    assertMatch((await client.command("EHLO client.example", 250)).raw, /SIZE 1048576/);
    await client.quit();
  }
  await house.send("far@example.net"); // whoever takes mail away has begun as well
  await waitFor("an attempt", () => house.events.some(({ type }) => type === "deferred" || type === "bounced"), {
    deadline: 30_000,
  });
  await house.reload(HEAD + LISTENER + PLUGINS);
  assertEquals(house.server.addresses.length, 1);
});

Deno.test("a hundred who ask at once are two reloads, and all hear what came of theirs", async () => {
  await using house = await House.open(HEAD + LISTENER + PLUGINS);
  const first = house.server.reload();
  await waitFor("it to begin", () => house.read.length === 2);
  await house.configure(`${HEAD}${LISTENER}${PLUGINS}limits: { messageSize: 2MiB }\n`);
  const all = await Promise.all(Array.from({ length: 100 }, () => house.server.reload()));
  assertEquals((await first).faults, []);
  assert(all.every(({ changed }) => changed.join() === "limits"));
  assertEquals(house.read.length, 3);
});

Deno.test({
  name: "a server that is stopped in the middle of a reload is stopped: no port and no job is left",
  sanitizeOps: true,
  sanitizeResources: true,
  fn: async () => {
    for (let moment = 0; moment < 12; moment++) {
      const house = await House.open(HEAD + LISTENER + PLUGINS), smtp = freePort(), site = freePort();
      await house.configure(`${HEAD}listeners: [{ address: "127.0.0.1:${smtp}", name: other }]
admin: { address: "127.0.0.1:${site}", token: token-of-the-tests }
${PLUGINS}`);
      const reload = house.server.reload();
      for (let turn = 0; turn < moment; turn++) await new Promise((next) => setTimeout(next, 2));
      await house[Symbol.asyncDispose]();
      await reload;
      assertEquals([await isOpen(smtp), await isOpen(site)], [false, false]);
    }
  },
});

async function isOpen(port: number): Promise<boolean> {
  const connection = await Deno.connect({ hostname: "127.0.0.1", port }).catch(() => null);
  connection?.close();
  return connection !== null;
}
