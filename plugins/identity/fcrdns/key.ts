/** What the check found, for the plugins behind it: `ctx.get(FCRDNS)`. Absent when the client was not checked. */
import { type Key, key } from "../../../core/pipeline/mod.ts";

/** RFC 8601 2.7.3 (iprev), and `none` for an address that has no name at all, which the RFC counts as `permerror`. */
export type FcrdnsResult = "pass" | "fail" | "permerror" | "temperror" | "none";

export interface FcrdnsFinding {
  readonly result: FcrdnsResult;
  /** The name that points back, in lower case. Null: none does. */
  readonly name: string | null;
  /** The names that the address has, as told, at most ten: not to be trusted, nor shown unquoted. */
  readonly names: readonly string[];
}

/** Lasts as long as the connection: an address does not change. */
export const FCRDNS: Key<FcrdnsFinding, "connection"> = key("fcrdns", "connection", told);

/** Told as `pass, mail.example.net`. */
function told({ result, name }: FcrdnsFinding): string {
  return name === null ? result : `${result}, ${name}`;
}
