/**
 * Hands in what programs left in the maildrop while the server did not run: one message after the other, at the start and
 * every few seconds. A file goes when its message is taken: a crash between the two makes one second copy, never a loss.
 * Non-job: how it is handed in (submit.ts), what a file is (drop.ts).
 */
import type { Door } from "../config/local_site.ts";
import type { Observer } from "../observe/events.ts";
import type { Outcome } from "../smtp/client/mod.ts";
import { syncFolder } from "../store/durable_write.ts";
import { asideOf, type Drop, DropError, isDropName, leaveDrop, makeMaildrop, readDrop } from "./drop.ts";
import { type Failed, noticeOf } from "./notice.ts";
import { submit } from "./submit.ts";

export interface PickupOptions {
  readonly folder: string;
  /** Where mail is handed in; null: no listener takes it from a program of this machine. */
  readonly door: Door | null;
  readonly hostname: string;
  /** The largest message, octets. */
  readonly messageSize: number;
  /** How long one that is put off is tried, milliseconds. */
  readonly expire: number;
  readonly emit: Observer;
  /** Milliseconds since 1970. */
  now(): number;
  /** Milliseconds from one look to the next (default 2,000). */
  readonly every?: number;
  /** Messages that one look takes up (default 10,000). */
  readonly most?: number;
}

/** Waits after a message was put off, milliseconds: doubled each time. */
const FIRST_WAIT = 15_000, LONGEST_WAIT = 15 * 60_000;
/** What was begun so long ago was never said to be written, milliseconds. */
const ABANDONED = 36 * 3_600_000;
const MOST = 10_000;

export class Pickup {
  readonly #options: PickupOptions;
  readonly #stop = new AbortController();
  readonly #waits = new Map<string, { readonly until: number; readonly wait: number }>();
  /** Recipients of a file who are done with, though the file is still there: they do not get it again. */
  readonly #done = new Map<string, Set<string>>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #looking: Promise<void> | null = null;
  #told = "";

  constructor(options: PickupOptions) {
    this.#options = options;
  }

  /** Makes the folder, and begins. */
  async start(): Promise<void> {
    try {
      await makeMaildrop(this.#options.folder);
    } catch (error) { // mail over the network comes all the same
      return this.#trouble((error as Error).message);
    }
    this.#again(0);
  }

  /** What is being handed in is cut off, and comes again at the next start. */
  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    this.#stop.abort(new DOMException("the server stops", "AbortError"));
    await this.#looking;
  }

  #again(milliseconds: number): void {
    if (this.#stop.signal.aborted) return;
    this.#timer = setTimeout(async () => {
      await this.look();
      this.#again(this.#options.every ?? 2000);
    }, milliseconds);
  }

  /** Hands in what is due. Never rejects. */
  look(): Promise<void> {
    return this.#looking ??= this.#look().catch((error) => this.#trouble(String((error as Error).message)))
      .finally(() => this.#looking = null);
  }

  async #look(): Promise<void> {
    for (const name of await this.#names()) {
      if (this.#stop.signal.aborted) return;
      try {
        await this.#take(name);
      } catch (error) { // one file that makes trouble keeps no other waiting
        this.#putOff(name, `${name}: ${(error as Error).message}`);
      }
    }
  }

  /** Of whole messages that are due, the oldest first. */
  async #names(): Promise<string[]> {
    const { folder, now, most = MOST } = this.#options, names: string[] = [], there = new Set<string>();
    for await (const { name } of Deno.readDir(folder)) {
      if (isDropName(name)) {
        there.add(name);
        if ((this.#waits.get(name)?.until ?? 0) <= now()) names.push(name);
      } else if (name.startsWith("tmp-")) {
        const { mtime } = await Deno.lstat(`${folder}/${name}`).catch(() => ({ mtime: null }));
        if (mtime !== null && now() - mtime.getTime() > ABANDONED) {
          await this.#remove(name).catch((error) => this.#trouble(`${name}: ${(error as Error).message}`));
        }
      }
      if (names.length === most) return names.sort(); // the others next time
    }
    for (const name of this.#waits.keys()) if (!there.has(name)) this.#waits.delete(name);
    for (const name of this.#done.keys()) if (!there.has(name)) this.#done.delete(name);
    return names.sort();
  }

  async #take(name: string): Promise<void> {
    const { folder, door, hostname, messageSize, emit } = this.#options;
    if (door === null) {
      return this.#trouble(
        "mail waits, and no listener takes it from a program of this machine: each wants a login or TLS",
      );
    }
    let drop: Drop;
    try {
      drop = await readDrop(`${folder}/${name}`, { most: messageSize });
    } catch (error) {
      if (!(error instanceof DropError)) throw error;
      return await this.#setAside(name, error.message);
    }
    const done = this.#done.get(name) ?? new Set();
    drop = { ...drop, to: drop.to.filter((each) => !done.has(each)) };
    const outcomes = drop.to.length === 0 ? [] : await submit(drop, { door, hostname, signal: this.#stop.signal });
    if (this.#stop.signal.aborted && outcomes.every(({ verdict }) => verdict !== "accept")) return;
    const { left, failed } = this.#sort(drop, outcomes);
    if (left.length > 0 && left.length === drop.to.length) {
      const why = outcomes.find(({ verdict }) => verdict === "defer")?.text ?? "try again";
      return this.#putOff(name, `mail is put off: ${why}`);
    }
    this.#done.set(name, done); // each step may be the one that the disk refuses
    const settle = (recipients: Iterable<string>) => {
      for (const each of recipients) done.add(each);
    };
    settle(drop.to.filter((_, at) => outcomes[at]?.verdict === "accept"));
    if (left.length > 0) await leaveDrop(folder, { ...drop, to: left }); // before this one goes
    settle(left);
    if (failed.length > 0 && !await this.#tell(drop, failed)) {
      const [{ to, outcome }] = failed as [Failed];
      return await this.#setAside(name, `${to} was refused, and its sender cannot be told: ${outcome.text}`);
    }
    settle(failed.map(({ to }) => to));
    await this.#remove(name);
    this.#done.delete(name);
    const taken = outcomes.length - failed.length - left.length;
    emit({
      type: "notice",
      where: "maildrop",
      message: `${name} is handed in: ${taken} recipients taken, ${failed.length} refused, ${left.length} put off`,
    });
  }

  #sort(drop: Drop, outcomes: readonly Outcome[]): { readonly left: readonly string[]; readonly failed: Failed[] } {
    const { expire, now } = this.#options, late = now() - drop.at > expire;
    const failed: Failed[] = [], left: string[] = [];
    for (const [at, outcome] of outcomes.entries()) {
      const waits = outcome.verdict === "defer" || outcome.verdict === "untried";
      if (waits && !late) left.push(drop.to[at]!);
      else if (outcome.verdict !== "accept") failed.push({ to: drop.to[at]!, outcome, expired: waits });
    }
    return { left, failed };
  }

  /** False where nobody was told. */
  async #tell(drop: Drop, failed: readonly Failed[]): Promise<boolean> {
    const { hostname, now, door } = this.#options;
    const notice = await noticeOf(drop, failed, { hostname, now: now() });
    if (notice === null) return drop.notify?.includes("NEVER") ?? false;
    const [outcome] = await submit(notice, { door: door!, hostname });
    return outcome?.verdict === "accept";
  }

  #putOff(name: string, why: string): void {
    const wait = Math.min((this.#waits.get(name)?.wait ?? FIRST_WAIT / 2) * 2, LONGEST_WAIT);
    this.#waits.set(name, { until: this.#options.now() + wait, wait });
    this.#trouble(why);
  }

  /** Into a folder beside the messages, for a person to look at. */
  async #setAside(name: string, why: string): Promise<void> {
    const { folder } = this.#options, aside = asideOf(folder);
    const move = (to: string) =>
      Deno.rename(`${folder}/${name}`, `${aside}/${to}`).catch((error) => {
        if (!(error instanceof Deno.errors.NotFound)) throw error; // its owner took it back
      });
    await move(name).catch(() => move(`${name}-${crypto.randomUUID()}`)); // one of that name may lie there
    await syncFolder(aside); // first: where the two are no one step to the disk it is in both, never in neither
    await syncFolder(folder);
    this.#told = "";
    this.#trouble(`${name} is set aside in ${aside}: ${why}`);
  }

  async #remove(name: string): Promise<void> {
    const { folder } = this.#options;
    await Deno.remove(`${folder}/${name}`).catch((error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    });
    await syncFolder(folder);
  }

  /** Once, till it changes. */
  #trouble(message: string): void {
    if (message === this.#told) return;
    this.#told = message;
    this.#options.emit({ type: "trouble", where: "maildrop", message });
  }
}
