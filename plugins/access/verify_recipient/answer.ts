/**
 * What a next hop said of an address, as it is remembered: a short text in the plugin's part of the store, under a name of
 * bounded length. Pure but for the digest. Non-job: how long it is kept, who asks (mod.ts).
 */
import { type Address, formatAddress, type Reply } from "../../../core/pipeline/mod.ts";

export interface Answer {
  readonly taken: boolean;
  /** Of the refusal, RFC 3463; "2.1.5" where there is none. */
  readonly status: string;
  /** When it was given, milliseconds since 1970. */
  readonly at: number;
}

// Says that somebody is not there, has moved or takes nothing: it will be so for a while      RFC 3463 3.2, 3.3
const ABOUT_MAILBOX = /^5\.[012]\.\d{1,3}$/;
const STORED = /^(yes|no) ([25]\.\d{1,3}\.\d{1,3}) (\d{1,16})$/;
/** Longer names are their digest, characters. */
const LONGEST = 200;

/** What a reply says for longer than this moment, or null: deferrals, policy, and 252, with which nobody was asked. */
export function answerIn({ code, verdict, status }: Reply, now: number): Answer | null {
  if (verdict === "accept") return code === 252 ? null : { taken: true, status: "2.1.5", at: now };
  return verdict === "reject" && ABOUT_MAILBOX.test(status) ? { taken: false, status, at: now } : null;
}

export function formatAnswer({ taken, status, at }: Answer): string {
  return `${taken ? "yes" : "no"} ${status} ${at}`;
}

/** Null for what no `formatAnswer` wrote. */
export function parseAnswer(text: string | undefined): Answer | null {
  const [, word, status = "", at] = STORED.exec(text ?? "") ?? [];
  return word === undefined ? null : { taken: word === "yes", status, at: Number(at) };
}

/** Under which name it is kept: the next hop and the address, whose local part is as the sender wrote it. */
export async function nameOf(hop: string, address: Address): Promise<string> {
  const name = `${hop} ${formatAddress(address)}`;
  if (name.length <= LONGEST) return name;
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(name));
  return `sha256:${new Uint8Array(digest).toHex()}`;
}
