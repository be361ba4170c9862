/**
 * What a session is set up with, and what the commands (commands/) see of it and may change. Types only; the session
 * itself is server.ts.
 */
import type { BodyType } from "../model/envelope.ts";
import type { ContentLimits } from "./content_reader.ts";
import type { PatienceLimits } from "./patience.ts";
import type { Demands } from "./demands.ts";
import type { Extensions, Offer } from "./extensions.ts";
import type { State } from "./state.ts";

export interface ServerOptions {
  /** The name in the greeting and the answer to EHLO. */
  readonly hostname: string;
  /** Milliseconds since 1970: some parameters of MAIL speak of time. */
  now(): number;
  /** LHLO instead of EHLO, a reply per recipient (RFC 2033). */
  readonly lmtp: boolean;
  /** What is announced, to whom. */
  readonly offer: Offer;
  /** What is asked before mail is taken. */
  readonly demands: Demands;
  readonly limits: ContentLimits & PatienceLimits & {
    /** Octets of a command line with its CRLF, at least 1036 (RFC 3461 5.4). */
    readonly command: number;
    /** Accepted recipients of a transaction. */
    readonly recipients: number;
  };
  /** Bare CR and LF in content: refuse the message, or make them CRLF on the way in. */
  readonly bareLf: "reject" | "normalize";
  /** Refuse peers that talk before their turn. */
  readonly forbidEarlyTalk: boolean;
  /** Take paths without angle brackets. */
  readonly lenientPaths: boolean;
  /** What holds for a peer that a trusted proxy speaks for (XCLIENT). */
  speakingFor(ip: string): ServerOptions;
  /** VRFY is 252, which tells nothing, or 502. */
  readonly vrfy: "neutral" | "off";
}

/** What the commands see of the session, and all that they may change. */
export interface Dialogue {
  readonly options: ServerOptions;
  readonly state: State;
  /** What is announced to this session now. */
  readonly extensions: Extensions;
  /** TLS is on. */
  readonly secure: boolean;
  /** Somebody has logged in. */
  readonly identified: boolean;
  /** Accepted recipients of the transaction. */
  readonly recipients: number;
  readonly smtputf8: boolean;
  readonly body: BodyType;
  /** Octets that follow on the line of BDAT. */
  chunk(size: number, last: boolean): void;
  /** Ends the session once the reply is written. */
  hangUp(reason: string): void;
}
