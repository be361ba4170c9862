/**
 * The owner's half of one thread that talks SMTP: does what the thread asks of the house, tells what it tells, and knows who
 * is connected there, so that nobody's end goes untold when it dies. Non-job: how many there are, starting them again
 * (acceptors.ts).
 */
import type { Event } from "../observe/events.ts";
import type { Metrics } from "../observe/metrics.ts";
import { handOn, type Taker } from "../queue/commit.ts";
import type { Quarantine } from "../queue/quarantine.ts";
import { memoryBody } from "../store/memory_body.ts";
import { SyncedFile } from "../store/spool_file.ts";
import { type Body, type Store, StoreError } from "../store/store.ts";
import { Exchange, type Port } from "./exchange.ts";
import { packReply, unpackEvent } from "./packed_event.ts";
import type { Order, Question, Told } from "./wire.ts";

/** The owner, as its threads see it. */
export interface House {
  readonly store: Store;
  /** Where bodies lie; null: nowhere. */
  readonly spool: string | null;
  /** The ones at work when they are asked for. */
  taker(): Taker;
  quarantine(): Pick<Quarantine, "admit">;
  emit(event: Event): void;
  readonly metrics: Pick<Metrics, "phase" | "question">;
  /** Names of the plugins. */
  plugins(): Iterable<string>;
}

type Commit = Extract<Question, { ask: "commit" }>;

export class Attendant {
  readonly #house: House;
  readonly #exchange: Exchange<Order, Question, never, Told>;
  readonly #ended: (why: string) => void;
  /** Who is connected: since when, and from where. */
  readonly #sessions = new Map<string, { readonly ip: string; readonly since: number; messages: number }>();

  /** `ended`: told when the thread says that it ends. */
  constructor(port: Port, house: House, ended: (why: string) => void) {
    this.#house = house;
    this.#ended = ended;
    this.#exchange = new Exchange(port, {
      answer: (question, octets) => this.#answer(question, octets),
      told: (told) => this.#told(told),
    });
  }

  order(order: Order): Promise<unknown> {
    return order.do === "line" ? this.#exchange.hand(order, order.port) : this.#exchange.ask(order);
  }

  /** The thread is dead: who was there has lost his session, and what is under way here goes on. */
  bury(why: string): void {
    this.#exchange.close(new Error(why));
    for (const [session, { ip, since, messages }] of this.#sessions) {
      const seconds = (performance.now() - since) / 1000;
      this.#house.emit({ type: "session-closed", session, ip, reason: why, messages, seconds });
    }
    this.#sessions.clear();
  }

  #told({ ends, events, phases, questions, writes, arrived }: Told): void {
    const { emit, metrics, store: { lines } } = this.#house;
    for (let at = 0; at < writes.length; at += 3) {
      lines?.wrote({ operations: writes[at]!, milliseconds: writes[at + 1]!, free: writes[at + 2]! });
    }
    for (let at = 0; at < arrived.length; at += 2) lines?.arrived(arrived[at]!, arrived[at + 1]!);
    for (const packed of events) {
      const event = unpackEvent(packed);
      this.#follow(event);
      emit(event);
    }
    for (let at = 0; at < phases.length; at += 3) {
      metrics.phase(...phases.slice(at, at + 3) as Parameters<Metrics["phase"]>);
    }
    for (let at = 0; at < questions.length; at += 3) {
      metrics.question(...questions.slice(at, at + 3) as Parameters<Metrics["question"]>);
    }
    if (ends !== undefined) this.#ended(ends);
  }

  #follow(event: Event): void {
    if (event.type === "session-opened") {
      this.#sessions.set(event.session, { ip: event.ip, since: performance.now(), messages: 0 });
    } else if (event.type === "session-closed") this.#sessions.delete(event.session);
    else if (event.type === "accepted") {
      const session = this.#sessions.get(event.session);
      if (session !== undefined) session.messages++;
    }
  }

  #answer(question: Question, octets: Uint8Array<ArrayBuffer>): unknown {
    const { store: { counters }, quarantine } = this.#house;
    switch (question.ask) {
      case "commit":
        return this.#commit(question, octets);
      case "get":
        return counters.get(question.name);
      case "put":
        return counters.put(question.name, question.value, question.options);
      case "add":
        return counters.add(question.name, question.amount, question.options);
      case "list":
        return counters.list(question.query);
      case "admit":
        return quarantine().admit(question.size).then((reply) => reply === null ? null : packReply(reply));
    }
  }

  async #commit({ message, body: sent, received: other, expires }: Commit, octets: Uint8Array<ArrayBuffer>) {
    const { store, taker } = this.#house, owner = taker(), claim = owner.claim(message);
    const inMemory = sent.file === null ? sent.size : 0;
    const body = this.#body(sent, octets.subarray(0, inMemory));
    const received = other === undefined ? null : this.#body(other, octets.subarray(inMemory));
    const leases = await store.commit(message, body, {
      ...claim !== null && { claim },
      ...received !== null && { received },
      ...expires !== undefined && { expires },
    });
    // Octets that go on are kept for long: not the whole buffer that they came in
    handOn(owner, message, { leases, octets: leases.length > 0 && body.memory !== null ? body.memory.slice() : null });
  }

  #body({ size, file }: Commit["body"], octets: Uint8Array<ArrayBuffer>): Body {
    if (file === null) return memoryBody(octets);
    if (this.#house.spool === null) throw new StoreError("io", "there is no spool folder");
    return new SyncedFile(this.#house.spool, file, size);
  }
}
