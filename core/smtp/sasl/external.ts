/**
 * EXTERNAL (RFC 4422 A): the certificate that the client showed in the handshake says who it is; the message only says
 * whom it wants to be. Non-job: whose certificates are good (TLS), which user has which (plugins).
 */
import { type Claim, type Mechanism, type SaslConnection, SaslMalformed } from "./mechanism.ts";
import { equalOctets } from "./constant_time.ts";
import { saslprep } from "./prepare.ts";
import { readName } from "./response.ts";

const NOTHING = new Uint8Array();
const utf8 = new TextEncoder();
const STORED = "SHA256:";

class CertificateClaim implements Claim {
  readonly authzid = "";

  constructor(readonly user: string, readonly certificate: string) {}

  reveal(): null {
    return null;
  }

  /** `stored`: `SHA256:` and the fingerprint in hex, with colons or without. */
  verify(stored: string): Promise<boolean> {
    const suits = stored.startsWith(STORED);
    return Promise.resolve(suits && equalOctets(hex(stored.slice(STORED.length)), hex(this.certificate)));
  }
}

const hex = (fingerprint: string): Uint8Array => utf8.encode(fingerprint.replaceAll(":", "").toUpperCase());

/** The first of the certificate's own names that is a user name at all. */
function ownName({ certificateNames }: SaslConnection): string {
  for (const name of certificateNames) {
    const prepared = saslprep(name, "query");
    if (prepared) return prepared;
  }
  return "";
}

export const EXTERNAL: Mechanism = {
  name: "EXTERNAL",
  plaintext: false,
  needsBinding: false,
  needsCertificate: true,
  async claim(initial, peer, connection) {
    const { certificate } = connection;
    if (!certificate) throw new SaslMalformed("EXTERNAL needs a client certificate");
    const message = initial ?? await peer.challenge(NOTHING);
    // RFC 4422 A.1: an empty message leaves it to the server to derive the identity.
    const user = message.length === 0 ? ownName(connection) : readName(message, "user name");
    return new CertificateClaim(user, certificate);
  },
};
