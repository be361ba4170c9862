/** The claim of mechanisms that tell the password itself: PLAIN and LOGIN. Non-job: how it came, how it is hashed. */
import type { Claim, Passwords } from "./mechanism.ts";
import { saslprep } from "./prepare.ts";

/** Who tells a password. Shows neither in a dump nor as a string. */
export class PasswordClaim implements Claim {
  readonly user: string;
  readonly authzid: string;
  readonly #password: string;
  readonly #passwords: Passwords;

  constructor(
    who: { readonly user: string; readonly authzid: string; readonly password: string },
    passwords: Passwords,
  ) {
    this.user = who.user;
    this.authzid = who.authzid;
    this.#password = who.password;
    this.#passwords = passwords;
  }

  /** As it was sent: a directory prepares it by its own rules. */
  reveal(): string {
    return this.#password;
  }

  async verify(stored: string): Promise<boolean> {
    const prepared = saslprep(this.#password, "query");
    // RFC 4616 2: what cannot be prepared shall fail. It is hashed all the same, so that it takes as long as any other.
    return await this.#passwords.matches(prepared ?? this.#password, stored) && prepared !== null;
  }
}
