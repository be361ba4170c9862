/**
 * One life of a store in a process of its own: it takes messages (some with another body kept beside), delivers and
 * fails recipients with reports, removes copies from inboxes and counts, and says what it has promised: a line
 * `promise JSON` for each, when the store's own promise has resolved (chain.ts has their kinds).
 *
 *     deno run -A tests/power/store_life.ts FOLDER SEED OPERATIONS END
 *
 * END `close` ends it as a server ends, anything else at once. Non-job: cuts, and what must be there then.
 */
import { newId } from "../../core/model/id.ts";
import { openSqliteStore } from "../../core/store/sqlite.ts";
import type { Lease, NewReport, RecipientOutcome } from "../../core/store/store.ts";
import { Random } from "../support/random.ts";
import { body, deposit, message, octets, recipient } from "../unit/store/messages.ts";
import type { Content, Promised } from "./chain.ts";

class Life {
  readonly #random: Random;
  #left: number;
  #count = 0;
  /** Messages whose copy in an inbox may be removed. */
  readonly #removable: string[] = [];

  constructor(readonly store: Awaited<ReturnType<typeof openSqliteStore>>, seed: number, operations: number) {
    this.#random = new Random(seed);
    this.#left = operations;
  }

  async session(): Promise<void> {
    while (this.#left-- > 0) {
      const kind = this.#random.below(10);
      if (kind < 5) await this.#take();
      else if (kind < 8) await this.#settle();
      else if (kind < 9) await this.#remove();
      else await this.#add();
    }
  }

  #content(): Content {
    const large = this.#random.below(4) === 0;
    return {
      size: large ? 263_000 + this.#random.below(100_000) : 20 + this.#random.below(20_000),
      salt: this.#random.below(251),
    };
  }

  async #take(): Promise<void> {
    const id = newId(Date.now()),
      content = this.#content(),
      received = this.#random.below(3) === 0 ? this.#content() : null;
    const made = await body(this.store, id, octets(content.size, content.salt), 65_536);
    const original = received && await body(this.store, id, octets(received.size, received.salt), 65_536);
    const recipients = [recipient("a@x.example"), recipient("b@y.example")];
    await this.store.commit(message({ id, recipients, deposits: [deposit("box")] }), made, {
      ...original && { received: original },
    });
    say({ kind: "taken", id, content, received });
    this.#removable.push(id);
  }

  /** Delivers, or gives up and reports, all recipients of a lease. */
  async #settle(): Promise<void> {
    const [lease] = await this.store.lease({ owner: `w${this.#count++}`, now: Date.now(), seconds: 60, limit: 1 });
    if (lease === undefined) return;
    const fails = this.#random.below(3) === 0, report = fails ? this.#report(lease) : null;
    const outcomes = lease.recipients.map(({ index }): RecipientOutcome => ({
      index,
      ...fails ? { state: "failed", told: Date.now() } : { state: "delivered" },
    }));
    if (!await this.store.settle(lease, outcomes, report ? [report.report] : [])) return;
    for (const { index } of lease.recipients) {
      say({
        kind: "settled",
        id: lease.message.id,
        index,
        report: report && { id: report.report.message.id, ...report.content },
      });
    }
  }

  #report(lease: Lease): { report: NewReport; content: Content } {
    const content = { size: 500 + this.#random.below(3000), salt: lease.recipients[0]!.index };
    const about = message({ id: newId(Date.now()), sender: null, deposits: [deposit("reports")] });
    return { content, report: { message: about, content: octets(content.size, content.salt) } };
  }

  async #remove(): Promise<void> {
    const id = this.#removable.shift();
    if (id === undefined) return;
    say({ kind: "going", id });
    await this.store.inboxes.remove({ id });
    say({ kind: "gone", id });
  }

  async #add(): Promise<void> {
    const name = `failures ${this.#random.below(5)}`;
    const value = await this.store.counters.add(name, 1, { seconds: 3600, durable: true });
    say({ kind: "counted", name, value });
  }
}

function say(promised: Promised): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`promise ${JSON.stringify(promised)}\n`));
}

if (import.meta.main) {
  const [folder = "", seed = "1", operations = "1", end = ""] = Deno.args;
  Deno.mkdirSync(folder, { recursive: true, mode: 0o700 }); // as whoever installs a server does, and syncs nothing
  const store = await openSqliteStore({ folder });
  const life = new Life(store, Number(seed), Number(operations));
  await Promise.all(Array.from({ length: 4 }, () => life.session()));
  if (end === "close") await store.close();
  Deno.exit(0);
}
