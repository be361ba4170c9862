/** A client of SASL against plugins, with the server's mechanism between them and no socket. */
import type { PasswordsOptions } from "../../../../../core/auth/passwords.ts";
import { ScryptPasswords } from "../../../../../core/auth/passwords.ts";
import type { Plugin } from "../../../../../core/pipeline/mod.ts";
import { runPhase, type Simulated, type SimulatedResult } from "../../../../../core/pipeline/testing/simulation.ts";
import {
  cramMd5Client,
  externalClient,
  loginClient,
  plainClient,
  type SaslClient,
  scramClient,
} from "../../../../../core/smtp/sasl/client/mod.ts";
import { type Claim, MECHANISMS, type SaslConnection, type SaslPeer } from "../../../../../core/smtp/sasl/mod.ts";

export const random = (length: number): Uint8Array<ArrayBuffer> => crypto.getRandomValues(new Uint8Array(length));

export interface Outcome extends SimulatedResult {
  /** What the server said on the way, as text. */
  readonly challenges: readonly string[];
  /** Forms that were verified, and those that were decoys. */
  readonly asked: readonly string[];
}
export interface LoginOptions extends Pick<Simulated, "tls" | "identity" | "now" | "counters"> {
  readonly passwords?: ScryptPasswords;
}

const PASSWORDS = new ScryptPasswords({ remember: 0 } satisfies PasswordsOptions);

const CLIENTS: Readonly<Record<string, (user: string, password: string) => SaslClient>> = {
  PLAIN: (user, password) => plainClient({ user, password }),
  LOGIN: (user, password) => loginClient({ user, password }),
  "SCRAM-SHA-256": (user, password) => scramClient({ user, password }, { binding: "none", random }),
  "CRAM-MD5": (user, password) => cramMd5Client({ user, password }),
  EXTERNAL: (user) => externalClient({ authzid: user === "" ? undefined : user }),
};

/** One login. `user` of EXTERNAL: whom it says it is, empty for what the certificate says. */
export async function login(
  plugins: Plugin | readonly Plugin[],
  mechanism: string,
  [user, password]: readonly [user: string, password: string],
  { passwords = PASSWORDS, ...facts }: LoginOptions = {},
): Promise<Outcome> {
  const client = CLIENTS[mechanism]!(user, password), challenges: string[] = [], asked: string[] = [];
  const peer: SaslPeer = {
    challenge: async (octets) => {
      challenges.push(new TextDecoder().decode(octets));
      // A client would stop at a salt that it cannot compute with; whoever guesses goes on with any proof
      return await client.respond(octets);
    },
  };
  const { certificate = null } = facts.tls ?? {};
  const connection: SaslConnection = {
    hostname: "mx.example.org",
    certificate: certificate?.fingerprint ?? null,
    certificateNames: certificate === null ? [] : [...certificate.emails, certificate.commonName].filter(Boolean),
    bindings: () => new Map(),
    bindingOffered: false,
    passwords,
    random,
  };
  const claim: Claim = await MECHANISMS.get(mechanism)!.claim(await client.initial(), peer, connection);
  const verify = (stored: string) => {
    asked.push(stored);
    return claim.verify(stored);
  };
  const result = await runPhase(plugins, "auth", {
    ...facts,
    login: { mechanism, user: claim.user, password: claim.reveal() ?? "", verify },
  });
  return { ...result, challenges, asked };
}
