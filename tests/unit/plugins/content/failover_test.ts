/** Several servers: who is asked, in which order, for how long. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { EngineError } from "../../../../plugins/content/engine_error.ts";
import { Failover } from "../../../../plugins/content/failover.ts";

const NEVER = new AbortController().signal;

Deno.test("failover: the first that can; who failed stands behind for half a minute, and is never forgotten", async () => {
  const servers = new Failover(["a", "b", "c"], (name) => name);
  let now = 1_000_000, asked: string[] = [];
  const down = new Set<string>(), failed: string[] = [];
  const ask = async (): Promise<string> => {
    asked = [];
    const answer = await servers.ask(
      (server) => {
        asked.push(server);
        return down.has(server) ? Promise.reject(new EngineError("down")) : Promise.resolve(server);
      },
      { timeout: 10_000, signal: NEVER, now: () => now, failed: (name, why) => failed.push(`${name}: ${why}`) },
    ).catch((error: Error) => error.message);
    return `${asked.join("")} ${answer}`;
  };
  assertEquals(await ask(), "a a");
  down.add("a");
  assertEquals(await ask(), "ab b");
  assertEquals(await ask(), "b b");
  down.add("b").add("c");
  assertEquals(await ask(), "bca b: down; c: down; a: down");
  assertEquals(failed, ["a: down", "b: down", "c: down", "a: down"]);
  down.clear();
  assertEquals(await ask(), "a a", "all are set back: list order counts, and the first is well again");
  down.add("a");
  await ask();
  now += 31_000;
  down.clear();
  assertEquals(await ask(), "a a");
});

Deno.test("failover: a silent server leaves time for the next one", async () => {
  const servers = new Failover(["silent", "well"], (name) => name);
  const answer = await servers.ask(
    (server, signal) =>
      server === "well"
        ? Promise.resolve(server)
        : new Promise<string>((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
    {
      timeout: 400,
      signal: NEVER,
      now: Date.now,
      failed: (_, why) => assert(/^no answer within \d+ ms$/.test(why), why),
    },
  );
  assertEquals(answer, "well");
});

Deno.test("failover: a fault that is not the server's goes on to nobody", async () => {
  const servers = new Failover(["a", "b"], (name) => name);
  let asked = 0;
  const options = { timeout: 10_000, signal: NEVER, now: Date.now };
  const broken = () => (asked++, Promise.reject(new TypeError("the disk is gone")));
  await assertRejects(() => servers.ask(broken, options), TypeError, "the disk is gone");
  assertEquals(asked, 1);
  const stop = new AbortController();
  const leaving = () => (stop.abort(new Error("gone")), Promise.reject(new EngineError("down")));
  await assertRejects(() => servers.ask(leaving, { ...options, signal: stop.signal }), Error, "gone");
  await assertRejects(() => servers.ask(broken, { ...options, signal: stop.signal }), Error, "gone");
  assertEquals(asked, 1, "asked although nobody waits");
});
