/**
 * What the inbox of an embedded server holds, as its program asks for it: all of it, or the next one when it comes.
 * Non-job: reading a message (received.ts), starting and stopping (server.ts).
 */
import { parseAddress } from "../model/address.ts";
import { parseAddressPattern } from "../model/address_pattern.ts";
import { finalCopy } from "../queue/final_copy.ts";
import type { Event } from "../observe/events.ts";
import type { Store } from "../store/store.ts";
import type { MessageFilter, ReceivedMessage, WaitOptions } from "./embedded.ts";
import { readReceived } from "./received.ts";

/** Milliseconds. */
const PATIENCE = 10_000;
/** What a timer can wait, milliseconds; a longer one ends at once. */
const LONGEST = 2 ** 31 - 1;
/** Entries that are read at once. */
const PAGE = 500;
/** Messages that an error tells of. */
const TOLD = 5;

/** A message and its recipients in any mailbox. */
interface Kept {
  readonly id: string;
  /** Of one of its copies. */
  readonly entry: string;
  readonly recipients: readonly string[];
}

export class Mailbox {
  readonly #store: Store;
  /** By message the recipients that were asked for; null: it was given as a whole. */
  readonly #given = new Map<string, Set<string> | null>();
  readonly #waiting = new Set<() => void>();
  readonly #unwatch: () => void;
  #closed = false;
  /** What was refused last, for those who wait in vain. */
  #refused: string[] = [];

  constructor(store: Store) {
    this.#store = store;
    this.#unwatch = store.inboxes.watch(({ type }) => type === "arrived" && this.#wake());
  }

  /** Whoever waits in vain wants to know what was refused. */
  readonly observe = (event: Event): void => {
    if (event.type !== "refused") return;
    const { command, reply, recipients } = event;
    const whom = recipients.length === 0 ? "" : ` for ${recipients.slice(0, TOLD).join(", ")}`;
    this.#refused = [...this.#refused.slice(1 - TOLD), `${command}${whom}: ${reply}`];
  };

  async messages(filter: MessageFilter = {}): Promise<readonly ReceivedMessage[]> {
    const test = testOf(filter), found: ReceivedMessage[] = [];
    for (const kept of await this.#kept()) {
      const message = await this.#read(kept);
      if (message !== null && test(message)) found.push(message);
    }
    return found;
  }

  async clear(): Promise<void> {
    await this.#store.inboxes.remove({});
    this.#given.clear();
  }

  async next({ timeout = PATIENCE, signal, ...filter }: WaitOptions = {}): Promise<ReceivedMessage> {
    if (typeof timeout !== "number" || !(timeout >= 0)) throw new TypeError("timeout: must be milliseconds, 0 or more");
    const test = testOf(filter), until = performance.now() + timeout, dismissed = new Set<string>();
    for (;;) {
      signal?.throwIfAborted();
      if (this.#closed) throw new Error(`the server has stopped; ${wanted(filter)} did not come`);
      const news = this.#news();
      const found = await this.#take(filter, { test, dismissed });
      if (found !== null) return news.cancel(), found;
      const left = until - performance.now();
      if (left <= 0) {
        news.cancel();
        throw new Error(`${wanted(filter)} did not come within ${timeout} ms; ${await this.#whatCame()}`);
      }
      await news.wait(left, signal);
    }
  }

  /** Whoever waits is told that nothing will come. */
  close(): void {
    this.#closed = true;
    this.#unwatch();
    this.#wake();
  }

  /**
   * The oldest that was not given, marked as given. Between its test and its mark nobody else takes it. `dismissed`: what
   * whoever waits has read in vain, lest each arrival makes each waiter read everything again.
   */
  async #take(
    filter: MessageFilter,
    { test, dismissed }: { readonly test: (message: ReceivedMessage) => boolean; readonly dismissed: Set<string> },
  ): Promise<ReceivedMessage | null> {
    const asked = filter.to === undefined ? null : addressTest(filter.to, "to");
    for (const kept of await this.#kept()) {
      const key = `${kept.id} ${kept.recipients.length}`; // of a message that reaches several, one copy comes after the other
      if (dismissed.has(key) || !this.#isOpen(kept, asked) || asked !== null && !kept.recipients.some(asked)) continue;
      const message = await this.#read(kept);
      if (message === null) continue;
      if (!test(message)) {
        dismissed.add(key);
        continue;
      }
      if (!this.#isOpen(kept, asked)) continue; // somebody else was quicker
      this.#give(kept, asked);
      return message;
    }
    return null;
  }

  #give(kept: Kept, asked: ((recipient: string) => boolean) | null): void {
    if (asked === null) return void this.#given.set(kept.id, null);
    const given = this.#given.get(kept.id) ?? new Set();
    for (const each of kept.recipients.filter(asked)) given.add(each);
    this.#given.set(kept.id, given);
  }

  #isOpen({ id, recipients }: Kept, asked: ((recipient: string) => boolean) | null): boolean {
    const given = this.#given.get(id);
    if (given === undefined) return true;
    return given !== null && asked !== null && recipients.some((each) => asked(each) && !given.has(each));
  }

  /** All messages, the oldest first. */
  async #kept(): Promise<readonly Kept[]> {
    const kept = new Map<string, { readonly entry: string; readonly recipients: Set<string> }>();
    let before: string | undefined;
    do {
      const { messages } = await this.#store.inboxes.list({ limit: PAGE, ...before !== undefined && { before } });
      for (const { id: entry, to } of messages) {
        const id = entry.split(".")[0]!; // ID.n is another copy of the same
        const known = kept.get(id) ?? { entry, recipients: new Set() };
        for (const each of to) known.recipients.add(each);
        kept.set(id, known);
      }
      before = messages.length < PAGE ? undefined : messages.at(-1)!.id;
    } while (before !== undefined);
    return [...kept].map(([id, { entry, recipients }]) => ({ id, entry, recipients: [...recipients] })).reverse();
  }

  /** Null when it was removed meanwhile. */
  async #read({ entry, recipients }: Kept): Promise<ReceivedMessage | null> {
    const found = await this.#store.inboxes.get(entry);
    const stream = found === null ? null : await finalCopy(this.#store, found.message);
    if (found === null || stream === null) return null;
    const raw = new Uint8Array(await new Response(stream).arrayBuffer());
    return readReceived(found.message, { recipients, raw });
  }

  async #whatCame(): Promise<string> {
    const { total, messages } = await this.#store.inboxes.list({ limit: TOLD });
    const came = messages.map(({ to, subject }) => `${JSON.stringify(subject)} for ${to.join(", ")}`);
    const refused = this.#refused.length === 0 ? "" : `; refused were: ${this.#refused.join("; ")}`;
    return total === 0 ? `the inbox is empty${refused}` : `the inbox has ${total}: ${came.join("; ")}${refused}`;
  }

  #wake(): void {
    for (const each of [...this.#waiting]) each();
  }

  /** Hears of what comes from now on, also of what comes while somebody looks. */
  #news(): { wait(milliseconds: number, signal?: AbortSignal): Promise<void>; cancel(): void } {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.add(resolve);
    const cancel = () => void this.#waiting.delete(resolve);
    return {
      cancel,
      async wait(milliseconds, signal) {
        const timer = setTimeout(resolve, Math.min(milliseconds, LONGEST)); // whoever waits longer looks again then
        const abort = () => resolve();
        if (signal?.aborted) resolve();
        signal?.addEventListener("abort", abort);
        await promise;
        clearTimeout(timer);
        signal?.removeEventListener("abort", abort);
        cancel();
      },
    };
  }
}

/** "mail to bob@example.org with the subject ...", for people. */
function wanted({ to, from, subject }: MessageFilter): string {
  const words = [
    ...to === undefined ? [] : [`to ${to}`],
    ...from === undefined ? [] : [`from ${from || "<>"}`],
    ...subject === undefined
      ? []
      : [`with the subject ${subject instanceof RegExp ? subject : JSON.stringify(subject)}`],
  ];
  return ["a message", ...words].join(" ");
}

function testOf({ to, from, subject }: MessageFilter): (message: ReceivedMessage) => boolean {
  const toOne = to === undefined ? null : addressTest(to, "to");
  const fromOne = from === undefined ? null : from === "" ? (text: string) => text === "" : addressTest(from, "from");
  return (message) =>
    (toOne === null || message.envelope.to.some(toOne)) &&
    (fromOne === null || fromOne(message.envelope.from)) &&
    (subject === undefined ||
      (subject instanceof RegExp ? matches(subject, message.subject) : message.subject === subject));
}

/** With `g` or `y` an expression remembers where it was. */
function matches(expression: RegExp, text: string): boolean {
  expression.lastIndex = 0;
  return expression.test(text);
}

function addressTest(pattern: string, name: string): (text: string) => boolean {
  const test = parseAddressPattern(pattern);
  if (test === null) {
    throw new TypeError(`${name}: ${JSON.stringify(pattern)} is no address, and no pattern such as "*@example.org"`);
  }
  return (text) => {
    const address = parseAddress(text);
    return address !== null && test(address);
  };
}
