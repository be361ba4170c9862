/**
 * Takes what is due out of the queue, by destination and in fair turns, has each attempt made, and writes down what came
 * of it together with the reports that it calls for. The window decides whose turn it is; nothing of the million messages
 * behind it is in memory. (SEMANTICS 2, 3, 16, 23; docs/decisions/delivery-window.md.)
 * Non-job: one attempt (delivery.ts), what a result means (settlement.ts), when the next is due (core/queue/backoff.ts).
 */
import type { Route } from "../model/envelope.ts";
import type { Services } from "../pipeline/contexts/transaction_context.ts";
import { longestWait } from "../queue/backoff.ts";
import type { Claim, Lease, NewMessage, QueueChange, QueueQuery, Store, StoredRecipient } from "../store/store.ts";
import type { Attempted, Delivery } from "./delivery.ts";
import type { DestinationState } from "./destination.ts";
import { type Job, Jobs } from "./jobs.ts";
import { Recorder, storeRetry } from "./recorder.ts";
import type { Reports } from "./reports.ts";
import { ours, type Result, UNTOUCHED } from "./result.ts";
import type { Settled, Settlement, Standing } from "./settlement.ts";
import type { SuspensionRules } from "./suspension.ts";
import { keyOf, type Target, type Targets } from "./target.ts";
import type { Terms } from "./terms.ts";
import { type Start, Window, type WindowOptions } from "./window.ts";

export interface DispatcherOptions {
  readonly store: Store;
  readonly services: Omit<Services, "commit">;
  readonly delivery: Delivery;
  readonly targets: Targets;
  readonly settlement: Settlement;
  readonly reports: Reports;
  readonly terms: Terms;
  readonly suspension: SuspensionRules;
  /** Told of a recipient that refused for good, before that is written down. */
  hardBounce?(recipient: StoredRecipient, result: Result): Promise<void>;
  /** A person wants another try: what was found out about destinations may not be so any more. */
  forget?(): void;
  readonly window: WindowOptions;
  /** Milliseconds on a clock that never jumps (default `performance.now`). */
  readonly monotonic?: () => number;
  /**
   * What is in hand, shared with the dispatcher that this one stands in for: what is under way there longer than its lease
   * is not begun here once more.
   */
  readonly jobs?: Jobs;
}

/** What waited for a destination that has just died, and when that is asked again, on the wall clock. */
interface Rest {
  readonly items: readonly Job[];
  readonly closedUntil: number;
}

const LEASE_SECONDS = 900;
const LONGEST_SLEEP = 60_000; // a clock that is set forward is noticed within a minute
const MOST_ASKED = 500; // jobs of one question to the store

export class Dispatcher {
  readonly #options: DispatcherOptions;
  readonly #owner = crypto.randomUUID();
  readonly #window: Window<Job>;
  readonly #monotonic: () => number;
  /** Waiting or under way, until what came of them is written. */
  readonly #jobs: Jobs;
  readonly #running = new Set<Promise<void>>();
  readonly #recorder: Recorder;
  readonly #cut = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #looking: Promise<void> | null = null;
  #busy = false;
  #again = false;
  /** Something may have fallen due since the store was last asked. */
  #due = true;
  /** When the window was last searched for what has waited too long. */
  #drained = 0;
  /** Rounds in a row that the store has failed. */
  #failures = 0;
  #stopped = false;
  /** When the next recipient falls due, wall clock; null: none will; undefined: the store is to be asked. */
  #nextDue: number | null | undefined = undefined;
  /** A person's changes under way that what waits here must not escape: nothing is leased meanwhile. */
  #changing = 0;

  constructor(options: DispatcherOptions) {
    this.#options = options;
    this.#jobs = options.jobs ?? new Jobs();
    this.#window = new Window(options.window);
    this.#monotonic = options.monotonic ?? (() => performance.now());
    this.#recorder = new Recorder({
      ...options,
      waits: (moment) => this.#expect(moment),
      added: () => this.kick(),
      trouble: (error) => this.#trouble(error),
    });
  }

  /** Something may be due. Cheap, any number of times. */
  kick(): void {
    this.#due = true;
    this.#nextDue = undefined;
    this.#look();
  }

  /** A lease from the start for mail that can go on at once, as far as can be seen; null when it has to wait its turn. */
  claim({ recipients }: Pick<NewMessage, "recipients">): Claim | null {
    if (this.#stopped || this.#changing > 0) return null;
    const now = this.#monotonic();
    for (const { state, destination } of recipients) {
      if (state === "ready" && !this.#window.welcomes(destination, now)) return null;
    }
    return { owner: this.#owner, until: this.#options.services.now() + LEASE_SECONDS * 1000 };
  }

  /** What a claim has brought. `body`: the octets, where they are in memory and nobody changes them. */
  take(leases: readonly Lease[], body: Uint8Array<ArrayBuffer> | null): void {
    for (const lease of leases) {
      const octets = body !== null && this.#jobs.mayCarry(body.length) ? body : null;
      for (const job of this.#jobsOf(lease, octets)) {
        if (this.#stopped || !this.#admit(job, { fed: false })) void this.#giveBack(job, null).catch(ignore);
      }
    }
    this.#look();
  }

  /** Attempts under way, and jobs that wait for their turn. */
  get load(): { readonly running: number; readonly waiting: number } {
    return { running: this.#window.running, waiting: this.#window.held - this.#window.running };
  }

  /** A person's change of the queue; what may go on by it does so now, resting destinations included. */
  async change(what: { readonly id: string } | QueueQuery, change: QueueChange): Promise<number> {
    const { store } = this.#options;
    const keys = new Set<string>();
    if (change.do === "retry" || change.do === "release" || change.do === "route") {
      for (const key of await this.#keysOf(what, change.do === "route" ? change.route : null)) keys.add(key);
      this.#options.forget?.();
    }
    const changed = stopsMail(change) ? await this.#changeAll(what, change) : await store.change(what, change);
    for (const key of keys) this.#window.wake(key, this.#monotonic());
    this.kick();
    return changed;
  }

  /** What only waits for its turn here goes back first: it would go out all the same, deleted or held. */
  async #changeAll(what: { readonly id: string } | QueueQuery, change: QueueChange): Promise<number> {
    const { state }: QueueQuery = "id" in what ? {} : what;
    this.#changing++;
    try {
      if (state === undefined || state === "ready") {
        await this.#looking; // it may be about to bring in more
        await Promise.all(this.#window.drain(this.#monotonic()).map((job) => this.#giveBack(job, null)));
      }
      return await this.#options.store.change(what, change);
    } finally {
      this.#changing--;
      this.kick();
    }
  }

  /** What is known of destinations with jobs in memory, and of those that are closed; moments on the wall clock. */
  destinations(): readonly DestinationState[] {
    return this.#window.destinations(this.#monotonic()).map((each) => ({
      ...each,
      closedUntil: each.closedUntil === null ? null : this.#wall(each.closedUntil),
    }));
  }

  /**
   * No new attempts; those under way may finish for so long, then they are ended and count for nothing. `patient`: what came
   * of them is written as long as it takes also where the store fails for a while, since the process goes on.
   */
  async stop(milliseconds = 0, { patient = false }: { readonly patient?: boolean } = {}): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    if (!patient) this.#recorder.stop();
    await this.#looking;
    await Promise.all(this.#window.drain(this.#monotonic()).map((job) => this.#giveBack(job, null).catch(ignore)));
    if (this.#running.size === 0) return;
    const cut = setTimeout(() => this.#cut.abort(new Error("the server stops")), milliseconds);
    while (this.#running.size > 0) await Promise.all(this.#running);
    clearTimeout(cut);
  }

  #look(): void {
    this.#again = true;
    if (this.#stopped || this.#busy) return;
    this.#busy = true;
    clearTimeout(this.#timer);
    this.#looking = this.#round();
  }

  /** Begins attempts and asks for more while there is something to do, then sleeps until there is. */
  async #round(): Promise<void> {
    let wait = LONGEST_SLEEP;
    try {
      while (this.#again && !this.#stopped) {
        this.#again = false;
        this.#begin();
        await this.#returnOld();
        if (this.#due || this.#window.hungry(this.#monotonic())) await this.#ask();
      }
      if (!this.#stopped) wait = await this.#nextLook();
      this.#failures = 0;
    } catch (error) {
      this.#trouble(error);
      this.#due = true;
      this.#nextDue = undefined;
      wait = storeRetry(this.#failures++);
    }
    this.#busy = false; // in the same turn as the last look at #again: no kick falls between
    if (this.#stopped) return;
    if (this.#again) return this.#look();
    this.#timer = setTimeout(() => this.kick(), wait);
  }

  #begin(): void {
    for (;;) {
      const start = this.#window.next(this.#monotonic());
      if (start === null) return;
      const running = this.#run(start).catch((error) => this.#trouble(error)).finally(() => {
        this.#running.delete(running);
        this.#look();
      });
      this.#running.add(running);
    }
  }

  /** Fills the window. An empty answer means that there is nothing for now. */
  async #ask(): Promise<void> {
    if (this.#changing > 0) return; // its end looks again
    const want = this.#window.want(this.#monotonic());
    if (want === null) return; // full: the end of an attempt looks again
    const { store, services, terms } = this.#options, now = services.now();
    this.#due = false; // what is committed from here on says so
    this.#nextDue = undefined;
    const leases = await store.lease({
      owner: this.#owner,
      now,
      seconds: LEASE_SECONDS,
      limit: Math.min(want.limit, MOST_ASKED),
      exclude: want.exclude,
      horizon: now + longestWait(terms.retry),
    });
    if (leases.length === 0) return;
    this.#due = this.#again = true;
    const back: Job[] = [];
    for (const lease of leases) {
      for (const job of this.#jobsOf(lease)) {
        const rest = this.#jobs.withoutKnown(job);
        if (rest !== null && !this.#admit(rest)) back.push(rest);
      }
    }
    await Promise.all(back.map((job) => this.#giveBack(job, this.#window.closedUntil(job.key, this.#monotonic()))));
  }

  /** By today's routes, which may be others than when it was committed. */
  #jobsOf(lease: Lease, body: Job["body"] = null): Iterable<Job> {
    const { message, recipients } = lease,
      groups = new Map<string, { target: Target; recipients: StoredRecipient[] }>();
    for (const recipient of recipients) {
      const target = this.#options.targets.of(recipient, message.sender);
      const reason = "reason" in target ? target.reason : "";
      const name = `${keyOf(target)} ${target.kind} ${recipient.released} ${reason}`;
      const group = groups.get(name);
      if (group === undefined) groups.set(name, { target, recipients: [recipient] });
      else group.recipients.push(recipient);
    }
    return [...groups.values()].map((group) => ({ lease, body, key: keyOf(group.target), ...group }));
  }

  #admit(job: Job, options: { readonly fed?: boolean } = {}): boolean {
    const priority = job.lease.message.parameters.priority ?? 0;
    if (!this.#window.add(job.key, { priority, item: job }, this.#monotonic(), options)) return false;
    this.#jobs.add(job);
    return true;
  }

  /** What has waited here for half of its lease goes back: no attempt begins under a lease that is about to end. */
  async #returnOld(): Promise<void> {
    const now = this.#monotonic();
    if (now - this.#drained < LONGEST_SLEEP) return;
    this.#drained = now;
    const old = this.#window.drain(now, now - LEASE_SECONDS * 500);
    await Promise.all(old.map((job) => this.#giveBack(job, null)));
  }

  async #nextLook(): Promise<number> {
    const { store, services } = this.#options, now = services.now();
    if (this.#nextDue === undefined) {
      this.#nextDue = null; // what is said meanwhile counts beside the answer
      const due = await store.nextDue({ now });
      if (due !== null) this.#expect(due);
    }
    const due = this.#nextDue, wake = this.#window.nextWake();
    const waits = [
      LONGEST_SLEEP,
      due === null ? Infinity : due - now,
      wake === null ? Infinity : wake - this.#monotonic(),
    ];
    return Math.max(20, Math.min(...waits));
  }

  /** Something falls due at that moment. */
  #expect(moment: number): void {
    if (this.#nextDue !== undefined) this.#nextDue = Math.min(this.#nextDue ?? Infinity, moment);
  }

  /** A job that the window does not hold (any more), untried. */
  async #giveBack(job: Job, closed: number | null): Promise<void> {
    const { settlement } = this.#options, { message } = job.lease;
    this.#jobs.remove(job);
    const standing: Standing = { destination: job.key, closedUntil: closed === null ? null : this.#wall(closed) };
    await this.#recorder.write(job, job.recipients.map((each) => settlement.untried(message, each, standing)));
  }

  async #run(start: Start<Job>): Promise<void> {
    const job = start.item, { delivery, settlement, suspension } = this.#options;
    const { lease: { message }, recipients, target, body } = job;
    let attempted: Attempted = { results: recipients.map(() => UNTOUCHED), feedback: "neutral" };
    let died: Rest | null = null, over = false;
    const end = () => {
      if (over) return;
      over = true;
      const returned = this.#window.done(start, attempted.feedback, this.#monotonic());
      if (returned !== null) died = { items: returned.items, closedUntil: this.#wall(returned.until) };
    };
    try {
      const began = performance.now();
      attempted = await delivery.attempt({ message, recipients, target, octets: body }, this.#cut.signal);
      const ms = performance.now() - began;
      if (attempted.feedback === "failure") end(); // what is written says when the destination is asked again
      const { results } = attempted, standing = this.#standing(job.key, died);
      await this.#hardBounces(job, results);
      await this.#recorder.write(
        job,
        recipients.map((each, place) => timed(settlement.of(message, each, results[place]!, standing), { began, ms })),
      );
    } catch (error) {
      this.#trouble(error);
    } finally {
      this.#jobs.remove(job);
      end();
      const words = attempted.results.find(({ verdict }) => verdict === "deferred")?.words ?? "";
      if (died !== null) await this.#rest(job.key, died, words);
      const milliseconds = attempted.elsewhere
        ? 0
        : Math.max(attempted.leaveAlone ?? 0, longestOf(attempted.results, suspension));
      if (milliseconds > 0) await this.#suspend(job.key, milliseconds, words);
    }
  }

  /** The destination is dead: what waited for it has had an attempt by that, and so has what the store holds. */
  async #rest(key: string, { items, closedUntil }: Rest, words: string): Promise<void> {
    const { settlement, store, services } = this.#options;
    this.#window.explain(key, words);
    const result: Result = { ...ours("deferred", "4.4.1", `its destination does not answer: ${words}`.slice(0, 1000)) };
    await Promise.all(items.map((job) => {
      this.#jobs.remove(job);
      const { message } = job.lease, standing = this.#standing(key, { closedUntil });
      return this.#recorder.write(job, job.recipients.map((each) => settlement.of(message, each, result, standing)));
    }));
    if (key !== NOBODY_ASKED) await store.postpone({ destination: key, until: closedUntil, now: services.now() });
  }

  /** Of all recipients of one job. */
  #standing(destination: string, rest: Pick<Rest, "closedUntil"> | null): Standing {
    return { destination, closedUntil: rest?.closedUntil ?? null, jitter: this.#options.window.random() };
  }

  /** A reply says that we are not wanted for a while: nobody's fault, and no attempt. */
  async #suspend(key: string, milliseconds: number, words: string): Promise<void> {
    const now = this.#monotonic(), { services } = this.#options;
    const { items, until } = this.#window.suspend(key, now + milliseconds, now);
    this.#window.explain(key, words);
    const seconds = Math.round(milliseconds / 1000);
    services.emit({ type: "notice", where: "delivery", message: `${key} is left alone for ${seconds} s: ${words}` });
    await Promise.all(items.map((job) => this.#giveBack(job, until)));
  }

  async #hardBounces({ recipients }: Job, results: readonly Result[]): Promise<void> {
    const { hardBounce } = this.#options;
    if (hardBounce === undefined) return;
    for (const [place, result] of results.entries()) {
      if (result.verdict !== "rejected" || result.remote === null) continue;
      // Whatever becomes of a list, what became of the recipients is written: else they would be asked for again
      await hardBounce(recipients[place]!, result).catch((error) => this.#trouble(error));
    }
  }

  /** Where what a person's change is about goes, by a route of his where he gives one. */
  async #keysOf(what: { readonly id: string } | QueueQuery, route: Route | null): Promise<readonly string[]> {
    const { store, targets } = this.#options;
    const { state, domain }: QueueQuery = "id" in what ? {} : what;
    const items = "id" in what ? [await store.item(what.id)] : (await store.queue({ ...what, limit: 1000 })).items;
    const keys = items.flatMap((item) =>
      item === null ? [] : item.recipients
        .filter((each) => domain === undefined || each.address.domain === domain)
        .filter((each) => state === undefined || each.state === state)
        .map((each) => keyOf(targets.of({ ...each, route: route ?? each.route, released: true }, item.message.sender)))
    );
    return [...new Set(keys)];
  }

  /** A moment of the monotonic clock on the wall. */
  #wall(moment: number): number {
    return Math.round(this.#options.services.now() + Math.max(0, moment - this.#monotonic()));
  }

  #trouble(error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    this.#options.services.emit({ type: "trouble", where: "dispatcher", message });
  }
}

/** Where rules are that ask nobody: it has no host that could be dead. */
const NOBODY_ASKED = "report";

/** Where mail goes is not what it was. */
function stopsMail({ do: what }: QueueChange): boolean {
  return what === "hold" || what === "delete" || what === "bounce" || what === "route";
}

/** Observers hear how long it took, where somebody was asked. */
function timed(settled: Settled, attempt: { readonly began: number; readonly ms: number }): Settled {
  const { event } = settled;
  return event === null || !("relay" in event) || event.relay === null
    ? settled
    : { ...settled, event: { ...event, ...attempt } };
}

function longestOf(results: readonly Result[], rules: SuspensionRules): number {
  let longest = 0;
  for (const { verdict, words, remote } of results) {
    if (verdict === "deferred" && remote !== null) longest = Math.max(longest, rules.after(words));
  }
  return longest;
}

function ignore(): void {}
