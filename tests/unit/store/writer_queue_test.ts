/** What becomes of a batch whose thread dies: the next thread is told of it before it opens the database. */
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
  const operation = { do: "commit", id: "ID", file: "ID.0", at: 0 } as unknown as Operation;
  const answer = queue.submit(operation);
  await waitFor("the batch to be sent", () => workers[0]!.sent > 0);
  workers[0]!.onerror!(new ErrorEvent("error", { message: "died", cancelable: true }));
  assertEquals((await answer).fault, "io");
  await waitFor("the second start", () => starts === 2);
  assertEquals(told[1], [{ id: "ID", file: "ID.0" }]);
  const count = { do: "count", rows: [], now: 0 } as unknown as Operation;
  const ask = () => (void queue.submit(count), starts === 3);
  await waitFor("the third start", ask, { deadline: 5000, every: 50 });
  assertEquals(told[2], [{ id: "ID", file: "ID.0" }]);
  queue.end();
});
