/** Questions whose clients leave or stop waiting, and hops that answer late. */
import { assertEquals } from "@std/assert";
import { defer, Reply, SimulatedCounters } from "../../../../../core/pipeline/mod.ts";
import { type Asker, Questions } from "../../../../../plugins/access/verify_recipient/questions.ts";
import { parseRate } from "../../../../../plugins/access/rate.ts";
import { waitFor, within } from "../../../../support/wait.ts";

const SUBJECT = { hop: "exchange", name: "exchange a@example.org" };
const TAKEN = new Reply(250, "2.1.5", "OK");

const questions = (timeout: number) =>
  new Questions({ sender: null, rate: parseRate("100/1m"), timeout, pause: 60, keep: () => 3600 });

/** As much of a context as a question needs. */
function client(counters: SimulatedCounters, callAhead: Asker["callAhead"]) {
  const leaving = new AbortController();
  const alerts: string[] = [];
  const alert = (subject: string, message: string) => void alerts.push(`${subject} ${message}`);
  const ctx: Asker = { store: counters, signal: leaving.signal, now: () => 0, alert, callAhead };
  return { ctx, alerts, leave: () => leaving.abort() };
}

Deno.test("a client that leaves takes its question along, and the next who waits asks in its place", async () => {
  const counters = new SimulatedCounters(), asked: string[] = [], all = questions(10_000);
  const first = client(counters, () => {
    asked.push("first");
    return new Promise((resolve) =>
      first.ctx.signal.addEventListener("abort", () => resolve(defer("4.4.1", "given up")))
    );
  });
  const others = [1, 2, 3].map(() =>
    client(counters, () => {
      asked.push("another");
      return Promise.resolve(TAKEN);
    })
  );
  const left = all.ask(first.ctx, SUBJECT);
  await waitFor("the first question", () => asked.length === 1, { every: 1 });
  const answers = others.map(({ ctx }) => all.ask(ctx, SUBJECT));
  first.leave();
  assertEquals(await within("the answers", Promise.all(answers), 5000), [TAKEN, TAKEN, TAKEN]);
  assertEquals([asked, await left], [["first", "another"], { unanswered: "the client has gone" }]);
  assertEquals(await counters.get("silent exchange"), undefined);
});

Deno.test("an answer that comes too late for the client is remembered all the same; the hop has a rest", async () => {
  const counters = new SimulatedCounters(), answer = Promise.withResolvers<Reply>(), all = questions(20);
  const { ctx, alerts } = client(counters, () => answer.promise);
  assertEquals(await all.ask(ctx, SUBJECT), { unanswered: "exchange gave no answer in 20 ms" });
  assertEquals([await counters.get("silent exchange"), all.isUnderWay(SUBJECT)], ["1", true]);
  assertEquals(alerts, ["exchange does not say which recipients it takes: exchange gave no answer in 20 ms"]);
  answer.resolve(TAKEN);
  await waitFor("the answer to be kept", () => counters.get(`answer ${SUBJECT.name}`), { every: 1 });
  await waitFor("the end of the question", () => !all.isUnderWay(SUBJECT), { every: 1 });
});

Deno.test("a question that fails is everybody's failure, and leaves nothing behind", async () => {
  const counters = new SimulatedCounters(), all = questions(1000);
  const { ctx } = client(counters, () => Promise.reject(new TypeError("nobody here asks other hosts")));
  const answers = await Promise.allSettled([all.ask(ctx, SUBJECT), all.ask(ctx, SUBJECT)]);
  assertEquals(answers.map(({ status }) => status), ["rejected", "rejected"]);
  assertEquals(all.isUnderWay(SUBJECT), false);
});
