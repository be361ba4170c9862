/**
 * The store as a thread that only talks SMTP has it: bodies are received here, by a spool of its own in the folder of all;
 * what is committed and counted is the owner's. Non-job: the queue, which such a thread never looks at.
 */
import { Spool } from "../store/spool.ts";
import { SpoolFile } from "../store/spool_file.ts";
import {
  type Body,
  type BodyWriter,
  type CommitOptions,
  type CounterEntry,
  type CounterOptions,
  type CounterQuery,
  type Counters,
  type Inboxes,
  type Lease,
  type NewMessage,
  type QuarantineStore,
  type Store,
  StoreError,
  type StoreHealth,
} from "../store/store.ts";
import type { WriterLine } from "../store/writer_line.ts";
import { encodeCommit, entryId } from "../store/rows.ts";
import { fileOf } from "../store/durable_body.ts";
import { concat } from "../model/octets.ts";
import type { BodySent, Question } from "./wire.ts";

/** Asks the owner. */
export type Ask = (question: Question, ...octets: readonly Uint8Array[]) => Promise<unknown>;

export interface GuestStoreOptions {
  /** The spool folder; null: there is none. */
  readonly folder: string | null;
  /** Octets of bodies in the memory of this thread. */
  readonly memoryBudget: number;
  /** Most octets of a header section. */
  readonly headLimit: number;
  ask: Ask;
  /** What the owner says of the store. */
  health(): Pick<StoreHealth, "writerWait" | "freeBytes">;
  /** Something lies in an inbox. */
  arrived(id: string, inbox: string): void;
}

export class GuestStore implements Store {
  readonly counters: Counters;
  readonly #spool: Spool;
  readonly #ask: Ask;
  readonly #health: GuestStoreOptions["health"];
  readonly #arrived: GuestStoreOptions["arrived"];
  /** To the writer, where the store has one that can be reached: commits that nobody has to take on go there. */
  line: WriterLine | null = null;

  constructor({ folder, memoryBudget, headLimit, ask, health, arrived }: GuestStoreOptions) {
    this.#spool = new Spool({ folder, budget: memoryBudget, headLimit });
    this.#ask = ask;
    this.#health = health;
    this.#arrived = arrived;
    this.counters = new GuestCounters(ask);
  }

  receive(id: string): BodyWriter {
    return this.#spool.receive(id);
  }

  /** No lease comes here: who takes the message on is the owner's business. */
  async commit(message: NewMessage, body: Body, { received, expires }: CommitOptions = {}): Promise<readonly Lease[]> {
    try {
      if (message.recipients.length === 0 && message.deposits.length === 0) return [];
      if (this.line !== null && message.recipients.every(({ state }) => state === "held")) {
        await this.#write(this.line, message, body, { received, expires });
        return [];
      }
      const octets: Uint8Array[] = [];
      const sent = await sentOf(body, octets), other = received === undefined ? null : await sentOf(received, octets);
      const answer = this.#ask({
        ask: "commit",
        message,
        body: sent,
        ...other !== null && { received: other },
        ...expires !== undefined && { expires },
      }, ...octets);
      for (const each of [body, received]) if (each instanceof SpoolFile) each.keep(); // the owner's from here on
      await answer;
      return [];
    } finally {
      body.discard();
      received?.discard();
    }
  }

  /** By the line: the owner hears of it afterwards, in the log and in who watches inboxes. */
  async #write(line: WriterLine, message: NewMessage, body: Body, { received, expires }: Written): Promise<void> {
    const octets: Uint8Array[] = [];
    await sentOf(body, octets);
    if (received !== undefined) await sentOf(received, octets);
    const operation = encodeCommit(message, body.size, fileOf(body), {
      ...expires !== undefined && { expires: Math.round(expires) },
      ...received !== undefined && { original: { size: received.size, file: fileOf(received) } },
    });
    const answer = await line.submit(operation, octets.length > 1 ? concat(octets) : octets[0] ?? null);
    for (const each of [body, received]) {
      // Where the writer died nobody knows whether a row names the file
      if (each instanceof SpoolFile && (answer.fault === undefined || answer.lost)) each.keep();
    }
    if (answer.fault !== undefined) throw new StoreError(answer.fault, answer.message);
    for (const [at, { name }] of operation.entries.entries()) this.#arrived(entryId(message.id, at + 1), name);
  }

  health(): StoreHealth {
    const { writerWait, freeBytes } = this.#health();
    return { writerWait: Math.max(writerWait, this.line?.wait ?? 0), freeBytes, bodyBytes: this.#spool.used };
  }

  async close(): Promise<void> {
    await this.#spool.settled();
  }

  // What only the owner does
  lease = elsewhere;
  settle = elsewhere;
  postpone = elsewhere;
  nextDue = elsewhere;
  oldest = elsewhere;
  queue = elsewhere;
  totals = elsewhere;
  domains = elsewhere;
  item = elsewhere;
  whole = elsewhere;
  adopt = elsewhere;
  change = elsewhere;
  raw = elsewhere;
  content = elsewhere;
  received = elsewhere;
  readonly inboxes: Inboxes = {
    names: elsewhere,
    list: elsewhere,
    get: elsewhere,
    markRead: elsewhere,
    remove: elsewhere,
    watch: () => () => {},
  };
  readonly quarantine: QuarantineStore = { total: elsewhere, expire: elsewhere };
}

interface Written {
  readonly received: Body | undefined;
  readonly expires: number | undefined;
}

/** Counters of the owner, asked in one message for all that ask in a turn. */
class GuestCounters implements Counters {
  readonly #ask: Ask;
  constructor(ask: Ask) {
    this.#ask = ask;
  }
  get(name: string): Promise<string | undefined> {
    return this.#ask({ ask: "get", name }) as Promise<string | undefined>;
  }
  put(name: string, value: string, options: CounterOptions): Promise<void> {
    return this.#ask({ ask: "put", name, value, options }) as Promise<void>;
  }
  add(name: string, amount: number, options: CounterOptions): Promise<number> {
    return this.#ask({ ask: "add", name, amount, options }) as Promise<number>;
  }
  list(query: CounterQuery): Promise<readonly CounterEntry[]> {
    return this.#ask({ ask: "list", query }) as Promise<readonly CounterEntry[]>;
  }
}

/** A body as it crosses: its octets, or the name of its file, durable by then. */
async function sentOf(body: Body, octets: Uint8Array[]): Promise<BodySent> {
  if (body instanceof SpoolFile) {
    await body.sync();
    return { size: body.size, file: body.name };
  }
  octets.push(body.memory ?? await new Response(body.stream()).bytes());
  return { size: body.size, file: null };
}

function elsewhere(): Promise<never> {
  return Promise.reject(new StoreError("closed", "the queue belongs to another thread"));
}
