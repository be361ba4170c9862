/**
 * What a connection to a mail server is told before it begins, and what it says of its TLS. Types. Non-job: deciding
 * anything; who judges TLS is given (core/delivery/tls/verdict.ts is one who can).
 */
import type { Reply } from "../model/reply.ts";
import type { ClientOptions, Wait } from "../smtp/client/mod.ts";
import type { Deadlines } from "./deadline.ts";
import type { ClientTls, ServerPeer } from "./tls/client_tls.ts";

/** How far it came with TLS: what `verdictOf` of deliveries wants to know. */
export type TlsReached =
  | { readonly kind: "missing" }
  | { readonly kind: "refused" | "failed"; readonly text: string }
  | { readonly kind: "secured"; readonly peer: ServerPeer };

/** The addresses of a connection; null where it leads through a socket file, or to nobody any more. */
export interface ConnectionEnds {
  readonly sendingIp: string | null;
  readonly receivingIp: string | null;
}

/** What is to follow; a verdict of deliveries is one. */
export interface TlsJudgement {
  /** `clear`: this connection is lost, connect again without TLS. */
  readonly next: "send" | "clear" | "refuse";
  readonly strength: "none" | "encrypted" | "verified";
  /** With `refuse`. */
  readonly reply: Reply | null;
}

export interface OutboundTls {
  readonly client: ClientTls;
  /** What is asked for in the ClientHello (RFC 6066 3). */
  readonly serverName: string | null;
  /** TLS comes first (RFC 8314 3). */
  readonly implicit?: boolean;
  /** Called once for each connection on which TLS was to be. */
  judge(reached: TlsReached, ends: ConnectionEnds): TlsJudgement;
}

export interface OutboundSettings {
  /** Of the peer: an IP address, or the path of a socket file. */
  readonly address: string;
  /** Its `tls` says whether STARTTLS is said, and what a peer without it means. */
  readonly session: ClientOptions;
  /** Null only where the session's `tls` is `never`. */
  readonly tls: OutboundTls | null;
  readonly deadlines: Deadlines;
  /** Milliseconds for what is waited for; default what the RFC says (RFC 5321 4.5.3.2). */
  readonly patience?: ((wait: Wait) => number) | undefined;
}

/** TLS as it is on this connection, for the log. */
export interface Security {
  readonly version: string;
  readonly cipher: string;
  readonly strength: TlsJudgement["strength"];
}
