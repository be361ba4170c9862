/** An issuer of tokens for tests: keys and introspection by HTTP on loopback, and tokens of any kind, the bad ones too. */
import { base64url, exportJWK, generateKeyPair, SignJWT } from "jose";
import type { CryptoKey, JWK } from "jose";

export interface Pair {
  readonly kid: string;
  readonly alg: string;
  readonly privateKey: CryptoKey;
  readonly publicJwk: JWK;
}

export async function makeKey(alg: string, kid: string): Promise<Pair> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  return { kid, alg, privateKey, publicJwk: { ...await exportJWK(publicKey), kid, alg, use: "sig" } };
}

export const ISSUER = "https://id.example.org";
export const AUDIENCE = "mail";
/** The clock of simulated logins. */
export const NOW = Date.UTC(2026, 0, 1) / 1000;

/** A token that is good unless `claims` or `header` say otherwise; an undefined claim is left out. */
export async function token(
  { privateKey, alg, kid }: Pick<Pair, "alg" | "kid"> & { readonly privateKey: CryptoKey | Uint8Array },
  claims: Record<string, unknown> = {},
  header: Record<string, unknown> = {},
): Promise<string> {
  const all = { iss: ISSUER, aud: AUDIENCE, exp: NOW + 600, email: "alice@example.org", ...claims };
  const payload = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
  return await new SignJWT(payload).setProtectedHeader({ alg, kid, ...header }).sign(privateKey);
}

/** Signed with RS256 whatever its header says: what no library for making tokens would make. */
export async function rawToken({ privateKey }: Pair, header: unknown, claims: unknown): Promise<string> {
  const text = [header, claims].map((each) => base64url.encode(JSON.stringify(each))).join(".");
  const octets = await crypto.subtle.sign("RSASSA-PKCS1-v1_5", privateKey, new TextEncoder().encode(text));
  return `${text}.${base64url.encode(new Uint8Array(octets))}`;
}

/** Answers whatever `answer` says, and counts how often it was asked. */
export class Issuer implements AsyncDisposable {
  readonly bodies: string[] = [];
  readonly headers: Headers[] = [];
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  constructor(public answer: (body: string) => Response | Promise<Response>, port = 0) {
    this.#server = Deno.serve({ hostname: "127.0.0.1", port, onListen: () => {} }, async (request) => {
      const body = await request.text();
      this.bodies.push(body);
      this.headers.push(request.headers);
      return await this.answer(body);
    });
  }
  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}/`;
  }
  get asked(): number {
    return this.bodies.length;
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}

export const keySet = (...pairs: readonly Pair[]) => () =>
  Response.json({ keys: pairs.map(({ publicJwk }) => publicJwk) });
