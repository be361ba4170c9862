/** SASL in tests: a peer that answers from a list, what a connection knows, and a client that talks to a server mechanism. */
import { assert } from "@std/assert";
import {
  type Claim,
  type Mechanism,
  SaslCancelled,
  type SaslConnection,
  SaslMalformed,
  type SaslPeer,
} from "../../core/smtp/sasl/mod.ts";
import type { SaslClient } from "../../core/smtp/sasl/client/mod.ts";
import { parseScramKeys, verifyScramPassword } from "../../core/smtp/sasl/scram_keys.ts";
import { latin1, octets } from "./bytes.ts";

export type Response =
  | string
  | Uint8Array
  | ((challenge: string) => string | Uint8Array | Promise<string | Uint8Array>);

/** Octets of UTF-8, whatever they are written as. */
export const utf8 = (value: string | Uint8Array): Uint8Array =>
  typeof value === "string" ? new TextEncoder().encode(value) : value;

/** Gives the responses in turn, then cancels. Keeps what it was told, each character an octet. */
export class ScriptedPeer implements SaslPeer {
  readonly challenges: string[] = [];
  readonly #responses: Response[];

  constructor(...responses: Response[]) {
    this.#responses = responses;
  }

  async challenge(challenge: Uint8Array): Promise<Uint8Array> {
    this.challenges.push(latin1(challenge));
    const response = this.#responses.shift();
    if (response === undefined) throw new SaslCancelled("The client cancelled");
    return utf8(typeof response === "function" ? await response(latin1(challenge)) : response);
  }
}

/** `matches` takes keys of SCRAM, and `clear:PASSWORD`, which no product code does. */
export function connection(differs: Partial<SaslConnection> = {}): SaslConnection {
  return {
    hostname: "mx.example.org",
    certificate: null,
    certificateNames: [],
    bindings: () => new Map(),
    bindingOffered: false,
    passwords: {
      async matches(password, stored) {
        const keys = parseScramKeys(stored);
        return keys === null ? stored === `clear:${password}` : await verifyScramPassword(password, keys);
      },
    },
    random: (length) => crypto.getRandomValues(new Uint8Array(length)),
    ...differs,
  };
}

/** One login, with the part of the host: phase `auth` with `stored`, then the word of it. */
export async function login(
  mechanism: Mechanism,
  client: SaslClient,
  { stored, known = connection(), change = (challenge) => challenge, early = true }: {
    readonly stored: string;
    readonly known?: SaslConnection;
    /** Somebody between server and client. */
    change?(challenge: Uint8Array): Uint8Array;
    /** Whether the initial response goes with AUTH. */
    readonly early?: boolean;
  },
): Promise<{ readonly claim: Claim; readonly accepted: boolean; readonly believed: boolean }> {
  const initial = await client.initial();
  let owed = early ? null : initial;
  const peer: SaslPeer = {
    challenge(challenge) {
      if (owed === null) return client.respond(change(challenge));
      const late = owed;
      owed = null;
      return Promise.resolve(late);
    },
  };
  const claim = await mechanism.claim(early ? initial : null, peer, known);
  const accepted = await claim.verify(stored);
  await claim.conclude?.(accepted);
  return { claim, accepted, believed: client.done() };
}

/** The claim that a mechanism makes of these responses, of which none comes with AUTH. */
export function claimOf(mechanism: Mechanism, responses: readonly Response[], known = connection()): Promise<Claim> {
  return mechanism.claim(null, new ScriptedPeer(...responses), known);
}

/** Holds a refusal to be one of syntax, in words that can be shown. */
export async function malformed(what: string | Uint8Array, claim: () => Promise<unknown>): Promise<SaslMalformed> {
  const error = await claim().then(() => null, (error: unknown) => error);
  const name = String(what).slice(0, 60);
  assert(error instanceof SaslMalformed, `${JSON.stringify(name)}: ${error}`);
  assert(/^[ -~]{5,80}$/.test(error.message), error.message);
  for (const secret of ["secret", "pencil", "tim"]) assert(!error.message.includes(secret), error.message);
  return error;
}

export { latin1, octets };
