/**
 * THE table of what a client waits for: the reply that lets it go on, and how long it waits (RFC 5321 4.3.2, 4.5.3.2).
 * Any other reply below 400 is none to this step. Must not know: octets, what follows; the host has the clock.
 */

/**
 * `hello` is EHLO, LHLO and HELO. `block`: the host hands content over. `chunk`: a BDAT that is not the last.
 * `dot`: the final dot, or BDAT LAST.
 */
export type Step =
  | "greeting"
  | "hello"
  | "starttls"
  | "auth"
  | "mail"
  | "rcpt"
  | "data"
  | "block"
  | "chunk"
  | "dot"
  | "reset"
  | "quit";

/** What is waited for, and how long. */
export interface Wait {
  readonly for: Step;
  readonly seconds: number;
}

interface Rule {
  /** The code that is a yes; a single digit stands for its class. */
  readonly yes: number;
  readonly wait: Wait;
}
const rule = (step: Step, yes: number, seconds: number): Rule => ({ yes, wait: { for: step, seconds } });

const RULES: Readonly<Record<Step, Rule>> = {
  greeting: rule("greeting", 2, 300), //                                                         RFC 5321 4.5.3.2.1
  hello: rule("hello", 2, 300),
  starttls: rule("starttls", 220, 300), //                                                              RFC 3207 4
  auth: rule("auth", 235, 300), //                          and 334, which asks for more                RFC 4954 4
  mail: rule("mail", 2, 300), //                                                                 RFC 5321 4.5.3.2.2
  rcpt: rule("rcpt", 2, 300), //                                                                 RFC 5321 4.5.3.2.3
  data: rule("data", 354, 120), //                                                               RFC 5321 4.5.3.2.4
  block: rule("block", 0, 180), //                                                               RFC 5321 4.5.3.2.5
  chunk: rule("chunk", 2, 180),
  dot: rule("dot", 2, 600), //                                                                   RFC 5321 4.5.3.2.6
  reset: rule("reset", 2, 300),
  quit: rule("quit", 2, 10), //         nothing depends on it: a peer that is slow to part is left alone
};

/** The wait of a step: one value for all sessions. */
export function waitFor(step: Step): Wait {
  return RULES[step].wait;
}

/** Whether `code` can answer the step at all: a refusal always can. */
export function answers(code: number, step: Step): boolean {
  if (code >= 400) return true;
  const { yes } = RULES[step];
  return yes < 10 ? Math.floor(code / 100) === yes : code === yes || step === "auth" && code === 334;
}
