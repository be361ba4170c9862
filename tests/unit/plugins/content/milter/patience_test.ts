/** How long a milter may take, by a clock that the test moves. */
import { assertEquals } from "@std/assert";
import { MilterLate, Patience } from "../../../../../plugins/content/milter/patience.ts";

/** Timers of the global scope by a clock of our own, while `work` runs. */
function withClock(work: (pass: (ms: number) => void) => void): void {
  const { setTimeout: set, clearTimeout: clear } = globalThis;
  const timers = new Map<number, { at: number; ring: () => void }>();
  let now = 0, last = 0;
  globalThis.setTimeout = ((ring: () => void, ms: number) => {
    timers.set(++last, { at: now + ms, ring });
    return last;
  }) as unknown as typeof setTimeout;
  globalThis.clearTimeout = ((id: number) => void timers.delete(id)) as typeof clearTimeout;
  try {
    work((ms) => {
      now += ms;
      for (const [id, { at, ring }] of [...timers]) if (at <= now && timers.delete(id)) ring();
    });
    assertEquals(timers.size, 0, "no timer is left");
  } finally {
    globalThis.setTimeout = set;
    globalThis.clearTimeout = clear;
  }
}
const patience = (signal = new AbortController().signal) => new Patience({ answer: 100, whole: 1000, signal });

Deno.test("each answer has its time, signs of life begin it anew, all together have an end", () => {
  withClock((pass) => {
    using waiting = patience();
    for (let turn = 0; turn < 9; turn++) {
      waiting.await();
      pass(99);
      assertEquals(waiting.signal.aborted, false);
    }
    waiting.came();
    pass(100);
    assertEquals(waiting.signal.aborted, false, "nothing is awaited");
    pass(9);
    assertEquals(
      waiting.signal.reason instanceof MilterLate && waiting.signal.reason.message,
      "no answer within 1000 ms",
    );
  });
});

Deno.test("an answer that does not come; one that may take all the time that there is", () => {
  withClock((pass) => {
    using short = patience(), long = patience();
    short.await();
    long.await(Infinity);
    pass(100);
    assertEquals([short.signal.aborted, long.signal.aborted], [true, false]);
    assertEquals(short.signal.reason.message, "no answer within 100 ms");
    pass(900);
    assertEquals(long.signal.aborted, true);
  });
});

Deno.test("who asked gives up, before or meanwhile", () => {
  withClock(() => {
    const gone = new AbortController(), why = new Error("gone");
    using waiting = patience(gone.signal);
    gone.abort(why);
    using late = patience(gone.signal);
    assertEquals([waiting.signal.reason, late.signal.reason], [why, why]);
  });
});
