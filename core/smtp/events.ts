/**
 * What the server engine tells and asks its host. An event that `asks` wants one `answer(reply)` before the engine goes
 * on; the others are only told. Values; no I/O.
 */
import type { Address } from "../model/address.ts";
import type { MailParameters, RcptParameters } from "../model/envelope.ts";
import type { Reply } from "../model/reply.ts";

export type Asking =
  /** A connection is there: accept says the 220, a refusal is a 554 or 421 greeting. */
  | { readonly type: "connect"; readonly asks: true }
  | {
    readonly type: "helo";
    readonly asks: true;
    readonly verb: "HELO" | "EHLO" | "LHLO";
    readonly name: string;
  }
  | {
    readonly type: "mail";
    readonly asks: true;
    readonly sender: Address | null;
    readonly parameters: MailParameters;
    /** A higher priority was asked for than is had: the answer says so (RFC 6710). */
    readonly lowered?: true;
  }
  | { readonly type: "rcpt"; readonly asks: true; readonly address: Address; readonly parameters: RcptParameters }
  /** TLS is wanted: accept says the 220, and then nothing is read before `secured` (RFC 3207). */
  | { readonly type: "starttls"; readonly asks: true }
  /** A login begins; `initial` is null when AUTH came without a response. Answered by a `Challenge` or the last word. */
  | { readonly type: "auth"; readonly asks: true; readonly mechanism: string; readonly initial: Uint8Array | null }
  /** What the client says to a challenge. */
  | { readonly type: "auth-response"; readonly asks: true; readonly response: Uint8Array }
  /** The client gave its login up, or broke its syntax: end it, then answer with `refusal`. */
  | { readonly type: "auth-cancelled"; readonly asks: true; readonly refusal: Reply<"reject"> }
  /** A trusted proxy says who is really there; accept begins the session anew. */
  | { readonly type: "xclient"; readonly asks: true; readonly attributes: ReadonlyMap<string, string | null> }
  /** The content begins: make room for it. Accept lets it come (354 for DATA). */
  | { readonly type: "content"; readonly asks: true }
  /** The last octet is there. In LMTP `answer` takes one reply per accepted recipient. */
  | { readonly type: "message"; readonly asks: true };

export type Telling =
  /** Octets of the content, dots unstuffed: a view of the input, gone after the next call. */
  | { readonly type: "body"; readonly asks: false; readonly chunk: Uint8Array }
  /** The content is refused at its end, whatever comes: nothing of it is wanted any more. */
  | { readonly type: "spoiled"; readonly asks: false }
  /** The transaction is over without a message (RSET, a spoiled content): drop what was kept of it. */
  | { readonly type: "reset"; readonly asks: false }
  /** Core itself refused a command; the reply is written already. */
  | { readonly type: "refused"; readonly asks: false; readonly command: string; readonly reply: Reply }
  /** Nothing more will be read: write the output, then close. */
  | { readonly type: "close"; readonly asks: false; readonly reason: string };

export type ServerEvent = Asking | Telling;

/** An answer to `auth` and `auth-response` that is not the last word: 334 and these octets (RFC 4954 4). */
export class Challenge {
  constructor(readonly octets: Uint8Array) {}
}
