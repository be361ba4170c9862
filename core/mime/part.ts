/**
 * What the first reading of a message leaves for the second: the entities that a lesser transport cannot take as they
 * are, by offsets. Non-job: finding them (structure.ts), changing them (convert.ts).
 */

/** BODY of RFC 6152 and RFC 3030, from what every transport takes to what few do. */
export type Form = "7BIT" | "8BITMIME" | "BINARYMIME";
export const RANK: Readonly<Record<Form, number>> = { "7BIT": 0, "8BITMIME": 1, "BINARYMIME": 2 };

/**
 * How the octets of an entity may be changed. `composite`: they hold entities of their own. `filler`: nobody's content
 * (preamble and epilogue, RFC 2046 5.1.1). `base64`: already coded so, but not as a line of it should be. `fixed`: not at
 * all, as they are signed, encrypted, or not understood.
 */
export type Treatment = "composite" | "filler" | "text" | "octets" | "base64" | "fixed";

export interface Part {
  treatment: Treatment;
  /** Of the entity's body alone. */
  form: Form;
  longLines: boolean;
  /** NUL is among the octets. */
  nul: boolean;
  /** What its Content-Transfer-Encoding claims, where that is no coding. */
  label: Form;
  /** The field itself; -1 when there is none. */
  labelStart: number;
  labelEnd: number;
  /** Where its header section ends: before the empty line, if there is one. */
  fieldsEnd: number;
  /** No empty line ends its header section. */
  open: boolean;
  /** It begins a message that has no MIME-Version. */
  unversioned: boolean;
  /** It has no Content-Type and is text/plain by default. */
  untyped: boolean;
  /** Where text/plain lacks its charset; -1 when it does not. */
  charsetAt: number;
  start: number;
  end: number;
}
