/**
 * How hard the server is pressed, and what follows (SEMANTICS 25): first less patience with strangers (`stressed`), then
 * 421 at connect and 452 or 451 at MAIL, the mail of one's own last. What has begun is never refused for it. It measures
 * how late the event loop of this thread is, how long the store's writer keeps commits waiting, memory and disk. Outlives
 * reloads; one for each thread that accepts. Non-job: words and sockets (doors.ts), the bound itself (gate.ts).
 */
import { networkOf } from "../../model/ip.ts";
import type { Event } from "../../observe/events.ts";
import type { StoreHealth } from "../../store/store.ts";
import { BACKLOG } from "../accept_watch.ts";
import { AcceptQueue } from "./accept_queue.ts";
import { Gate, type Passage } from "./gate.ts";
import { Intake } from "./intake.ts";
import { memoryGiven, memoryTaken } from "./memory.ts";
import { type Shed as ShedCount, Shedding, type Where, type Why } from "./shedding.ts";
import { threadTime } from "./thread_time.ts";

/** From the configuration at work. Sizes in octets, times in milliseconds. */
export interface PressureLimits {
  /** How late the event loop may be before strangers' mail is bounded. */
  readonly lag: number;
  /** Resident memory of the process; null: nine tenths of what there is. */
  readonly memory: number | null;
  /** Disk space that stays free; null: there is no disk. */
  readonly diskReserve: number | null;
}
export interface PressureOptions {
  health(): StoreHealth;
  emit(event: Event): void;
  /** Monotonic milliseconds. */
  clock?(): number;
  /** The part of all memory that is taken, of so many octets. */
  memoryTaken?(given: number): number;
  /** CPU time of this thread, milliseconds; null: nobody tells. */
  threadTime?(): number | null;
  /** Connections that nobody has taken yet. */
  acceptQueue?(): number;
  /** Connections found no place since it was last asked. */
  overflowed?(): boolean;
}
/** Sent away, and why in words; `told`: as one of the few that observers are told of one by one. */
export interface Shed {
  readonly why: Why;
  readonly because: string;
  readonly told: boolean;
}
/** What GET /metrics and the site show. */
export interface PressureState {
  /** Strangers find less patience. */
  readonly stressed: boolean;
  /** How late the loop has been lately, milliseconds. */
  readonly lag: number;
  /** The part of memory that is taken. */
  readonly memory: number;
  /** Messages of strangers that began lately, and how many may; Infinity: as many as come. */
  readonly underWay: number;
  readonly bound: number;
  /** Connections that nobody has taken yet, and strangers that may come in a second; Infinity: all that come. */
  readonly outside: number;
  readonly rate: number;
  /** Asked to come again since that began; 0: nobody is. */
  readonly asked: number;
  /** What was sent away since the start. */
  readonly shed: readonly ShedCount[];
}

/** Between two looks, while somebody is connected. */
const PERIOD = 50;
/** Looks whose median is the lateness that counts. */
const LOOKS = 11;
/** A writer that is this far behind takes nothing more from anybody. */
const WRITER_BEHIND = 5000;
/** A writer's wait weighs as a loop that is late by this part of it: 100 ms of the one are like 1 s of the other. */
const WRITER_PART = 10;
/** One's own mail is bounded at so many times the lateness of strangers' mail. */
const OWN = 4;
/** The kernel's queue is as good as full at this part of its length; at that one too where it was full between two looks. */
const FULL = 0.75, BUSY = 0.1;
/** Looks over which connections are counted. */
const TAKEN = 10;
/** Memory is looked at so often, and taken to this part strangers find less patience. */
const MEMORY_PERIOD = 1000, MEMORY_STRESS = 0.9;

export class Pressure {
  readonly #options: Required<PressureOptions>;
  readonly #shedding: Shedding;
  readonly #strangers = new Gate(100);
  readonly #own = new Gate(100 * OWN);
  readonly #intake = new Intake(100);
  readonly #queue = new AcceptQueue();
  #outside = 0;
  /** How long the writer kept commits waiting at the last look. */
  #writer = 0;
  /** Connections that were taken, refused or not, of the last looks; the newest first. */
  readonly #taken: number[] = [0];
  readonly #late: number[] = [];
  #limits: PressureLimits = { lag: 100, memory: null, diskReserve: null };
  #given = Infinity;
  #memory = 0;
  #memoryAt = -Infinity;
  #connections = 0;
  #timer: ReturnType<typeof setInterval> | undefined;
  #looked = 0;
  #completed = 0;
  #costAt = 0;
  #costFrom: number | null = null;

  constructor(options: PressureOptions) {
    this.#options = {
      clock: () => performance.now(),
      memoryTaken,
      threadTime,
      acceptQueue: () => this.#queue.length(),
      overflowed: () => this.#queue.overflowed(),
      ...options,
    };
    this.#shedding = new Shedding(options.emit);
  }

  /** From now on these limits hold. */
  configure(limits: PressureLimits): void {
    this.#limits = limits;
    this.#strangers.lag = limits.lag;
    this.#own.lag = limits.lag * OWN;
    this.#intake.lag = limits.lag;
    this.#given = limits.memory ?? memoryGiven() * 0.9;
  }

  /** Who waits to be taken on this port counts. */
  listens(port: number, { family }: { readonly family: 4 | 6 }): void {
    this.#queue.add(port, { family });
  }

  /** A connection was taken. Owes one `end`. */
  begin(): void {
    if (this.#connections++ > 0 || this.#timer !== undefined) return;
    this.#late.length = 0;
    this.#taken.splice(0, this.#taken.length, 0);
    this.#memoryAt = -Infinity;
    this.#looked = this.#costAt = this.#options.clock();
    this.#costFrom = null;
    this.#completed = 0;
    const timer = this.#timer = setInterval(() => this.look(), PERIOD);
    Deno.unrefTimer(timer); // after a crowd it runs on for some seconds, and nobody should wait for that
  }

  end(): void {
    this.#connections--;
    this.#rest();
  }

  /** With nobody here and nobody refused there is nothing to look at. */
  #rest(): void {
    if (this.#connections > 0 || this.#strangers.closing || this.#own.closing || this.#intake.closing) return;
    if (this.#shedding.open) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#memory = 0;
  }

  /** Strangers have less patience to expect. */
  get stressed(): boolean {
    return this.#strangers.closing || this.#intake.closing || this.#memory > MEMORY_STRESS;
  }

  /** May this one come in? Cheap: at connect a crowd is refused by nothing else. `own`: the door is one for one's own. */
  connect({ own, ip }: { readonly own: boolean; readonly ip: string }): Shed | null {
    this.#taken[0]!++;
    const now = this.#options.clock(), writer = this.#writerBehind();
    if (writer !== null) return this.#shed({ where: "connect", why: "writer", because: writer, now });
    if (own || !this.#strangers.closing && !this.#intake.closing) return null;
    const peer = networkOf(ip);
    return this.#strangers.admits(peer, now) && this.#intake.admits(peer, now)
      ? null
      : this.#shed({ where: "connect", ...this.#behind(this.#strangers, peer), now });
  }

  /** It has come in, while not everybody does: its message is expected. */
  expect(passage: Passage, { own }: { readonly own: boolean }): void {
    if (!own && this.#strangers.closing) this.#strangers.expect(passage, this.#options.clock());
  }

  /** May a message of `size` octets begin (as declared, RFC 1870)? Then it counts as under way until `over`. */
  mail(passage: Passage, { own, size }: { readonly own: boolean; readonly size: number }): Shed | null {
    const now = this.#options.clock(), gate = own ? this.#own : this.#strangers;
    const writer = this.#writerBehind();
    if (writer !== null) return this.#shed({ where: "mail", why: "writer", because: writer, now });
    const { diskReserve } = this.#limits;
    if (diskReserve !== null) {
      const { freeBytes } = this.#options.health();
      const because = `${freeBytes} octets are free`;
      if (freeBytes - size < diskReserve) return this.#shed({ where: "mail", why: "disk", because, now });
    }
    const late = now - this.#looked - PERIOD;
    if (late > this.#limits.lag / 2) this.#tell(now, late); // in the middle of a long turn
    const { peer } = passage;
    if (passage.gate !== gate && !gate.admits(peer, now)) {
      return this.#shed({ where: "mail", ...this.#behind(gate, peer), now });
    }
    gate.enter(passage, now);
    return null;
  }

  /** A message has its answer, or its transaction is over without one. */
  over(passage: Passage, { answered }: { readonly answered: boolean }): void {
    passage.gate?.leave(passage);
    if (answered) this.#completed++;
  }

  /** The listener had no place for it. True when observers should be told of this one by itself. */
  refused(why: "places" | "share"): boolean {
    const because = why === "places" ? "every place is taken" : "a peer has its share";
    return this.#shedding.add({ where: "connect", why, because, now: this.#options.clock() });
  }

  /** In words for people, while peers are asked to come again; null: none is. */
  get words(): string | null {
    return this.#shedding.words;
  }

  get state(): PressureState {
    const { count, bound } = this.#strangers;
    return {
      stressed: this.stressed,
      lag: this.#lag(),
      memory: this.#memory,
      underWay: count,
      bound,
      outside: this.#outside,
      rate: this.#intake.rate,
      asked: this.#shedding.asked,
      shed: this.#shedding.counts,
    };
  }

  /** One look; every 50 ms while somebody is connected. */
  look(): void {
    const now = this.#options.clock(), { writerWait } = this.#options.health();
    const late = Math.max(0, now - this.#looked - PERIOD, writerWait / WRITER_PART);
    this.#looked = now;
    this.#writer = writerWait;
    this.#late.push(late);
    if (this.#late.length > LOOKS) this.#late.shift();
    this.#weigh(now);
    this.#tell(now, late);
    const taken = this.#taken, outside = this.#outside = this.#options.acceptQueue();
    const rate = taken.reduce((sum, each) => sum + each, 0) / (taken.length * (PERIOD + this.#lag()));
    taken.unshift(0);
    if (taken.length > TAKEN) taken.pop();
    const full = outside >= BACKLOG * FULL || outside >= BACKLOG * BUSY && this.#options.overflowed();
    this.#intake.look({ now, wait: outside / Math.max(rate, 0.01), full });
    this.#remember(now);
    this.#shedding.look(now);
    this.#rest();
  }

  #tell(now: number, late: number): void {
    const usual = this.#lag();
    for (const gate of [this.#strangers, this.#own]) {
      gate.look({ now, late: gate.closing ? usual : late, steadily: usual > gate.lag / 2 });
    }
  }

  /** What a message costs. */
  #weigh(now: number): void {
    if (now - this.#costAt < 1000) return;
    const used = this.#options.threadTime();
    if (used !== null && this.#costFrom !== null && this.#completed >= 5) {
      const each = (used - this.#costFrom) / this.#completed;
      for (const one of [this.#strangers, this.#own, this.#intake]) one.cost(each);
    }
    this.#costAt = now;
    this.#costFrom = used;
    this.#completed = 0;
  }

  /** How late the loop usually is now; 0 before it was seen for a while. */
  #lag(): number {
    if (this.#late.length < LOOKS) return 0;
    return this.#late.toSorted((a, b) => a - b)[LOOKS >> 1]!;
  }

  /** Now and at the last look: of a process that was stopped, the writer has not answered for as long as that was. */
  #writerBehind(): string | null {
    const wait = Math.min(this.#writer, this.#options.health().writerWait);
    return wait > WRITER_BEHIND ? `the writer is ${Math.round(wait)} ms behind` : null;
  }

  #remember(now: number): void {
    if (now - this.#memoryAt >= MEMORY_PERIOD) {
      this.#memoryAt = now;
      this.#memory = this.#options.memoryTaken(this.#given);
    }
    if (this.#memory >= 1) this.#strangers.squeeze(now);
  }

  #behind(gate: Gate, peer: string): { readonly why: Why; readonly because: string } {
    const { count, bound } = gate, whose = `${gate.of(peer)} of them of ${peer}`;
    const under = `${count} messages of ${Math.floor(bound)} are under way (${whose})`;
    return this.#memory >= 1
      ? { why: "memory", because: `${Math.round(this.#memory * 100)} % of limits.memory is taken, ${under}` }
      : {
        why: "loop",
        because: `the event loop is ${Math.round(this.#lag())} ms late, ${under}, ${
          Math.round(this.#outside)
        } wait outside`,
      };
  }

  #shed(one: { where: Where; why: Why; because: string; now: number }): Shed {
    return { why: one.why, because: one.because, told: this.#shedding.add(one) };
  }
}
