/**
 * A store that forgets with the process: for tests, for trying things out, and as the plainest statement of what the
 * interface means. The same contract suite runs over it as over the one on disk. Non-job: durability.
 */
import { applyEdits } from "../model/edits.ts";
import type { Observer } from "../observe/events.ts";
import { CounterCache } from "./counters.ts";
import { adopted, itemOf, type Message, type Recipient, settleOne, wholeOf } from "./memory_item.ts";
import { MemoryInboxes } from "./memory_inboxes.ts";
import { domainsOf, inOrder, matches, totalsOf } from "./memory_queue.ts";
import { claimedLeases, dueAt, readEntryId } from "./rows.ts";
import { Spool } from "./spool.ts";
import { octetStream } from "./spool_file.ts";
import {
  type Body,
  type BodyWriter,
  type Claim,
  type CommitOptions,
  type Counters,
  type DomainTotals,
  FINAL_STATES,
  type Lease,
  type LeaseOptions,
  type NewDeposit,
  type NewMessage,
  type NewReport,
  type QuarantineStore,
  type QueueChange,
  type QueueItem,
  type QueueListQuery,
  type QueuePage,
  type QueueQuery,
  type QueueTotals,
  type RecipientOutcome,
  type Store,
  type StoredMessage,
  StoreError,
  type StoreHealth,
  type WholeItem,
} from "./store.ts";

export interface MemoryOptions {
  /** Octets of bodies under way (default 32 MiB). */
  readonly memoryBudget?: number;
  readonly observer?: Observer;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

/** One destination's part of a message: what a lease covers. */
interface Part {
  readonly item: Message;
  readonly due: Recipient[];
}
type Octets = ReadableStream<Uint8Array<ArrayBuffer>>;

export class MemoryStore implements Store {
  readonly inboxes: MemoryInboxes;
  readonly quarantine: QuarantineStore;
  readonly counters: Counters;
  readonly #spool: Spool;
  readonly #now: () => number;
  readonly #messages = new Map<string, Message>();
  #closed = false;

  constructor(options: MemoryOptions = {}) {
    const { memoryBudget, observer, now = Date.now } = options;
    this.#now = now;
    this.#spool = new Spool({
      folder: null,
      ...(memoryBudget === undefined ? {} : { budget: memoryBudget, memoryLimit: memoryBudget }),
    });
    this.counters = new CounterCache({
      now,
      limit: Infinity,
      all: [],
      load: () => Promise.resolve(null),
      list: () => Promise.resolve([]),
      save: () => Promise.resolve(),
    });
    const quarantined = () =>
      [...this.#messages.values()].filter(({ expires, recipients }) =>
        expires !== undefined && recipients.some(({ facts }) => facts.state === "held")
      );
    this.quarantine = {
      total: () =>
        this.#ask(() => {
          const all = quarantined();
          const octets = all.reduce((sum, each) => sum + each.octets.length + (each.original?.length ?? 0), 0);
          return { messages: all.length, octets };
        }),
      expire: ({ now }) =>
        this.#ask(() => {
          const doomed = ({ facts }: Recipient) => facts.state === "held" && !facts.released;
          const due = quarantined().filter(({ expires }) => expires! <= now);
          return due.filter(({ recipients }) => recipients.some(doomed)).map((item) => {
            const { message: { id }, recipients } = item;
            recipients.splice(0, Infinity, ...recipients.filter((each) => !doomed(each)));
            delete item.expires;
            this.#tidy(id);
            return id;
          });
        }),
    };
    this.inboxes = new MemoryInboxes({
      ask: (answer) => this.#ask(answer),
      message: (id) => this.#messages.get(id)?.message,
      tidy: (id) => this.#tidy(id),
      trouble: (message) => observer?.({ type: "trouble", where: "store", message }),
    });
  }

  receive(id: string): BodyWriter {
    if (this.#closed) throw closed();
    return this.#spool.receive(id);
  }

  async commit(
    message: NewMessage,
    body: Body,
    { claim, received, expires }: CommitOptions = {},
  ): Promise<readonly Lease[]> {
    try {
      if (this.#closed) throw closed();
      const octets = body.memory ?? new Uint8Array(await new Response(body.stream()).arrayBuffer());
      const original = received && (received.memory?.slice() ?? await new Response(received.stream()).bytes());
      const stored = this.#keep(message, octets.slice(), claim);
      if (expires !== undefined && stored !== null) this.#messages.get(message.id)!.expires = expires;
      if (original && stored !== null) this.#messages.get(message.id)!.original = original;
      await Promise.resolve(); // as with a disk, nobody hears of it before the caller goes on
      if (stored !== null) this.inboxes.deposit(stored, message.deposits);
      return claim === undefined ? [] : claimedLeases(message, octets.length, claim);
    } finally {
      body.discard();
      received?.discard();
    }
  }

  /** Null when nobody would ever read it. */
  #keep(message: NewMessage, octets: Uint8Array<ArrayBuffer>, claim?: Claim): StoredMessage | null {
    if (this.#messages.has(message.id)) throw new StoreError("io", `message ${message.id} is there already`);
    const { recipients, deposits, ...facts } = structuredClone(message) as NewMessage;
    if (recipients.length === 0 && deposits.length === 0) return null;
    const stored: StoredMessage = { ...facts, size: octets.length, version: 1 };
    this.#messages.set(message.id, {
      message: stored,
      octets,
      recipients: recipients.map(({ appointed = false, ...recipient }, index) => {
        const taken = recipient.state === "ready" ? claim : undefined, state = taken ? "active" : recipient.state;
        const due = taken?.until ?? dueAt(recipient.nextAttempt, recipient.deadline);
        return {
          facts: { ...recipient, state, index, attempts: 0, told: null, released: false },
          due: recipient.state === "held" ? null : due,
          appointed,
          owner: taken?.owner ?? null,
        };
      }),
    });
    return stored;
  }

  lease(options: LeaseOptions): Promise<readonly Lease[]> {
    return this.#ask(() => {
      const { owner, now, seconds, limit } = options;
      const until = now + seconds * 1000;
      const parts = this.#parts(options);
      const deadline = ({ due }: Part) => Math.min(...due.map(({ facts }) => facts.deadline ?? Infinity));
      const owed = parts.filter((part) => deadline(part) <= now).sort((a, b) => deadline(a) - deadline(b))
        .slice(0, Math.ceil(limit / 2)); // the others have a right to the rest
      const since = ({ due }: Part) => Math.min(...due.map((recipient) => recipient.due!));
      const out = ({ due }: Part) => Number(options.exclude?.includes(due[0]!.facts.destination) ?? false);
      const rest = parts.filter((part) => !owed.includes(part))
        .sort((a, b) => out(a) - out(b) || since(a) - since(b));
      return [...owed, ...rest].slice(0, limit).map(({ item, due }): Lease => {
        for (const recipient of due) {
          recipient.facts.state = "active";
          recipient.due = until;
          recipient.owner = owner;
        }
        return { message: item.message, recipients: due.map(({ facts }) => structuredClone(facts)), owner, until };
      });
    });
  }

  #parts({ now, exclude = [], horizon = Infinity }: LeaseOptions): readonly Part[] {
    const excluded = new Set(exclude), parts = new Map<string, Part>();
    for (const item of this.#messages.values()) {
      for (const recipient of item.recipients) {
        const { facts, appointed } = recipient;
        if (recipient.due === null) continue;
        if (recipient.due > horizon && facts.state !== "active" && !appointed) {
          facts.nextAttempt = now;
          recipient.due = dueAt(now, facts.deadline);
        }
        if (recipient.due > now) continue;
        recipient.appointed = false; // the moment has come: it is due like anything else
        if (excluded.has(facts.destination) && (facts.deadline === null || facts.deadline > now)) continue;
        const key = `${item.message.id} ${facts.destination}`, part = parts.get(key);
        if (part) part.due.push(recipient);
        else parts.set(key, { item, due: [recipient] });
      }
    }
    return [...parts.values()];
  }

  settle(lease: Lease, outcomes: readonly RecipientOutcome[], reports: readonly NewReport[] = []): Promise<boolean> {
    return this.#ask(() => {
      const item = this.#messages.get(lease.message.id);
      const pairs = outcomes.flatMap((outcome) => {
        const recipient = item?.recipients.find(({ facts }) => facts.index === outcome.index);
        if (recipient === undefined) return []; // deleted meanwhile
        const held = recipient.facts.state === "active" && recipient.owner === lease.owner &&
          recipient.due === lease.until;
        return [held ? { recipient, outcome } : null];
      });
      if (item === undefined || pairs.length === 0 || pairs.includes(null)) return false;
      const ids = reports.map(({ message }) => message.id);
      const taken = ids.find((id, place) => this.#messages.has(id) || ids.indexOf(id) < place);
      if (taken !== undefined) throw new StoreError("io", `message ${taken} is there already`);
      for (const { recipient, outcome } of pairs as { recipient: Recipient; outcome: RecipientOutcome }[]) {
        settleOne(recipient, outcome);
        this.inboxes.deposit(item.message, structuredClone(outcome.deposits ?? []) as readonly NewDeposit[]);
      }
      this.#tidy(lease.message.id);
      for (const { message, content } of reports) {
        const stored = this.#keep(message, content.slice());
        if (stored !== null) this.inboxes.deposit(stored, message.deposits);
      }
      return true;
    });
  }

  postpone({ destination, until }: { destination: string; until: number; now: number }): Promise<number> {
    return this.#ask(() => {
      let changed = 0;
      for (const recipient of [...this.#messages.values()].flatMap(({ recipients }) => recipients)) {
        const { facts, due, appointed } = recipient;
        const waits = facts.state === "ready" || facts.state === "deferred";
        if (facts.destination !== destination || !waits || due === null || appointed) continue;
        if (due >= until || facts.nextAttempt >= until) continue;
        Object.assign(facts, { state: "deferred", nextAttempt: until, attempts: facts.attempts + 1 });
        recipient.due = dueAt(until, facts.deadline);
        changed++;
      }
      return changed;
    });
  }

  nextDue({ now }: { readonly now: number }): Promise<number | null> {
    return this.#ask(() => {
      let next: number | null = null;
      for (const { recipients } of this.#messages.values()) {
        for (const { due } of recipients) if (due !== null && due > now && (next === null || due < next)) next = due;
      }
      return next;
    });
  }

  oldest(): Promise<number | null> {
    return this.#ask(() => {
      let oldest: number | null = null;
      for (const { message, recipients } of this.#messages.values()) {
        const waits = recipients.some(({ facts: { state } }) =>
          state === "ready" || state === "active" || state === "deferred"
        );
        if (waits) oldest = Math.min(oldest ?? Infinity, message.receivedAt);
      }
      return oldest;
    });
  }

  queue(query: QueueListQuery): Promise<QueuePage> {
    return this.#ask(() => {
      const found = inOrder(this.#matching(query), query), { offset = 0 } = query;
      const limit = Math.max(0, Math.min(query.limit ?? 100, 1000));
      return { total: found.length, items: found.slice(offset, offset + limit).map(itemOf), corrupt: [] };
    });
  }

  domains({ limit }: { readonly limit: number }): Promise<readonly DomainTotals[]> {
    return this.#ask(() => domainsOf(this.#messages.values()).slice(0, limit));
  }

  totals(query: Pick<QueueQuery, "domain">): Promise<QueueTotals> {
    return this.#ask(() => totalsOf([...this.#messages.values()], query));
  }

  item(id: string): Promise<QueueItem | null> {
    return this.#ask(() => {
      const item = this.#messages.get(id);
      return item && item.recipients.length > 0 ? itemOf(item) : null;
    });
  }

  whole(id: string): Promise<WholeItem | null> {
    return this.#ask(() => {
      const item = this.#messages.get(id);
      return item && item.recipients.length > 0 ? wholeOf(item) : null;
    });
  }

  async adopt(item: WholeItem, body: Body, received?: Body): Promise<boolean> {
    try {
      const octets = await new Response(body.stream()).bytes();
      const original = received && await new Response(received.stream()).bytes();
      return await this.#ask(() => {
        const { id } = item.message;
        if (this.#messages.has(id)) return false;
        this.#messages.set(id, adopted(item, octets, original));
        return true;
      });
    } finally {
      body.discard();
      received?.discard();
    }
  }

  change(what: { readonly id: string } | QueueQuery, change: QueueChange): Promise<number> {
    return this.#ask(() => {
      const query: QueueQuery = "id" in what ? {} : what;
      const items = "id" in what
        ? [this.#messages.get(what.id)].filter((item) => item !== undefined)
        : this.#matching(query).slice(0, query.limit);
      let changed = 0;
      for (const item of items) {
        for (const recipient of [...item.recipients]) {
          if (matches(item, recipient, query) && this.#changeOne(item, recipient, change)) changed++;
        }
        this.#tidy(item.message.id);
      }
      return changed;
    });
  }

  raw(id: string): Promise<Octets | null> {
    return this.#ask(() => {
      const item = this.#find(id);
      return item ? applyEdits(octetStream(item.octets), item.message.edits) : null;
    });
  }

  content(id: string): Promise<Octets | null> {
    return this.#ask(() => {
      const item = this.#find(id);
      return item ? octetStream(item.octets) : null;
    });
  }

  received(id: string): Promise<Octets | null> {
    return this.#ask(() => {
      const item = this.#find(id);
      return item ? octetStream(item.original ?? item.octets) : null;
    });
  }

  health(): StoreHealth {
    return { writerWait: 0, freeBytes: this.#spool.budget - this.#spool.used, bodyBytes: this.#spool.used };
  }

  close(): Promise<void> {
    this.#closed = true;
    return Promise.resolve();
  }

  async #ask<T>(answer: () => T): Promise<T> {
    await Promise.resolve();
    if (this.#closed) throw closed();
    return answer();
  }

  #find(id: string): Message | undefined {
    const at = readEntryId(id);
    return at === null ? undefined : this.#messages.get(at.message);
  }

  #matching(query: QueueQuery): Message[] {
    return [...this.#messages.values()]
      .filter((each) => each.recipients.some((recipient) => matches(each, recipient, query)))
      .sort((a, b) => a.message.id < b.message.id ? 1 : -1);
  }

  #changeOne(item: Message, recipient: Recipient, change: QueueChange): boolean {
    const { facts } = recipient;
    // Somebody works on an active recipient until its lease ends: whatever he reports must still fit.
    const state = facts.state === "active" && recipient.due! <= this.#now() ? "ready" : facts.state;
    const ready = () => {
      facts.state = "ready";
      facts.nextAttempt = this.#now();
      recipient.due = dueAt(facts.nextAttempt, facts.deadline);
      Object.assign(recipient, { owner: null, appointed: false });
      return true;
    };
    switch (change.do) {
      case "retry":
        return ["ready", "deferred", "corrupt", "failed", "expired"].includes(state) && ready();
      case "release":
        if (state !== "held") return false;
        facts.released = true;
        return ready();
      case "hold":
        if (state !== "ready" && state !== "deferred") return false;
        Object.assign(recipient, { due: null, owner: null });
        Object.assign(facts, { state: "held", released: true, lastReply: change.reason });
        return true;
      case "route":
        if (state !== "ready" && state !== "deferred" && state !== "held") return false;
        facts.route = change.route;
        facts.destination = change.destination ?? `mx:${facts.address.domain.toLowerCase()}`;
        return state === "held" || ready();
      case "bounce":
        if (state !== "ready" && state !== "deferred" && state !== "held") return false;
        facts.route = { to: "report", action: "failed", reason: change.reason };
        facts.destination = "report";
        return ready();
      case "delete":
        item.recipients.splice(item.recipients.indexOf(recipient), 1);
        return true;
    }
  }

  /** Delivered recipients, and failed ones whose sender was told, go when nothing is under way any more; then the message. */
  #tidy(id: string): void {
    const recipients = this.#messages.get(id)?.recipients;
    if (recipients === undefined) return;
    if (recipients.every(({ facts }) => FINAL_STATES.includes(facts.state))) {
      const left = recipients.filter(({ facts }) => facts.state !== "delivered" && facts.told === null);
      recipients.splice(0, recipients.length, ...left);
    }
    if (recipients.length === 0 && !this.inboxes.holds(id)) this.#messages.delete(id);
  }
}

function closed(): StoreError {
  return new StoreError("closed", "the store is closed");
}
