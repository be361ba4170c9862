/** What the attachments plugin found, for plugins after it: the findings of all rules that are not ignored. */
import { type Key, key } from "../../../core/pipeline/mod.ts";
import type { Finding } from "./rules.ts";

export const ATTACHMENTS: Key<readonly Finding[]> = key("attachments", "transaction", told);

const TOLD = 5; // findings

/** Told as `executable invoice.exe, macros`, or `nothing`. */
function told(findings: readonly Finding[]): string {
  const words = findings.slice(0, TOLD).map(({ rule, where }) => where === "" ? rule : `${rule} ${where}`).join(", ");
  return `${words || "nothing"}${findings.length > TOLD ? ` and ${findings.length - TOLD} more` : ""}`;
}
