/**
 * What is different now: act by act, the reply of then and that of now, who decided and why. What only follows from a
 * difference is none of its own. Non-job: playing (player.ts), words for people (cli/replay).
 */
import { type Played, verbOf } from "./player.ts";
import { type Act, codeOf, plainReply, type Recording } from "./recording.ts";

/** A reply, and who gave it. */
export interface Word {
  /** As it was on the wire, the last line, without a reference. */
  readonly reply: string;
  /** The plugin that refused; null where none did. */
  readonly plugin: string | null;
  /** In words for people, where there is more to say than the reply says. */
  readonly reason: string | null;
}
/** One act that is answered differently. */
export interface Change {
  /** "RCPT TO:<b@example.org>", "the message". */
  readonly command: string;
  readonly then: Word;
  /** Null: it does not come to that any more. */
  readonly now: Word | null;
}
export interface Comparison {
  readonly changes: readonly Change[];
  /** Differences that may come from what a replay does not ask or does not have. */
  readonly unsure: readonly Change[];
  /** Acts that were answered, then and now. */
  readonly compared: number;
}

const YES = /^[23]/;

/**
 * @param options.unasked plugins that a replay goes without
 * @param options.unanswered places of acts in which a plugin asked what the recording does not know
 */
export function compare(
  recording: Recording,
  { acts: now }: Played,
  options: { readonly unasked: ReadonlySet<string>; readonly unanswered: ReadonlySet<number> },
): Comparison {
  const changes: Change[] = [], unsure: Change[] = [];
  const sure = options.unasked.size === 0;
  let compared = 0, lost = false, over = false, doubt: "session" | "transaction" | null = null;
  const recipients = { then: 0, now: 0 };
  for (const [at, act] of recording.acts.entries()) {
    const then = codeOf(act.said), verb = verbOf(act);
    const inside = verb === "RCPT" || verb === "DATA" || verb === "BDAT" || act.deed.kind === "content";
    if (!inside && doubt === "transaction") doubt = null;
    if (options.unanswered.has(at) && doubt === null) doubt = inside || verb === "MAIL" ? "transaction" : "session";
    if (then === "" || over) continue;
    if (!inside) {
      lost = false;
      recipients.then = recipients.now = 0;
    }
    const played = now[at] ?? null;
    if (played === null || played.said === "") {
      lost = true; // what it follows from was told already, or is: all recipients are refused, the session is over
      continue;
    }
    const said = codeOf(played.said);
    compared++;
    if (verb === "RCPT") {
      recipients.then += Number(YES.test(then));
      recipients.now += Number(YES.test(said));
    }
    if (said === then || lost && inside) continue;
    // Without a recipient there is no message, and with one there is: that was told of the recipients
    if ((verb === "DATA" || verb === "BDAT") && (recipients.then === 0) !== (recipients.now === 0)) {
      lost = true;
      continue;
    }
    const change = { command: commandOf(act), then: wordOf(act), now: wordOf(played) };
    if (doubt !== null || act.deed.kind === "content" && !sure) unsure.push(change);
    else changes.push(change);
    if (YES.test(then) && !YES.test(said) && verb === "MAIL") lost = true;
    if (/^(?:421|521)/.test(said)) over = true;
  }
  return { changes, unsure, compared };
}

/** What a person calls it. */
export function commandOf(act: Act): string {
  const { deed } = act;
  if (deed.kind === "line") return deed.text.trim().replace(/[^\x20-\x7e]/g, "?").slice(0, 200);
  if (deed.kind === "auth") return `AUTH ${deed.mechanism}`.trim();
  if (deed.kind === "content") return "the message";
  if (deed.kind === "connect" || deed.kind === "tls") return "the connection";
  return "a line without end";
}

function wordOf({ said, blame }: Act): Word {
  const reply = plainReply(said).trimEnd().split("\r\n").at(-1) ?? "";
  return { reply, plugin: blame?.plugin ?? null, reason: blame?.reason ?? null };
}
