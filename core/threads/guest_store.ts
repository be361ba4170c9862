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
}

export class GuestStore implements Store {
  readonly counters: Counters;
  readonly #spool: Spool;
  readonly #ask: Ask;
  readonly #health: GuestStoreOptions["health"];

  constructor({ folder, memoryBudget, headLimit, ask, health }: GuestStoreOptions) {
    this.#spool = new Spool({ folder, budget: memoryBudget, headLimit });
    this.#ask = ask;
    this.#health = health;
    this.counters = new GuestCounters(ask);
  }

  receive(id: string): BodyWriter {
    return this.#spool.receive(id);
  }

  /** No lease comes here: who takes the message on is the owner's business. */
  async commit(message: NewMessage, body: Body, { received, expires }: CommitOptions = {}): Promise<readonly Lease[]> {
    try {
      if (message.recipients.length === 0 && message.deposits.length === 0) return [];
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

  health(): StoreHealth {
    return { ...this.#health(), bodyBytes: this.#spool.used };
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
