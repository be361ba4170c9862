/**
 * A reply is to SMTP what `Response` is to HTTP: a value with a code, an enhanced status and a text.
 * Its verdict is derived once, here; nothing else looks at digits or texts (RFC 5321 4.2, RFC 2034, RFC 3463).
 * Non-job: how a reply is written to the wire (core/smtp/wire.ts).
 */

/** What a reply means to the transaction: go on, try again later, never. */
export type Verdict = "accept" | "defer" | "reject";
/** Codes of a temporary refusal. 421 also ends the session. */
export type DeferCode = 421 | 450 | 451 | 452 | 454 | 455;
/** Codes of a permanent refusal. 521 also ends the session. */
export type RejectCode =
  | 500
  | 501
  | 502
  | 503
  | 504
  | 521
  | 530
  | 535
  | 538
  | 550
  | 551
  | 552
  | 553
  | 554
  | 555
  | 556;

/**
 * What a reply is beside its words.
 *
 * @example
 * ```ts
 * import { accept, defer, on, reject, runPhase } from "postern";
 * import { assertEquals } from "@std/assert";
 * assertEquals(defer("4.2.1", "Full", { code: 452, reason: "the disk" }).code, 452);
 * const lenient = on("mail", async (ctx, next) => {
 *   const reply = await next();
 *   return reply.verdict === "reject" && ctx.client.ip === "192.0.2.1" ? accept("Well", { over: reply }) : reply;
 * });
 * assertEquals((await runPhase([lenient, on("mail", () => reject("5.7.1", "No"))], "mail")).reply.text, "Well");
 * ```
 */
export interface ReplyOptions<Code extends number = number> {
  /** Another code of the same class. */
  readonly code?: Code;
  /** Hang up after the reply (421 and 521 always do). */
  readonly close?: boolean;
  /** Hang up instead of saying it, as a server does that breaks: for tests of clients. */
  readonly silent?: boolean;
  /** For the log and the ledger; the peer never sees it. */
  readonly reason?: string;
  /** The refusal that `next()` gave and this acceptance overrules on purpose. */
  readonly over?: Reply;
}

const STATUS = /^[245]\.\d{1,3}\.\d{1,3}$/; // RFC 3463 2: class "." subject "." detail
const CONTROL = /[\p{Cc}\u2028\u2029]+/gu;

/**
 * One answer to a peer.
 *
 * @throws {TypeError} when the status does not have the class of the code (RFC 2034 4).
 * @example
 * ```ts
 * import { Reply } from "postern";
 * import { assertEquals } from "@std/assert";
 * assertEquals(new Reply(550, "5.1.1", "No such user").verdict, "reject");
 * ```
 */
export class Reply<V extends Verdict = Verdict> {
  /** Three digits, RFC 5321 4.2. */
  readonly code: number;
  /** The enhanced status code, RFC 3463. */
  readonly status: string;
  /** For the person at the other end: one line, no controls. */
  readonly text: string;
  /** What the code means to the transaction. */
  readonly verdict: V;
  /** What it is beside its words. */
  readonly options: ReplyOptions;
  /** `accept`, `defer` and `reject` make the usual ones. */
  constructor(code: number, status: string, text: string, options: ReplyOptions = {}) {
    if (!STATUS.test(status) || Math.floor(code / 100) !== Number(status[0])) {
      const fits = `${Math.floor(code / 100)}.x.x`;
      throw new TypeError(
        `status ${status} does not fit code ${code}, whose status is ${fits}: defer() takes 4.x.x, reject() 5.x.x`,
      );
    }
    if (typeof text !== "string") throw new TypeError(`a reply wants a text for people, not ${typeof text}`);
    this.code = code;
    this.status = status;
    this.text = text.replace(CONTROL, " "); // nobody's text can write a line of its own
    this.verdict = (code < 400 ? "accept" : code < 500 ? "defer" : "reject") as V;
    this.options = options;
  }

  /** True when the session ends after this reply, or in its place. */
  get closes(): boolean {
    return this.code === 421 || this.code === 521 || this.options.close === true || this.options.silent === true;
  }

  /** As it would stand on the wire, without the line end. */
  toString(): string {
    return `${this.code} ${this.status} ${this.text}`;
  }
}

/**
 * Yes, and skip the plugins after this one. The engine words it for the phase (220, 235 2.7.0, 250 2.1.5).
 *
 * @example
 * ```ts
 * import { accept } from "postern";
 * import { assertEquals } from "@std/assert";
 * assertEquals(accept().verdict, "accept");
 * ```
 */
export function accept(text = "OK", options: ReplyOptions<never> = {}): Reply<"accept"> {
  return new Reply(250, "2.0.0", text, options);
}

/** What a peer is told of a message that is durable now: the ledger tells it again, so it is made in one place. */
export function queuedAs(id: string): Reply<"accept"> {
  return new Reply(250, "2.0.0", `queued as ${id}`);
}

/**
 * Not now: 451 unless `options.code` says otherwise (421, 450, 452, 454, 455; 421 also ends the session). The peer keeps the
 * message and tries again. `status` is of class 4 (RFC 3463), `text` for the person at the other end.
 *
 * @example
 * ```ts
 * import { defer } from "postern";
 * import { assertEquals } from "@std/assert";
 * assertEquals(String(defer("4.7.1", "One a minute, please")), "451 4.7.1 One a minute, please");
 * assertEquals(defer("4.3.2", "Closed for today", { code: 421, reason: "maintenance" }).closes, true);
 * ```
 * @throws {TypeError} when the status is of another class than the code.
 */
export function defer(
  status: `4.${number}.${number}`,
  text: string,
  options: ReplyOptions<DeferCode> = {},
): Reply<"defer"> {
  return new Reply(options.code ?? 451, status, text, options);
}

/**
 * Never: 550 unless `options.code` says otherwise (another 5xx; 521 also ends the session). The peer tells its sender.
 * `status` is of class 5 (RFC 3463), `text` for the person at the other end, `options.reason` for the log alone.
 *
 * @example
 * ```ts
 * import { reject } from "postern";
 * import { assertEquals } from "@std/assert";
 * const reply = reject("5.7.1", "Not from there", { code: 554, reason: "listed at list.example" });
 * assertEquals([String(reply), reply.options.reason], ["554 5.7.1 Not from there", "listed at list.example"]);
 * ```
 * @throws {TypeError} when the status is of another class than the code.
 */
export function reject(
  status: `5.${number}.${number}`,
  text: string,
  options: ReplyOptions<RejectCode> = {},
): Reply<"reject"> {
  return new Reply(options.code ?? 550, status, text, options);
}
