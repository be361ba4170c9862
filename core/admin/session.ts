/**
 * Who may come in: a token as a Bearer credential (RFC 6750 2.1), or a session cookie that a page's login gave for it.
 * The cookie is an end, a hash of the token's name and their HMAC under a key made at start: it holds no token, outlives neither the
 * process nor its token. Non-job: what a request may do (guard.ts).
 */
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { canonicalIp, networkOf, Networks } from "../model/ip.ts";
import { type AccessToken, type Caller, digestOf } from "./access/scope.ts";
import { Problem } from "./problem.ts";

const COOKIE = "postern_session";
const LIFETIME = 12 * 3600; // seconds
const WINDOW = 60_000; // milliseconds over which failures are counted
const MAX_NETWORKS = 1000;

/** True when both are equal; takes the same time for any two texts. */
function sameSecret(a: string, b: string): boolean {
  return sameDigest(digestOf(a), digestOf(b));
}
function sameDigest(a: string, b: string): boolean {
  return a.length === b.length && timingSafeEqual(new TextEncoder().encode(a), new TextEncoder().encode(b));
}

export interface SessionsOptions {
  /** Those that are valid now; null: nobody is asked who he is. */
  readonly tokens: (() => readonly AccessToken[]) | null;
  readonly now: () => number;
  /** Wrong tokens per network and minute. */
  readonly failures: number;
}

export class Sessions {
  readonly #options: SessionsOptions;
  readonly #key = randomBytes(32);
  readonly #failures = new Map<string, { count: number; until: number }>();
  readonly #networks = new WeakMap<readonly string[], Networks>();

  constructor(options: SessionsOptions) {
    this.#options = options;
  }

  /** False in the dev inbox, where nobody is asked. */
  get required(): boolean {
    return this.#options.tokens !== null;
  }

  /** The token that hidden fields of our own forms carry, known to nobody who cannot read our pages. */
  get formToken(): string {
    return this.#sign("form");
  }
  /** The one of the form that everybody can read. */
  get loginToken(): string {
    return this.#sign("login");
  }
  isFormToken(text: string): boolean {
    return sameSecret(text, this.formToken);
  }
  isLoginToken(text: string): boolean {
    return sameSecret(text, this.loginToken);
  }

  /** Seconds to wait when `remote` gave too many wrong tokens, else 0. */
  lockedFor(remote: string): number {
    const entry = this.#failures.get(network(remote));
    const left = entry === undefined || entry.count < this.#options.failures ? 0 : entry.until - this.#options.now();
    return Math.max(0, Math.ceil(left / 1000));
  }

  /**
   * Whose token `remote` gave; null for a wrong one, which is counted. All of them are compared, whichever it is.
   *
   * @throws {Problem} 403 when it may not be used from there.
   */
  check(token: string, remote: string): AccessToken | null {
    const digest = digestOf(token);
    let found: AccessToken | null = null;
    for (const each of this.tokens) if (sameDigest(digest, each.sha256)) found ??= each;
    if (found !== null) return this.#here(found, remote);
    const name = network(remote), now = this.#options.now();
    const entry = this.#failures.get(name);
    if (entry !== undefined && entry.until > now) {
      entry.count++;
    } else {
      if (this.#failures.size >= MAX_NETWORKS) this.#failures.delete(this.#failures.keys().next().value!);
      this.#failures.delete(name); // a new window goes to the young end of the map
      this.#failures.set(name, { count: 1, until: now + WINDOW });
    }
    return null;
  }

  /** The Set-Cookie value of a new session. */
  open(token: AccessToken, secure: boolean): string {
    const end = String(Math.floor(this.#options.now() / 1000) + LIFETIME);
    return cookie(`${end}.${cookieName(token)}.${this.#mac(end, token)}`, LIFETIME, secure);
  }
  /** The Set-Cookie value that ends one. */
  end(secure: boolean): string {
    return cookie("", 0, secure);
  }

  /**
   * Who holds a session that has not ended, by the Cookie header; null when nobody does.
   *
   * @throws {Problem} 403 when it may not be used from there.
   */
  holder(header: string | null, remote: string): Caller | null {
    if (header === null || header.length > 8192) return null;
    for (const pair of header.split(";")) {
      const [name, value = ""] = pair.trim().split("=", 2);
      if (name !== COOKIE) continue;
      const [end = "", whose = "", mac = ""] = value.split(".", 3);
      const token = this.tokens.find((each) => cookieName(each) === whose);
      if (token === undefined || !sameSecret(mac, this.#mac(end, token))) continue;
      if (Number(end) * 1000 > this.#options.now()) return this.#here(token, remote);
    }
    return null;
  }

  /** Those that are valid now. */
  get tokens(): readonly AccessToken[] {
    return this.#options.tokens?.() ?? [];
  }

  #here(token: AccessToken, remote: string): AccessToken {
    if (token.networks === null) return token;
    let networks = this.#networks.get(token.networks);
    if (networks === undefined) this.#networks.set(token.networks, networks = new Networks(token.networks));
    if (!networks.has(remote)) throw new Problem(403, "This token may not be used from that address.");
    return token;
  }

  /** Another token of that name has other sessions. */
  #mac(end: string, { name, sha256 }: AccessToken): string {
    return this.#sign(`session ${end} ${sha256} ${name}`);
  }
  #sign(text: string): string {
    return createHmac("sha256", this.#key).update(text).digest("base64url");
  }
}

/** The token's name without a dot, and short whatever it is. */
function cookieName({ name }: AccessToken): string {
  return digestOf(name).slice(0, 16);
}
function cookie(value: string, seconds: number, secure: boolean): string {
  return `${COOKIE}=${value}; Path=/; Max-Age=${seconds}; HttpOnly; SameSite=Strict${secure ? "; Secure" : ""}`;
}
function network(remote: string): string {
  return networkOf(canonicalIp(remote) ?? remote, { v6: 64 }); // ::ffff:192.0.2.1 is in no network with ::ffff:192.0.2.2
}
