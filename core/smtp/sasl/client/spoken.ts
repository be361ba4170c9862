/**
 * Clients of the mechanisms that say what they have and prove nothing of the server: PLAIN (RFC 4616), LOGIN, EXTERNAL
 * (RFC 4422 A), CRAM-MD5 (RFC 2195). Non-job: SCRAM, tokens.
 */
import { hmacMd5 } from "../md5.ts";
import { saslprep } from "../prepare.ts";
import { type ClientCredentials, type SaslClient, SaslFailed } from "./client.ts";

type Step = (challenge: Uint8Array) => Uint8Array;

const utf8 = new TextEncoder();

/** A client that has its answers ready: one, or one for each challenge. */
class Spoken implements SaslClient {
  readonly #first: Uint8Array | null;
  readonly #steps: readonly Step[];
  #next = 0;

  constructor(readonly name: string, first: Uint8Array | null, steps: readonly Step[]) {
    this.#first = first;
    this.#steps = steps;
  }

  initial(): Promise<Uint8Array | null> {
    return Promise.resolve(this.#first);
  }

  // deno-lint-ignore require-await -- so that what a step throws is a rejection
  async respond(challenge: Uint8Array): Promise<Uint8Array> {
    const step = this.#steps[this.#next++];
    if (step === undefined) throw new SaslFailed(`The server asks for more than ${this.name} has`);
    return step(challenge);
  }

  done(): boolean {
    return this.#next === this.#steps.length;
  }
}

/** The text as octets. @throws {SaslFailed} when it is empty or has a NUL. */
function said(text: string | undefined, what: string): Uint8Array<ArrayBuffer> {
  if (!text || text.includes("\0")) throw new SaslFailed(`The ${what} is missing, or has a NUL`);
  return utf8.encode(text);
}

/** Names and password go as they are: the server prepares them (RFC 4616 2). @throws {SaslFailed} */
export function plainClient({ user, password, authzid = "" }: ClientCredentials): SaslClient {
  said(user, "user name"), said(password, "password");
  if (authzid.includes("\0")) throw new SaslFailed("The authorization identity has a NUL");
  return new Spoken("PLAIN", utf8.encode(`${authzid}\0${user}\0${password}`), []);
}

/** The prompts are not looked at: servers word them differently. @throws {SaslFailed} */
export function loginClient({ user, password }: ClientCredentials): SaslClient {
  const name = said(user, "user name"), secret = said(password, "password");
  return new Spoken("LOGIN", null, [() => name, () => secret]);
}

/** The certificate of the handshake says it all. @throws {SaslFailed} */
export function externalClient({ authzid }: Pick<ClientCredentials, "authzid">): SaslClient {
  return new Spoken("EXTERNAL", authzid ? said(authzid, "authorization identity") : new Uint8Array(), []);
}

/** Shows a digest of the password and of what the server said. @throws {SaslFailed} */
export function cramMd5Client({ user, password }: ClientCredentials): SaslClient {
  const key = said(saslprep(password ?? "", "query") ?? password, "password");
  said(user, "user name");
  const answer: Step = (challenge) => {
    // RFC 2195 2: the challenge is a msg-id; one without it could be a text that somebody chose.
    if (challenge.length < 3 || challenge.length > 1024 || challenge[0] !== 0x3c || challenge.at(-1) !== 0x3e) {
      throw new SaslFailed("The challenge is no CRAM-MD5 challenge");
    }
    return utf8.encode(`${user} ${hmacMd5(key, challenge).toHex()}`);
  };
  return new Spoken("CRAM-MD5", null, [answer]);
}
