/** What the answer to EHLO announces, in order; params.ts takes only parameters of what is announced. */

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

const USUAL: readonly Extension[] = [
  "PIPELINING",
  "SIZE",
  "8BITMIME",
  "ENHANCEDSTATUSCODES",
  "SMTPUTF8",
  "CHUNKING",
  "DSN",
  "LIMITS",
];

/** The set that a listener announces; immutable, made once. */
export class Extensions {
  readonly #names: ReadonlySet<Extension>;
  /** The lines of the answer to EHLO, the first left out. */
  readonly lines: readonly string[];

  constructor(
    options: {
      readonly size: number;
      readonly recipients: number;
      readonly binarymime?: boolean;
      /** Words that are left out; what is left out is refused too. */
      readonly hide?: readonly string[];
    },
  ) {
    const names = new Set<Extension>(USUAL);
    if (options.binarymime) names.add("BINARYMIME"); // needs CHUNKING                                  RFC 3030 3
    for (const name of options.hide ?? []) names.delete(name.toUpperCase() as Extension);
    if (!names.has("CHUNKING")) names.delete("BINARYMIME");
    if (!names.has("8BITMIME")) names.delete("SMTPUTF8"); //                                            RFC 6531 3.1
    this.#names = names;
    this.lines = [...names].map((name) =>
      name === "SIZE" ? `SIZE ${options.size}` : name === "LIMITS" ? `LIMITS RCPTMAX=${options.recipients}` : name //  RFC 9422 4
    );
  }

  has(name: Extension): boolean {
    return this.#names.has(name);
  }
}
