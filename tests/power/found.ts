/**
 * What is found on a disk after the power came back: the store is opened on it as at a start, and everything that it would
 * serve is read. Each message that had its 250 must be there for each of its recipients, or have reached him; nothing may
 * be half; nothing may be set aside. Non-job: the disk (disk.ts), whole servers (power_test.ts).
 */
import { existsSync } from "node:fs";
import { openSqliteStore } from "../../core/store/sqlite.ts";
import { FINAL_STATES, type Store, type StoredRecipient } from "../../core/store/store.ts";
import { addedOnly, latin1, withLf } from "../support/bytes.ts";
import { keptIn } from "../support/sink_process.ts";
import { isName, messageOf } from "../crash/messages.ts";
import { recipientsOf, type Run } from "./site.ts";

/** Who got a copy elsewhere, and who was told about elsewhere, and when (milliseconds since 1970). */
export interface Elsewhere {
  readonly copies: ReadonlyMap<string, number>;
  readonly reports: ReadonlyMap<string, number>;
}

/** What the sink kept. A file is written before its 250 is said: whoever has heard of it is later. */
export function takenBy(...folders: readonly string[]): Elsewhere {
  const copies = new Map<string, number>(), reports = new Map<string, number>();
  for (const folder of folders) {
    for (const { name, from, to } of keptIn(folder)) {
      const path = `${folder}/${name}`, time = Deno.statSync(path).mtime!.getTime();
      const into = from === "" ? reports : copies;
      for (const about of from === "" ? peopleIn(latin1(Deno.readFileSync(path))) : to) {
        into.set(about, Math.min(time, into.get(about) ?? Infinity));
      }
    }
  }
  return { copies, reports };
}

function peopleIn(report: string): string[] {
  return [...report.matchAll(/^Final-Recipient: rfc822; ?(\S+)\r$/gm)].map(([, address]) => address!);
}

export interface Examined {
  /** One sentence each. */
  readonly faults: readonly string[];
  /** Messages that had no 250 and are there, whole: their 250 was on its way. */
  readonly more: number;
}

/** A row of the queue, as far as it matters here. */
type Waiting = Pick<StoredRecipient, "state">;

export class Examiner {
  readonly #run: Run;
  readonly #made = new Map<string, { readonly crlf: Uint8Array; readonly lf: Uint8Array }>();

  constructor(run: Run) {
    this.#run = run;
  }

  /**
   * @param folder where the disk was left
   * @param owed ids of what had its 250
   * @param elsewhere what left before the cut
   */
  async examine(folder: string, owed: readonly string[], elsewhere: Elsewhere): Promise<Examined> {
    const faults: string[] = [];
    let store: Store;
    try {
      store = await openSqliteStore({
        folder: `${folder}/data`,
        observer: (event) => {
          if (event.type === "trouble") faults.push(`trouble: ${event.message}`);
        },
      });
    } catch (error) {
      return { faults: [`it does not start: ${(error as Error).message}`], more: 0 };
    }
    try {
      const look = new Look(faults);
      await this.#inboxes(store, look);
      await this.#queue(store, look);
      this.#maildirs(`${folder}/mail`, look);
      for (const id of owed) this.#owed(id, look, elsewhere);
      const known = new Set(owed);
      return { faults, more: [...look.ids].filter((id) => !known.has(id)).length };
    } catch (error) {
      return { faults: [...faults, `it cannot be read: ${(error as Error).message}`], more: 0 };
    } finally {
      await store.close();
    }
  }

  async #inboxes(store: Store, look: Look): Promise<void> {
    let before: string | undefined;
    for (;;) {
      const { messages } = await store.inboxes.list({ limit: 500, ...before !== undefined && { before } });
      for (const { id, inbox, subject } of messages) {
        const message = id.split(".")[0]!;
        look.ids.add(message);
        look.inboxes.add(subject);
        look.whole(`${inbox} ${id}`, this.#compare(subject, await octetsOf(store, message, look), "crlf"));
      }
      if (messages.length < 500) return;
      before = messages.at(-1)!.id;
    }
  }

  async #queue(store: Store, look: Look): Promise<void> {
    for (let offset = 0;; offset += 1000) {
      const { items, corrupt } = await store.queue({ limit: 1000, offset });
      if (offset === 0) { for (const { id, why } of corrupt) look.faults.push(`${id} is set aside: ${why}`); }
      for (const { message: { id, sender }, recipients } of items) {
        const octets = await octetsOf(store, id, look), text = latin1(octets ?? new Uint8Array());
        look.ids.add(id);
        if (sender === null) {
          for (const address of peopleIn(text)) look.reports.add(address);
          if (!/\r\n--[^\r\n]+--\r\n$/.test(text)) look.faults.push(`the report ${id} is not whole`);
          continue;
        }
        const name = /^Subject: (\S+)\r$/m.exec(text)?.[1] ?? "";
        look.whole(`queue ${id}`, this.#compare(name, octets, "crlf"));
        for (const { address, state } of recipients) {
          look.queue.set(`${address.local}@${address.domain} ${name}`, { state });
        }
      }
      if (items.length < 1000) return;
    }
  }

  #maildirs(root: string, look: Look): void {
    for (const { path, place } of filesIn(root)) {
      const octets = Deno.readFileSync(path);
      const name = /^Subject: (\S+)$/m.exec(latin1(octets.subarray(0, 4096)))?.[1] ?? "";
      look.maildirs.add(`${place} ${name}`);
      look.whole(path, this.#compare(name, octets, "lf"));
    }
  }

  /** Null, or what is wrong. */
  #compare(name: string, octets: Uint8Array | null, ends: "crlf" | "lf"): string | null {
    if (octets === null) return "no octets";
    if (!isName(name) || !this.#run.begun.has(name)) return `no message of ours: ${JSON.stringify(name.slice(0, 60))}`;
    let made = this.#made.get(name);
    if (made === undefined) {
      const crlf = messageOf(name);
      this.#made.set(name, made = { crlf, lf: withLf(crlf) });
    }
    return addedOnly(octets, made[ends]);
  }

  #owed(id: string, look: Look, { copies, reports }: Elsewhere): void {
    const name = this.#run.names.get(id)!;
    for (const address of recipientsOf(name)) {
      const local = address.split("@")[0]!, waiting = look.queue.get(`${address} ${name}`);
      const left = waiting !== undefined && !FINAL_STATES.includes(waiting.state);
      const there = local.startsWith("box")
        ? look.inboxes.has(name)
        : local.startsWith("dir")
        ? left || look.maildirs.has(`${local} ${name}`)
        : local.startsWith("no-")
        ? left || look.reports.has(address) || reports.has(address)
        : left || copies.has(address);
      if (!there) look.faults.push(`${id} (${name}) had its 250 and is lost for ${address}`);
    }
  }
}

/** What was seen. */
class Look {
  readonly ids = new Set<string>();
  /** Names. */
  readonly inboxes = new Set<string>();
  /** `LOCAL NAME`. */
  readonly maildirs = new Set<string>();
  /** `ADDRESS NAME`. */
  readonly queue = new Map<string, Waiting>();
  /** Who is told about. */
  readonly reports = new Set<string>();
  constructor(readonly faults: string[]) {}

  whole(where: string, fault: string | null): void {
    if (fault !== null) this.faults.push(`${where}: ${fault}`);
  }
}

/** What a reader of that message would get; null with a fault when he gets an error. */
async function octetsOf(store: Store, id: string, look: Look): Promise<Uint8Array | null> {
  try {
    const stream = await store.raw(id);
    return stream === null ? null : new Uint8Array(await new Response(stream).arrayBuffer());
  } catch (error) {
    look.faults.push(`${id} cannot be read: ${(error as Error).message}`);
    return null;
  }
}

/** Files that a reader of mail would see, with the name of the mailbox. */
function* filesIn(root: string): Generator<{ path: string; place: string }> {
  if (!existsSync(root)) return;
  for (const { name } of Deno.readDirSync(root)) {
    const path = `${root}/${name}`;
    if (!Deno.statSync(path).isDirectory) {
      const [, place, part] = /([^/]+)\/Maildir\/(tmp|new|cur)\/[^/]+$/.exec(path) ?? [];
      if (place !== undefined && part !== "tmp") yield { path, place };
    } else yield* filesIn(path);
  }
}

/** What had left by then, and what `also` has got since. */
export function until({ copies, reports }: Elsewhere, time: number, also: Elsewhere | null = null): Elsewhere {
  const before = (all: ReadonlyMap<string, number>, more: ReadonlyMap<string, number> | undefined) =>
    new Map([...[...all].filter(([, when]) => when <= time), ...more ?? []]);
  return { copies: before(copies, also?.copies), reports: before(reports, also?.reports) };
}
