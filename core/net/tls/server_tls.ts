/**
 * The server's side of a TLS handshake on a socket that is open already (RFC 8446, RFC 5246; STARTTLS: RFC 3207,
 * implicit: RFC 8314), what it settled, and what a login can bind itself to.
 * Non-job: time limits (the caller destroys the socket), SMTP, files. Why it is done this way: docs/decisions/tls.md.
 */
import { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import { type SecureContext, TLSSocket } from "node:tls";
import type { ClientCertificate, TlsFacts } from "../../pipeline/contexts/contexts.ts";
import { isValidAt, readCertificate } from "./certificate.ts";
import type { Authorities, Certificates, ClientCa } from "./certificates.ts";
import { LONGEST_HELLO, serverNameOf } from "./client_hello.ts";
import { HandshakeError, handshaken, ignore, LEFT } from "./handshake.ts";
import type { Pair } from "./pair.ts";

export interface ServerTlsOptions {
  readonly certificates: Certificates;
  /** The runtime knows nothing below TLS 1.2. */
  readonly minVersion: "TLSv1.2" | "TLSv1.3";
  /** Asks clients for a certificate of these authorities; who has none may go on without. From `Certificates.trust`. */
  readonly clientCa?: ClientCa | null;
  /** Milliseconds since 1970; default the present. */
  now?(): number;
}

/** Tickets are good for half a day; twice that is surely over. */
const TICKET_MS = 86_400_000;
/** Client certificates that are remembered. */
const MOST_REMEMBERED = 10_000;

export class ServerTls {
  readonly #options: ServerTlsOptions;
  readonly #now: () => number;
  readonly #contexts = new WeakMap<Pair, { readonly trusted: Authorities | null; readonly context: SecureContext }>();
  /** What each session began with. */
  readonly #begun = new WeakMap<TLSSocket, { readonly pair: Pair; readonly trusted: Authorities | null }>();
  /** Fingerprint -> when a full handshake verified it last. */
  readonly #verified = new Map<string, number>();
  #trusted: Authorities | null;

  constructor(options: ServerTlsOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#trusted = options.clientCa?.value ?? null;
  }

  /**
   * Resolves with the secured socket: paused, nothing emitted yet, its listeners are yours to set at once. The socket must
   * have no "data" listener. There is no time limit in here: destroy the socket and it rejects.
   *
   * @throws {HandshakeError}
   */
  async handshake(socket: Socket): Promise<TLSSocket> {
    socket.pause(); // without it octets of the handshake go to the old stream under load, and it hangs
    socket.on("error", ignore);
    const { certificates } = this.#options;
    const name = certificates.several ? await peekServerName(socket) : null;
    if (socket.destroyed) throw new HandshakeError(LEFT);
    return await handshaken(this.#upgrade(socket, certificates.pick(name)), socket, "secure");
  }

  #upgrade(socket: Socket, pair: Pair): TLSSocket {
    try {
      const secureContext = this.#context(pair), requestCert = this.#trusted !== null;
      // A client without a certificate may log in by password; and `true` would not reject a forged one
      const secured = new TLSSocket(socket, { isServer: true, secureContext, requestCert, rejectUnauthorized: false });
      this.#begun.set(secured, { pair, trusted: this.#trusted });
      return secured;
    } catch (error) {
      socket.destroy();
      throw new HandshakeError((error as Error).message);
    }
  }

  /** What the handshake settled. Ask while the socket is open. */
  facts(socket: TLSSocket): TlsFacts {
    const { servername } = socket as { servername?: string | false | null };
    const certificate = this.#clientCertificate(socket);
    return {
      version: socket.getProtocol() ?? "",
      cipher: socket.getCipher()?.standardName ?? "",
      serverName: servername || null,
      resumed: socket.isSessionReused(),
      certificate: typeof certificate === "string" ? null : certificate,
      ...(typeof certificate === "string" ? { distrust: certificate } : {}),
    };
  }

  /** Octets by channel binding type. Empty where it is not sure that the client has the same ones. */
  bindings(socket: TLSSocket): ReadonlyMap<string, Uint8Array> {
    const found = new Map<string, Uint8Array>();
    const { exportKeyingMaterial } = socket as Partial<Pick<TLSSocket, "exportKeyingMaterial">>;
    if (exportKeyingMaterial !== undefined && socket.getProtocol() === "TLSv1.3") {
      const material = exportKeyingMaterial.call(socket, 32, "EXPORTER-Channel-Binding", Buffer.alloc(0));
      found.set("tls-exporter", new Uint8Array(material)); //                                          RFC 9266 4.1
    }
    const begun = this.#begun.get(socket);
    // A resumed session was begun with the certificate of then, and a client binds to that one (RFC 5929 4.1)
    const sure = !socket.isSessionReused() || this.#now() - this.#options.certificates.replacedAt > TICKET_MS;
    const endPoint = begun !== undefined && sure ? begun.pair.endPoint : null;
    if (endPoint !== null) found.set("tls-server-end-point", endPoint);
    return found;
  }

  #context(pair: Pair): SecureContext {
    const trusted = this.#options.clientCa?.value ?? null;
    if (trusted !== this.#trusted) {
      this.#trusted = trusted;
      this.#verified.clear(); // the old authorities' word counts no more
    }
    const known = this.#contexts.get(pair);
    if (known?.trusted === trusted) return known.context;
    const { minVersion } = this.#options;
    const context = pair.context(trusted === null ? { minVersion } : { minVersion, ca: trusted.pem });
    this.#contexts.set(pair, { trusted, context });
    return context;
  }

  /**
   * The client's certificate, if our authorities vouch for it. The TLS stack verifies the chain in a full handshake and
   * nothing in a resumed one: there a forged certificate looks as good as any, and tickets are good for all listeners of
   * the process. So a resumed session has one only if this listener saw it verified. `authorized` is always false. A text
   * says why one that was shown does not count.
   */
  #clientCertificate(socket: TLSSocket): ClientCertificate | string | null {
    const trusted = this.#begun.get(socket)?.trusted ?? null;
    if (trusted === null) return null;
    const { raw } = socket.getPeerCertificate() as { raw?: Uint8Array } | null ?? {};
    const distrust = verifyError(socket);
    if (raw === undefined) return null;
    if (distrust !== "") return distrust.slice(0, 100);
    let certificate;
    try {
      certificate = readCertificate(new Uint8Array(raw));
    } catch {
      return "it cannot be read";
    }
    const now = this.#now(), { fingerprint, commonName, emails } = certificate;
    if (!isValidAt(certificate, now)) return "it is not valid now";
    if (socket.isSessionReused()) {
      const last = this.#verified.get(fingerprint);
      if (last === undefined || now - last > TICKET_MS) return "the session was resumed, and nobody verified it here";
    } else if (trusted === this.#trusted) {
      this.#verified.delete(fingerprint);
      this.#verified.set(fingerprint, now);
      if (this.#verified.size > MOST_REMEMBERED) this.#verified.delete(this.#verified.keys().next().value!);
    }
    return { fingerprint, commonName, emails };
  }
}

/** Empty when the chain of this handshake was verified, or there was nothing to verify. Anything else is a no. */
function verifyError(socket: TLSSocket): string {
  const { ssl } = socket as { ssl?: { verifyError?(): unknown } | null };
  const error = ssl?.verifyError?.();
  return typeof error === "string" ? error : "unknown";
}

/** The name in the ClientHello, which is put back for the TLS stack to read. */
function peekServerName(socket: Socket): Promise<string | null> {
  return new Promise((resolve, reject) => {
    let seen = new Uint8Array(4096), length = 0;
    const stop = () => socket.pause().off("data", more).off("end", gone).off("close", gone);
    const gone = () => {
      stop();
      socket.destroy();
      reject(new HandshakeError(LEFT));
    };
    const more = (chunk: Uint8Array) => {
      if (length + chunk.length > seen.length) {
        const wider = new Uint8Array(2 * (length + chunk.length)); // doubled: octets one by one cost no more than all at once
        wider.set(seen.subarray(0, length));
        seen = wider;
      }
      seen.set(chunk, length);
      length += chunk.length;
      const name = serverNameOf(seen.subarray(0, length));
      if (name === undefined && length < LONGEST_HELLO) return;
      stop();
      socket.unshift(seen.subarray(0, length));
      resolve(name ?? null);
    };
    socket.on("data", more).once("end", gone).once("close", gone);
    socket.resume();
  });
}
