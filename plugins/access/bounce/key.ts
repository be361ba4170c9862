/** What `bounce` reads in the address that a bounce comes to, for the plugins behind it. */
import { type Address, type Key, key } from "../../../core/pipeline/mod.ts";

/** An address that carried a tag of ours, as it is without it. */
export interface Tagged {
  /** The return path that was signed: a sender of ours, or what `verp` made of one. */
  readonly address: Address;
  /** The last day on which the tag counts, in days since 1970 UTC. */
  readonly expires: number;
  /** That day is over. */
  readonly expired: boolean;
}

/** Set for a recipient that a tag of ours led to: who wrote to it has seen mail that left here. */
export const TAGGED: Key<Tagged, "recipient"> = key(
  "bounce.tagged",
  "recipient",
  ({ expired }) => expired ? "a tag of ours that has expired" : "a tag of ours that counts",
);

const TAG = /^prvs=/i, WHOLE = /^prvs=[0-9]{4}[0-9a-f]{6}=/i;

/** True for a local part that looks tagged, whoever wrote it. */
export function isTagged({ local }: Address): boolean {
  return TAG.test(local);
}

/** The address without what looks like a tag; whether it is one of ours is another question. */
export function untagged({ local, domain }: Address): Address {
  return { local: local.replace(WHOLE, ""), domain };
}
