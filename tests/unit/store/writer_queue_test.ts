/** What becomes of a batch whose thread dies: the next thread is told of it before it opens the database. */
import { setImmediate } from "node:timers";
import { assertEquals } from "@std/assert";
import type { Operation, Refused, WriterReply, WriterRequest } from "../../../core/store/protocol.ts";
import { DatabaseThread } from "../../../core/store/thread.ts";
import { WriterQueue } from "../../../core/store/writer_queue.ts";
import { waitFor } from "../../support/wait.ts";

/** A thread that never answers and can be made to die. */
class SilentWorker {
  onmessage: unknown = null;
  onerror: ((event: ErrorEvent) => void) | null = null;
  onmessageerror: unknown = null;
  sent = 0;
  postMessage(): void {
    this.sent++;
  }
  terminate(): void {}
}

Deno.test("a writer that died with a commit in flight is replaced by one that is told what must not be there", async () => {
  const workers: SilentWorker[] = [], told: Refused[][] = [];
  let starts = 0;
  const queue = new WriterQueue({
    trouble() {},
    start(died, refused) {
      told.push([...refused]);
      if (++starts === 2) return Promise.reject(new Error("not yet")); // and it is not forgotten by a start that fails
      const worker = new SilentWorker();
      workers.push(worker);
      return Promise.resolve(new DatabaseThread<WriterRequest, WriterReply>(worker as unknown as Worker, died));
    },
  });
  await queue.open();
  const operation = {
    do: "commit",
    id: "ID",
    file: "ID.0",
    at: 0,
    original: { size: 1, file: "ID.1" },
  } as unknown as Operation;
  const answer = queue.submit(operation);
  await waitFor("the batch to be sent", () => workers[0]!.sent > 0);
  workers[0]!.onerror!(new ErrorEvent("error", { message: "died", cancelable: true }));
  assertEquals((await answer).fault, "io");
  await waitFor("the second start", () => starts === 2);
  const both = [{ id: "ID", file: "ID.0" }, { id: "ID", file: "ID.1" }]; // the body, and what was received in its place
  assertEquals(told[1], both);
  const count = { do: "count", rows: [], now: 0 } as unknown as Operation;
  const ask = () => (void queue.submit(count), starts === 3);
  await waitFor("the third start", ask, { deadline: 5000, every: 50 });
  assertEquals(told[2], both);
  queue.end();
});

/** Answers every operation by its own name, a little later; nobody may ask before that. */
class EchoWorker {
  onmessage: ((event: { data: WriterReply }) => void) | null = null;
  onerror: unknown = null;
  onmessageerror: unknown = null;
  readonly batches: number[] = [];
  overlaps = 0;
  #busy = false;

  postMessage(request: WriterRequest): void {
    if (request.ask !== "batch") return;
    if (this.#busy) this.overlaps++;
    this.#busy = true;
    this.batches.push(request.operations.length);
    const outcomes = request.operations.map((operation) => ({ value: (operation as unknown as { id: string }).id }));
    const rest = request.operations.length === 0 ? 5 : 0; // whoever sends nothing hears of it last
    const answer = (work: () => void) => rest > 0 ? void setTimeout(work, rest) : void setImmediate(work);
    answer(() => {
      this.#busy = false;
      this.onmessage!({ data: { outcomes, free: 0, written: 0, trouble: [] } });
    });
  }
  terminate(): void {}
}

Deno.test("a batch that waits for company never goes while one is under way, nor empty: each hears its own answer", async () => {
  const worker = new EchoWorker();
  const queue = new WriterQueue({
    company: 1,
    trouble() {},
    start: (died) => Promise.resolve(new DatabaseThread<WriterRequest, WriterReply>(worker as unknown as Worker, died)),
  });
  await queue.open();
  let wrong = 0, next = 0;
  const submit = async () => {
    const id = `message ${next++}`, answer = await queue.submit({ do: "commit", id, at: 0 } as unknown as Operation);
    if (answer.fault !== undefined || answer.value !== id) wrong++;
  };
  for (let round = 0; round < 20; round++) {
    await Promise.all(Array.from({ length: 900 }, submit)); // as many are expected from now on
    const sent = worker.batches.length;
    const late: Promise<void>[] = [];
    const turn = () => { // one in each turn of the loop, up to the batch: also between the end of the wait and the batch
      if (worker.batches.length > sent || late.length > 800) return;
      for (const end = performance.now() + 0.05; performance.now() < end;); // a turn of some length: the wait ends in one
      late.push(submit());
      setImmediate(turn);
    };
    turn();
    await Promise.all(late);
    await new Promise((resolve) => setTimeout(resolve, 2)); // another wait, begun too late, would be over by now
    await Promise.all([submit(), ...late]);
  }
  assertEquals([wrong, worker.overlaps, worker.batches.filter((size) => size === 0).length], [0, 0, 0]);
  assertEquals(worker.batches.reduce((sum, size) => sum + size, 0), next);
  queue.end();
});
