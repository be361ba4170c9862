/**
 * How hard the threads are pressed, as one server: what GET /metrics and the site show. Non-job: what each does about it, for
 * itself (core/net/pressure), and how it gets here (vitals.ts).
 */
import type { PressureState } from "../net/pressure/pressure.ts";
import { type Shed, WHERES, WHYS } from "../net/pressure/shedding.ts";

/**
 * The worst of what each sees, the sum of what each has; `gone`: what threads sent away that have ended.
 *
 * @example
 * ```ts
 * import { Pressure } from "../net/pressure/pressure.ts";
 * import { assertEquals } from "@std/assert";
 * const calm = new Pressure({ health: () => ({ writerWait: 0, freeBytes: 0, bodyBytes: 0 }), emit() {} }).state;
 * const two = together([{ ...calm, lag: 30, underWay: 2 }, { ...calm, lag: 200, underWay: 9, stressed: true }]);
 * assertEquals([two.stressed, two.lag, two.underWay], [true, 200, 11]);
 * ```
 */
export function together(states: readonly PressureState[], gone: readonly Shed[] = []): PressureState {
  const most = (of: (state: PressureState) => number) => Math.max(0, ...states.map(of));
  const sum = (of: (state: PressureState) => number) => states.reduce((all, state) => all + of(state), 0);
  return {
    stressed: states.some(({ stressed }) => stressed),
    lag: most(({ lag }) => lag),
    memory: most(({ memory }) => memory),
    underWay: sum(({ underWay }) => underWay),
    bound: sum(({ bound }) => bound),
    outside: sum(({ outside }) => outside),
    rate: sum(({ rate }) => rate),
    asked: sum(({ asked }) => asked),
    shed: sumOf([...gone, ...states.flatMap(({ shed }) => shed)]),
  };
}

/** One count for each place and reason. */
export function sumOf(counts: readonly Shed[]): readonly Shed[] {
  return WHERES.flatMap((where) =>
    WHYS.map((why): Shed => ({
      where,
      why,
      count: counts.reduce((all, each) => each.where === where && each.why === why ? all + each.count : all, 0),
    }))
  ).filter(({ count }) => count > 0);
}
