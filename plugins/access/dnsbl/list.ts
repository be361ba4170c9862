/**
 * One list, asked by DNS (RFC 5782): knows which answers count, whether the list is in order, and when to leave it alone.
 * What it remembers is of the list and of no client, so each thread has its own. Non-job: what a listing means (mod.ts).
 */
import { DnsError, isIPv4, type Resolver } from "../../../core/pipeline/mod.ts";
import { type CodeFilter, kindOf } from "./codes.ts";
import { queryName } from "./query_name.ts";

/** A list as the configuration has it. */
export interface ListSettings {
  readonly zone: string;
  /** Of addresses, or of domain names (RFC 5782 3). */
  readonly of: "addresses" | "names";
  /** Which answers count, and for how much: the heaviest of them. */
  readonly codes: readonly { readonly counts: CodeFilter; readonly weight: number }[];
  /** What to ask an address list about. */
  readonly ipv4: boolean;
  readonly ipv6: boolean;
  /** It has the test entries of RFC 5782 5. */
  readonly test: boolean;
  /** Milliseconds that it is left alone when it fails. */
  readonly pause: number;
}
export interface Asking {
  readonly dns: Resolver;
  readonly signal: AbortSignal;
  /** Whether the peer has gone: then nothing that fails is the list's fault. */
  readonly gone: () => boolean;
  /** Milliseconds since 1970. */
  readonly now: number;
  readonly trouble: (message: string) => void;
}
/** `unknown`: the list, or name service, does not say. */
export type Verdict = { readonly codes: readonly string[]; readonly weight: number } | "not listed" | "unknown";

/** Answers that are kept: no list has more reasons. */
const MOST_CODES = 16;
/** Failures in a row before a list is left alone: one may be a lost packet. */
const PATIENCE = 3;
/** How long a test that went well counts, milliseconds. */
const TESTED = 3_600_000;

export class List {
  readonly settings: ListSettings;
  #failures = 0;
  #resumes = -Infinity;
  #tested = -Infinity;
  /** What was told last, so that nothing is told twice in a row. */
  #told = "";

  constructor(settings: ListSettings) {
    this.settings = settings;
  }

  /** The most that it can count. */
  get most(): number {
    return Math.max(...this.settings.codes.map(({ weight }) => weight));
  }

  /** The name under which the list keeps a subject, or null when it is not asked about such. */
  nameOf(subject: string): string | null {
    const { zone, of, ipv4, ipv6 } = this.settings;
    if (of === "names") return `${subject}.${zone}`;
    return (isIPv4(subject) ? ipv4 : ipv6) ? queryName(subject, zone) : null;
  }

  /** Never rejects. `name`: what `nameOf` made. */
  async ask(name: string, asking: Asking): Promise<Verdict> {
    const { now } = asking;
    if (now < this.#resumes) return "unknown";
    const due = this.settings.test && !(Math.abs(now - this.#tested) < TESTED);
    if (due) this.#tested = now; // whoever comes meanwhile does not test as well
    const [answer] = await Promise.all([this.#lookup(name, asking), due ? this.#test(asking) : null]);
    if (answer === "unknown") return this.#failed(asking);
    this.#failures = 0;
    if (!this.settings.test) this.#told = ""; // nothing else says that it is in order again
    if (answer.length === 0) return "not listed";
    const kinds = answer.map(kindOf);
    if (kinds.includes("wild")) {
      return this.#leave(`answers ${answer[kinds.indexOf("wild")]}, which is no list's answer`, asking);
    }
    if (kinds.includes("refused")) {
      const code = answer[kinds.indexOf("refused")];
      return this.#leave(`answers ${code}: it does not serve the name servers that are asked`, asking);
    }
    const codes = answer.filter((code) => this.#weightOf(code) !== null).sort().slice(0, MOST_CODES);
    if (codes.length === 0) return "not listed";
    // A list that has closed, or was broken, may answer for everybody: then it answers for this one too
    const nobody = await this.#lookup(this.#nobody(name), asking);
    if (nobody === "unknown") return this.#failed(asking);
    if (nobody.length > 0) return this.#leave("answers for everything", asking);
    return { codes, weight: Math.max(...codes.map((code) => this.#weightOf(code)!)) };
  }

  /** The list's own words about a listing: printable ASCII, at most `most` characters; null when it has none. */
  async words(name: string, { dns, signal }: Pick<Asking, "dns" | "signal">, most = 160): Promise<string | null> {
    try {
      const [text = ""] = await dns.txt(name, { signal });
      const plain = text.slice(0, 2 * most).replace(/[^\x20-\x7e]+/g, "?").trim();
      if (plain === "") return null;
      return plain.length <= most ? plain : `${plain.slice(0, most - 3)}...`;
    } catch {
      return null;
    }
  }

  #weightOf(code: string): number | null {
    const weights = this.settings.codes.filter(({ counts }) => counts(code)).map(({ weight }) => weight);
    return weights.length === 0 ? null : Math.max(...weights);
  }

  /** What no list may list: 127.0.0.1, or the name INVALID (RFC 5782 5). */
  #nobody(name: string): string {
    const { zone, of } = this.settings;
    if (of === "names") return `invalid.${zone}`;
    const six = name.length - zone.length > 32; // 32 nibbles and their dots
    return queryName(six ? "::ffff:7f00:1" : "127.0.0.1", zone);
  }

  /** What every list lists. That it does not is told, and no more: it may have closed, and then it lists nobody. */
  async #test(asking: Asking): Promise<void> {
    const { zone, of, ipv4 } = this.settings;
    const name = of === "names" ? `test.${zone}` : queryName(ipv4 ? "127.0.0.2" : "::ffff:7f00:2", zone);
    const answer = await this.#lookup(name, asking);
    if (answer === "unknown") this.#tested = -Infinity;
    else if (answer.length > 0) this.#tell("", asking);
    else {
      this.#tell(`does not list ${name}, as every list does: is the name right, and is the list still kept?`, asking);
    }
  }

  async #lookup(name: string, { dns, signal }: Asking): Promise<readonly string[] | "unknown"> {
    try {
      return await dns.a(name, { signal });
    } catch (error) {
      if (error instanceof DnsError && !error.temporary) return [];
      return "unknown";
    }
  }

  #failed(asking: Asking): "unknown" {
    if (asking.gone() || ++this.#failures < PATIENCE) return "unknown";
    return this.#leave("does not answer", asking);
  }

  #leave(why: string, asking: Asking): "unknown" {
    this.#failures = 0;
    this.#resumes = asking.now + this.settings.pause;
    this.#tested = -Infinity;
    this.#tell(`${why}; it is left alone for ${Math.round(this.settings.pause / 1000)} seconds`, asking);
    return "unknown";
  }

  #tell(message: string, { trouble }: Asking): void {
    if (message !== "" && message !== this.#told) trouble(`the list ${this.settings.zone} ${message}`);
    this.#told = message;
  }
}
