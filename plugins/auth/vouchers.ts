/**
 * What a back end said lately, so that it need not be asked at each login. Kept under a digest whose key is made at the
 * start and never leaves: neither a password nor anything that could be searched for one stays in memory. Only a yes is
 * kept; a no would keep a user out after a password was set right. Bounded: the oldest leave first.
 */
import { createHmac, randomBytes } from "node:crypto";

const MOST = 10_000;

export class Vouchers<T> {
  readonly #key = randomBytes(32);
  readonly #kept = new Map<string, { readonly value: T; readonly until: number }>();

  /** How many are kept. */
  get size(): number {
    return this.#kept.size;
  }

  /** What was kept for this secret and has not ended. */
  find(secret: string, now: number): T | undefined {
    if (this.#kept.size === 0) return undefined;
    const digest = this.#digest(secret), found = this.#kept.get(digest);
    if (found === undefined) return undefined;
    if (found.until > now) return found.value;
    this.#kept.delete(digest);
    return undefined;
  }

  keep(secret: string, value: T, until: number): void {
    const digest = this.#digest(secret);
    this.#kept.delete(digest); // it moves to the end
    if (this.#kept.size >= MOST) {
      for (const [oldest] of this.#kept) {
        return this.#replace(oldest, digest, value, until);
      }
    }
    this.#kept.set(digest, { value, until });
  }

  #replace(oldest: string, digest: string, value: T, until: number): void {
    this.#kept.delete(oldest);
    this.#kept.set(digest, { value, until });
  }
  #digest(secret: string): string {
    return createHmac("sha256", this.#key).update(secret).digest("base64");
  }
}
