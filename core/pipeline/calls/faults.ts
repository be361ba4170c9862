/**
 * What a handler did wrong, in words that say what to do instead: the reason of a decision with verdict `error`, which
 * `explain` shows to whoever wrote it. Non-job: finding it out (call.ts), what a peer is told (it learns nothing of it).
 */
import type { Reply } from "../../model/reply.ts";

export const TWICE = `called next() twice: keep its answer, as in "const reply = await next()"`;
export const AFTER = "called next() after its answer: wait for all that it begins before it answers";
export const UNAWAITED = `did not wait for next(): "return next()", or "await next()" before it answers`;
export const IN_QUEUE =
  "rejected in queue, where policy has ended: refuse(recipient, reply) rejects for one recipient, defer() for now";

/** `called`: it had asked next(). */
export function noReply(value: unknown, called: boolean): string {
  if (value === undefined) {
    return called
      ? `answered with nothing after next(): "return next()", or return the reply that it gave`
      : `answered with nothing: "return next()", or return accept(), defer() or reject()`;
  }
  const what = value === null || typeof value === "object" ? "something" : `a ${typeof value}`;
  return `answered with ${what} that is not a Reply: return next(), accept(), defer() or reject()`;
}

export function dropped({ code, status }: Reply): string {
  return `dropped the refusal that next() gave (${code} ${status}): return it, or accept(text, { over: reply })`;
}

/** `milliseconds`: its deadline. */
export function late(milliseconds: number): string {
  const time = milliseconds < 1000 ? `${milliseconds} ms` : `${Number((milliseconds / 1000).toFixed(1))} s`;
  return `exceeded its deadline of ${time}: give ctx.signal to what it waits for, or raise "deadline"`;
}

/** The house of this file, whose lines are no help to an author. */
const CORE = URL.parse("../../", import.meta.url)?.href ?? "core:";
const MOST = 4000; // characters of a stack, which may be anything

/**
 * Where a mistake of programming was made, as ` at plugins/mine.ts:12:3`, else empty: an error that somebody threw on
 * purpose says itself what there is to say.
 */
export function placeOf(error: Error): string {
  const mistake = error instanceof TypeError || error instanceof ReferenceError || error instanceof RangeError ||
    error instanceof SyntaxError;
  if (!mistake || typeof error.stack !== "string") return "";
  for (const line of error.stack.slice(0, MOST).split("\n").slice(1)) {
    const end = line.endsWith(")") ? -1 : line.length;
    const url = line.slice(Math.max(line.lastIndexOf("("), line.lastIndexOf(" ")) + 1, end);
    if (!/^(?:file|https?|npm|data|blob):/.test(url) || url.startsWith(CORE)) continue;
    return ` at ${url.split("/").slice(-2).join("/").slice(-80)}`;
  }
  return "";
}
