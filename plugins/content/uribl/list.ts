/**
 * One list of hosts in links, asked by DNS as SURBL, URIBL and the DBL are (RFC 5782 3): which answers count, and when
 * the list itself is out of order. Non-job: which hosts (hosts.ts), what a listing means (mod.ts).
 */
import { DnsError, type Resolver } from "../../../core/pipeline/mod.ts";
import type { LinkTarget } from "./hosts.ts";

/** A list as the configuration has it. */
export interface ListSettings {
  readonly zone: string;
  readonly weight: number;
  /** Bits of the answer's last octet, one of which must be set; null: any answer counts. */
  readonly mask: number | null;
  /** It knows addresses too, and may be asked about them. */
  readonly addresses: boolean;
}
export interface Asking {
  readonly dns: Resolver;
  readonly signal: AbortSignal;
  /** Milliseconds since 1970. */
  readonly now: number;
  readonly trouble: (message: string) => void;
}

/** How long a list that is out of order is left alone, milliseconds. */
const PAUSE = 600_000;

export class UriList {
  readonly settings: ListSettings;
  #resumes = -Infinity;

  constructor(settings: ListSettings) {
    this.settings = settings;
  }

  /** The answers that count; none: it is not listed, or nobody knows. Never rejects. */
  async ask({ subject, ip }: LinkTarget, asking: Asking): Promise<readonly string[]> {
    const { zone, addresses, mask } = this.settings;
    if (ip && !addresses || asking.now < this.#resumes) return [];
    const answers = await lookup(`${ip ? subject.split(".").reverse().join(".") : subject}.${zone}`, asking);
    // How public lists say that they do not serve this resolver, and how a name sounds that somebody else has got
    const odd = answers.find((each) => each.startsWith("127.255.255.") || !each.startsWith("127."));
    if (odd !== undefined) return this.#leave(`answers ${odd}, which is no listing`, asking);
    const codes = answers.filter((each) => mask === null || (Number(each.split(".")[3]) & mask) !== 0);
    if (codes.length === 0) return [];
    // A list that answers for every name has closed, or is broken                                       RFC 5782 5
    if ((await lookup(`invalid.${zone}`, asking)).length > 0) return this.#leave("answers for everything", asking);
    return codes.toSorted();
  }

  #leave(what: string, { now, trouble }: Asking): readonly string[] {
    if (now >= this.#resumes) trouble(`${this.settings.zone} ${what}: it is left alone for ten minutes`);
    this.#resumes = now + PAUSE;
    return [];
  }
}

/** No answer is no listing, for whatever reason. */
async function lookup(name: string, { dns, signal }: Asking): Promise<readonly string[]> {
  try {
    return await dns.a(name, { signal });
  } catch (error) {
    if (error instanceof DnsError) return [];
    throw error;
  }
}
