/**
 * What is said of a token, whoever said it: the claims of a JWT (RFC 9068) or of an introspection (RFC 7662 2.2), and
 * what they must be for a login here. Non-job: whether they can be believed (jwt.ts, introspection.ts).
 */
import { isUserName } from "../user_name.ts";

/** As they came. */
export type Claims = Readonly<Record<string, unknown>>;

export interface Demands {
  /** The claim that names the user. */
  readonly user: string;
  /** Each of them must have been granted. */
  readonly scopes: readonly string[];
}

/** Whose token it is; null when it is not good for a login here. */
export function userOf(claims: Claims, { user, scopes }: Demands): string | null {
  const granted = scopesOf(claims), name = claims[user];
  if (!scopes.every((each) => granted.includes(each)) || !isUserName(name)) return null;
  // An address that nobody has verified is whatever its owner typed (OpenID Connect Core 5.7)
  if (user === "email" && claims["email_verified"] === false) return null;
  return name;
}

/** `scope` is one text (RFC 8693 4.2); `scp`, a text or a list, is what some servers say instead. */
function scopesOf(claims: Claims): readonly unknown[] {
  const said = claims["scope"] ?? claims["scp"];
  return typeof said === "string" ? said.split(" ") : Array.isArray(said) ? said : [];
}

/** True when `aud`, a text or a list, names one of `wanted` (RFC 7519 4.1.3). */
export function isFor(claims: Claims, wanted: readonly string[]): boolean {
  const said = claims["aud"];
  return (Array.isArray(said) ? said : [said]).some((each) => wanted.includes(each));
}
