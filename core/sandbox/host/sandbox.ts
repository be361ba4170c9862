/**
 * A plugin apart, over all its lives: one that everything shares, begun with the first call, and beside it short ones for
 * those that were open in a life that ended. Nobody knows which of them was to blame, so each is asked again alone; the one
 * that ends a life in which it was the first is the culprit, and has the error. What had not begun is simply asked again.
 * Non-job: one life (life.ts), one call (call.ts).
 */
import type { Signer } from "../../pipeline/contexts/contexts.ts";
import type { TransactionContext } from "../../pipeline/contexts/transaction_context.ts";
import type { Host } from "../../pipeline/contexts/contexts.ts";
import type { Phase } from "../../pipeline/plugin.ts";
import type { Channel, ChannelSpec, OpenChannel } from "../channel.ts";
import type { Description, Making } from "../wire.ts";
import type { CallHost } from "./call.ts";
import { Errand } from "./errand.ts";
import { Life, type LifeEnd, type Open } from "./life.ts";
import { signedBody } from "./signed.ts";

/** With what a sandbox is made. */
export interface SandboxOptions {
  readonly open: OpenChannel;
  /** One that ends whatever runs in it, where `open` gives none such: for what once could not be ended. */
  readonly strict: OpenChannel | null;
  readonly spec: ChannelSpec;
  readonly making: Making;
  /** How long it may go without yielding, milliseconds. */
  readonly cpu: number;
  trouble(message: string): void;
}

/** Lives for single calls at a time. */
const ALONE = 4;
/** There a call has so many times the patience: on a machine with too much to do, who waits for a processor seems to loop. */
const PATIENCE = 5;
/** A call that had not begun is asked again so often. */
const MOVES = 3;
/** A life that nobody started and nothing uses ends after so many milliseconds. */
const LINGER = 1000;
/** How often an idle life is looked at, milliseconds. */
const LOOK = 5000;
/** Threads that run on because they cannot be ended: with so many, nothing is begun any more. */
const MOST_STUCK = 4;
const BACKOFF = { least: 100, most: 30_000, after: 3 } as const;

const freed = new FinalizationRegistry<() => void>((free) => free());

export class Sandbox implements CallHost {
  readonly reads: Set<Phase> = new Set();
  readonly looks: Set<Phase> = new Set();
  readonly #options: SandboxOptions;
  #shared: Life | null = null;
  readonly #lives = new Set<Life>();
  readonly #houses = new WeakMap<Life, Map<Host, number>>();
  /** Lives in which one is asked at a time. `first`: nothing else ran there that could be to blame. */
  readonly #alone = new Map<Life, { readonly open: Open; readonly first: boolean }>();
  /** Suspects that ended a life in which another had been asked before. */
  readonly #again = new WeakSet<Open>();
  readonly #suspects: Open[] = [];
  readonly #moves = new WeakMap<Open, number>();
  /** Somebody has started it and will stop it. */
  #owned = false;
  readonly #linger = new Map<Life, ReturnType<typeof setTimeout>>();
  #look: ReturnType<typeof setInterval> | undefined;
  /** Its threads that loop, and nobody can end. */
  #stuck = 0;
  /** Lives in a row that ended without an answer. */
  #failures = 0;
  #until = 0;
  #why = "";

  constructor(options: SandboxOptions) {
    this.#options = options;
  }

  /** What the plugin is, told by a life of its own that ends with it. */
  static async describe(options: SandboxOptions): Promise<Description> {
    const life = new Life(options.open(options.spec), {
      cpu: options.cpu,
      trouble: options.trouble,
      ended: () => {},
      idle: () => {},
    });
    return await life.describe(options.making);
  }

  /** @throws {Error} when it cannot begin. */
  async start(): Promise<void> {
    this.#owned = true;
    this.#look = setInterval(() => this.#shared?.look(), LOOK);
    try {
      await this.#begin();
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  /** What is open goes on, and its life ends with it. Resolves when those that had nothing open have ended. */
  async stop(): Promise<void> {
    this.#owned = false;
    clearInterval(this.#look);
    const idle = [...this.#lives].filter((life) => !life.busy);
    await Promise.all(idle.map((life) => this.#stop(life)));
  }

  /** Opens something in the life that all share. */
  ask(open: Open): void {
    const wait = this.#until - performance.now();
    if (this.#shared === null && wait > 0) {
      const seconds = Math.ceil(wait / 1000);
      return open.fail(new Error(`${this.#why}; it is started again in ${seconds} s`));
    }
    if (this.#shared === null) this.#begin().catch(() => {}); // what is open in it is told
    if (this.#shared === null) return open.fail(new Error(this.#why));
    this.#stay(this.#shared);
    this.#shared.run(open);
  }

  // ---- For calls -----------------------------------------------------------------------------------------------------

  houseOf(ctx: TransactionContext, life: Life): number {
    return this.house(ctx.host, life);
  }
  house(host: Host, life: Life): number {
    let known = this.#houses.get(life);
    if (known === undefined) this.#houses.set(life, known = new Map());
    let number = known.get(host);
    if (number === undefined) {
      known.set(host, number = known.size);
      life.post({ do: "house", house: number, host });
    }
    return number;
  }
  trouble(message: string): void {
    this.#options.trouble(message);
  }

  /** Asked later, perhaps after hours; its life lasts as long as somebody holds it. */
  signer(life: Life, signer: number): Signer {
    life.hold(1);
    const sign: Signer = async (content) => {
      if (life.over) throw new Error("the sandbox of its signer has ended");
      const errand = new Errand((_life, call, now) => {
        return { do: "sign", call, signer, content: signedBody(content), now };
      }, { content });
      life.run(errand);
      return await errand.answer;
    };
    freed.register(sign, () => {
      if (life.over) return;
      life.post({ do: "free", signer });
      life.hold(-1);
    });
    return sign;
  }

  // ---- Lives ---------------------------------------------------------------------------------------------------------

  async #begin(): Promise<void> {
    let life: Life;
    try {
      life = this.#shared = this.#live();
    } catch (error) {
      this.#why = error instanceof Error ? error.message : String(error);
      this.#backOff();
      throw error;
    }
    await life.begin(this.#options.making);
  }

  #live(patience = 1): Life {
    const { spec, cpu, trouble } = this.#options;
    const life: Life = new Life(this.#channel(spec), {
      cpu: cpu * patience,
      trouble,
      ended: (life, end) => this.#ended(life, end),
      idle: (life) => this.#idle(life),
    });
    this.#lives.add(life);
    return life;
  }

  /**
   * After one that looped, and goes on as a thread that nobody can end, only such as can be ended; where there are none,
   * few more.
   */
  #channel(spec: ChannelSpec): Channel {
    const { open, strict } = this.#options;
    if (this.#stuck === 0 || strict === null) return open(spec);
    try {
      return strict(spec);
    } catch (error) {
      if (this.#stuck < MOST_STUCK) return open(spec);
      const why = error instanceof Error ? error.message : String(error);
      throw new Error(`it looped too often, and threads that loop cannot be ended: restart the server (${why})`);
    }
  }

  #ended(life: Life, { why, stuck, begun, waiting }: LifeEnd): void {
    if (stuck && this.#options.strict !== null && this.#stuck++ === 0) {
      this.#options.trouble("its thread cannot be ended and takes a processor until the server is restarted");
    }
    this.#lives.delete(life);
    this.#stay(life);
    if (life.answered) this.#failures = 0;
    const asked = this.#alone.get(life);
    if (asked !== undefined) {
      const { open: culprit, first } = asked;
      this.#alone.delete(life);
      if (first || !culprit.retries) culprit.fail(new Error(why));
      else {
        this.#again.add(culprit); // or a timer of the one before
        this.#suspects.unshift(culprit);
      }
      for (const open of [...begun, ...waiting]) if (open !== culprit) open.fail(new Error(why));
      this.#askAlone();
      return;
    }
    if (this.#shared === life) this.#shared = null;
    this.#why = why;
    const opened = begun.length > 0 || life.answered;
    if (!opened) this.#backOff();
    else if (!life.answered && ++this.#failures >= BACKOFF.after) this.#backOff();
    this.#options.trouble(why);
    for (const open of begun) {
      if (open.retries) this.#suspects.push(open);
      else open.fail(new Error(why));
    }
    for (const open of waiting) {
      const moves = (this.#moves.get(open) ?? 0) + 1;
      this.#moves.set(open, moves);
      if (!open.retries && !opened) open.fail(new Error(why));
      else if (moves > MOVES) this.#suspects.push(open);
      else this.ask(open);
    }
    this.#askAlone();
  }

  #backOff(): void {
    const { least, most } = BACKOFF;
    this.#failures = Math.max(1, this.#failures);
    this.#until = performance.now() + Math.min(most, least * 2 ** (this.#failures - 1));
    this.#failures++;
  }

  #askAlone(): void {
    while (this.#alone.size < ALONE && this.#suspects.length > 0) {
      const open = this.#suspects.shift()!;
      if (!open.retries) continue;
      let life: Life;
      try {
        life = this.#live(PATIENCE);
      } catch (error) {
        open.fail(error as Error);
        continue;
      }
      this.#alone.set(life, { open, first: true });
      life.begin(this.#options.making).catch(() => {}); // its end is told
      life.run(open);
    }
  }

  #idle(life: Life): void {
    if (this.#alone.delete(life)) {
      // A life that goes on asks the next: to begin one for each of a hundred takes longer than they may wait
      const next = this.#suspects.findIndex((open) => open.retries && !this.#again.has(open));
      if (next >= 0) {
        const open = this.#suspects.splice(next, 1)[0]!;
        this.#alone.set(life, { open, first: false });
        return life.run(open);
      }
      this.#askAlone();
    }
    if (this.#owned && life === this.#shared) return;
    if (!life.held && life !== this.#shared) return void this.#stop(life);
    if (this.#owned) return; // until nobody holds a signer of it
    this.#stay(life);
    this.#linger.set(life, setTimeout(() => life.busy || void this.#stop(life), LINGER));
  }

  #stay(life: Life): void {
    clearTimeout(this.#linger.get(life));
    this.#linger.delete(life);
  }

  async #stop(life: Life): Promise<void> {
    this.#stay(life);
    if (this.#shared === life) this.#shared = null;
    await life.stop();
    this.#lives.delete(life);
  }
}
