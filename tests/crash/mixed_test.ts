/**
 * One transaction to a Maildir, an inbox and a relay recipient (SEMANTICS 3, 4; cases 69, 71, 73): each file operation
 * fails in turn, and the process is killed before each in turn. Whoever got no 250 sends again, as a client does. Then
 * each recipient has a whole copy, and none has two unless the process was killed or a commit failed.
 */
import { existsSync } from "node:fs";
import { assert, assertEquals } from "@std/assert";
import { addedOnly, latin1, withLf } from "../support/bytes.ts";
import { testWith } from "../support/debian.ts";
import { freePort } from "../support/ports.ts";
import type { Server, ServerOptions } from "../support/server.ts";
import { ConnectionClosed, SmtpClient } from "../support/smtp_client.ts";
import { TempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import { BOX, mixedConfig, REMOTE } from "../support/configs.ts";
import { type Fault, FaultInjector, type Operation } from "./faulty.ts";
import { messageOf, nameOf } from "./messages.ts";

const ENDLESS = 500;
const SIZE = 1000;

/** Where the copies of a message are, by kind of recipient: how many whole ones. */
interface Copies {
  readonly inbox: number;
  readonly maildir: number;
  readonly relay: number;
}

class Site {
  #index = 0;
  /** Queue id -> name, once read. */
  readonly #queued = new Map<string, string>();

  private constructor(
    readonly mail: string,
    readonly injector: FaultInjector,
    readonly options: ServerOptions,
    public server: Server,
  ) {}

  static async open(folder: TempFolder): Promise<Site> {
    const mail = folder.at("mail"), data = folder.at("data");
    const injector = await FaultInjector.make(folder, [mail, data]);
    const options = { config: mixedConfig(mail), data, ports: { smtp: freePort(), admin: freePort() } };
    return new Site(mail, injector, options, await injector.start(options));
  }

  async close(): Promise<void> {
    this.injector.disarm();
    await this.server[Symbol.asyncDispose]();
  }

  async restart(): Promise<void> {
    await this.server[Symbol.asyncDispose]();
    this.server = await this.injector.start(this.options);
  }

  /** A new message, to a Maildir of its own so that its folders are made too. */
  next(): { name: string; to: string[] } {
    const index = this.#index++;
    return { name: nameOf(2, index, SIZE), to: [BOX, `dir${index}@local.example`, REMOTE] };
  }

  /** Code of the answer, 0 when the connection ended first. */
  async send(mail: { name: string; to: string[] }, fault: Fault | null): Promise<{ code: number; done: Operation[] }> {
    let code = 0;
    try {
      using client = await SmtpClient.ready(this.server.ports.smtp);
      if (fault) this.injector.arm(fault);
      const message = messageOf(mail.name);
      code = (await client.deliver({ from: "crash@client.example", to: mail.to, message })).code;
    } catch (error) {
      if (!(error instanceof ConnectionClosed || error instanceof Deno.errors.ConnectionReset)) throw error;
    }
    return { code, done: this.injector.disarm() };
  }

  /** As a client does: again until there is a 250. */
  async sendAgain(mail: { name: string; to: string[] }): Promise<void> {
    for (let tries = 0; tries < 3; tries++) if ((await this.send(mail, null)).code === 250) return;
    await this.server.stop().catch(() => this.server.kill());
    await this.restart();
    assertEquals((await this.send(mail, null)).code, 250, "after a restart");
  }

  /** Counts whole copies. @throws at one that is not whole. */
  async copies({ name }: { name: string }): Promise<Copies> {
    const { api } = this.server, sent = messageOf(name);
    let inbox = 0, maildir = 0, relay = 0;
    const check = (where: string, stored: Uint8Array | null, original: Uint8Array) => {
      assertEquals(stored && addedOnly(stored, original), null, `${name} in ${where}`);
      return 1;
    };
    for (const { id, subject } of await api.messages()) {
      if (subject === name) inbox += check(`inbox ${id}`, await api.raw(id), sent);
    }
    for (const { id, recipients } of (await api.queue()).items) {
      if (!recipients.some(({ address }) => address === REMOTE)) continue;
      if (!this.#queued.has(id)) this.#queued.set(id, subjectOf(await api.queuedRaw(id)));
      if (this.#queued.get(id) === name) relay += check(`queue ${id}`, await api.queuedRaw(id), sent);
    }
    for (const path of files(this.mail)) {
      if (!/\/(new|cur)\/[^/]+$/.test(path)) continue;
      const stored = Deno.readFileSync(path);
      if (subjectOf(stored) === name) maildir += check(path, stored, withLf(sent));
    }
    return { inbox, maildir, relay };
  }

  /** Waits until each recipient has a copy. */
  async arrived(mail: { name: string }): Promise<Copies> {
    let last: Copies | null = null;
    try {
      return await waitFor("a copy for each recipient", async () => {
        last = await this.copies(mail);
        if (last.inbox && last.maildir && last.relay) return last;
        return null;
      }, { deadline: 15_000, every: 50 });
    } catch (error) {
      throw new Error(`${mail.name}: ${(error as Error).message}: ${JSON.stringify(last)}`);
    }
  }
}

function subjectOf(message: Uint8Array | null): string {
  return /^Subject: (\S+)\r?$/m.exec(latin1(message?.subarray(0, 4096) ?? new Uint8Array(0)))?.[1] ?? "";
}

/** All files of a tree; none when it is not there yet. */
function* files(folder: string): Generator<string> {
  if (!existsSync(folder)) return;
  for (const entry of Deno.readDirSync(folder)) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory) yield* files(path);
    else yield path;
  }
}

const ONCE: Copies = { inbox: 1, maildir: 1, relay: 1 };

testWith(["gcc"], "case 71: a storage fails, each recipient still has its copy, and once", async () => {
  await using folder = await TempFolder.make("postern-mixed-");
  const site = await Site.open(folder);
  const failedIn = { maildir: 0, store: 0 };
  try {
    const done: { name: string; to: string[] }[] = [];
    let at = 1;
    for (; at < ENDLESS; at++) {
      const mail = site.next();
      const { code, done: operations } = await site.send(mail, { does: "fail", at, error: "EIO" });
      const failed = operations.find((operation) => operation.done === "FAIL");
      const inMaildir = failed?.path.startsWith(site.mail) ?? false;
      if (!failed || inMaildir) assertEquals(code, 250, `${mail.name}: ${JSON.stringify(failed)}`);
      if (code !== 250) await site.sendAgain(mail);
      const copies = await site.arrived(mail);
      if (code === 250) {
        assertEquals(copies, ONCE, `${mail.name}: ${JSON.stringify(failed)}`);
        done.push(mail);
      }
      if (!failed) break;
      failedIn[inMaildir ? "maildir" : "store"]++;
    }
    console.log(`failed in turn: ${failedIn.maildir} operations of the Maildir, ${failedIn.store} of the store`);
    assert(failedIn.maildir > 3 && failedIn.store > 3 && at < ENDLESS);
    await site.server.stop();
    await site.restart();
    for (const mail of done) assertEquals(await site.copies(mail), ONCE, `${mail.name} after a restart`);
  } finally {
    await site.close();
  }
});

testWith(["gcc"], "case 69: killed between each two steps, each recipient has its copy", async () => {
  await using folder = await TempFolder.make("postern-mixed-kill-");
  const site = await Site.open(folder);
  let answered = 0, twice = 0;
  try {
    let at = 1;
    for (; at < ENDLESS; at++) {
      const mail = site.next();
      const { code, done } = await site.send(mail, { does: "kill", at });
      const killed = done.some((operation) => operation.done === "KILL");
      if (killed) {
        await site.restart();
        if (code === 250) answered++;
        else await site.sendAgain(mail);
      } else assertEquals(code, 250, mail.name);
      const copies = await site.arrived(mail);
      if (!killed) {
        assertEquals(copies, ONCE, mail.name);
        break;
      }
      if (copies.inbox + copies.maildir + copies.relay > 3) twice++;
      assert(copies.inbox <= 2 && copies.maildir <= 2 && copies.relay <= 2, `${mail.name}: ${JSON.stringify(copies)}`);
    }
    console.log(`killed before ${at - 1} operations in turn; ${answered} had their 250, ${twice} came twice`);
    assert(at > 8 && at < ENDLESS);
  } finally {
    await site.close();
  }
});
