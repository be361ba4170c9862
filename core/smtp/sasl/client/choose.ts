/**
 * Chooses how to log in: the strongest that the server offers and the credentials allow, and nothing that tells a secret
 * to a path where somebody may listen (RFC 4954 4, RFC 4422 6.1). Non-job: asking again with the next one.
 */
import { oauthBearerClient, xoauth2Client } from "./bearer.ts";
import type { ClientCredentials, SaslClient } from "./client.ts";
import { scramClient } from "./scram.ts";
import { cramMd5Client, externalClient, loginClient, plainClient } from "./spoken.ts";

/** What is known of the connection. */
export interface Channel {
  /** Nobody listens: TLS whose certificate was checked as far as the caller wants it, or a path that stays in the machine. */
  readonly confidential: boolean;
  /** What the channel can be bound by, the best first (RFC 5929, RFC 9266); empty without TLS. */
  readonly bindings: ReadonlyMap<string, Uint8Array>;
  /** Whether we showed a certificate of ours in the handshake. */
  readonly certificate: boolean;
  /** Whom we connected to. */
  readonly server: { readonly host: string; readonly port: number };
  /** Octets that nobody can guess. */
  random(length: number): Uint8Array;
}

/**
 * The client of the best mechanism, or null where none is left. `offered`: the words behind AUTH in the answer to EHLO.
 *
 * @example
 * ```ts
 * import { chooseMechanism } from "./choose.ts";
 * import { assertEquals } from "@std/assert";
 * const channel = {
 *   confidential: false,
 *   bindings: new Map(),
 *   certificate: false,
 *   server: { host: "mx.example.org", port: 587 },
 *   random: (length: number) => crypto.getRandomValues(new Uint8Array(length)),
 * };
 * const login = { user: "alice", password: "secret" };
 * assertEquals(chooseMechanism(["PLAIN", "SCRAM-SHA-256"], login, channel)?.name, "SCRAM-SHA-256");
 * assertEquals(chooseMechanism(["PLAIN"], login, channel), null);
 * ```
 *
 * @throws {SaslFailed} when the chosen one has no way to say this user or this password.
 */
export function chooseMechanism(
  offered: readonly string[],
  credentials: ClientCredentials,
  channel: Channel,
): SaslClient | null {
  const names = new Set(offered.map((each) => each.toUpperCase()));
  const { confidential, random } = channel;
  if (credentials.token !== undefined) {
    if (confidential && names.has("OAUTHBEARER")) return oauthBearerClient(credentials, channel.server);
    if (confidential && names.has("XOAUTH2")) return xoauth2Client(credentials);
  }
  if (credentials.password !== undefined) {
    const [best] = channel.bindings;
    if (best !== undefined && names.has("SCRAM-SHA-256-PLUS")) {
      return scramClient(credentials, { binding: { type: best[0], octets: best[1] }, random });
    }
    if (names.has("SCRAM-SHA-256")) {
      return scramClient(credentials, { binding: best === undefined ? "none" : "not offered", random });
    }
    // Who hears CRAM-MD5 can try a billion passwords in a second on it: it needs cover too, and still tells less than PLAIN.
    if (confidential && names.has("CRAM-MD5") && !credentials.authzid) return cramMd5Client(credentials);
    if (confidential && names.has("PLAIN")) return plainClient(credentials);
    if (confidential && names.has("LOGIN") && !credentials.authzid) return loginClient(credentials);
  }
  if (channel.certificate && names.has("EXTERNAL")) return externalClient(credentials);
  return null;
}
