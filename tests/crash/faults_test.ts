/**
 * A disk that fails (cases 29, 71): each open, write, fsync, fdatasync and rename between the first octet of a message
 * and its 250 fails once in turn with EIO, ENOSPC and EDQUOT, each open also with EMFILE and EROFS; then a disk that is
 * full for a while. No 250 for what is not kept, nothing half, no failed sync taken for a good one, and the server goes on.
 */
import { assert, assertEquals } from "@std/assert";
import { addedOnly } from "../support/bytes.ts";
import { testWith } from "../support/debian.ts";
import { freePort } from "../support/ports.ts";
import { INBOX_CONFIG } from "../support/configs.ts";
import type { Server } from "../support/server.ts";
import { ConnectionClosed, queuedAs, SmtpClient } from "../support/smtp_client.ts";
import { TempFolder } from "../support/temp.ts";
import { type ErrorName, type Fault, FaultInjector, type Operation, type OperationName, OPERATIONS } from "./faulty.ts";
import { messageOf, nameOf, SIZES } from "./messages.ts";

const ENVELOPE = { from: "crash@client.example", to: ["box@local.example"] };
/** More operations than any message needs. */
const ENDLESS = 1000;

/** A server, what it was sent, and what it said. */
class Bench {
  readonly accepted = new Map<string, string>();
  readonly refused = new Set<string>();
  restarts = 0;
  #index = 0;

  private constructor(
    readonly injector: FaultInjector,
    readonly options: { config: string; data: string; ports: { smtp: number; admin: number } },
    public server: Server,
  ) {}

  static async open(folder: TempFolder): Promise<Bench> {
    const injector = await FaultInjector.make(folder, [folder.at("data")]);
    const options = {
      config: INBOX_CONFIG, // a plugin in mode observe that cannot read the message holds up nothing
      data: folder.at("data"),
      ports: { smtp: freePort(), admin: freePort() },
    };
    return new Bench(injector, options, await injector.start(options));
  }

  async restart(): Promise<void> {
    this.injector.disarm();
    await this.server.stop().catch(() => this.server.kill());
    await this.server[Symbol.asyncDispose]();
    this.server = await this.injector.start(this.options);
  }

  async close(): Promise<void> {
    this.injector.disarm();
    await this.server[Symbol.asyncDispose]();
  }

  /** Sends a message of `size` with `fault` from its first octet on. Returns the code of the answer, 0 for none. */
  async send(size: number, fault: Fault | null): Promise<{ code: number; done: Operation[]; name: string }> {
    const name = nameOf(1, this.#index++, size);
    let code = 0, done: Operation[] = [], id: string | null = null;
    try {
      using client = await SmtpClient.ready(this.server.ports.smtp);
      if (fault) this.injector.arm(fault);
      const reply = await client.deliver({ ...ENVELOPE, message: messageOf(name) });
      done = this.injector.disarm();
      code = reply.code;
      id = queuedAs(reply);
      assert(code !== 250 || id !== null, reply.raw);
    } catch (error) {
      done = this.injector.disarm();
      if (/expected (250|354), got "(4\d\d)/.test((error as Error).message)) code = 452; // refused before the message
      else if (!(error instanceof ConnectionClosed || error instanceof Deno.errors.ConnectionReset)) throw error;
    }
    if (id !== null) this.accepted.set(name, id);
    else this.refused.add(name);
    return { code, done, name };
  }

  /** After a fault the next message must go through, at the latest after a restart. */
  async goesOn(): Promise<void> {
    if (!this.server.hasEnded) {
      for (let tries = 0; tries < 3; tries++) if ((await this.send(1000, null).catch(() => null))?.code === 250) return;
    }
    this.restarts++;
    await this.restart();
    assertEquals((await this.send(1000, null)).code, 250, "after a restart");
  }

  /** What is not as it was promised. `wholeMayCome`: what got no 250 may be there if it is whole. */
  async faults(wholeMayCome: boolean): Promise<string[]> {
    const wrong: string[] = [], found = new Map<string, string>();
    for (const { id, subject } of await this.server.api.messages()) {
      if (found.has(subject)) wrong.push(`${subject} is there twice`);
      found.set(subject, id);
      const raw = await this.server.api.raw(id);
      const fault = raw ? addedOnly(raw, messageOf(subject)) : "no octets";
      if (fault) wrong.push(`${subject}: ${fault}`);
      if (this.refused.has(subject) && !wholeMayCome) wrong.push(`${subject} got no 250 and is there`);
    }
    for (const [name, id] of this.accepted) {
      if (found.get(name) !== id) wrong.push(`${name} got its 250 and is ${found.get(name) ?? "not there"}`);
    }
    return wrong;
  }
}

/**
 * Whether the 250 of the message under way depends on an operation: it is on a file of the message's own, or on the
 * database's log. What an idle writer copies from the log into the database is not, nor is its sync of a log in which
 * nothing was written since the last one.
 */
function onTheWay(failed: Operation, done: readonly Operation[]): boolean {
  // The ledger and hooks are told of a message and never asked; the maildrop is made beside it, with an entry in the folder
  if (/\/(?:ledger|maildrop)\b|\/webhooks\.db|\/data$/.test(failed.path)) return false;
  if (/\.(db|sqlite3?)(-shm|-journal)?$/.test(failed.path)) return false;
  if (!isSync(failed) || !failed.path.endsWith("-wal")) return true;
  const before = done.slice(0, done.indexOf(failed)).filter((each) => each.path === failed.path);
  return before.slice(before.findLastIndex(isSync) + 1).length > 0;
}
const isSync = ({ name }: Operation): boolean => name === "fsync" || name === "fdatasync";

/** Lets operation 1, 2, 3, ... of a kind fail, a message for each, until two get their 250 before its turn comes. */
async function eachOnce(bench: Bench, fault: { size: number; error: ErrorName; only: OperationName }): Promise<number> {
  const { size, error, only } = fault;
  let fired = 0;
  for (let at = 1, quiet = 0; quiet < 2; at++) {
    assert(at < ENDLESS, "no end of operations");
    const { code, done, name } = await bench.send(size, { does: "fail", at, error, only });
    const failed = done.find((operation) => operation.done === "FAIL");
    if (!failed) {
      assertEquals(code, 250, `${name}: refused although nothing failed`);
      quiet++;
      continue;
    }
    quiet = 0;
    fired++;
    const what = `${only} ${at} of ${failed.path.slice(bench.options.data.length)} (${error}, ${name})`;
    if (onTheWay(failed, done)) assert(code !== 250, `250 although this failed: ${what}`);
    assert(code === 250 || code === 0 || (code >= 400 && code < 500), `${code} after ${what}`);
    await bench.goesOn();
  }
  return fired;
}

/** Every kind of operation with one error, then a look at what is there, running and started again. */
async function allKinds(
  bench: Bench,
  size: number,
  error: ErrorName,
  which = OPERATIONS as readonly OperationName[],
): Promise<void> {
  const fired = new Map<OperationName, number>();
  for (const only of which) {
    const count = await eachOnce(bench, { size, error, only });
    if (count > 0) fired.set(only, count);
  }
  console.log(`${size} octets, ${error}: failed in turn ${text(fired)}; ${bench.restarts} restarts were needed so far`);
  const kinds = which.length === 1
    ? which
    : size === SIZES.at(-1)
    ? ["open", "write", "pwrite64"] as const
    : ["pwrite64"] as const;
  for (const kind of kinds) assert(fired.has(kind), `no ${kind} on the way of a message`);
  assert(which.length === 1 || fired.has("fsync") || fired.has("fdatasync"), "no sync on the way of a message");
  assertEquals(await bench.faults(false), [], "while it runs");
  await bench.restart();
  assertEquals(await bench.faults(true), [], "after a restart");
}

function text(counts: ReadonlyMap<unknown, number>): string {
  return [...counts].map(([key, count]) => `${key}: ${count}`).join(", ");
}

for (const size of SIZES) {
  testWith(["gcc"], `case 71: each file operation fails in turn (${size} octets)`, async () => {
    await using folder = await TempFolder.make("postern-faults-");
    const bench = await Bench.open(folder);
    try {
      for (const error of ["EIO", "ENOSPC", "EDQUOT"] as const) await allKinds(bench, size, error);
      // These two fail where something is opened, and the largest opens all there is
      if (size === SIZES.at(-1)) {
        for (const error of ["EMFILE", "EROFS"] as const) await allKinds(bench, size, error, ["open"]);
      }
    } finally {
      await bench.close();
    }
  });
}

testWith(
  ["gcc"],
  "case 29: a full disk refuses, keeps what it has, and takes mail again when there is room",
  async () => {
    await using folder = await TempFolder.make("postern-full-");
    const bench = await Bench.open(folder);
    try {
      for (const size of SIZES) assertEquals((await bench.send(size, null)).code, 250);
      for (const error of ["ENOSPC", "EDQUOT"] as const) {
        for (const size of SIZES) {
          const { code, done } = await bench.send(size, { does: "full", error });
          assert(done.some((operation) => operation.done === "FAIL"), "nothing was written at all");
          assert(code >= 400 && code < 500, `${code} with ${error}`);
          assertEquals(bench.server.hasEnded, false, "a full disk does not end the server");
        }
        assertEquals(await bench.faults(false), []);
        for (const size of SIZES) assertEquals((await bench.send(size, null)).code, 250, "room again");
      }
      await bench.restart();
      assertEquals(await bench.faults(true), []);
    } finally {
      await bench.close();
    }
  },
);
