/**
 * One life of a sandbox: its channel, what is open in it, and the watch over it. It is ended when it does not yield, when
 * it posts what no shim posts, when it floods its host; and it may end by itself. Whatever happens inside, nothing throws
 * here. Non-job: what becomes of what was open then (sandbox.ts).
 */
import { DEADLINES, type Waiting } from "../../pipeline/calls/deadlines.ts";
import type { Channel } from "../channel.ts";
import type { Description, Inward, Making, Outward, WireIssue } from "../wire.ts";
import { Garbage, readOutward } from "./incoming.ts";

/** Something that is open in a life: a call of a handler, or an errand. */
export interface Open {
  /** Posts its first message. What it throws is its own error. */
  begin(life: Life, call: number): void;
  /** A message for it. May throw Garbage. */
  take(message: Outward): void;
  /** It comes to nothing. */
  fail(why: Error): void;
  /** It may be asked again, in another life. */
  readonly retries: boolean;
}
/** The bounds of a life, and who is told. */
export interface LifeOptions {
  /** How long it may go without yielding, milliseconds. */
  readonly cpu: number;
  /** Words for the operator. */
  trouble(message: string): void;
  /** Its last word: why it is over, and what was open: `begun` may be to blame, `waiting` had not begun. */
  ended(life: Life, end: LifeEnd): void;
  /** Nothing is open in it any more. */
  idle(life: Life): void;
}
export interface LifeEnd {
  readonly why: string;
  /** It was at work when it was ended, and may be still: a thread that loops cannot be ended on this runtime. */
  readonly stuck: boolean;
  readonly begun: readonly Open[];
  readonly waiting: readonly Open[];
}
/** Options that the plugin turned down. */
export class Refused extends Error {
  /** `schema`: JSON Schema of the options that it would take, where that is known. `said`: what its own schema says of these. */
  constructor(
    readonly issues: readonly WireIssue[],
    readonly schema: Description["schema"] | null = null,
    readonly said: string | null = null,
  ) {
    super(issues.map(({ path, message }) => path.length > 0 ? `${path.join(".")}: ${message}` : message).join("; "));
  }
}

/** Until its modules are loaded, milliseconds that were watched: nothing of it runs before. */
const LOADING = 60_000;
/** What may be done while it begins, in times of `cpu`: top-level code and `create` read and compute once. */
const BEGINNING = 10;
/** A call is open so long before somebody looks whether it yields, milliseconds. */
const PATIENCE = 50;
/** Time that was not watched does not count: a machine that slept, a thread that was busy. Milliseconds of a tick. */
const TICK = 60;
/** Messages that belong to nothing, in a second. */
const NOISE = 1000;
/** Words for the operator among them. */
const TOLD = 10;
/** Messages for one call, and such as wait for an answer at a time. */
const MESSAGES = 20_000;
/** Octets that were posted and wait to be written, of all calls together. A single piece may be longer. */
const OWED = 64 * 1024 * 1024;
/** Calls that were answered and may still ask. */
const REMEMBERED = 100;
/** How long `stop` may take, milliseconds that were watched. */
const STOPPING = 5000;

export class Life implements Waiting {
  readonly #channel: Channel;
  readonly #options: LifeOptions;
  readonly #open = new Map<number, { readonly open: Open; messages: number; readonly posted: number }>();
  readonly #answered = new Map<number, { readonly open: Open; messages: number }>();
  #queue: Open[] = [];
  #state: "loading" | "beginning" | "open" | "stopping" | "ended" = "loading";
  #last = 0;
  #watched = false;
  #seen = 0;
  /** Watched milliseconds since the last sign of life that was asked for. */
  #silent = 0;
  #ping = 0;
  #pinged = false;
  #posted = 0;
  #pingedAt = Infinity;
  #noise = 0;
  #noiseSince = 0;
  #signers = 0;
  #owed = 0;
  #described: ((found: Description) => void) | null = null;
  #failed: ((why: Error) => void) | null = null;
  #begun: (() => void) | null = null;
  #stopped: (() => void) | null = null;
  /** It has answered something. */
  answered = false;

  constructor(channel: Channel, options: LifeOptions) {
    this.#channel = channel;
    this.#options = options;
    channel.onmessage = (message) => this.#take(message);
    channel.onend = (why) => this.#over(`its sandbox ended: ${why.slice(0, 500)}`);
    this.#watch();
  }

  /** Asks what it is. The life is of no other use. */
  describe(making: Making): Promise<Description> {
    return new Promise((resolve, reject) => {
      this.#described = resolve;
      this.#failed = reject;
      this.#postMaking({ do: "describe", making });
    });
  }

  /** Makes the plugin. */
  begin(making: Making): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#begun = resolve;
      this.#failed = reject;
      this.#postMaking({ do: "begin", making });
    });
  }

  #postMaking(message: Inward): void {
    try {
      this.#channel.post(message);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      this.#failed?.(new Refused([{ path: [], message: `the options cannot cross into a sandbox: ${why}` }]));
      this.#failed = null;
      this.end();
    }
  }

  /** Opens something in it, once it has begun. */
  run(open: Open): void {
    if (this.#state === "ended") return open.fail(new Error("its sandbox has ended"));
    if (this.#state !== "open") return void this.#queue.push(open);
    const call = ++this.#last;
    this.#open.set(call, { open, messages: 0, posted: this.#posted });
    try {
      open.begin(this, call);
    } catch (error) {
      this.close(call);
      open.fail(error instanceof Error ? error : new Error(String(error)));
    }
    this.#watch();
  }

  /** A message to it. May throw a DataCloneError. */
  post(message: Inward, transfer?: readonly ArrayBuffer[]): void {
    if (this.#state === "ended") return;
    this.#posted++;
    this.#channel.post(message, transfer);
  }

  /** That is over. `forget`: whatever it still posts. */
  close(call: number, forget = false): void {
    const found = this.#open.get(call);
    this.#open.delete(call);
    if (found === undefined) return;
    if (!forget) {
      this.#answered.set(call, found);
      if (this.#answered.size > REMEMBERED) this.#answered.delete(this.#answered.keys().next().value!);
    }
    this.#rest();
  }

  /**
   * Counts octets that came and are not written yet. The shim waits for each piece; who does not fills this memory.
   *
   * @throws {Garbage} when that is too much.
   */
  owe(octets: number): void {
    if (octets > 0 && this.#owed > 0 && this.#owed + octets > OWED) {
      throw new Garbage("more octets than can be written");
    }
    this.#owed += octets;
  }

  /** Keeps it while a signer may be asked. */
  hold(change: 1 | -1): void {
    this.#signers += change;
    if (change < 0) this.#rest();
  }

  /** Something is open in it. */
  get busy(): boolean {
    return this.#open.size > 0 || this.#queue.length > 0;
  }
  /** A signer of it may be asked. */
  get held(): boolean {
    return this.#signers > 0;
  }
  get over(): boolean {
    return this.#state === "ended";
  }

  /** Looks whether it yields, though nothing is open: what it runs by itself takes a processor. */
  look(): void {
    if (this.#state === "open" && !this.#pinged) this.#sendPing();
    this.#watch();
  }

  /** Lets it stop by itself, if it does so in time. */
  async stop(): Promise<void> {
    if (this.#state !== "open") return this.end();
    this.#state = "stopping";
    this.#silent = 0;
    const stopped = new Promise<void>((resolve) => this.#stopped = resolve);
    this.#channel.post({ do: "stop" } satisfies Inward);
    this.#watch();
    await stopped;
    this.end();
  }

  /** Ends it, and nobody is told. */
  end(): void {
    this.#close();
  }

  tick(now: number): void {
    const since = Math.min(now - this.#seen, TICK);
    this.#seen = now;
    this.#silent += since;
    const { cpu } = this.#options;
    switch (this.#state) {
      case "loading":
        if (this.#silent > LOADING) this.#over(`its modules were not loaded within ${seconds(LOADING)}`);
        return;
      case "beginning":
        if (this.#silent > BEGINNING * cpu) this.#over(`it did not begin within ${seconds(BEGINNING * cpu)}`, true);
        return;
      case "stopping":
        if (this.#silent > STOPPING) this.#stopped?.();
        return;
      case "open":
        if (!this.#pinged) {
          if (this.#open.size === 0) this.#unwatch();
          else if (this.#silent > PATIENCE) this.#sendPing();
        } else if (this.#silent > cpu) this.#over(`it did not yield for ${seconds(cpu)}`, true);
    }
  }

  #sendPing(): void {
    this.#pinged = true;
    this.#pingedAt = this.#posted;
    this.#silent = 0;
    this.post({ do: "ping", ping: ++this.#ping });
  }

  #take(value: unknown): void {
    if (this.#state === "ended") return;
    try {
      this.#read(readOutward(value));
    } catch (error) {
      const why = error instanceof Garbage ? error.message : `what it posted cannot be used: ${error}`;
      this.#over(`it posted ${why.slice(0, 300)}`, this.#noise > NOISE);
    }
  }

  #read(message: Outward): void {
    switch (message.do) {
      case "pong":
        if (message.ping !== this.#ping || !this.#pinged) return this.#stray();
        this.#pinged = false;
        this.#pingedAt = Infinity;
        this.#silent = 0;
        return;
      case "loaded":
        if (this.#state !== "loading") return this.#stray();
        this.#state = "beginning";
        this.#silent = 0;
        return;
      case "described":
        if (this.#described === null) return this.#stray();
        this.#described(message.description);
        return this.end();
      case "begun":
        if (this.#begun === null || this.#state !== "beginning") return this.#stray();
        return this.#opened();
      case "refused":
        if (this.#failed === null) return this.#stray();
        this.#failed(new Refused(message.issues, message.schema, message.said));
        this.#failed = null;
        return this.#over(new Refused(message.issues).message);
      case "crashed":
        return this.#over(`its sandbox ended: ${message.why.slice(0, 500)}`);
      case "trouble":
        this.#stray();
        if (this.#noise <= TOLD) this.#options.trouble(message.message);
        return;
      case "stopped":
        return this.#stopped?.();
      case "late":
        this.#stray();
        return this.#for(message.call)?.open.take(message);
      default: {
        const found = this.#for(message.call);
        if (found === undefined) return this.#stray();
        if (++found.messages > MESSAGES) throw new Garbage("more messages than a call has");
        if (message.do === "answer" || message.do === "done") this.answered = true;
        found.open.take(message);
      }
    }
  }

  #for(call: number): { readonly open: Open; messages: number } | undefined {
    return this.#open.get(call) ?? this.#answered.get(call);
  }

  /** A message that belongs to nothing: a call that is over, or nothing that there ever was. */
  #stray(): void {
    const now = performance.now();
    if (now - this.#noiseSince > 1000) [this.#noiseSince, this.#noise] = [now, 0];
    if (++this.#noise > NOISE) throw new Garbage("a flood of messages");
  }

  #opened(): void {
    this.#state = "open";
    this.#silent = 0;
    this.#failed = null;
    this.#begun!();
    this.#begun = null;
    const queue = this.#queue;
    this.#queue = [];
    for (const open of queue) this.run(open);
  }

  #rest(): void {
    if (!this.busy && this.#state === "open") this.#options.idle(this);
  }

  #over(why: string, stuck = false): void {
    if (this.#state === "ended") return;
    const begun: Open[] = [], waiting: Open[] = [...this.#queue];
    for (const { open, posted } of this.#open.values()) (posted >= this.#pingedAt ? waiting : begun).push(open);
    const failed = this.#failed;
    this.#close();
    failed?.(new Error(why));
    this.#options.ended(this, { why, stuck, begun, waiting });
  }

  #close(): void {
    if (this.#state === "ended") return;
    this.#state = "ended";
    this.#unwatch();
    this.#channel.end();
    this.#queue = [];
    this.#open.clear();
    this.#answered.clear();
    this.#stopped?.();
  }

  #watch(): void {
    if (this.#watched || this.#state === "ended") return;
    this.#watched = true;
    this.#seen = performance.now();
    if (!this.#pinged) this.#silent = 0;
    DEADLINES.watch(this);
  }
  #unwatch(): void {
    if (!this.#watched) return;
    this.#watched = false;
    DEADLINES.unwatch(this);
  }
}

function seconds(milliseconds: number): string {
  return milliseconds < 1000 ? `${milliseconds} ms` : `${milliseconds / 1000} s`;
}
