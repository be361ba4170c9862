/**
 * Keeps recordings in a folder of their own: a file for each session, for nobody else to read, removed after a time, and
 * the oldest when all together become too large, also where other threads record there too. A recording that cannot be
 * written ends; the session never waits for it.
 * Non-job: what is in a file (session_tape.ts, format.ts).
 */
import { join } from "node:path";
import type { RecordingsConfig } from "../config/config.ts";
import { Networks } from "../model/ip.ts";
import type { Event } from "../observe/events.ts";
import type { TransactionContext } from "../pipeline/contexts/transaction_context.ts";
import { recordingCallAhead, RecordingCounters, recordingOutside, recordingResolver } from "./asking.ts";
import { headOf } from "./format.ts";
import type { Place } from "./recording.ts";
import { SessionTape } from "./session_tape.ts";

type Services = Omit<TransactionContext["services"], "commit">;

export interface RecorderOptions {
  readonly config: RecordingsConfig;
  /** Where they lie. */
  readonly folder: string;
  readonly hostname: string;
  /** Milliseconds since 1970. */
  now(): number;
  trouble(message: string): void;
}
/** A peer that is recorded, if it is. */
export interface Recorded {
  readonly tape: SessionTape;
  /** The house's services, with somebody who writes down what plugins ask. */
  readonly services: Services;
}

/** Octets of one recording, and of lines that wait for the disk. */
const LONGEST = 64 * 1024 * 1024, WAITING = 8 * 1024 * 1024;
/** Octets that are written at once. */
const BLOCK = 64 * 1024;
/** How often old ones are looked for, milliseconds. */
const SWEEP = 60_000;
/** Of what all may have, the part that one thread writes before it looks what others have written. */
const UNSEEN = 1 / 16;
const ENDING = ".jsonl";

export class Recorder {
  readonly #options: RecorderOptions;
  readonly #networks: Networks | null;
  readonly #writing = new Map<string, Promise<void>>();
  readonly #lines = new Set<Lines>();
  /** Octets in the folder, as far as is known; those of them that were written since the last look. */
  #total = 0;
  #since = 0;
  #timer: ReturnType<typeof setInterval> | undefined;
  #sweeping: Promise<void> = Promise.resolve();
  #told = -Infinity;

  constructor(options: RecorderOptions) {
    this.#options = options;
    this.#networks = options.config.networks.length === 0 ? null : new Networks(options.config.networks);
  }

  /** Makes the folder and removes what is too old. @throws when there can be none. */
  async start(): Promise<void> {
    const { folder } = this.#options;
    await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
    await Deno.chmod(folder, 0o700);
    await this.sweep();
    this.#timer = setInterval(() => void this.sweep(), SWEEP);
    Deno.unrefTimer(this.#timer as unknown as number);
  }

  /** Resolves when all that was recorded is in its file; sessions that last longer than that are given up. */
  async stop(milliseconds: number): Promise<void> {
    clearInterval(this.#timer);
    const late = setTimeout(() => this.#lines.forEach((each) => each.giveUp()), milliseconds);
    await this.#sweeping;
    await Promise.all(this.#writing.values());
    clearTimeout(late);
  }

  /** Null where this peer is not recorded. */
  begin(peer: Pick<Place, "ip" | "port" | "listener" | "role">, services: Services): Recorded | null {
    const { config: { listeners, bodies, size }, hostname, now } = this.#options;
    if (listeners.length > 0 && !listeners.includes(peer.listener)) return null;
    if (this.#networks !== null && !this.#networks.has(peer.ip)) return null;
    if (this.#total >= size) void this.sweep();
    const at = now();
    const file = new Lines();
    const tape = new SessionTape({ bodies, write: (lines) => file.add(lines), monotonic: () => performance.now() });
    const observe = (event: Event): void => {
      if (event.type === "session-opened" && !file.named) {
        file.named = true;
        file.prepend(headOf({ session: event.session, at, ...peer, hostname, bodies }));
        this.#write(event.session, file);
      }
      tape.observe(event);
    };
    const { callAhead, ...rest } = services;
    return {
      tape,
      services: {
        ...rest,
        ...callAhead && { callAhead: recordingCallAhead(callAhead, tape) },
        outside: recordingOutside(services.outside, { tape, bodies }),
        dns: recordingResolver(services.dns, tape),
        counters: new RecordingCounters(services.counters, tape),
        emit(event) {
          observe(event);
          services.emit(event);
        },
      },
    };
  }

  /** Removes what is too old, and the oldest until the others have room. Never rejects. */
  sweep(): Promise<void> {
    return this.#sweeping = this.#sweeping.then(() => this.#sweep()).catch((error) => this.#trouble(error));
  }

  async #sweep(): Promise<void> {
    const { folder, config: { keep, size }, now } = this.#options;
    let total = 0;
    this.#since = 0;
    const files: { readonly path: string; readonly octets: number; readonly at: number }[] = [];
    for await (const { name, isFile } of Deno.readDir(folder)) {
      if (!isFile || !name.endsWith(ENDING)) continue;
      const path = join(folder, name), info = await Deno.stat(path).catch(() => null);
      total += info?.size ?? 0;
      if (info !== null && !this.#writing.has(name.slice(0, -ENDING.length))) {
        files.push({ path, octets: info.size, at: info.mtime?.getTime() ?? 0 });
      }
    }
    files.sort((a, b) => a.at - b.at);
    for (const { path, octets, at } of files) {
      if (at > now() - keep && total <= size) break;
      if (await removeUnlessWritten(path)) total -= octets;
    }
    this.#total = total;
  }

  #write(session: string, lines: Lines): void {
    const path = join(this.#options.folder, `${session}${ENDING}`);
    const { size } = this.#options.config;
    this.#lines.add(lines);
    const written = lines.writeTo(path, async (octets) => {
      this.#total += octets;
      this.#since += octets;
      if (this.#total > size || this.#since > size * UNSEEN) await this.sweep();
      return this.#total <= size;
    });
    this.#writing.set(
      session,
      written.catch((error) => this.#trouble(error)).finally(() => {
        this.#writing.delete(session);
        this.#lines.delete(lines);
      }),
    );
  }

  #trouble(error: unknown): void {
    const now = performance.now();
    if (now - this.#told < SWEEP) return;
    this.#told = now;
    this.#options.trouble(`cannot record: ${error instanceof Error ? error.message : error}`);
  }
}

/** Lines on their way into a file. */
class Lines {
  named = false;
  #text = "";
  #closed = false;
  #wake: (() => void) | null = null;

  add(lines: string): void {
    if (this.#closed) return;
    this.#text += lines;
    if (lines.startsWith('{"ended":')) this.#closed = true;
    else if (this.#text.length > WAITING) return this.giveUp(); // the disk is behind: what is not whole is never read
    if (this.#closed || this.#text.length >= BLOCK) this.#wake?.();
  }
  giveUp(): void {
    this.#closed = true;
    this.#text = "";
    this.#wake?.();
  }
  prepend(line: string): void {
    this.#text = line + this.#text;
  }

  /** Resolves when it is closed and written; one that may not go on, or broke, is removed. */
  async writeTo(path: string, mayGoOn: (octets: number) => Promise<boolean>): Promise<void> {
    while (this.#text.length < BLOCK && !this.#closed) await new Promise<void>((wake) => this.#wake = wake);
    let whole = false, size = 0;
    using file = await Deno.open(path, { write: true, createNew: true, mode: 0o600 });
    await file.lock(true).catch(() => {}); // ends with the file, however its thread ends
    try {
      for (;;) {
        const octets = UTF8.encode(this.#text), closed = this.#closed;
        this.#text = "";
        for (let rest = octets; rest.length > 0;) rest = rest.subarray(await file.write(rest));
        size += octets.length;
        const allowed = await mayGoOn(octets.length) && size <= LONGEST;
        if (closed) whole = allowed && octets.length > 0;
        if (closed || !allowed) break;
        while (this.#text.length < BLOCK && !this.#closed) await new Promise<void>((wake) => this.#wake = wake);
      }
    } finally {
      this.#closed = true;
      this.#text = "";
      if (!whole) await Deno.remove(path).catch(() => {});
    }
  }
}
const UTF8 = new TextEncoder();

/** One that another thread, or the configuration before, is writing would take room that nobody sees. True when it is gone. */
async function removeUnlessWritten(path: string): Promise<boolean> {
  try {
    using file = await Deno.open(path, { write: true });
    if (!await file.tryLock(true).catch(() => true)) return false;
    await Deno.remove(path);
    return true;
  } catch (error) {
    return error instanceof Deno.errors.NotFound;
  }
}
