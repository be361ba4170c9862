/**
 * What the answer to EHLO announces to whom: an `Offer` is a listener's, the `Extensions` of it are a session's as it
 * stands. params.ts and the commands take only what is announced. SEMANTICS 22.
 */
import { MECHANISMS } from "./sasl/mod.ts";
import { formatDateTime } from "./date_time.ts";
import { XCLIENT_KEYWORDS } from "./xclient.ts";

export type Extension =
  | "PIPELINING"
  | "SIZE"
  | "8BITMIME"
  | "ENHANCEDSTATUSCODES"
  | "SMTPUTF8"
  | "CHUNKING"
  | "BINARYMIME"
  | "DSN"
  | "LIMITS"
  | "AUTH"
  | "STARTTLS"
  | "REQUIRETLS"
  | "FUTURERELEASE"
  | "DELIVERBY"
  | "MT-PRIORITY"
  | "XCLIENT";

const USUAL = [
  "PIPELINING",
  "SIZE",
  "8BITMIME",
  "ENHANCEDSTATUSCODES",
  "SMTPUTF8",
  "CHUNKING",
  "DSN",
  "DELIVERBY",
  "MT-PRIORITY",
  "LIMITS",
] as const;

/** What a listener may leave out; without the others it could not do what it was told to. */
export const HIDEABLE = [...USUAL, "BINARYMIME", "REQUIRETLS", "FUTURERELEASE"] as const satisfies readonly Extension[];

/** How far into the future a message may be parked, seconds (RFC 4865). */
export const LONGEST_HOLD = 30 * 24 * 3600;

/** How far a session has come. */
export interface Standing {
  /** TLS is on. */
  readonly secure: boolean;
  /** Somebody has logged in. */
  readonly identified: boolean;
  /** The client showed a certificate that counts: EXTERNAL can be had (RFC 4422 A). */
  readonly certificate: boolean;
  /** A trusted proxy has said for whom it speaks, and that one has said hello: it may not say who it is. */
  readonly proxied?: boolean;
}
export interface OfferOptions {
  /** The largest message, octets. */
  readonly size: number;
  /** Recipients of a transaction. */
  readonly recipients: number;
  readonly binarymime?: boolean;
  /** Words that are left out; what is left out is refused too. */
  readonly hide?: readonly string[];
  /** There is a certificate: TLS can begin. */
  readonly startTls?: boolean;
  /** SASL mechanisms that somebody here can check, in the order to announce them. */
  readonly mechanisms?: readonly string[];
  /** Logins before TLS too (RFC 4954 4 advises against it). */
  readonly authWithoutTls?: boolean;
  /** For one's own users: who is logged in may have a message sent later. */
  readonly submission?: boolean;
  /** The peer is a trusted proxy: it may say for whom it speaks. */
  readonly xclient?: boolean;
}

export class Offer {
  readonly #options: OfferOptions;
  readonly #made: Extensions[] = [];

  constructor(options: OfferOptions) {
    this.#options = options;
  }

  /** The set for a session; each is made once. */
  for(standing: Standing): Extensions {
    const { secure, identified, certificate, proxied } = standing;
    const index = (secure ? 1 : 0) | (identified ? 2 : 0) | (certificate ? 4 : 0) | (proxied ? 8 : 0);
    return this.#made[index] ??= new Extensions(this.#options, standing);
  }
}

/** What a session announces now; immutable. */
export class Extensions {
  readonly #names: ReadonlySet<Extension>;
  readonly #lines: readonly string[];
  /** SASL mechanisms that can be used now. */
  readonly mechanisms: ReadonlySet<string>;
  /** Those that could be once TLS is on. */
  readonly afterTls: ReadonlySet<string>;
  /** MAIL may say AUTH=, whoever is logged in (RFC 4954 5). */
  readonly authParameter: boolean;

  constructor(options: OfferOptions, standing: Standing = STRANGER) {
    const { secure, identified, certificate, proxied = false } = standing;
    const names = new Set<Extension>(USUAL);
    if (options.binarymime) names.add("BINARYMIME"); // needs CHUNKING                                  RFC 3030 3
    if (options.startTls && !secure) names.add("STARTTLS"); //                                          RFC 3207 4.2
    if (options.submission && identified) names.add("FUTURERELEASE"); // strangers could park mail        RFC 4865 4
    if (secure && !proxied) names.add("REQUIRETLS"); //                                                             RFC 8689 2
    if (options.xclient && !identified && !proxied) names.add("XCLIENT");
    const usable = (options.mechanisms ?? []).filter((name) => {
      const { needsBinding = false, needsCertificate = false } = MECHANISMS.get(name) ?? {};
      if (!secure && !options.authWithoutTls) return false;
      return (certificate || !needsCertificate) && (secure && !proxied || !needsBinding);
    });
    this.mechanisms = new Set(identified ? [] : usable);
    this.afterTls = new Set(options.startTls && !secure ? options.mechanisms : []);
    this.authParameter = usable.length > 0;
    if (this.mechanisms.size > 0) names.add("AUTH");
    for (const name of options.hide ?? []) names.delete(name.toUpperCase() as Extension);
    if (!names.has("CHUNKING")) names.delete("BINARYMIME");
    if (!names.has("8BITMIME")) names.delete("BINARYMIME"); //                                           RFC 3030 3
    if (!names.has("8BITMIME")) names.delete("SMTPUTF8"); //                                            RFC 6531 3.1
    this.#names = names;
    this.#lines = [...names].map((name) => this.#line(name, options));
  }

  has(name: Extension): boolean {
    return this.#names.has(name);
  }

  /** The lines of the answer to EHLO, the first left out. */
  linesAt(now: number): readonly string[] {
    if (!this.has("FUTURERELEASE")) return this.#lines;
    const latest = formatDateTime(now + LONGEST_HOLD * 1000);
    return this.#lines.map((line) => line === "FUTURERELEASE" ? `${line} ${LONGEST_HOLD} ${latest}` : line); // RFC 4865 3
  }

  #line(name: Extension, { size, recipients }: OfferOptions): string {
    switch (name) {
      case "SIZE":
        return `SIZE ${size}`;
      case "LIMITS":
        return `LIMITS RCPTMAX=${recipients}`; //                                                      RFC 9422 4
      case "XCLIENT":
        return XCLIENT_KEYWORDS;
      case "AUTH":
        return `AUTH ${[...this.mechanisms].join(" ")}`;
      default:
        return name;
    }
  }
}

/** Nobody yet. */
export const STRANGER: Standing = { secure: false, identified: false, certificate: false };
