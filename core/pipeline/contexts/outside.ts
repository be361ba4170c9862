/**
 * What a plugin asks of others than name service: a scanner, a service on the web, a program beside the server. One verb,
 * so that a recorded session holds what was heard, and a replay gives it back. Non-job: asking, which is the plugin's;
 * recording and giving back (core/replay/asking.ts).
 */
import type { Phase } from "../../observe/events.ts";

/**
 * What every phase's context has.
 *
 * @example
 * ```ts
 * import { on, reject, runPhase } from "postern";
 * import { assertEquals } from "@std/assert";
 * const listed = on("mail", async (ctx, next) => {
 *   const question = `listed ${ctx.client.ip}`;
 *   const ask = async (signal: AbortSignal) => await (await fetch(`http://list.example/${ctx.client.ip}`, { signal })).text();
 *   return await ctx.outside(question, ask) === "yes" ? reject("5.7.1", "Listed") : next();
 * });
 * const outside = { "listed 192.0.2.9": "yes" }; // a test, and a replay, answer in its place
 * assertEquals((await runPhase(listed, "mail", { ip: "192.0.2.9", outside })).reply.text, "Listed");
 * ```
 */
export interface AsksOutside {
  /**
   * What `ask` gives. It is simply called, unless the session is a replay: then this is what the same question was answered
   * in the same command, or fails as it failed. Where sessions are recorded, question and answer are kept for days: a
   * question is words of the plugin's (1 to 200 printable ASCII characters, "rspamd checkv2"), and neither it nor the
   * answer may hold a token or a password. `signal` is `ctx.signal`. An answer is text; one of more than 64 KiB is not
   * kept, nor is one in `auth`.
   *
   * @throws what `ask` throws; {OutsideError} in a replay that does not know the answer: as if nobody had answered; or once
   * the plugin has given its own answer. {TypeError} for what is no question.
   */
  outside(question: string, ask: (signal: AbortSignal) => Promise<string>): Promise<string>;
}

/**
 * Nobody answered: then, as far as a recording knows, or now. Says nothing about the mail.
 *
 * @example
 * ```ts
 * import { defer, on, OutsideError, runPhase } from "postern";
 * import { assertEquals } from "@std/assert";
 * const asks = on("mail", async (ctx, next) => {
 *   try {
 *     const answer = await ctx.outside("weather", () => Promise.reject(new OutsideError("it is down")));
 *     return answer === "fine" ? next() : defer("4.3.2", "Not in this weather");
 *   } catch (error) {
 *     if (error instanceof OutsideError) return defer("4.3.2", "Ask me later", { reason: error.message });
 *     throw error;
 *   }
 * });
 * const { reply } = await runPhase(asks, "mail");
 * assertEquals([reply.code, reply.options.reason], [451, "it is down"]);
 * ```
 */
export class OutsideError extends Error {
  /** Tells it from other errors. */
  override readonly name = "OutsideError";
}

/** A question, and who asks it. */
export interface Inquiry {
  /** The plugin's name in the list. */
  readonly plugin: string;
  readonly question: string;
  readonly phase: Phase;
  /** Aborted when the answer counts for nothing any more. */
  readonly signal: AbortSignal;
}
/** Gives what `ask` gives, or something in its place. */
export type Outside = (inquiry: Inquiry, ask: () => Promise<string>) => Promise<string>;

const QUESTION = /^[\x20-\x7e]{1,200}$/;

/** Whether it is words of a plugin's, and few. */
export function isQuestion(text: string): boolean {
  return QUESTION.test(text);
}
