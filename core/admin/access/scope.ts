/**
 * Tokens and what each of them is for. A token is kept as its SHA-256 alone, so neither a dump of memory nor a page can
 * give it away. Values only. Non-job: finding out whose token a request carries (session.ts), which route asks for
 * which scope (rules.ts).
 */
import { createHash } from "node:crypto";

/**
 * `read`: look at everything but what mails say. `messages`: what mails say, and the inbox. `queue`: steer the queue, the
 * lists of suppressed addresses and banned clients, teach. `send`: bring in mail. `admin`: reload, forget, and all that
 * is not named here.
 */
export const SCOPES = ["read", "messages", "queue", "send", "admin"] as const;
export type Scope = typeof SCOPES[number];

/** A token as the configuration gives it. */
export interface AccessToken {
  /** By which the audit knows it. */
  readonly name: string;
  /** Of its UTF-8 octets, 64 hexadecimal digits in lower case. */
  readonly sha256: string;
  readonly scopes: readonly Scope[];
  /** From where it may be used, as `new Networks` reads them; null: from everywhere. */
  readonly networks: readonly string[] | null;
  /** In whose name it sends: what plugins see as the client's login. */
  readonly account: string;
}

/** Who asks. */
export interface Caller {
  readonly name: string;
  readonly scopes: readonly Scope[];
  readonly account: string;
}

/** The name of `admin.token`. */
export const ADMIN = "admin";
/** Who asks where nobody is asked who he is: the dev inbox on loopback. */
export const ANYONE: Caller = { name: "anyone", scopes: SCOPES, account: "anyone" };

/** The SHA-256 of a token, 64 hexadecimal digits. */
export function digestOf(token: string): string {
  return createHash("sha256").update(token).digest("hex");
}

/** `admin.token` may do everything from everywhere. */
export function adminToken(token: string): AccessToken {
  return { name: ADMIN, sha256: digestOf(token), scopes: SCOPES, networks: null, account: ADMIN };
}

/** True when `caller` may do what asks for `scope`. */
export function may(caller: Pick<Caller, "scopes">, scope: Scope): boolean {
  return caller.scopes.includes(scope);
}
