/** PLAIN (RFC 4616): one message with everything in it. */
import { type Mechanism, SaslMalformed } from "./mechanism.ts";
import { PasswordClaim } from "./password_claim.ts";
import { passwordText, preparedName, text, userName } from "./response.ts";

const NOTHING = new Uint8Array();
/** Room for the longest names and password; the parts have their own bounds. */
const LONGEST = 4096;

export const PLAIN: Mechanism = {
  name: "PLAIN",
  plaintext: true,
  needsBinding: false,
  needsCertificate: false,
  async claim(initial, peer, connection) {
    const message = initial ?? await peer.challenge(NOTHING); // RFC 4954 4: an empty challenge asks for it
    if (message.length > LONGEST) throw new SaslMalformed("The message is too long");
    // message = [authzid] UTF8NUL authcid UTF8NUL passwd
    const first = message.indexOf(0), second = message.indexOf(0, first + 1);
    if (first < 0 || second < 0 || message.includes(0, second + 1)) {
      throw new SaslMalformed("PLAIN takes two NUL, between three parts");
    }
    const authzid = text(message.subarray(0, first), "The authorization identity", LONGEST);
    return new PasswordClaim({
      authzid: authzid === "" ? "" : preparedName(authzid, "authorization identity"),
      user: userName(message.subarray(first + 1, second)),
      password: passwordText(message.subarray(second + 1)),
    }, connection.passwords);
  },
};
