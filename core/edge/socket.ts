/** A TCP socket as edge platforms give it (`connect` of `cloudflare:sockets`), as far as it is used. Types. */

/** Two streams, and TLS on demand. */
export interface EdgeSocket {
  /** Octets of the peer. */
  readonly readable: ReadableStream<Uint8Array>;
  /** Octets for the peer. */
  readonly writable: WritableStream<Uint8Array>;
  /** Resolves when the connection is there, rejects when it cannot be had. */
  readonly opened: Promise<unknown>;
  /** Ends it. */
  close(): Promise<unknown>;
  /**
   * The same connection inside TLS, for sockets that were opened with `starttls`; the streams of this one must not be in
   * use. The platform verifies the peer's certificate for the name.
   */
  startTls(options?: { readonly expectedServerHostname?: string }): EdgeSocket;
}
/** Opens one. `on`: TLS comes first (RFC 8314 3). */
export type EdgeConnect = (
  address: { readonly hostname: string; readonly port: number },
  options: { readonly secureTransport: "off" | "on" | "starttls"; readonly allowHalfOpen: boolean },
) => EdgeSocket;
