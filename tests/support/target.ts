/**
 * A server under attack, and what must be true of it after every attack: it lives, the next normal session works, every
 * slot and every octet of memory is given back, nothing was left in the spool, nobody's error went uncaught, and its log
 * has the lines that the case wants, each safe to print. Job: these claims. Non-job: the attacks.
 */
import { assert, assertEquals } from "@std/assert";
import { Server, type ServerOptions } from "./server.ts";
import { mail } from "./bytes.ts";
import { SmtpClient } from "./smtp_client.ts";
import { waitFor } from "./wait.ts";

const MIB = 1024 * 1024;
/** Growth that is a collector's business and no leak. */
const SLACK = 96 * MIB;
/** Where the normal session's mail goes unless a test says otherwise. */
export const PROBE = "probe@example.org";
const PROBE_MAIL = mail(
  "From: probe@sender.example\nDate: Sun, 22 Nov 2026 09:40:12 +0000\nSubject: probe\n\nstill there\n",
);
/** What the log says of a defect. */
const DEFECTS = /defect|nobody caught|nobody handled|Uncaught|unhandled|dropped after it threw|RangeError|TypeError/;
/** What no line may hold. */
const UNSAFE = /[\p{C}\p{Zl}\p{Zp}]/u;

/** A listener for strangers: loopback is no trusted network here. */
export function strangersConfig(
  more: { readonly limits?: string; readonly listener?: string; readonly rest?: string } = {},
) {
  const { limits = "", listener = "", rest = "plugins: [{ inbox: { everything: true } }]" } = more;
  return `hostname: mx.example.org
domains: ["*"]
listeners: [{ address: "127.0.0.1:2525"${listener && `, ${listener}`} }]
limits: { lag: 1s, ${limits} }
admin: { address: "127.0.0.1:8025", token: "\${POSTERN_ADMIN_TOKEN}" }
${rest}
`;
}

export class Target implements AsyncDisposable {
  #base = 0;
  #read = 0;

  private constructor(readonly server: Server, readonly probeTo: string) {}

  /** `probe`: where the normal session's mail goes. */
  static async start(options: ServerOptions & { readonly probe?: string } = {}): Promise<Target> {
    const { probe = PROBE, ...rest } = options;
    const target = new Target(await Server.start({ ...rest, config: rest.config ?? strangersConfig() }), probe);
    try {
      for (let i = 0; i < 20; i++) await target.probe(); // compiled and warm: what it takes to run at all
      target.#base = target.memory();
      target.#read = target.server.output.length;
      return target;
    } catch (error) {
      await target[Symbol.asyncDispose]();
      throw error;
    }
  }

  get port(): number {
    return this.server.ports.smtp;
  }

  /** Resident octets of the process. */
  memory(): number {
    const status = Deno.readTextFileSync(`/proc/${this.server.pid}/status`);
    return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)![1]) * 1024;
  }
  /** The most that was resident since `resetPeak`. */
  peak(): number {
    const status = Deno.readTextFileSync(`/proc/${this.server.pid}/status`);
    return Number(/^VmHWM:\s+(\d+) kB/m.exec(status)![1]) * 1024;
  }
  resetPeak(): void {
    Deno.writeTextFileSync(`/proc/${this.server.pid}/clear_refs`, "5");
  }
  /** Processor seconds used so far. */
  processorSeconds(): number {
    const fields = Deno.readTextFileSync(`/proc/${this.server.pid}/stat`).split(") ")[1]!.split(" ");
    return (Number(fields[11]) + Number(fields[12])) / 100; // utime and stime in ticks; Linux gives 100 a second
  }

  async open(): Promise<SmtpClient> {
    return await SmtpClient.ready(this.port);
  }

  /** A normal session, as of anybody who has nothing to do with an attack. */
  async probe(): Promise<void> {
    using client = await this.open();
    const reply = await client.deliver({ from: "probe@sender.example", to: [this.probeTo], message: PROBE_MAIL });
    if (reply.code !== 250) throw new Error(`a normal session got ${reply.raw}`);
    await client.quit();
  }

  /** What was printed since the last `unharmed`. */
  get news(): string {
    return this.server.output.slice(this.#read);
  }

  /** Waits until the log has, since the last `unharmed`, a line like each of these. */
  async logged(...lines: readonly RegExp[]): Promise<void> {
    for (const line of lines) {
      await waitFor(
        `${line} in the log, which has:\n${this.news.slice(-4000)}`,
        () => this.news.split("\n").some((each) => line.test(each)),
      );
    }
  }

  async sessions(): Promise<number> {
    const text = await (await this.server.api.get("/metrics")).text();
    return Number(/^postern_sessions_open (\d+)$/m.exec(text)![1]);
  }

  spooled(): string[] {
    try {
      return [...Deno.readDirSync(`${this.server.data}/spool`)].map((entry) => entry.name);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return [];
      throw error;
    }
  }

  /** The claims of the head of this file; `lines`: what the log must say of the case. */
  async unharmed(
    what: string,
    options: { readonly lines?: readonly RegExp[]; readonly spooled?: number; readonly slack?: number } = {},
  ): Promise<void> {
    assert(!this.server.hasEnded, `${what}: the process has ended`);
    await this.probe();
    await waitFor(`${what}: every slot to be free`, async () => await this.sessions() === 0);
    await waitFor(`${what}: the spool to be as before`, () => this.spooled().length === (options.spooled ?? 0));
    await waitFor(`${what}: memory to come back from ${this.memory() / MIB} to ${this.#base / MIB} MiB`, async () => {
      if (this.memory() < this.#base + (options.slack ?? SLACK)) return true;
      await this.probe(); // gives the collector reason to work
      return false;
    }, { deadline: 30_000 });
    await this.logged(...options.lines ?? []);
    const { news } = this;
    assertEquals(DEFECTS.exec(news)?.[0], undefined, `${what}: ${news}`);
    assert(!UNSAFE.test(news.replaceAll("\n", "")), `${what}: the log holds what is not safe to print`);
    this.#read = this.server.output.length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server[Symbol.asyncDispose]();
  }
}
