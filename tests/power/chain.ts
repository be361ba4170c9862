/**
 * Power cuts in a row on one disk: what was found after one is where the next life begins, so that what a start does to
 * repair is cut too. Keeps the account of what was promised over all lives. Non-job: what a life does (store_life.ts).
 */
import { openSqliteStore } from "../../core/store/sqlite.ts";
import type { Store } from "../../core/store/store.ts";
import { difference } from "../support/bytes.ts";
import { octets, read } from "../unit/store/messages.ts";
import type { Entry } from "./journal.ts";

/** Octets that can be made again (tests/unit/store/messages.ts). */
export interface Content {
  readonly size: number;
  readonly salt: number;
}
export type Promised =
  | { readonly kind: "taken"; readonly id: string; readonly content: Content; readonly received: Content | null }
  /** That recipient is done with, and the report about him is there. */
  | {
    readonly kind: "settled";
    readonly id: string;
    readonly index: number;
    readonly report: (Content & { id: string }) | null;
  }
  /** The copy in the inbox is being removed; is removed. */
  | { readonly kind: "going" | "gone"; readonly id: string }
  | { readonly kind: "counted"; readonly name: string; readonly value: number };

export function promisesIn(entry: Entry): readonly Promised[] {
  if (entry.kind !== "reply") return [];
  return entry.text.split("\n").filter((line) => line.startsWith("promise ")).map((line) => JSON.parse(line.slice(8)));
}

/** All that was promised up to a cut. */
export class Account {
  readonly #taken = new Map<string, { content: Content; received: Content | null }>();
  readonly #settled = new Map<string, Set<number>>();
  readonly #reports = new Map<string, Content>();
  readonly #going = new Set<string>();
  readonly #gone = new Set<string>();
  readonly #counters = new Map<string, number>();
  promises = 0;

  add(promised: Promised): void {
    this.promises++;
    switch (promised.kind) {
      case "taken":
        return void this.#taken.set(promised.id, promised);
      case "settled":
        this.#settled.set(promised.id, (this.#settled.get(promised.id) ?? new Set()).add(promised.index));
        if (promised.report !== null) this.#reports.set(promised.report.id, promised.report);
        return;
      case "going":
        return void this.#going.add(promised.id);
      case "gone":
        return void this.#gone.add(promised.id);
      case "counted":
        this.#counters.set(promised.name, Math.max(promised.value, this.#counters.get(promised.name) ?? 0));
    }
  }

  /** What is wrong with the store in that folder, a sentence each. The folder is changed, as by any start. */
  async judge(folder: string): Promise<string[]> {
    const faults: string[] = [];
    let store: Store;
    try {
      store = await openSqliteStore({
        folder,
        observer: (event) => {
          if (event.type === "trouble") faults.push(`trouble: ${event.message}`);
        },
      });
    } catch (error) {
      return [`it does not start: ${(error as Error).message}`];
    }
    try {
      await this.#look(store, faults);
    } catch (error) {
      faults.push(`it cannot be read: ${(error as Error).message}`);
    } finally {
      await store.close();
    }
    return faults;
  }

  async #look(store: Store, faults: string[]): Promise<void> {
    const { items, corrupt } = await store.queue({ limit: 1000 });
    for (const { id, why } of corrupt) faults.push(`${id} is set aside: ${why}`);
    const queue = new Map(items.map((item) => [item.message.id, item])), inbox = new Set<string>();
    let before: string | undefined;
    for (;;) {
      const { messages } = await store.inboxes.list({ limit: 500, ...before !== undefined && { before } });
      for (const { id } of messages) inbox.add(id);
      if (messages.length < 500) break;
      before = messages.at(-1)!.id;
    }
    for (const [id, { content, received }] of this.#taken) {
      if (!this.#going.has(id) && !inbox.has(id)) faults.push(`${id} was taken and is in no inbox`);
      if (this.#gone.has(id) && inbox.has(id)) faults.push(`${id} was removed from its inbox and is there again`);
      const waiting = queue.get(id)?.recipients ?? [], done = this.#settled.get(id) ?? new Set();
      for (const index of [0, 1]) {
        const state = waiting.find((each) => each.index === index)?.state ?? "gone";
        const due = state === "ready" || state === "active" || state === "deferred";
        if (due && done.has(index)) faults.push(`recipient ${index} of ${id} was settled and is ${state}`);
      }
      if (!inbox.has(id) && !queue.has(id)) continue;
      faults.push(...await wrong(`${id}`, await store.content(id), content));
      faults.push(...await wrong(`${id} as received`, await store.received(id), received ?? content));
    }
    for (const [id, content] of this.#reports) {
      faults.push(...await wrong(`report ${id}`, await store.content(id), content));
    }
    for (const id of [...inbox, ...queue.keys()]) { // whole, whether promised or not
      if (!this.#taken.has(id)) {
        await read(await store.content(id)).catch((error) => faults.push(`${id}: ${error.message}`));
      }
    }
    for (const [name, value] of this.#counters) {
      const found = Number(await store.counters.get(name) ?? 0);
      if (found < value) faults.push(`the counter ${name} has ${found} and was promised ${value}`);
    }
  }
}

async function wrong(
  what: string,
  stream: ReadableStream<Uint8Array<ArrayBuffer>> | null,
  of: Content,
): Promise<string[]> {
  try {
    const found = await read(stream);
    if (found === null) return [`${what} is lost`];
    const at = difference(found, octets(of.size, of.salt));
    return at < 0 ? [] : [`${what} differs at octet ${at} of ${of.size}, and has ${found.length}`];
  } catch (error) {
    return [`${what} cannot be read: ${(error as Error).message}`];
  }
}
