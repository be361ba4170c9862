/**
 * Names in the store of `account_guard`, for whoever counts beside it: a web service that hears of bounces. Non-job: what
 * follows from a count (mod.ts).
 */

/** Who is counted: logins are one whatever their case, and none is longer than an address. */
export function accountOf(identity: string): string {
  return identity.slice(0, 320).toLowerCase();
}

/** Recipients that bounced lately. In the store as a whole: `plugin:account_guard:bounced NAME`. */
export function bouncedName(identity: string): string {
  return `bounced ${accountOf(identity)}`;
}
