/**
 * What a server with a scanner owes its users, with a real engine behind it that is well, killed, frozen and replaced by
 * something that talks nonsense: what it finds is refused, what got a 250 is there exactly once, what got none is nowhere,
 * and nobody has to restart anything. Non-job: what only one engine can do.
 */
import { assertEquals, assertMatch } from "@std/assert";
import { mail } from "../support/bytes.ts";
import type { EngineProcess } from "../support/engine_process.ts";
import { freePort } from "../support/ports.ts";
import { Server } from "../support/server.ts";
import { SmtpClient } from "../support/smtp_client.ts";
import { waitFor } from "../support/wait.ts";

/** What a client of a listener meets: time enough, little time and 451, little time and no check. */
type Listener = "patient" | "hasty" | "careless";

export interface ScannerContract {
  readonly engine: EngineProcess;
  /** The plugin's name in the configuration, and options beside those that the contract gives. */
  readonly plugin: string;
  readonly options: string;
  /** Options of each listener; default: `timeout` and `unavailable`. */
  readonly policy?: Readonly<Record<Listener, string>>;
  /** The body of a message that is refused, and what the client is told. */
  readonly bad: string;
  readonly refusal: RegExp;
}

const POLICY: Readonly<Record<Listener, string>> = {
  patient: "timeout: 60s",
  hasty: "timeout: 1s",
  careless: "timeout: 1s, unavailable: skip",
};
/** Larger than what fits into sockets: a frozen engine stops it half-way. */
const LARGE = "a line of some length, and no word in it is bad\n".repeat(3000);

export class ScannedServer implements AsyncDisposable {
  readonly accepted: string[] = [];
  #count = 0;

  private constructor(readonly server: Server, private readonly ports: Readonly<Record<Listener, number>>) {}

  static async start(
    { plugin, options, policy: policies = POLICY }: Pick<ScannerContract, "plugin" | "options" | "policy">,
  ): Promise<ScannedServer> {
    const smtp = freePort(), hasty = freePort(), careless = freePort();
    const entries = Object.entries(policies).map(([name, policy]) =>
      `  - { ${plugin}: { ${policy}, ${options} }, as: ${name}_${plugin}, deadline: 90s, when: { listener: ${name} } }\n`
    );
    const server = await Server.start({
      ports: { smtp, admin: freePort() },
      config: `hostname: mx.example.org
domains: [example.org]
postmaster: ops@example.org
listeners:
  - { address: "127.0.0.1:2525", name: patient, tls: off }
  - { address: "127.0.0.1:${hasty}", name: hasty, tls: off }
  - { address: "127.0.0.1:${careless}", name: careless, tls: off }
plugins:
${entries.join("")}  - inbox: { everything: true }
`,
    });
    return new ScannedServer(server, { patient: smtp, hasty, careless });
  }

  /** One message by a connection of its own; the reply to it, or the first refusal. Its subject is one that no other has. */
  async send(listener: Listener, body: string, options: { subject?: string; to?: string[] } = {}): Promise<string> {
    const { to = ["b@example.org"] } = options, subject = `${options.subject ?? "message"} ${++this.#count}`;
    using client = await SmtpClient.ready(this.ports[listener], { deadline: 100_000 });
    const message = mail(
      `From: a@example.net\nTo: b@example.org\nDate: Sun, 22 Nov 2026 09:40:12 +0000\n` +
        `Message-ID: <${this.#count}@example.net>\nX-Gone: 1\nSubject: ${subject}\n\n${body}\n`,
    );
    const { code, lines } = await client.attempt({ from: "a@example.net", to, message });
    if (code === 250) this.accepted.push(subject);
    return `${code} ${lines.join(" ")}`;
  }

  /** Everything that was accepted is there once, and nothing else is anywhere. */
  async settled(): Promise<void> {
    const subjects = async () => (await this.server.api.messages()).map(({ subject }) => subject).sort();
    await waitFor("all that was accepted", async () => (await subjects()).length >= this.accepted.length, {
      deadline: 30_000,
    });
    assertEquals(await subjects(), [...this.accepted].sort());
    assertEquals((await this.server.api.queue()).total, 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server[Symbol.asyncDispose]();
  }
}

/** Rude things that something else on the engine's port may say. */
const NONSENSE = [
  "220 mail.example.net ESMTP\r\n",
  "\0\0\0\0\r\n\r\n",
  "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
];

/** The whole of it. */
export async function keepsFaith(t: Deno.TestContext, contract: ScannerContract): Promise<void> {
  const { engine, bad, refusal } = contract;
  await using scanned = await ScannedServer.start(contract);

  const isWell = async () => {
    assertMatch(await scanned.send("patient", bad), refusal);
    assertMatch(await scanned.send("patient", "hello"), /^250 /);
    await scanned.settled();
  };
  const isDown = async (body: string) => {
    assertMatch(await scanned.send("hasty", body), /^451 4\.3\.0 The message cannot be checked at the moment/);
    assertMatch(await scanned.send("careless", body), /^250 /);
    await scanned.settled();
  };

  await t.step("well: what is bad is refused, what is good arrives", async () => {
    await isWell();
    const several = await Promise.all(
      Array.from({ length: 8 }, (_, i) => scanned.send("patient", i % 2 ? bad : LARGE)),
    );
    assertEquals(several.map((reply) => reply.slice(0, 3)), [..."01010101"].map((odd) => odd === "1" ? "550" : "250"));
    await scanned.settled();
  });
  await t.step("killed: the policy holds, and it is well as soon as the engine is back", async () => {
    await engine.kill();
    await isDown(bad);
    await engine.begin();
    await isWell();
  });
  await t.step("frozen: the policy holds, and who has patience gets an answer in the end", async () => {
    engine.freeze();
    const waiting = [scanned.send("patient", "hello"), scanned.send("patient", LARGE), scanned.send("patient", bad)];
    try {
      assertMatch(await scanned.send("hasty", "hello"), /^451 4\.3\.0 /);
      assertMatch(await scanned.send("hasty", LARGE), /^451 4\.3\.0 /);
      assertMatch(await scanned.send("careless", bad), /^250 /);
    } finally {
      engine.thaw();
    }
    assertEquals((await Promise.all(waiting)).map((reply) => reply.slice(0, 3)), ["250", "250", "550"]);
    await isWell();
  });
  await t.step("killed while it looks: nobody who got no answer has lost or doubled anything", async () => {
    engine.freeze();
    const waiting = [scanned.send("patient", "hello"), scanned.send("patient", bad)];
    await waitFor("the engine to be asked", () => pending(engine.port) >= 2, { deadline: 30_000 });
    await engine.kill();
    for (const reply of await Promise.all(waiting)) assertMatch(reply, /^451 4\.3\.0 /);
    await scanned.settled();
  });
  await t.step("replaced by something that talks nonsense: the policy holds", async () => {
    for (const nonsense of NONSENSE) {
      await using _ = engine.replaced(async (side) => {
        await side.say(nonsense);
        await side.until(() => false);
      });
      await isDown("hello");
    }
    await using _ = engine.replaced(async (side) => {
      for (;;) await side.say("x".repeat(10_000));
    });
    await isDown(LARGE);
  });
  await t.step("back again", async () => {
    await engine.begin();
    await isWell();
  });
}

/** Connections to a port of loopback that are open on the side of who connected. */
function pending(port: number): number {
  const address = `0100007F:${port.toString(16).toUpperCase().padStart(4, "0")}`, established = "01";
  const rows = Deno.readTextFileSync("/proc/net/tcp").split("\n").map((row) => row.trim().split(/\s+/));
  return rows.filter(([, , remote, state]) => remote === address && state === established).length;
}
