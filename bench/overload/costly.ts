/** A plugin that costs every message so many milliseconds of CPU time on the event loop: what a scanner in the process would. */
import { definePlugin } from "../../mod.ts";
import { z } from "zod";

/** Work, not time: on a busy machine it takes longer, as a scanner would. */
function spin(rounds: number): number {
  let state = 1;
  for (let i = 0; i < rounds; i++) state = (Math.imul(state, 1_103_515_245) + 12_345) | 0;
  return state;
}

/** Rounds of a millisecond: the best of some, for others run too. */
function calibrated(): number {
  let best = Infinity;
  for (let i = 0; i < 30; i++) {
    const begin = performance.now();
    spin(1_000_000);
    best = Math.min(best, performance.now() - begin);
  }
  return Math.round(1_000_000 / best);
}

export default definePlugin({
  name: "costly",
  options: z.strictObject({ ms: z.number().min(0) }),
  create: ({ ms }) => {
    const rounds = calibrated() * ms;
    return {
      data: (_, next) => {
        spin(rounds);
        return next();
      },
    };
  },
});
