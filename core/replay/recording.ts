/**
 * A recorded session as values: what the peer did, act by act, what it was told, and what plugins learned from outside.
 * Holds no secret of a login, and content only where that was asked for. Non-job: the file (format.ts), making one
 * (session_tape.ts), playing it (player.ts).
 */
import type { TlsFacts } from "../pipeline/contexts/contexts.ts";

/** Where a session came from, and where it came in. */
export interface Place {
  /** The session's id, as the log and the ledger have it. */
  readonly session: string;
  /** When it began, milliseconds since 1970. */
  readonly at: number;
  /** The listener's name. */
  readonly listener: string;
  readonly role: string;
  /** The peer's address and port; what a proxy said by XCLIENT is an act. */
  readonly ip: string;
  readonly port: number;
  /** The host that took it. */
  readonly hostname: string;
  /** Contents are whole. */
  readonly bodies: boolean;
}

/** What a peer did. */
export type Deed =
  /** It connected. The greeting is what it was told. */
  | { readonly kind: "connect" }
  /** A command with its CRLF, an octet a character. */
  | { readonly kind: "line"; readonly text: string }
  /** So many octets without an end of line. */
  | { readonly kind: "long"; readonly octets: number }
  /** A login, all its lines. `user`: as whom it succeeded; null: it came to nothing. */
  | { readonly kind: "auth"; readonly mechanism: string; readonly user: string | null }
  /** A content, or a chunk of it, as it came on the wire; null octets: only its size was kept. */
  | { readonly kind: "content"; readonly size: number; readonly octets: Uint8Array | null }
  /** A TLS handshake. */
  | { readonly kind: "tls"; readonly facts: TlsFacts }
  /** Octets that nobody looked at any more. */
  | { readonly kind: "rest"; readonly octets: number };

/** Who decided, and why, where the reply was a refusal. */
export interface Blame {
  readonly plugin: string | null;
  readonly reason: string | null;
}
/** A deed, and what came of it. */
export interface Act {
  readonly deed: Deed;
  /** Milliseconds from the session's beginning. */
  readonly at: number;
  /** Some of it was there before the deed before it was answered: it was pipelined. */
  readonly early: boolean;
  /** What the peer was told then, as it was on the wire; a login's last word only. */
  readonly said: string;
  readonly blame: Blame | null;
}

/** An answer of name service. */
export interface Known {
  /** "TXT example.org" */
  readonly question: string;
  /** As `Answer` has it. */
  readonly answer: unknown;
}
/** What another host said of a recipient (`ctx.callAhead`). */
export interface Heard {
  /** `questionKey` of call_ahead.ts. */
  readonly question: string;
  /** "550 5.1.1 No such user" */
  readonly reply: string;
}
/** What somebody other than name service answered a plugin (`ctx.outside`). */
export interface Told {
  /** The plugin that asked. */
  readonly by: string;
  readonly question: string;
  /** The act in which it was asked, by its place in `acts`. */
  readonly act: number;
  /** Which time it was that the plugin asked this in that act, from 0. */
  readonly turn: number;
  /** Null: it failed. */
  readonly answer: string | null;
  /** Why it failed, in the words of then; empty where it did not. */
  readonly failed: string;
}
/** What a counter held before the session touched it; null: nothing. */
export type Counted = readonly [name: string, value: string | null];

export interface Recording extends Place {
  readonly acts: readonly Act[];
  readonly known: readonly Known[];
  readonly heard: readonly Heard[];
  readonly told: readonly Told[];
  readonly counted: readonly Counted[];
  /** Why the session ended. */
  readonly ended: string;
}

/** Without the reference that each refusal carries: it is new each time. */
export function plainReply(said: string): string {
  return said.replace(/ \(ref [0-9A-Z]{8}\)/g, "").replace(/\bqueued as [0-9A-Z]{26}/g, "queued");
}
/** "550 5.7.1": code and status of what was said, of each reply where there are several; empty when nothing was said. */
export function codeOf(said: string): string {
  const codes: string[] = [];
  for (const line of said.split("\r\n")) {
    const [, code, status = ""] = /^(\d{3})(?: (\d\.\d{1,3}\.\d{1,3}))?(?: |$)/.exec(line) ?? [];
    if (code !== undefined) codes.push(status === "" ? code : `${code} ${status}`);
  }
  return codes.join(", ");
}
