/**
 * What the ledger knows, in the signs and words of the pages: verdicts, replies, connections, milliseconds. Non-job: the
 * story as text (core/ledger/telling.ts).
 */
import type { Entry, Verdict } from "../../../ledger/story.ts";
import { foreign } from "../foreign.ts";
import { type Html, markup } from "../html.ts";
import { type IconName, type Tone, verdict } from "../icons.ts";

/** Of each verdict: its tone, its sign, its word. */
export const VERDICT_WORDS: Readonly<Record<Verdict, readonly [Tone, IconName, string]>> = {
  accepted: ["ok", "ok", "accepted"],
  held: ["hold", "hold", "held"],
  refused: ["bad", "bad", "refused"],
  deferred: ["wait", "wait", "deferred"],
  abandoned: ["none", "none", "abandoned"],
  none: ["none", "none", "no message"],
};

export function verdictOf(entry: Pick<Entry, "verdict">): Html {
  const [tone, sign, word] = VERDICT_WORDS[entry.verdict];
  return verdict(tone, word, sign);
}

/** Code and enhanced code of a reply, and its text: `["550 5.7.1", "Refused"]`. */
export function replyParts(reply: string): readonly [code: string, text: string] {
  const match = /^(\d{3}(?: \d\.\d{1,3}\.\d{1,3})?)(?: |$)/.exec(reply);
  return match === null ? ["", reply] : [match[1]!, reply.slice(match[0].length)];
}

/** `0.3`, `41.6`, `1,840` */
export function milliseconds(ms: number): string {
  return ms < 100 ? (Math.round(ms * 10) / 10).toFixed(1) : Math.round(ms).toLocaleString("en-US");
}

/** `+4.0`, `−1.5`, `0.0` */
export function points(n: number): string {
  const text = Math.abs(n).toFixed(1);
  return n > 0 ? `+${text}` : n < 0 ? `−${text}` : text;
}
/** The same without a plus. */
export function sumOf(n: number): string {
  return points(n).replace("+", "");
}

/** `TLS 1.3` of "TLSv1.3"; in clear where there is none. */
export function tlsWords(tls: string | null): string {
  return tls === null ? "in clear" : foreign(tls.replace(/^TLSv/, "TLS "), 40);
}

/** Where a letter of this site's own begins, there is no client. */
export function clientOf(entry: Entry): Html {
  if (entry.ip === "") return markup`<span class="dim">this server</span>`;
  return markup`<span class="mono">${foreign(entry.ip, 60)}</span> <small><bdi>${
    entry.identity !== null ? `${foreign(entry.identity, 100)}, signed in` : foreign(entry.helo, 100)
  }</bdi></small>`;
}

export function senderOf(entry: Pick<Entry, "sender">): Html {
  if (entry.sender === null) return markup`<span class="dim">no message</span>`;
  return entry.sender === "" ? markup`<code>&lt;&gt;</code>` : markup`<bdi>${foreign(entry.sender, 120)}</bdi>`;
}

export function recipientsOf(entry: Pick<Entry, "recipients" | "recipientCount">): Html {
  const [first] = entry.recipients;
  if (first === undefined) return markup`<span class="dim">no recipient</span>`;
  const more = entry.recipientCount - 1;
  return markup`<bdi>${foreign(first, 120)}</bdi>${
    more > 0 && markup` <small>and ${more.toLocaleString("en-US")} more</small>`
  }`;
}

/** Why, in a few words: what stands in a list behind the plugin's name. */
export function whyShort(entry: Entry): string {
  if (entry.reason !== "") return foreign(entry.reason, 200);
  if (entry.verdict === "accepted") {
    const watched = entry.observed === null ? "" : `would have been ${entry.observed}`, became = outcomes(entry);
    return foreign([watched, became].filter((each) => each !== "").join("; "), 200);
  }
  if (entry.verdict === "held") return ""; // "queued as" and its id say nothing that is not there
  return entry.reply === null ? "" : foreign(replyParts(entry.reply)[1], 200);
}

/** What became of its recipients: `2 delivered, 1 deferred`. */
export function outcomes({ deliveries }: Pick<Entry, "deliveries">): string {
  return Object.entries(deliveries).filter(([, n]) => n > 0).map(([word, n]) => `${n} ${word}`).join(", ");
}
