/**
 * The rules of the header section as data: what each one means, what happens unless the operator says otherwise, and
 * which clause it stands on. Non-job: finding the faults (examine.ts).
 *
 * A default of `reject` is for what makes two readers see two senders, or no sender; the rest is merely bad work.
 */
export type Action = "reject" | "score" | "ignore";

export interface Rule {
  readonly action: Action;
  readonly points: number;
  readonly status: "5.6.0" | "5.7.1";
  /** For people: what is wrong. */
  readonly text: string;
  readonly clause: string;
}

const ONE_FROM = "RFC 5322 3.6"; // and RFC 9989: neither none nor several authors can be checked, hence 5.7.1
export const RULES = {
  missingFrom: { action: "reject", points: 5, status: "5.7.1", text: "no From field", clause: ONE_FROM },
  duplicateFrom: { action: "reject", points: 5, status: "5.7.1", text: "a second From field", clause: ONE_FROM },
  invalidFrom: { action: "reject", points: 5, status: "5.7.1", text: "no address in From", clause: "RFC 5322 3.6.2" },
  severalFrom: {
    action: "reject",
    points: 3,
    status: "5.7.1",
    text: "several addresses in From and no Sender field",
    clause: "RFC 5322 3.6.2",
  },
  malformedFrom: {
    action: "score",
    points: 1.5,
    status: "5.6.0",
    text: "From does not fit the grammar of addresses",
    clause: "RFC 5322 3.4",
  },
  missingDate: { action: "score", points: 1, status: "5.6.0", text: "no Date field", clause: "RFC 5322 3.6" },
  duplicateDate: { action: "score", points: 1, status: "5.6.0", text: "a second Date field", clause: "RFC 5322 3.6" },
  invalidDate: { action: "score", points: 1, status: "5.6.0", text: "Date is no date", clause: "RFC 5322 3.3" },
  futureDate: { action: "score", points: 2, status: "5.6.0", text: "Date is far ahead", clause: "RFC 5322 3.6.1" },
  pastDate: { action: "score", points: 1, status: "5.6.0", text: "Date is long ago", clause: "RFC 5322 3.6.1" },
  duplicate: { action: "score", points: 1.5, status: "5.6.0", text: "a second", clause: "RFC 5322 3.6" },
  fieldName: {
    action: "reject",
    points: 3,
    status: "5.6.0",
    text: "a field name with a space, a control character or an octet above 126",
    clause: "RFC 5322 2.2",
  },
  notAField: {
    action: "reject",
    points: 3,
    status: "5.6.0",
    text: "a line that is no header field, or no empty line before the body",
    clause: "RFC 5322 2.1",
  },
  noBlankLine: {
    action: "score",
    points: 0.5,
    status: "5.6.0",
    text: "no empty line behind the header",
    clause: "RFC 5322 2.1",
  },
  bareEnding: {
    action: "reject",
    points: 3,
    status: "5.6.0",
    text: "a carriage return or line feed alone",
    clause: "RFC 5322 2.2",
  },
  nul: { action: "reject", points: 3, status: "5.6.0", text: "a NUL octet", clause: "RFC 5322 4.1" },
  tooLarge: { action: "reject", points: 3, status: "5.6.0", text: "more than 1 MiB of header", clause: "local limit" },
  // Marks: no points unless the operator gives some.
  rawEightBit: {
    action: "score",
    points: 0,
    status: "5.6.0",
    text: "octets above 127 without SMTPUTF8",
    clause: "RFC 6532 3.6",
  },
  longLine: {
    action: "score",
    points: 0,
    status: "5.6.0",
    text: "a line of more than 998 octets",
    clause: "RFC 5322 2.1.1",
  },
} as const satisfies { readonly [name: string]: Rule };

export type RuleName = keyof typeof RULES;
export const RULE_NAMES = Object.keys(RULES) as readonly RuleName[];
