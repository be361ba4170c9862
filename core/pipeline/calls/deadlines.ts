/**
 * One timer for all calls that wait, instead of one each. It runs while somebody waits.
 * A loop that never yields is beyond any timer: that takes a thread to be watched from, or a sandbox.
 */

export interface Waiting {
  /** Called every so often with performance.now(). */
  tick(now: number): void;
}

const PERIOD = 20; // milliseconds
const waiting = new Set<Waiting>();
let timer: ReturnType<typeof setInterval> | undefined;

export function watch(call: Waiting): void {
  waiting.add(call);
  timer ??= setInterval(sweep, PERIOD);
}

export function unwatch(call: Waiting): void {
  if (!waiting.delete(call) || waiting.size > 0) return;
  clearInterval(timer);
  timer = undefined;
}

function sweep(): void {
  const now = performance.now();
  for (const call of waiting) call.tick(now);
}
