/**
 * Names in the store of `account_guard`, for whoever counts for it: what is sent today bounces tomorrow, when nobody is
 * logged in. Non-job: what follows from a count (mod.ts).
 */
import type { Counters } from "../../../core/pipeline/mod.ts";

/** Who is counted: logins are one whatever their case, and none is longer than an address. */
export function accountOf(identity: string): string {
  return identity.slice(0, 320).toLowerCase();
}

/** Recipients that bounced within the last hour. In the store as a whole: `plugin:account_guard:bounced NAME`. */
export function bouncedName(identity: string): string {
  return `bounced ${accountOf(identity)}`;
}

/** Counts recipients of an account's mail that bounced. `store`: the plugin's own part of it. */
export function countBounces(store: Counters, identity: string, recipients = 1): Promise<number> {
  return store.add(bouncedName(identity), recipients, { seconds: 3600 });
}
