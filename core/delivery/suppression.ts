/**
 * The suppression list: addresses to which nothing is sent, each with its reason and its end, in the counters, where a
 * change is on disk before it is answered. Non-job: who is put on it and what becomes of the mail (dispatcher.ts).
 */
import { type Address, formatAddress, parseAddress } from "../model/address.ts";
import type { Counters } from "../store/store.ts";

export interface Suppressed {
  /** As it was put there; every spelling of its local part's case is meant. */
  readonly address: Address;
  /** One line. */
  readonly reason: string;
  /** When it was put there, milliseconds since 1970. */
  readonly since: number;
  /** When it ends; null: not by itself. */
  readonly until: number | null;
}

export interface SuppressionQuery {
  /** At most so many. */
  readonly limit: number;
  /** Only those behind this address. */
  readonly after?: Address;
  /** How the address begins. */
  readonly prefix?: string;
}

const PREFIX = "suppress:";
/** As long as an entry without an end is kept, seconds: ten years. */
export const LONGEST_SUPPRESSION = 10 * 365 * 86_400;
const LONGEST_REASON = 500;

export class Suppression {
  readonly #counters: Pick<Counters, "get" | "put" | "list">;
  readonly #now: () => number;

  constructor(options: { readonly counters: Pick<Counters, "get" | "put" | "list">; now(): number }) {
    this.#counters = options.counters;
    this.#now = options.now;
  }

  /** Null when mail may go there. */
  async get(address: Address): Promise<Suppressed | null> {
    const value = await this.#counters.get(nameOf(address));
    return value === undefined ? null : read(value);
  }

  /**
   * Puts an address on the list, or changes what stands there. Resolves when that is on disk.
   *
   * @param options.seconds null: without an end
   * @throws {RangeError} when `seconds` is not between 1 and ten years, {StoreError} when it cannot be kept.
   */
  async add(
    address: Address,
    { reason, seconds }: { readonly reason: string; readonly seconds: number | null },
  ): Promise<Suppressed> {
    if (seconds !== null && !(seconds >= 1 && seconds <= LONGEST_SUPPRESSION)) {
      throw new RangeError("an address is suppressed for a second at least, and ten years at most");
    }
    const since = this.#now();
    const line = reason.slice(0, LONGEST_REASON).replace(/[\p{C}\u2028\u2029]+/gu, " ").trim();
    const entry = { address, reason: line, since, until: seconds === null ? null : since + seconds * 1000 };
    const value = JSON.stringify({ ...entry, address: formatAddress(address) });
    await this.#counters.put(nameOf(address), value, { seconds: seconds ?? LONGEST_SUPPRESSION, durable: true });
    return entry;
  }

  /** False when it was not there. Resolves when it is gone from disk too. */
  async remove(address: Address): Promise<boolean> {
    if (await this.get(address) === null) return false;
    await this.#counters.put(nameOf(address), "", { seconds: 1, durable: true }); // empty: not there, from now on
    return true;
  }

  /** In the order of the addresses. */
  async list({ limit, after, prefix = "" }: SuppressionQuery): Promise<readonly Suppressed[]> {
    const entries: Suppressed[] = [];
    let behind = after === undefined ? undefined : nameOf(after);
    while (entries.length < limit) {
      const wanted = limit - entries.length;
      const rows = await this.#counters.list({
        prefix: PREFIX + prefix.toLowerCase(),
        limit: wanted,
        ...behind === undefined ? {} : { after: behind },
      });
      for (const { value } of rows) {
        const entry = read(value);
        if (entry !== null) entries.push(entry);
      }
      if (rows.length < wanted) break;
      behind = rows.at(-1)!.name;
    }
    return entries;
  }
}

/** One name for all spellings that `sameAddress` takes for one mailbox. */
function nameOf({ local, domain }: Address): string {
  return PREFIX + formatAddress({ local: local.toLowerCase(), domain });
}

/** Null for what was removed, and for what is none of ours. */
function read(value: string): Suppressed | null {
  if (value === "") return null;
  try {
    const { address: text, reason, since, until } = JSON.parse(value) as Record<string, unknown>;
    const address = typeof text === "string" ? parseAddress(text) : null;
    if (address === null || typeof reason !== "string" || typeof since !== "number") return null;
    return { address, reason, since, until: typeof until === "number" ? until : null };
  } catch {
    return null;
  }
}
