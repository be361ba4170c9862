/** What waits is watched by one timer; what has ended leaves nothing behind. A file of its own: the timer is shared. */
import { assertEquals } from "@std/assert";
import { on } from "postern";
import { Pipeline } from "../../../../core/pipeline/pipeline.ts";
import { DEADLINES } from "../../../../core/pipeline/calls/deadlines.ts";
import { session } from "../session.ts";

const leaks = { sanitizeOps: true, sanitizeResources: true };

Deno.test("a call that ended leaves no timer and no signal behind", leaks, async () => {
  const { ctx } = session();
  const turn = () => new Promise((done) => setTimeout(done));
  await new Pipeline([on("mail", async (ctx, next) => (ctx.signal, await turn(), next()))]).run("mail", ctx);
  assertEquals(ctx.controllers.size, 0);
});

Deno.test("everybody who waits is told the time, and the last one to leave stops the clock", leaks, async () => {
  const told: string[] = [];
  await new Promise<void>((done) => {
    const waiting = (name: string, times: number) => {
      const one = {
        tick(now: number): void {
          told.push(`${name} ${now > 0}`);
          if (--times > 0) return;
          DEADLINES.unwatch(one);
          DEADLINES.unwatch(one);
          if (name === "b") done();
        },
      };
      DEADLINES.watch(one);
    };
    waiting("a", 1);
    waiting("b", 2);
  });
  assertEquals(told, ["a true", "b true", "b true"]);
});
