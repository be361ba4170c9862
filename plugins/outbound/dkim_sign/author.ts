/**
 * Which of the keys speak for a mail: those of its author's domain, which is what DMARC compares d= with, else perhaps
 * those of its envelope's sender. Non-job: whether anybody may speak for it (mod.ts), signing.
 */
import type { SigningKey } from "../../../core/dkim/mod.ts";
import { type Address, HeaderSection, mailboxesIn } from "../../../core/pipeline/mod.ts";

export interface AuthorOptions {
  /** A key speaks for the domains below its own too. */
  readonly subdomains: boolean;
  /** Whose keys count when there are none for the author. */
  readonly fallback: "none" | "envelope";
}

/** Keys, and the domain they speak for: their own or one below. */
export interface Speakers {
  readonly keys: readonly SigningKey[];
  readonly domain: string;
}

/** Keys by their domain. */
export class Keyring {
  readonly #keys = new Map<string, readonly SigningKey[]>();

  constructor(keys: readonly SigningKey[], readonly options: AuthorOptions) {
    for (const key of keys) this.#keys.set(key.domain, [...this.#keys.get(key.domain) ?? [], key]);
  }

  /** Those that speak for the mail; null when none does. `sender`: of the envelope. */
  speakersFor(head: Uint8Array, sender: Address | null): Speakers | null {
    const author = authorDomain(head);
    if (author === null) return null;
    const found = author === "" ? null : this.#of(author);
    if (found !== null || this.options.fallback === "none" || sender === null) return found;
    return this.#of(sender.domain);
  }

  /** The nearest: a key of the domain itself before one of a domain above. */
  #of(domain: string): Speakers | null {
    for (let above = domain;;) {
      const keys = this.#keys.get(above);
      if (keys !== undefined) return { keys, domain };
      const dot = above.indexOf(".");
      if (!this.options.subdomains || dot < 0) return null;
      above = above.slice(dot + 1);
    }
  }
}

/**
 * The domain of all addresses in the one From; empty when they cannot be read or are of several domains. Null when there
 * is not one From: readers would differ on whose mail it is, and no signature of ours should be on it (case 52).
 */
export function authorDomain(head: Uint8Array): string | null {
  const section = new HeaderSection(head), [from, second] = section.named("From");
  if (from === undefined || second !== undefined) return null;
  const domains = new Set(mailboxesIn(section.value(from))?.map(({ domain }) => domain));
  return domains.size === 1 ? [...domains][0]! : "";
}
