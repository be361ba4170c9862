/**
 * When to try again: a schedule of waits, the last one repeats, a little jitter so that what failed together does not
 * return together (RFC 5321 4.5.4.1; steps under 30 minutes are meant for greylisting). Pure.
 */

/** Spread around a step: a tenth to either side. */
const JITTER = 0.1;

/**
 * The moment of the attempt after `attempts` failed ones, milliseconds since 1970.
 *
 * @param schedule waits in milliseconds, at least one
 * @param random a number from 0 to 1
 */
export function nextAttempt(now: number, attempts: number, schedule: readonly number[], random: number): number {
  const step = schedule[Math.min(Math.max(attempts, 1), schedule.length) - 1] ?? 60_000;
  return Math.round(now + step * (1 - JITTER + 2 * JITTER * random));
}

/**
 * Whether a message has waited long enough. A clock that jumped by years must not bounce a queue (HARD_CASES 74): a
 * message expires only after it was also tried often enough to have lived that long by its schedule.
 */
export function expired(
  message: { readonly receivedAt: number; readonly attempts: number },
  now: number,
  options: { readonly expire: number; readonly schedule: readonly number[] },
): boolean {
  const { expire, schedule } = options;
  if (now - message.receivedAt < expire) return false;
  const last = schedule.at(-1) ?? expire;
  let lived = 0, attempts = 0;
  for (const step of schedule) {
    if (lived + step > expire) break;
    lived += step;
    attempts++;
  }
  const needed = attempts + Math.floor((expire - lived) / Math.max(last, 1));
  return message.attempts >= Math.min(needed, 3);
}
