/**
 * How much of what leads nowhere a peer may do before its session ends (case 16): bad commands, commands that move
 * nothing, recipients that are not taken now. Counts only; the 421 is the session's.
 */

export interface PatienceLimits {
  /** Bad commands in a session. */
  readonly errors: number;
  /** Commands that move nothing (NOOP, RSET, EHLO again, refused recipients) per message; each beyond is an error. */
  readonly junk: number;
  /** As many recipients as a transaction may have may also be deferred in it; each beyond is an error. */
  readonly recipients: number;
}

export class Patience {
  #errors = 0;
  #junk = 0;
  #deferred = 0;

  constructor(readonly limits: PatienceLimits) {}

  /** True when it has run out. */
  get over(): boolean {
    return this.#errors > this.limits.errors;
  }

  error(): void {
    this.#errors++;
  }
  junk(): void {
    if (++this.#junk > this.limits.junk) this.#errors++;
  }
  deferred(): void {
    if (++this.#deferred > this.limits.recipients) this.#errors++;
  }

  /** A message came to its end. */
  messageEnded(): void {
    this.#junk = 0;
  }
  /** So did a transaction. */
  transactionEnded(): void {
    this.#deferred = 0;
  }
}
