/**
 * Tokens that only their issuer can read: it is asked about each (RFC 7662). What it said is kept for a short time, and
 * never past the token's own end.
 */
import { Buffer } from "node:buffer";
import type { Endpoint } from "../endpoint.ts";
import { Vouchers } from "../vouchers.ts";
import { type Claims, isFor } from "./claims.ts";

export interface IntrospectionOptions {
  readonly endpoint: Endpoint;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly issuer: string | undefined;
  /** Empty: any. */
  readonly audience: readonly string[];
  /** Milliseconds that clocks may differ. */
  readonly leeway: number;
  /** Milliseconds that an answer is good for. */
  readonly cache: number;
}

export class Introspection {
  readonly #options: IntrospectionOptions;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #vouchers = new Vouchers<Claims>();

  constructor(options: IntrospectionOptions) {
    this.#options = options;
    // RFC 6749 2.3.1: both are form-encoded before they become Basic
    const credentials = `${form(options.clientId)}:${form(options.clientSecret)}`;
    this.#headers = {
      authorization: `Basic ${Buffer.from(credentials).toString("base64")}`,
      "content-type": "application/x-www-form-urlencoded",
    };
  }

  /** Its claims; null when it is not to be believed. @throws {Error} when that cannot be known now. */
  async check(token: string, now: number, signal: AbortSignal): Promise<Claims | null> {
    const { endpoint, cache } = this.#options;
    const known = cache === 0 ? undefined : this.#vouchers.find(token, now);
    if (known !== undefined) return known;
    const body = new URLSearchParams({ token, token_type_hint: "access_token" }).toString();
    const { status, value } = await endpoint.ask({ headers: this.#headers, body, signal });
    if (status !== 200) throw new Error(`the introspection endpoint answered ${status}`);
    const claims = value as Claims | null;
    if (typeof claims !== "object" || claims === null || typeof claims["active"] !== "boolean") {
      throw new Error("the introspection endpoint does not say whether the token is active");
    }
    if (!this.#good(claims, now)) return null;
    const exp = claims["exp"], end = typeof exp === "number" ? exp * 1000 : Infinity;
    if (cache > 0) this.#vouchers.keep(token, claims, Math.min(now + cache, end));
    return claims;
  }

  #good(claims: Claims, now: number): boolean {
    const { issuer, audience, leeway } = this.#options, { active, iss, exp, nbf } = claims;
    return active === true &&
      (issuer === undefined || iss === undefined || iss === issuer) && // the endpoint is the issuer's own
      (audience.length === 0 || isFor(claims, audience)) &&
      (exp === undefined || typeof exp === "number" && exp * 1000 > now - leeway) &&
      (nbf === undefined || typeof nbf === "number" && nbf * 1000 <= now + leeway);
  }
}

function form(text: string): string {
  return new URLSearchParams([["", text]]).toString().slice(1);
}
