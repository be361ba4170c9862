/**
 * Commits of other threads on lines of their own: durable with everybody else's, each with its own answer, and gone with a
 * writer that dies. Over real ports, with the real writer thread.
 */
import { assert, assertEquals } from "@std/assert";
import { openSqliteStore } from "../../../core/store/sqlite.ts";
import type { LineWord } from "../../../core/store/lines.ts";
import type { CommitOperation } from "../../../core/store/protocol.ts";
import type { NewMessage, Store } from "../../../core/store/store.ts";
import { WriterLine } from "../../../core/store/writer_line.ts";
import { GuestStore } from "../../../core/threads/guest_store.ts";
import { TempFolder } from "../../support/temp.ts";
import { waitFor } from "../../support/wait.ts";
import { body, deposit, message, octets, read, recipient, T0 } from "../store/messages.ts";

interface Guest {
  readonly store: GuestStore;
  line: WriterLine;
}

class House implements AsyncDisposable {
  readonly words: LineWord[] = [];
  readonly arrived: string[] = [];
  readonly asked: unknown[] = [];
  readonly trouble: string[] = [];
  readonly guests: Guest[] = [];
  renewed = 0;

  private constructor(readonly store: Store, readonly folder: TempFolder, readonly told: string[]) {
    store.lines!.hold({
      lost: () => Promise.resolve(this.guests.flatMap(({ line }) => line.end())),
      renew: () => void this.renewed++,
      wait: () => Math.max(0, ...this.guests.map(({ line }) => line.wait)),
    });
  }

  static async open(): Promise<House> {
    const folder = await TempFolder.make("postern-lines-"), told: string[] = [];
    const observer = (event: { type: string; message?: string }) => void told.push(event.message ?? event.type);
    return new House(await openSqliteStore({ folder: folder.at("data"), now: () => T0, observer }), folder, told);
  }

  guest(): Guest {
    const store = new GuestStore({
      folder: this.folder.at("data/spool"),
      memoryBudget: 1 << 20,
      headLimit: 65_536,
      ask: (question) => Promise.resolve(void this.asked.push(question)),
      health: () => ({ writerWait: 0, freeBytes: 1 }),
      arrived: (id, inbox) => void this.arrived.push(`${id} ${inbox}`),
    });
    const guest = { store, line: this.line() };
    store.line = guest.line;
    this.guests.push(guest);
    return guest;
  }

  line(): WriterLine {
    return new WriterLine(this.store.lines!.open()!, {
      wrote: (word) => void this.words.push(word),
      trouble: (sentence) => void this.trouble.push(sentence),
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { line } of this.guests) line.end();
    await this.store.close();
    await this.folder[Symbol.asyncDispose]();
  }
}

async function commit({ store }: Guest, made: NewMessage, content = octets(100)): Promise<NewMessage> {
  await store.commit(made, await body(store, made.id, content));
  return made;
}
const letter = (more: Partial<NewMessage> = {}) => message({ deposits: [deposit("box")], ...more });

Deno.test("what two threads and the owner commit at once is there byte for byte, in memory or in a file", async () => {
  await using house = await House.open();
  const guests = [house.guest(), house.guest()], sizes = [100, 5000, 400_000];
  const made = await Promise.all(
    Array.from({ length: 30 }, async (_, at) => {
      const content = octets(sizes[at % 3]!, at), one = letter();
      if (at % 5 === 4) await house.store.commit(one, await body(house.store, one.id, content));
      else await commit(guests[at % 2]!, one, content);
      return { one, content, own: at % 5 === 4 };
    }),
  );
  for (const { one, content } of made) assertEquals(await read(await house.store.received(one.id)), content);
  const own = made.filter((each) => each.own).length;
  assertEquals(house.arrived.length, made.length - own);
  assertEquals(house.arrived.map((line) => line.split(" ")[1]), house.arrived.map(() => "box"));
  assert(house.words.reduce((sum, { operations }) => sum + operations, 0) <= made.length);
  assertEquals(house.asked, []);
});

Deno.test("what somebody has to take on goes to the owner, what is held for a person does not", async () => {
  await using house = await House.open();
  const guest = house.guest();
  await commit(guest, message({ recipients: [recipient("a@example.net")] }));
  await commit(guest, message({ recipients: [recipient("a@example.net", { state: "deferred" })] }));
  assertEquals(house.asked.length, 2);
  const held = message({ recipients: [recipient("a@example.net", { state: "held", lastReply: "why" })] });
  await commit(guest, held);
  assertEquals([house.asked.length, (await house.store.item(held.id))?.recipients[0]?.state], [2, "held"]);
});

Deno.test("a commit that cannot be written spoils nobody else's, whichever line it came by", async () => {
  await using house = await House.open();
  const [one, two] = [house.guest(), house.guest()], there = await commit(one, letter());
  const answers = await Promise.allSettled([
    commit(one, letter({ id: there.id })), // the id is taken
    commit(one, letter()),
    commit(two, letter()),
  ]);
  assertEquals(answers.map(({ status }) => status), ["rejected", "fulfilled", "fulfilled"]);
  assertEquals((await house.store.inboxes.list({ limit: 10 })).total, 3);
});

Deno.test("case 71: of what lines had under way with a writer that died nothing is kept but what was answered", async () => {
  await using house = await House.open();
  const guests = [house.guest(), house.guest()], breaks = house.store.lines!.open()!;
  const answers: { id: string; done: boolean }[] = [], under: Promise<void>[] = [];
  for (let at = 0; at < 60; at++) {
    if (at === 30) breaks.postMessage({ operations: "no JSON", octets: new ArrayBuffer(0) });
    const one = letter(), sent = commit(guests[at % 2]!, one, octets(at % 3 === 0 ? 300_000 : 100, at));
    under.push(sent.then(() => void answers.push({ id: one.id, done: true }), () => {
      answers.push({ id: one.id, done: false });
    }));
    if (at % 4 === 0) await Promise.race([sent.catch(() => {}), new Promise((resolve) => setTimeout(resolve))]);
  }
  await Promise.all(under);
  breaks.close();
  await waitFor("another writer", () => house.renewed > 0);
  const listed = await house.store.inboxes.list({ limit: 500 });
  const there = new Set(listed.messages.map(({ id }) => id.split(".")[0]!.slice(0, 26)));
  for (const { id, done } of answers) assertEquals(there.has(id), done, `${id} ${done}`);
  assert(answers.some(({ done }) => !done), "the writer died after all of them");
  for (const guest of guests) guest.store.line = guest.line = house.line();
  const after = await commit(guests[0]!, letter());
  assertEquals(await read(await house.store.received(after.id)), octets(100));
});

Deno.test("of what was under way on a line every file is told, also of what was received in the place of a body", async () => {
  const { port1, port2 } = new MessageChannel(), line = new WriterLine(port1, { wrote() {}, trouble() {} });
  const sent = new Promise((resolve) => port2.onmessage = resolve);
  const operation = { do: "commit", id: "ID", file: "ID.0", at: 0, original: { size: 1, file: "ID.1" } };
  const answer = line.submit(operation as unknown as CommitOperation, null);
  await sent;
  assertEquals(line.end(), [{ id: "ID", file: "ID.0" }, { id: "ID", file: "ID.1" }]);
  assertEquals(await answer, { fault: "io", message: "the writer thread ended", lost: true });
  port2.close();
});
