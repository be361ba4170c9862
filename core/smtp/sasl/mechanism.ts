/**
 * What a SASL mechanism is, server side (RFC 4422): a conversation that ends with a claim, which a plugin checks.
 * It sees a peer that answers challenges, never a socket. Non-job: base64 and 334 (commands/auth.ts), who may (plugins).
 */

/** The client, as a mechanism sees it. */
export interface SaslPeer {
  /**
   * Says a challenge and waits for the response. May be called inside `Claim.verify`.
   *
   * @throws {SaslCancelled} when the client cancelled, left, or took too long.
   */
  challenge(octets: Uint8Array): Promise<Uint8Array>;
}

/** What the connection knows, for mechanisms that bind themselves to it. */
export interface SaslConnection {
  /** Our name, for mechanisms that say it. */
  readonly hostname: string;
  /** SHA-256 fingerprint of the client's verified certificate, upper-case hex with colons; null without one. */
  readonly certificate: string | null;
  /** Names that the verified certificate vouches for: e-mail addresses first, then the common name. */
  readonly certificateNames: readonly string[];
  /** Octets by channel binding type (RFC 5929 tls-server-end-point, RFC 9266 tls-exporter); empty without TLS. */
  bindings(): ReadonlyMap<string, Uint8Array>;
  /** True when -PLUS mechanisms were announced: a client that says it believes otherwise was tampered with. */
  readonly bindingOffered: boolean;
  /** Of the process: bounded for all sessions together. */
  readonly passwords: Passwords;
  /** Octets that nobody can guess. */
  random(length: number): Uint8Array;
}

/** Compares passwords with what is stored for them, off the session's thread and bounded. */
export interface Passwords {
  /**
   * `stored`: `$scrypt$ln=15,r=8,p=1$SALT$HASH` or `SCRAM-SHA-256$ITERATIONS:SALT$STOREDKEY:SERVERKEY`, all base64.
   * False for any other text.
   *
   * @throws {Error} when too many are waiting already: 454 4.7.0.
   */
  matches(password: string, stored: string): Promise<boolean>;
}

/** Who a client says it is, and what proves it. */
export interface Claim {
  /** Whose secret it is (authcid), prepared by SASLprep. Empty where only the token says it. */
  readonly user: string;
  /** Whom it wants to act for (authzid); empty: the same. */
  readonly authzid: string;
  /** The password of PLAIN and LOGIN, the token of OAUTHBEARER and XOAUTH2; null where none is told. */
  reveal(): string | null;
  /**
   * Compares with what is stored for the user, in constant time. False when they differ, when `stored` does not suit
   * the mechanism, or when the exchange is over. SCRAM and CRAM-MD5 talk to the client in here, once: the first `stored`
   * that suits them is the one that counts.
   *
   * @throws {Error} when the hasher is full.
   */
  verify(stored: string): Promise<boolean>;
  /**
   * What the client is told after a token was refused, or after all is well (RFC 7628 3.2.2, RFC 5802 3): the mechanism
   * says it itself, inside of this. Called once, at the end, with the result of the phase.
   */
  conclude?(accepted: boolean): Promise<void>;
}

/** One way to log in. */
export interface Mechanism {
  /** Upper case, as announced. */
  readonly name: string;
  /** Tells the server a secret as it is: password or token. To be offered under TLS only (RFC 4954 4, RFC 7628 3). */
  readonly plaintext: boolean;
  /** Binds itself to the channel: to be offered only where `bindings()` has one. */
  readonly needsBinding: boolean;
  /** To be offered only to who showed a client certificate that was verified. */
  readonly needsCertificate: boolean;
  /** `initial`: the initial response; null when there was none, empty for `=`. @throws {SaslMalformed, SaslCancelled} */
  claim(initial: Uint8Array | null, peer: SaslPeer, connection: SaslConnection): Promise<Claim>;
}

/** The client broke the mechanism's syntax: 501 5.5.2, and a sentence that holds nothing secret. */
export class SaslMalformed extends Error {
  /** Whatever the bundler does to the class. */
  override readonly name = "SaslMalformed";
}
/** The client gave up, or was too slow: 501 5.7.0. */
export class SaslCancelled extends Error {
  /** Whatever the bundler does to the class. */
  override readonly name = "SaslCancelled";
}
