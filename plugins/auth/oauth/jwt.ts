/**
 * Access tokens that are JWTs (RFC 7519, RFC 9068), signed by an issuer whose keys are published. What a token says of
 * its own algorithm counts only within a list that has neither `none` nor any shared secret (RFC 8725 3.1).
 */
import { errors, jwtVerify } from "jose";
import type { Claims } from "./claims.ts";
import { type Keys, KeysUnavailable } from "./keys.ts";

export const ALGORITHMS = [
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
  "ES256",
  "ES384",
  "ES512",
  "EdDSA",
  "Ed25519",
] as const;

export interface JwtOptions {
  readonly keys: Keys;
  readonly issuer: string;
  readonly audience: readonly string[];
  readonly algorithms: readonly (typeof ALGORITHMS)[number][];
  /** Milliseconds that clocks may differ. */
  readonly leeway: number;
}

/** Its claims; null when it is not to be believed. @throws {Error} when that cannot be known now. */
export async function checkJwt(token: string, options: JwtOptions, now: number): Promise<Claims | null> {
  const { keys, issuer, audience, algorithms, leeway } = options;
  try {
    const { payload } = await jwtVerify(token, (header, input) => keys.find(header, input, now), {
      issuer,
      audience: [...audience],
      algorithms: [...algorithms],
      requiredClaims: ["exp"], // else it is good for ever
      clockTolerance: leeway / 1000,
      currentDate: new Date(now),
    });
    return payload;
  } catch (error) {
    if (error instanceof KeysUnavailable) throw error;
    if (error instanceof errors.JOSEError) return null;
    // A key of the issuer's that cannot be used. Its words may quote the token
    throw new Error("the issuer's key for this token cannot be used");
  }
}
