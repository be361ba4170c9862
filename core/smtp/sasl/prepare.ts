/**
 * SASLprep (RFC 4013): one form for each user name and password, whatever keyboard it came from. Departs from the RFC in
 * one point: normalization and what is assigned are those of the running Unicode, not of version 3.2, as the peers do it.
 * Non-job: case of names, which addresses mean the same.
 */

/** Longer texts are no names and no passwords; the bound keeps normalization cheap, which is not linear in its worst case. */
const LONGEST = 4096;

// RFC 4013 2.1: spaces beyond ASCII (RFC 3454 C.1.2) become U+0020, and B.1 becomes nothing. U+200B is in both: a space.
const SPACES = /[\u00a0\u1680\u2000-\u200b\u202f\u205f\u3000]/g;
const NOTHING = /[\u00ad\u034f\u1806\u180b-\u180d\u200c\u200d\u2060\ufe00-\ufe0f\ufeff]/g;
// RFC 4013 2.3, by the tables of RFC 3454. C.1.2 is gone by then.
const PROHIBITED = new RegExp(
  [
    /[\0-\x1f\x7f]/, // C.2.1
    /[\x80-\x9f\u06dd\u070f\u180e\u200c\u200d\u2028\u2029\u2060-\u2063\u206a-\u206f\ufeff\ufff9-\ufffc\u{1d173}-\u{1d17a}]/u, // C.2.2
    /\p{Co}|\p{Noncharacter_Code_Point}|\p{Cs}/u, // C.3, C.4, C.5
    /[\ufff9-\ufffd\u2ff0-\u2ffb]/, // C.6, C.7
    /[\u0340\u0341\u200e\u200f\u202a-\u202e\u206a-\u206f]/, // C.8
    /[\u{e0001}\u{e0020}-\u{e007f}]/u, // C.9
  ].map((table) => table.source).join("|"),
  "u",
);
// RFC 4013 2.5 prohibits RFC 3454 A.1 in what is stored.
const UNASSIGNED = /\p{Cn}/u;
// RFC 3454 D.1, written right to left.
const RAND_AL =
  /[\u05be\u05c0\u05c3\u05d0-\u05ea\u05f0-\u05f4\u061b\u061f\u0621-\u063a\u0640-\u064a\u066d-\u066f\u0671-\u06d5\u06dd\u06e5\u06e6\u06fa-\u06fe\u0700-\u070d\u0710\u0712-\u072c\u0780-\u07a5\u07b1\u200f\ufb1d\ufb1f-\ufb28\ufb2a-\ufb36\ufb38-\ufb3c\ufb3e\ufb40\ufb41\ufb43\ufb44\ufb46-\ufbb1\ufbd3-\ufd3d\ufd50-\ufd8f\ufd92-\ufdc7\ufdf0-\ufdfc\ufe70-\ufe74\ufe76-\ufefc]/;
// RFC 3454 D.2, written left to right: its letters and digits. The signs in it that are neither are not looked for.
const L_CAT = new RegExp(
  `(?!${RAND_AL.source})[[\\p{L}\\p{Mc}\\p{Nl}\\p{Nd}]--[0-9\\u0660-\\u0669\\u06f0-\\u06f9\\u02b9\\u02ba\\u02c6-\\u02cf\\u02ec\\u1734\\u2132\\u302e\\u302f]]`,
  "v",
);
const ASCII = /^[ -~]*$/;

/**
 * The prepared text, or null where the profile prohibits it. `stored`: what goes into a table of users, where code points
 * that mean nothing yet are refused; `query`: what a client presents (RFC 3454 7).
 *
 * @example
 * ```ts
 * import { saslprep } from "./prepare.ts";
 * import { assertEquals } from "@std/assert";
 * assertEquals(saslprep("I\u00adX", "query"), "IX"); // RFC 4013 3
 * assertEquals(saslprep("\u0007", "query"), null);
 * ```
 */
export function saslprep(text: string, kind: "stored" | "query"): string | null {
  if (text.length > LONGEST) return null;
  if (ASCII.test(text)) return text;
  const prepared = text.replace(SPACES, " ").replace(NOTHING, "").normalize("NFKC"); // RFC 4013 2.1, 2.2
  if (PROHIBITED.test(prepared)) return null;
  if (kind === "stored" && UNASSIGNED.test(prepared)) return null;
  return wellDirected(prepared) ? prepared : null;
}

/** RFC 3454 6: who writes from right to left begins and ends so, and has nothing that is written from left to right. */
function wellDirected(text: string): boolean {
  if (!RAND_AL.test(text)) return true;
  return !L_CAT.test(text) && RAND_AL.test(text[0]!) && RAND_AL.test(text[text.length - 1]!);
}
