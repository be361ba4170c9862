/**
 * Who asks, and what he may do. Values only. Non-job: reading tokens (core/config/tokens.ts), finding out whose token a
 * request carries (session.ts), which route asks for which scope (rules.ts).
 */
import { type AccessToken, ADMIN, digestOf, type Scope, SCOPES } from "../../config/tokens.ts";

export { type AccessToken, digestOf, type Scope, SCOPES };

/** Who asks. */
export type Caller = Pick<AccessToken, "name" | "scopes" | "account">;

/** Who asks where nobody is asked who he is: the dev inbox on loopback. */
export const ANYONE: Caller = { name: "anyone", scopes: SCOPES, account: "anyone" };

/** `admin.token` may do everything from everywhere. */
export function adminToken(token: string): AccessToken {
  return { name: ADMIN, sha256: digestOf(token), scopes: SCOPES, networks: null, account: ADMIN };
}

/** True when `caller` may do what asks for `scope`. */
export function may(caller: Pick<Caller, "scopes">, scope: Scope): boolean {
  return caller.scopes.includes(scope);
}
