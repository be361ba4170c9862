/**
 * The client's side of a SASL mechanism (RFC 4422): challenges in, responses out, no socket. Who drives it speaks AUTH,
 * base64 and 334 (RFC 4954). Errors hold nothing secret. Non-job: which mechanism (choose.ts), the protocol around it.
 */

/** One login. Not to be used for a second one. */
export interface SaslClient {
  /** As it stands in AUTH. */
  readonly name: string;
  /**
   * The initial response; null where the server speaks first, empty for `=`. Where it does not go along with AUTH, because
   * the line would be too long, it is the answer to the first challenge, which is empty then.
   */
  initial(): Promise<Uint8Array | null>;
  /**
   * The answer to a challenge.
   *
   * @throws {SaslFailed} when the server broke the mechanism, or is not who knows the password: say `*` (RFC 4954 4), and
   * do not believe the connection any more.
   */
  respond(challenge: Uint8Array): Promise<Uint8Array>;
  /** Whether a success said now is to be believed: all was said, and the server proved what the mechanism has it prove. */
  done(): boolean;
}

/** The login must not go on: the server is wrong, or somebody else, or asks for what must not be told. */
export class SaslFailed extends Error {
  /** Whatever the bundler does to the class. */
  override readonly name = "SaslFailed";
}

/** Who logs in, and with what. `authzid`: whom to act for. */
export interface ClientCredentials {
  /** Whose secret it is. */
  readonly user: string;
  /** For all mechanisms with a password. */
  readonly password?: string | undefined;
  /** For OAUTHBEARER and XOAUTH2. */
  readonly token?: string | undefined;
  /** Whom to act for; nobody else where it is left out. */
  readonly authzid?: string | undefined;
}
