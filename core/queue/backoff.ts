/**
 * When to try again: a schedule of waits, the last one repeats, a little jitter so that what failed together does not
 * return together (RFC 5321 4.5.4.1; steps under 30 minutes are meant for greylisting). Pure.
 */
import type { MailParameters } from "../model/envelope.ts";

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

/** `planned`, unless the message is to be returned before: then that moment (RFC 2852 4). */
export function notAfter(planned: number, { deliverBy }: MailParameters): number {
  return deliverBy?.mode === "R" ? Math.min(planned, deliverBy.at) : planned;
}

/** No attempt that we plan is ever further away than this, milliseconds; one that is comes of a clock that ran ahead. */
export function longestWait(schedule: readonly number[]): number {
  return Math.max(60_000, ...schedule) * (1 + JITTER);
}

/**
 * Whether a message has waited long enough. Two clocks must agree, because one that jumped by years must not bounce a
 * queue (case 74): the wall's, unless it stands before the message came, and the count of attempts, which says
 * how long the message has lived by its schedule. A server that stood still for days gives its mail the time it owes.
 */
export function expired(
  message: { readonly receivedAt: number; readonly attempts: number },
  now: number,
  options: { readonly expire: number; readonly schedule: readonly number[] },
): boolean {
  const { expire, schedule } = options;
  const age = now - message.receivedAt;
  if (age >= 0 && age < expire) return false;
  return message.attempts >= attemptsWithin(expire, schedule);
}

/** How many attempts a schedule makes in `time` milliseconds, the first at its start not counted; at least one. */
function attemptsWithin(time: number, schedule: readonly number[]): number {
  let lived = 0, attempts = 0;
  for (const step of schedule) {
    if (lived + step > time) return Math.max(1, attempts);
    lived += step;
    attempts++;
  }
  return Math.max(1, attempts + Math.floor((time - lived) / Math.max(schedule.at(-1) ?? time, 1)));
}
