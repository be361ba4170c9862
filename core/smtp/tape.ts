/**
 * What a session tells whoever records it, and what of a peer's words may be kept: everything but what can be a secret. A
 * login's lines are never shown, a refused one's neither, whatever was pipelined behind it. Non-job: writing it down.
 */
import { isUtf8 } from "../model/octets.ts";
import { COMMANDS } from "./commands/mod.ts";
import { FOREIGN } from "./foreign.ts";
import { MECHANISMS } from "./sasl/mod.ts";

/** What the engine took from the input, fit to be kept. */
export type Taken =
  /** A command with its CRLF, an octet a character. What could be a secret is an `x` for each octet. */
  | { readonly kind: "line"; readonly text: string }
  /** A login begins; `mechanism` is empty where the word is none that is known. What was said behind it is left out. */
  | { readonly kind: "auth"; readonly mechanism: string }
  /** A line of a login. */
  | { readonly kind: "response" }
  /** So many octets without an end of line. */
  | { readonly kind: "long"; readonly octets: number };

/** Somebody who records a session. Called in order; must neither throw nor keep a view. */
export interface Tape {
  /** So many octets came from the peer. */
  arrived(octets: number): void;
  /** `octets` of them were taken; `said`: characters of output that wait for `takeOutput` and belong to what was before. */
  took(taken: Taken, position: { readonly octets: number; readonly said: number }): void;
  /** Octets of a content, as they came. */
  content(octets: Uint8Array, said: number): void;
  /** What goes to the peer. */
  said(output: string): void;
}

/** How a line was read: `response` inside of a login. */
export type Reading = "line" | "bad" | "response" | "long";

/** What may be kept of a line. */
export function taken(octets: Uint8Array, reading: Reading): Taken {
  if (reading === "response") return { kind: "response" };
  if (reading === "long") return { kind: "long", octets: octets.length };
  if (reading === "bad") return { kind: "line", text: masked(octets) };
  const text = latin1(octets), [word = "", second = ""] = text.trimEnd().split(" ", 2), verb = word.toUpperCase();
  if (verb === "AUTH") {
    const mechanism = second.toUpperCase();
    return { kind: "auth", mechanism: MECHANISMS.has(mechanism) ? mechanism : "" };
  }
  if (COMMANDS.has(verb)) return { kind: "line", text };
  // Where a login was refused, what comes next may be the password; of another protocol only its beginning counts
  const [begin = ""] = FOREIGN.exec(text) ?? [];
  return { kind: "line", text: begin + masked(octets.subarray(begin.length)) };
}

/** Of the same length and the same faults: controls stay controls, what is no UTF-8 stays none. */
function masked(octets: Uint8Array): string {
  const broken = !isUtf8(octets);
  return latin1(octets.map((octet) => octet < 32 || octet === 127 ? octet : octet > 127 && broken ? 0xff : 0x78));
}

function latin1(octets: Uint8Array): string {
  let text = "";
  for (const octet of octets) text += String.fromCharCode(octet);
  return text;
}
