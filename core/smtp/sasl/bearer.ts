/**
 * OAUTHBEARER (RFC 7628) and XOAUTH2 (Google's, of before): a token, and maybe whose it is. A refusal is told twice: as
 * JSON in a challenge, then by the protocol. Non-job: what a token is worth.
 */
import { gs2Header } from "./gs2.ts";
import { type Claim, type Mechanism, SaslMalformed, type SaslPeer } from "./mechanism.ts";
import { preparedName, text } from "./response.ts";

const NOTHING = new Uint8Array();
const utf8 = new TextEncoder();
/** RFC 4954 4 has lines of 12288 octets of base64: tokens are long, but not longer. */
const LONGEST = 12288;

// RFC 7628 3.1: kvpair = key "=" value kvsep      key = 1*(ALPHA)      value = *(VCHAR / SP / HTAB / CR / LF)
const PAIR = /^([A-Za-z]+)=([\t\n\r -~]*)$/;
// RFC 6750 2.1: credentials = "Bearer" 1*SP b64token      b64token = 1*( ALPHA / DIGIT / "-._~+/" ) *"="
const BEARER = /^bearer +([A-Za-z0-9\-._~+/]+=*)$/i;

class TokenClaim implements Claim {
  readonly user: string;
  readonly authzid = "";
  readonly #token: string | null;
  readonly #refuse: () => Promise<void>;

  constructor(user: string, token: string | null, refuse: () => Promise<void>) {
    this.user = user;
    this.#token = token;
    this.#refuse = refuse;
  }

  reveal(): string | null {
    return this.#token;
  }

  /** Nothing is stored of tokens: a back end asks who gave it. */
  verify(_stored: string): Promise<boolean> {
    return Promise.resolve(false);
  }

  async conclude(accepted: boolean): Promise<void> {
    if (!accepted) await this.#refuse();
  }
}

/** Says `error` and takes the empty thing that the mechanism has for an answer. */
async function refuse(peer: SaslPeer, error: Readonly<Record<string, string>>, answer: string): Promise<void> {
  const response = await peer.challenge(utf8.encode(JSON.stringify(error)));
  if (text(response, "The message", LONGEST) !== answer) throw new SaslMalformed("Nothing was left to say");
}

function bearerToken(credentials: string): string {
  const token = BEARER.exec(credentials)?.[1];
  if (token === undefined) throw new SaslMalformed("The token is missing, or no Bearer token");
  return token;
}

export const OAUTHBEARER: Mechanism = {
  name: "OAUTHBEARER",
  plaintext: true,
  needsBinding: false,
  needsCertificate: false,
  async claim(initial, peer) {
    const message = text(initial ?? await peer.challenge(NOTHING), "The message", LONGEST);
    // client-resp = (gs2-header kvsep *kvpair kvsep) / kvsep; the last form answers an error only
    const { text: header, flag, authzid } = gs2Header(message);
    if (flag === "p") throw new SaslMalformed("OAUTHBEARER has no channel binding"); // RFC 7628 3.1
    const pairs = message.slice(header.length).split("\x01");
    const [before, ...values] = pairs.slice(0, -2);
    if (before !== "" || !message.endsWith("\x01\x01")) throw new SaslMalformed("The pairs do not end as they should");
    const found = new Map<string, string>();
    for (const pair of values) {
      const match = PAIR.exec(pair);
      if (match === null) throw new SaslMalformed("Bad pair of key and value");
      const key = match[1]!.toLowerCase();
      if (found.has(key)) throw new SaslMalformed("A key stands twice");
      found.set(key, match[2]!);
    }
    // RFC 7628 4.3: an empty auth asks which server gives tokens; it is answered by the error like any other bad token.
    const auth = found.get("auth") ?? "";
    const token = auth === "" ? null : bearerToken(auth);
    // RFC 7628 3.2.2, 3.2.3: JSON with a status, answered by one %x01.
    return new TokenClaim(authzid, token, () => refuse(peer, { status: "invalid_token", schemes: "bearer" }, "\x01"));
  },
};

// "user=" {User} "^Aauth=Bearer " {Access Token} "^A^A"
const XOAUTH2_MESSAGE = /^user=([^\x01]+)\x01auth=([^\x01]+)\x01\x01$/;

export const XOAUTH2: Mechanism = {
  name: "XOAUTH2",
  plaintext: true,
  needsBinding: false,
  needsCertificate: false,
  async claim(initial, peer) {
    const message = text(initial ?? await peer.challenge(NOTHING), "The message", LONGEST);
    const match = XOAUTH2_MESSAGE.exec(message);
    if (match === null) throw new SaslMalformed("XOAUTH2 takes a user and a token");
    const user = preparedName(match[1]!, "user name"), token = bearerToken(match[2]!);
    return new TokenClaim(user, token, () => refuse(peer, { status: "401", schemes: "bearer" }, ""));
  },
};
