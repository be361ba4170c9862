/**
 * SCRAM, client side (RFC 5802, RFC 7677): proves the password without telling it and believes no success before the
 * server has proved the same. What a hostile server may ask for is bounded. Non-job: which binding (choose.ts).
 */
import { concat } from "../../../model/octets.ts";
import { equalOctets } from "../constant_time.ts";
import { escapeName } from "../gs2.ts";
import { SaslMalformed } from "../mechanism.ts";
import { saslprep } from "../prepare.ts";
import { digest, exclusiveOr, hmac, saltedKeys, type ScramHash, SHA_256 } from "../scram_keys.ts";
import { serverFinal, serverFirst } from "../scram_message.ts";
import { type ClientCredentials, type SaslClient, SaslFailed } from "./client.ts";

type Octets = Uint8Array<ArrayBuffer>;

/** RFC 7677 4 wants 4096 at least: fewer would sell the password; more than a million would hang us for the server. */
const FEWEST = 4096, MOST = 1_000_000, LONGEST_SALT = 1024;

const utf8 = new TextEncoder();

/** How the login is tied to the channel. */
export type ScramBinding =
  /** -PLUS: by these octets of this type (RFC 5929, RFC 9266). */
  | { readonly type: string; readonly octets: Uint8Array }
  /** Not, since the server did not offer -PLUS. It is told so, and who took the offer away is found out (RFC 5802 6). */
  | "not offered"
  /** Not, since we know nothing of the channel. */
  | "none";

/** What differs between logins of one user. */
export interface ScramOptions {
  /** Whether and by what it is -PLUS. */
  readonly binding: ScramBinding;
  /** Octets that nobody can guess. */
  random(length: number): Uint8Array;
  /** SHA-256 where it is left out. */
  readonly algorithm?: ScramHash;
}

/** A login with SCRAM; with -PLUS where `binding` has octets. @throws {SaslFailed} when the user or password is none. */
export function scramClient(credentials: ClientCredentials, options: ScramOptions): SaslClient {
  return new ScramClient(credentials, options);
}

class ScramClient implements SaslClient {
  readonly name: string;
  readonly #algorithm: ScramHash;
  readonly #password: string;
  readonly #header: string;
  readonly #bound: Uint8Array;
  readonly #nonce: string;
  readonly #bare: string;
  #state: "first" | "final" | "done" | "failed" = "first";
  #signature: Octets | null = null;

  constructor(
    { user, password, authzid = "" }: ClientCredentials,
    { binding, random, algorithm = SHA_256 }: ScramOptions,
  ) {
    const bound = typeof binding === "object";
    this.name = bound ? `${algorithm.name}-PLUS` : algorithm.name;
    this.#algorithm = algorithm;
    this.#password = prepared(password, "password", "stored"); // RFC 5802 2.2: Normalize is for stored strings
    this.#bound = bound ? binding.octets : new Uint8Array();
    const flag = bound ? `p=${binding.type}` : binding === "not offered" ? "y" : "n";
    this.#header = `${flag},${authzid === "" ? "" : `a=${name(authzid, "authorization identity")}`},`;
    this.#nonce = Uint8Array.from(random(18)).toBase64();
    this.#bare = `n=${name(user, "user name")},r=${this.#nonce}`;
  }

  initial(): Promise<Uint8Array> {
    return Promise.resolve(utf8.encode(this.#header + this.#bare));
  }

  async respond(challenge: Uint8Array): Promise<Uint8Array> {
    const state = this.#state;
    this.#state = "failed"; // until the step went well
    try {
      if (state === "first") return await this.#prove(challenge);
      if (state === "final") return this.#believe(challenge);
    } catch (error) {
      throw error instanceof SaslMalformed ? new SaslFailed(`The server's message is wrong: ${error.message}`) : error;
    }
    throw new SaslFailed(`The server asks for more than ${this.name} has`);
  }

  done(): boolean {
    return this.#state === "done";
  }

  async #prove(challenge: Uint8Array): Promise<Octets> {
    const first = serverFirst(challenge), { iterations } = first;
    // RFC 5802 5.1: the client MUST check that the nonce begins with its own, and there has to be something of the server.
    if (!first.nonce.startsWith(this.#nonce) || first.nonce.length === this.#nonce.length) {
      throw new SaslFailed("The server's nonce is not made of ours");
    }
    if (iterations < FEWEST || iterations > MOST) throw new SaslFailed(`${iterations} iterations are not done here`);
    if (first.salt.length > LONGEST_SALT) throw new SaslFailed("The salt is too long");
    const algorithm = this.#algorithm;
    const { clientKey, serverKey } = await saltedKeys(this.#password, first, algorithm);
    const binding = concat([utf8.encode(this.#header), this.#bound]).toBase64();
    const withoutProof = `c=${binding},r=${first.nonce}`;
    const authMessage = concat([utf8.encode(`${this.#bare},`), challenge, utf8.encode(`,${withoutProof}`)]);
    const clientSignature = await hmac(algorithm, await digest(algorithm, clientKey), authMessage);
    this.#signature = await hmac(algorithm, serverKey, authMessage);
    this.#state = "final";
    return utf8.encode(`${withoutProof},p=${exclusiveOr(clientKey, clientSignature).toBase64()}`);
  }

  #believe(challenge: Uint8Array): Octets {
    const final = serverFinal(challenge);
    if ("error" in final) throw new SaslFailed(`The server refused: ${final.error}`);
    if (!equalOctets(final.signature, this.#signature!)) throw new SaslFailed("The server does not know the password");
    this.#state = "done";
    return new Uint8Array();
  }
}

function prepared(text: string | undefined, what: string, kind: "stored" | "query"): string {
  const result = text === undefined ? null : saslprep(text, kind);
  if (!result) throw new SaslFailed(`The ${what} is missing, or holds what SCRAM cannot say`);
  return result;
}

/** RFC 5802 5.1: prepared as a query, then escaped. NUL is prohibited by the profile. */
function name(text: string, what: string): string {
  return escapeName(prepared(text, what, "query"));
}
