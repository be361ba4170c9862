/**
 * The stretches of time that the ledger keeps, a file each in one folder: which one a moment belongs to, making one, setting
 * aside what cannot be read, unlinking what is too old or too much. Non-job: what stands in them (slice.ts).
 */
import { diskFault } from "../../store/durable_write.ts";
import { FULL, sqliteCode } from "../../store/schema.ts";
import { StoreError } from "../../store/store.ts";
import { Damage, isDamage } from "./damage.ts";
import { Slice } from "./slice.ts";

export interface SlicesOptions {
  /** Null: in memory. */
  readonly folder: string | null;
  readonly keep: number | null;
  readonly size: number | null;
  readonly readOnly?: boolean;
  trouble(sentence: string): void;
}

interface Place {
  readonly start: number;
  readonly path: string | null;
  slice: Slice | null;
}

const HOUR = 3600_000, DAY = 24 * HOUR;
/** A file has at most this share of what all may have, so that dropping one drops little. */
const SHARES = 8;
const NAME = /^(\d{4}-\d\d-\d\dT\d\d)-(\d\d)-(\d\d\.\d{3}Z)\.db$/;

export class Slices {
  readonly #options: SlicesOptions;
  /** How long a stretch is at most, milliseconds. */
  readonly #period: number;
  /** By their beginnings, in order. */
  #known: Place[] = [];

  constructor(options: SlicesOptions) {
    const { folder, keep, readOnly = false } = options;
    this.#options = options;
    this.#period = Math.max(HOUR, Math.min(DAY, Math.floor((keep ?? Infinity) / 24 / HOUR) * HOUR || HOUR));
    if (folder === null) return;
    if (!readOnly) Deno.mkdirSync(folder, { recursive: true, mode: 0o700 });
    for (const { name } of Deno.readDirSync(folder)) {
      const start = startOf(name);
      if (start !== null) this.#known.push({ start, path: `${folder}/${name}`, slice: null });
    }
    this.#known.sort((a, b) => a.start - b.start);
  }

  /** The newest first, opened. */
  *newestFirst(): Generator<Slice> {
    for (const each of this.#known.toReversed()) {
      const slice = this.#open(each);
      if (slice !== null) yield slice;
    }
  }

  /** Where the moment is, made when `make`; else null when there is none. */
  at(moment: number, make: boolean): Slice | null {
    const place = this.#known.findLast((each) => each.start <= moment);
    if (place !== undefined && moment < this.#end(place.start)) return this.#open(place);
    return make ? this.#make(Math.floor(moment / this.#period) * this.#period) : null;
  }

  #end(start: number): number {
    return Math.floor(start / this.#period) * this.#period + this.#period;
  }

  #make(start: number): Slice | null {
    const { folder } = this.#options;
    for (const { slice } of this.#known) slice?.rest();
    const place: Place = { start, path: folder === null ? null : `${folder}/${nameOf(start)}`, slice: null };
    this.#known = [...this.#known, place].sort((a, b) => a.start - b.start);
    return this.#open(place);
  }

  #open(place: Place): Slice | null {
    if (place.slice !== null) return place.slice;
    const { readOnly = false } = this.#options;
    try {
      return place.slice = new Slice(place.start, place.path, { readOnly });
    } catch (error) {
      if (error instanceof StoreError || isDamage(error)) {
        return this.setAside(place.start, textOf(error));
      }
      throw error;
    }
  }

  /** Asks; what turns out to be damaged is set aside, and it is asked again: of the others it is known. */
  read<T>(question: () => T): T {
    for (let left = this.#known.length;; left--) {
      try {
        return question();
      } catch (error) {
        if (!(error instanceof Damage) || left <= 0) throw error;
        this.setAside(error.start, error.message);
      }
    }
  }

  /** What cannot be read gets another name, for a person; its stretch begins anew. Who only reads goes on without it. */
  setAside(start: number, why: string): Slice | null {
    const place = this.#known.find((each) => each.start === start);
    if (place === undefined || place.path === null) return null;
    closed(place.slice);
    place.slice = null;
    if (this.#options.readOnly === true) {
      this.#known = this.#known.filter((each) => each !== place);
      this.#options.trouble(`${place.path} cannot be read: ${why}`);
      return null;
    }
    const aside = `${place.path}.corrupt-${Date.now()}`;
    for (const end of ["", "-wal", "-shm"]) {
      try {
        Deno.renameSync(place.path + end, aside + end);
      } catch { /* there is none */ }
    }
    this.#options.trouble(`${place.path} cannot be read and is set aside as ${aside}: ${why}`);
    return place.slice = new Slice(start, place.path);
  }

  /** Drops the oldest stretch when it is too old or all is too much, and begins another one when the newest is large. */
  tidy(now: number): void {
    const { keep, size } = this.#options;
    const oldest = this.#known[0];
    if (oldest === undefined) return;
    const sizes = this.#known.map((each) => each.slice === null ? sizeOf(each.path) : each.slice.octets);
    const all = sizes.reduce((sum, each) => sum + each, 0);
    const at = this.#known.findLastIndex(({ start }) => start < now); // a clock that ran ahead may have begun others
    const young = this.#known[at];
    const past = keep !== null && Math.min(this.#end(oldest.start), this.#known[1]?.start ?? Infinity) <= now - keep;
    if (past || size !== null && all > size && this.#known.length > 1) this.#drop(oldest);
    if (size !== null && at >= 0 && sizes[at]! > size / SHARES && now < this.#end(young!.start)) this.#make(now);
  }

  #drop(place: Place): void {
    closed(place.slice);
    this.#known = this.#known.filter((each) => each !== place);
    if (place.path === null) return;
    for (const end of ["", "-wal", "-shm"]) {
      try {
        Deno.removeSync(place.path + end);
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound)) {
          this.#options.trouble(`cannot remove ${place.path}: ${textOf(error)}`);
        }
      }
    }
  }

  close(): void {
    for (const { slice } of this.#known) closed(slice);
    this.#known = [];
  }
}

/** `2026-11-30T00-00-00.000Z.db` */
function nameOf(start: number): string {
  return `${new Date(start).toISOString().replaceAll(":", "-")}.db`;
}
function startOf(name: string): number | null {
  const [, hour, minute, second] = NAME.exec(name) ?? [];
  return hour === undefined ? null : Date.parse(`${hour}:${minute}:${second}`);
}

function sizeOf(path: string | null): number {
  try {
    return path === null ? 0 : Deno.statSync(path).size;
  } catch {
    return 0;
  }
}

function closed(slice: Slice | null): void {
  try {
    slice?.close();
  } catch { /* it is damaged */ }
}

/** `full` when there is no room. */
export function faultOf(error: unknown): "full" | "io" {
  if (error instanceof StoreError) return error.fault === "full" ? "full" : "io";
  return sqliteCode(error) === FULL ? "full" : diskFault(error);
}
export function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
