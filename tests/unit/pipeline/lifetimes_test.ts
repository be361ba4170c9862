import { assertEquals, assertRejects } from "@std/assert";
import { z } from "zod";
import { parallel } from "../../../core/pipeline/combine.ts";
import { Lifetimes } from "../../../core/pipeline/lifetimes.ts";
import { definePlugin, type Plugin, withPolicy } from "../../../core/pipeline/plugin.ts";

function holding(name: string, log: string[], fault: string | null = null): Plugin {
  return definePlugin({
    name,
    options: z.strictObject({}),
    create: () => ({
      connect: (_ctx, next) => next(),
      start() {
        log.push(`${name} starts`);
        return fault === "start" ? Promise.reject(new Error("no port")) : Promise.resolve();
      },
      stop() {
        log.push(`${name} stops`);
        return fault === "stop" ? Promise.reject(new Error("stuck")) : Promise.resolve();
      },
    }),
  })();
}

Deno.test("what stands in several lists, and in groups, begins and ends once", async () => {
  const log: string[] = [], a = holding("a", log), b = holding("b", log);
  const lifetimes = new Lifetimes([a, withPolicy(a, { mode: "observe" }), parallel(b, a)], () => {});
  await lifetimes.start();
  assertEquals(log.splice(0), ["a starts", "b starts"]);
  await lifetimes.stop();
  assertEquals(log, ["a stops", "b stops"]);
});

Deno.test("one that cannot begin ends all, and is named", async () => {
  const log: string[] = [];
  const lifetimes = new Lifetimes([holding("a", log), holding("b", log, "start")], () => {});
  await assertRejects(() => lifetimes.start(), Error, "b: no port");
  assertEquals(log, ["a starts", "b starts", "a stops", "b stops"]);
});

Deno.test("one that cannot end is told, and the others end", async () => {
  const log: string[] = [], told: string[] = [];
  const lifetimes = new Lifetimes([holding("a", log, "stop"), holding("b", log)], (...words) => {
    told.push(words.join(": "));
  });
  await lifetimes.stop();
  assertEquals([log, told], [["a stops", "b stops"], ["a: did not end: stuck"]]);
});

Deno.test("one that never settles keeps no server from its start, and none from its end", async () => {
  const told: string[] = [], never = () => new Promise<void>(() => {});
  const patience = { start: 20, stop: 20 };
  const stuck = (words: Partial<Plugin>): Plugin => ({ name: "a", handlers: {}, ...words });
  const tell = (...words: [string, string]) => void told.push(words.join(": "));
  await assertRejects(() => new Lifetimes([stuck({ start: never })], tell, patience).start(), Error, "a: it is still");
  await new Lifetimes([stuck({ stop: never })], tell, patience).stop();
  assertEquals(told, ["a: did not end: it is still at it after 0.02 s"]);
});
