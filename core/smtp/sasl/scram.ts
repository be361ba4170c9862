/**
 * SCRAM, server side (RFC 5802, RFC 7677): the client proves that it knows the password, the server that it knew it, and
 * neither tells. With -PLUS both prove that they sit at the ends of one TLS channel. One engine for every hash.
 * Non-job: the form of messages (scram_message.ts), what is kept (scram_keys.ts).
 */
import { concat } from "../../model/octets.ts";
import { equalOctets } from "./constant_time.ts";
import type { Gs2Header } from "./gs2.ts";
import { type Claim, type Mechanism, type SaslConnection, SaslMalformed, type SaslPeer } from "./mechanism.ts";
import { digest, exclusiveOr, hmac, parseScramKeys, type ScramHash, SHA_256 } from "./scram_keys.ts";
import { clientFinal, type ClientFirst, clientFirst } from "./scram_message.ts";

type Octets = Uint8Array<ArrayBuffer>;

const NOTHING = new Uint8Array();
const utf8 = new TextEncoder();

/** RFC 5802 5.1: printable, without a comma, and new each time: 18 octets are 24 letters of base64. */
const freshNonce = (connection: SaslConnection): string => Uint8Array.from(connection.random(18)).toBase64();

/** A mechanism of the family. `nonce` makes the server's part of the nonce. */
export function scram(
  algorithm: ScramHash,
  { plus, nonce = freshNonce }: { readonly plus: boolean; readonly nonce?: (connection: SaslConnection) => string },
): Mechanism {
  return {
    name: plus ? `${algorithm.name}-PLUS` : algorithm.name,
    plaintext: false,
    needsBinding: plus,
    needsCertificate: false,
    async claim(initial, peer, connection) {
      const first = clientFirst(initial ?? await peer.challenge(NOTHING));
      const bound = channelBinding(first.gs2, plus, connection);
      return new ScramClaim(algorithm, first, { peer, bound, nonce: first.nonce + nonce(connection) });
    },
  };
}

/** The channel's own octets, or none where the client asked for no binding. @throws {SaslMalformed} */
function channelBinding({ flag, binding }: Gs2Header, plus: boolean, connection: SaslConnection): Uint8Array {
  // RFC 5802 6: who could bind and was told that we cannot has somebody in between.
  if (flag === "y" && connection.bindingOffered) throw new SaslMalformed("Channel binding was offered here");
  if (plus !== (flag === "p")) {
    throw new SaslMalformed(plus ? "-PLUS needs a channel binding" : "Channel binding needs a mechanism with -PLUS");
  }
  if (flag !== "p") return NOTHING;
  const octets = connection.bindings().get(binding);
  if (octets === undefined || octets.length === 0) throw new SaslMalformed("No channel binding of this type here");
  return octets;
}

interface Exchange {
  readonly peer: SaslPeer;
  /** The octets of the channel. */
  readonly bound: Uint8Array;
  /** The client's and ours. */
  readonly nonce: string;
}

class ScramClaim implements Claim {
  readonly user: string;
  readonly authzid: string;
  readonly #algorithm: ScramHash;
  readonly #first: ClientFirst;
  readonly #exchange: Exchange;
  /** One exchange is one try: a nonce counts once. */
  #over = false;
  #signature: Octets | null = null;

  constructor(algorithm: ScramHash, first: ClientFirst, exchange: Exchange) {
    this.user = first.user;
    this.authzid = first.gs2.authzid;
    this.#algorithm = algorithm;
    this.#first = first;
    this.#exchange = exchange;
  }

  reveal(): null {
    return null;
  }

  async verify(stored: string): Promise<boolean> {
    const keys = parseScramKeys(stored, this.#algorithm);
    if (keys === null || this.#over) return false;
    this.#over = true;
    const { peer, bound, nonce } = this.#exchange;
    const serverFirst = `r=${nonce},s=${keys.salt.toBase64()},i=${keys.iterations}`;
    const final = clientFinal(await peer.challenge(utf8.encode(serverFirst)));
    if (final.proof.length !== this.#algorithm.length) throw new SaslMalformed("The proof has not its length");
    // AuthMessage := client-first-message-bare + "," + server-first-message + "," + client-final-message-without-proof
    const authMessage = utf8.encode(`${this.#first.bare},${serverFirst},${final.withoutProof}`);
    const [clientSignature, serverSignature] = await Promise.all([
      hmac(this.#algorithm, keys.storedKey, authMessage),
      hmac(this.#algorithm, keys.serverKey, authMessage),
    ]);
    // RFC 5802 3: ClientKey = ClientProof XOR ClientSignature, and its hash is StoredKey.
    const proved = equalOctets(
      await digest(this.#algorithm, exclusiveOr(final.proof, clientSignature)),
      keys.storedKey,
    );
    // RFC 5802 5.1: the nonce is that of this exchange, and c= repeats the header of the first message and the channel.
    const fresh = final.nonce === nonce;
    const here = equalOctets(final.binding, concat([utf8.encode(this.#first.gs2.text), bound]));
    if (!proved || !fresh || !here) return false;
    this.#signature = serverSignature;
    return true;
  }

  /**
   * RFC 5802 3: the server's proof comes after the phase has accepted, as a challenge to an empty response (RFC 4954 4).
   * A failure has no message of its own (RFC 5802 5.1 lets it): one reply for every reason.
   */
  async conclude(accepted: boolean): Promise<void> {
    if (!accepted || this.#signature === null) return;
    const response = await this.#exchange.peer.challenge(utf8.encode(`v=${this.#signature.toBase64()}`));
    if (response.length > 0) throw new SaslMalformed("Nothing was left to say");
  }
}

export const SCRAM_SHA_256: Mechanism = scram(SHA_256, { plus: false });
export const SCRAM_SHA_256_PLUS: Mechanism = scram(SHA_256, { plus: true });
