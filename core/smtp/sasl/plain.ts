/** PLAIN (RFC 4616): one message with everything in it. */
import { type Mechanism, SaslMalformed } from "./mechanism.ts";
import { PasswordClaim } from "./password_claim.ts";
import { readName, readPassword } from "./response.ts";

const NOTHING = new Uint8Array();

export const PLAIN: Mechanism = {
  name: "PLAIN",
  plaintext: true,
  needsBinding: false,
  needsCertificate: false,
  async claim(initial, peer, connection) {
    const message = initial ?? await peer.challenge(NOTHING); // RFC 4954 4: an empty challenge asks for it
    // message = [authzid] UTF8NUL authcid UTF8NUL passwd
    const first = message.indexOf(0), second = message.indexOf(0, first + 1);
    if (first < 0 || second < 0 || message.includes(0, second + 1)) {
      throw new SaslMalformed("PLAIN takes two NUL, between three parts");
    }
    return new PasswordClaim({
      authzid: first === 0 ? "" : readName(message.subarray(0, first), "authorization identity"),
      user: readName(message.subarray(first + 1, second), "user name"),
      password: readPassword(message.subarray(second + 1)),
    }, connection.passwords);
  },
};
