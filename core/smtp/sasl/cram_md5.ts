/**
 * CRAM-MD5 (RFC 2195): for old devices, where an operator switched it on. The server has to keep the password itself,
 * `{CRAM-MD5}PASSWORD`, and the client learns nothing about the server. Non-job: MD5 (md5.ts).
 */
import { equalOctets } from "./constant_time.ts";
import { hmacMd5 } from "./md5.ts";
import { type Claim, type Mechanism, SaslMalformed } from "./mechanism.ts";
import { readName } from "./response.ts";

const utf8 = new TextEncoder();
const STORED = "{CRAM-MD5}";
const DIGEST = 32, LONGEST = 1024;

class DigestClaim implements Claim {
  readonly authzid = "";
  readonly #challenge: Uint8Array;
  readonly #digest: Uint8Array;

  constructor(readonly user: string, challenge: Uint8Array, digest: Uint8Array) {
    this.#challenge = challenge;
    this.#digest = digest;
  }

  reveal(): null {
    return null;
  }

  verify(stored: string): Promise<boolean> {
    if (!stored.startsWith(STORED) || stored.length === STORED.length) return Promise.resolve(false);
    const expected = hmacMd5(utf8.encode(stored.slice(STORED.length)), this.#challenge).toHex();
    return Promise.resolve(equalOctets(utf8.encode(expected), this.#digest));
  }
}

export const CRAM_MD5: Mechanism = {
  name: "CRAM-MD5",
  plaintext: false,
  needsBinding: false,
  needsCertificate: false,
  async claim(initial, peer, connection) {
    if (initial !== null) throw new SaslMalformed("CRAM-MD5 begins with the server"); // RFC 4954 4
    // RFC 2195 2: random digits, a timestamp and our name, as a msg-id. A second random part does for the time.
    const random = Uint8Array.from(connection.random(24)).toHex();
    const challenge = utf8.encode(`<${random.slice(0, 24)}.${random.slice(24)}@${connection.hostname}>`);
    const response = await peer.challenge(challenge);
    // user SP digest, "in hexadecimal format, using lower-case ASCII characters" (RFC 2195 2)
    const space = response.length - DIGEST - 1, digest = response.slice(space + 1);
    if (response.length > LONGEST || response[space] !== 0x20 || !digest.every(isLowerHex)) {
      throw new SaslMalformed("CRAM-MD5 takes a user name, a space and a digest");
    }
    return new DigestClaim(readName(response.subarray(0, space), "user name"), challenge, digest);
  },
};

function isLowerHex(octet: number): boolean {
  return octet >= 0x30 && octet <= 0x39 || octet >= 0x61 && octet <= 0x66;
}
