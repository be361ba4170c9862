/** What threads say to each other, over a real pair of ports: answers, faults, octets, and one message for a whole turn. */
import { assertEquals, assertRejects } from "@std/assert";
import { Exchange, type Port } from "../../../core/threads/exchange.ts";
import { StoreError } from "../../../core/store/store.ts";
import { waitFor } from "../../support/wait.ts";

interface Pair extends Disposable {
  readonly asks: Exchange<unknown, never, unknown, never>;
  readonly notes: unknown[];
  /** Messages that went either way. */
  readonly sent: { asked: number; answered: number };
}

function pair(answer: (question: unknown, octets: Uint8Array) => unknown): Pair {
  const { port1, port2 } = new MessageChannel(), notes: unknown[] = [], sent = { asked: 0, answered: 0 };
  const counting = (port: MessagePort, name: keyof typeof sent): Port => ({
    set onmessage(handler: Port["onmessage"]) {
      port.onmessage = handler;
    },
    postMessage(message, transfer) {
      sent[name]++;
      port.postMessage(message, transfer);
    },
  });
  const asks = new Exchange<unknown, never, unknown, never>(counting(port1, "asked"), {
    answer: () => {},
    told: () => {},
  });
  new Exchange<never, unknown, never, unknown>(counting(port2, "answered"), {
    answer,
    told: (note) => notes.push(note),
  });
  return {
    asks,
    notes,
    sent,
    [Symbol.dispose]: () => {
      port1.close();
      port2.close();
    },
  };
}

Deno.test("all of a turn crosses in one message each way, each with its own answer and octets", async () => {
  using both = pair((question, octets) => [question, [...octets]]);
  const answers = await Promise.all([
    both.asks.ask("one", Uint8Array.of(1, 2), Uint8Array.of(3)),
    both.asks.ask("two"),
    both.asks.ask("three", Uint8Array.of(4)),
  ]);
  assertEquals(answers, [["one", [1, 2, 3]], ["two", []], ["three", [4]]]);
  assertEquals(both.sent, { asked: 1, answered: 1 });
});

Deno.test("a fault comes over as what it is, whether it was thrown or came later", async () => {
  using both = pair((question) => {
    if (question === "store") return Promise.reject(new StoreError("full", "no space"));
    if (question === "range") throw new RangeError("a counter lives for a number of seconds");
    throw "no error at all";
  });
  const full = await assertRejects(() => both.asks.ask("store"), StoreError, "no space");
  assertEquals(full.fault, "full");
  await assertRejects(() => both.asks.ask("range"), RangeError, "a number of seconds");
  await assertRejects(() => both.asks.ask("other"), Error, "no error at all");
});

Deno.test("a value that cannot cross spoils nothing that goes with it", async () => {
  using both = pair((question) => question === "function" ? () => {} : question);
  both.asks.tell({ told: () => {} });
  const [first, second] = await Promise.allSettled([both.asks.ask({ odd: () => {} }), both.asks.ask("good")]);
  assertEquals(first.status, "rejected");
  assertEquals(second, { status: "fulfilled", value: "good" });
  await assertRejects(() => both.asks.ask("function"), Error);
  await waitFor("the note", () => both.notes.length === 1);
});

Deno.test("what is asked of a side that is no more, and what it owed, is refused", async () => {
  using both = pair(() => new Promise(() => {}));
  const waits = both.asks.ask("for ever");
  waits.catch(() => {});
  both.asks.close(new Error("thread ended"));
  await assertRejects(() => waits, Error, "thread ended");
  await assertRejects(() => both.asks.ask("more"), Error, "thread ended");
});
