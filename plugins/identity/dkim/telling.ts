/** What the signatures of a message came to as a sentence for people. Non-job: what the peer is told (mod.ts). */
import type { DkimFinding, DkimFindings } from "./key.ts";

const TOLD = 3; // signatures

/** `One signature, by example.net: the body was changed`. */
export function sentenceOf({ signatures, more }: DkimFindings): string {
  const count = signatures.length + more;
  if (count === 0) return "The message has no signature";
  const told = signatures.slice(0, TOLD).map(words).join("; ");
  const rest = count - Math.min(signatures.length, TOLD);
  return `${count === 1 ? "One signature" : `${count} signatures`}, ${told}${rest > 0 ? `; ${rest} more` : ""}`;
}

/** `by example.net: it broke, the body was changed`. */
function words({ result, domain, reason, testing }: DkimFinding): string {
  const why = reason === null ? "" : `, ${reason}`;
  return `by ${domain ?? "nobody it names"}: ${WORDS[result]}${why}${testing ? ", and the domain is only trying" : ""}`;
}
const WORDS: Readonly<Record<DkimFinding["result"], string>> = {
  pass: "it holds",
  fail: "it is broken",
  policy: "it holds, and is not enough here",
  neutral: "it says nothing",
  temperror: "name service failed",
  permerror: "it cannot be checked",
};
