/** What a 503 says: the step that is missing before a verb (RFC 5321 4.1.4). Non-job: the order itself (state.ts). */
import type { State, Verb } from "./state.ts";

const BEFORE: Partial<Record<Verb, string>> = {
  MAIL: "A transaction is open: finish it, or say RSET first",
  RCPT: "MAIL first",
  DATA: "No recipient yet",
  BDAT: "No recipient yet",
  STARTTLS: "Not inside a transaction",
  AUTH: "Not inside a transaction",
  XCLIENT: "Not inside a transaction",
};

export function missingBefore(verb: Verb, state: State, lmtp: boolean): string {
  if (state === "start") return `Say ${lmtp ? "LHLO" : "EHLO"} first`;
  return state === "spoiled" ? "RSET first" : BEFORE[verb] ?? "Not now";
}
