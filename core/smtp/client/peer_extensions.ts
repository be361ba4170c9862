/**
 * What a peer announced in its answer to EHLO or LHLO (RFC 5321 4.1.1.1): the extensions that we speak, and their values.
 * What it says of others is forgotten at once, so that no peer fills our memory. Non-job: using them.
 */
import type { Extension } from "../extensions.ts";

const SPOKEN: ReadonlySet<string> = new Set<Extension>([
  "PIPELINING",
  "SIZE",
  "8BITMIME",
  "ENHANCEDSTATUSCODES",
  "SMTPUTF8",
  "CHUNKING",
  "BINARYMIME",
  "DSN",
  "LIMITS",
  "AUTH",
  "STARTTLS",
  "REQUIRETLS",
  "DELIVERBY",
  "MT-PRIORITY",
]);
/** sasl-mech of RFC 4422 3.1. */
const MECHANISM = /^[A-Z0-9_-]{1,20}$/;
// RFC 9422 4: name "=" a number of one to six digits that does not begin with zero; others are ignored
const LIMIT = /^(MAILMAX|RCPTMAX|RCPTDOMAINMAX)=([1-9]\d{0,5})$/;

/** How much a peer takes (RFC 9422 4); Infinity where it did not say. */
export interface PeerLimits {
  /** MAIL commands of a session. */
  readonly mails: number;
  /** RCPT commands of a transaction. */
  readonly recipients: number;
  /** Different domains in the RCPT commands of a session. */
  readonly domains: number;
}

/** The answer to EHLO, or to HELO, which has none. Immutable. */
export class PeerExtensions {
  /** Before EHLO, after HELO. */
  static readonly NONE: PeerExtensions = new PeerExtensions([]);

  readonly #names = new Set<string>();
  /** The largest message, octets; Infinity where it did not say, or said 0 (RFC 1870 4). */
  readonly size: number = Infinity;
  /** SASL mechanisms. */
  readonly mechanisms: readonly string[] = [];
  readonly limits: PeerLimits = { mails: Infinity, recipients: Infinity, domains: Infinity };

  /** `lines`: the answer without its first line. */
  constructor(lines: readonly string[]) {
    const mechanisms = new Set<string>();
    for (const line of lines) {
      const [word, ...values] = line.trim().toUpperCase().split(/ +/);
      // Some of before RFC 2554 say "AUTH=LOGIN"
      const name = word!.startsWith("AUTH=") ? "AUTH" : word!;
      if (!SPOKEN.has(name)) continue;
      this.#names.add(name);
      if (name === "AUTH") {
        if (word !== name) values.unshift(word!.slice(5));
        for (const each of values) if (MECHANISM.test(each)) mechanisms.add(each);
      } else if (name === "SIZE" && /^\d{1,20}$/.test(values[0] ?? "")) {
        this.size = Number(values[0]) || Infinity;
      } else if (name === "LIMITS") this.limits = limitsIn(values, this.limits);
    }
    this.mechanisms = [...mechanisms];
    if (!this.#names.has("CHUNKING")) this.#names.delete("BINARYMIME"); //                                 RFC 3030 3
    if (!this.#names.has("8BITMIME")) this.#names.delete("SMTPUTF8"); //                                 RFC 6531 3.1
  }

  has(name: Extension): boolean {
    return this.#names.has(name);
  }
}

function limitsIn(values: readonly string[], before: PeerLimits): PeerLimits {
  const found = { ...before };
  for (const value of values) {
    const [, name, number] = LIMIT.exec(value) ?? [];
    if (name === "MAILMAX") found.mails = Number(number);
    else if (name === "RCPTMAX") found.recipients = Number(number);
    else if (name === "RCPTDOMAINMAX") found.domains = Number(number);
  }
  return found;
}
