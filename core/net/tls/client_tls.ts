/**
 * The client's side of a TLS handshake on a socket that is open already (RFC 8446, RFC 5246; STARTTLS: RFC 3207), and
 * what the server showed of itself. It never refuses a certificate: who it must belong to, and whether that matters, is
 * asked of what it hands out. That the server has the key to its certificate is always verified.
 * Non-job: time limits (the caller destroys the socket), SMTP, policy. Why it is so: docs/decisions/delivery-tls.md.
 */
import type { Socket } from "node:net";
import { connect, createSecureContext, type SecureContext, type TLSSocket } from "node:tls";
import { isIPv4, isIPv6 } from "../../model/ip.ts";
import { HandshakeError, handshaken, ignore, LEFT } from "./handshake.ts";

/** A session that the handshake made. */
export interface ServerPeer {
  /** Paused, nothing emitted yet, its listeners are yours to set at once. */
  readonly socket: TLSSocket;
  /** "TLSv1.3". */
  readonly version: string;
  /** The suite as the IANA writes it. */
  readonly cipher: string;
  /** The server's certificates, its own first, DER; perhaps authorities of ours behind them. Ask while it is open. */
  chain(): readonly Uint8Array<ArrayBuffer>[];
  /** Null when the chain is valid now and ends at an authority of ours, whatever name is in it; else the word for why not. */
  readonly distrust: string | null;
}

export interface ClientTlsOptions {
  /** PEM texts of the authorities that are trusted; default those of the runtime. */
  readonly authorities?: readonly string[];
  /** The runtime knows nothing below TLS 1.2 (default). */
  readonly minVersion?: "TLSv1.2" | "TLSv1.3";
}

/** More certificates than any server sends: the rest is left unread. */
const LONGEST_CHAIN = 12;

export class ClientTls {
  readonly #context: SecureContext;

  /** @throws when an authority is no PEM. */
  constructor(options: ClientTlsOptions = {}) {
    const { authorities, minVersion = "TLSv1.2" } = options; //                                       RFC 8996, RFC 9325
    this.#context = createSecureContext({ minVersion, ...authorities && { ca: [...authorities] } });
  }

  /**
   * The socket must have no "data" listener. There is no time limit in here: destroy the socket and it rejects. When it
   * rejects both sockets are destroyed; the message is for the log.
   *
   * @param serverName what we ask for in the ClientHello (RFC 6066 3); an address or null asks for nothing.
   * @throws {HandshakeError}
   */
  async handshake(socket: Socket, serverName: string | null): Promise<ServerPeer> {
    socket.pause(); // without it octets of the handshake go to the old stream under load, and it hangs
    socket.on("error", ignore);
    // A server waits for our hello: what came before it was put there by somebody on the way (RFC 3207 6, case 63)
    if (socket.destroyed || socket.readableLength > 0) {
      const reason = socket.destroyed ? LEFT : "octets in clear where the handshake should begin";
      socket.destroy();
      throw new HandshakeError(reason);
    }
    const begun = connect({
      socket,
      secureContext: this.#context,
      servername: serverName === null || isIPv4(serverName) || isIPv6(serverName) ? "" : serverName,
      rejectUnauthorized: false, // says `authorized` all the same, and the connection lives to say QUIT
      checkServerIdentity: () => undefined, // names are not for the runtime to judge: DANE has others
    });
    const secured = await handshaken(begun, socket, "secureConnect");
    return {
      socket: secured,
      version: secured.getProtocol() ?? "",
      cipher: secured.getCipher()?.standardName ?? "",
      chain: () => chainOf(secured),
      distrust: secured.authorized ? null : String(secured.authorizationError || "unverified"),
    };
  }
}

/** What the runtime has of it, each certificate once. Empty when it cannot be read: then nothing can be verified. */
function chainOf(secured: TLSSocket): readonly Uint8Array<ArrayBuffer>[] {
  const chain: Uint8Array<ArrayBuffer>[] = [];
  try {
    const seen = new Set<unknown>();
    let next = secured.getPeerCertificate(true) as { raw?: Uint8Array; issuerCertificate?: unknown } | undefined;
    while (next?.raw !== undefined && !seen.has(next) && chain.length < LONGEST_CHAIN) {
      seen.add(next);
      chain.push(new Uint8Array(next.raw));
      next = next.issuerCertificate as typeof next;
    }
  } catch {
    return []; // a certificate that the runtime cannot take apart
  }
  return chain;
}
