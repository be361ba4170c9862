/**
 * Who may come in: the token as a Bearer credential (RFC 6750 2.1), or a session cookie that a page's login gave for it.
 * The cookie is an end and its HMAC under a key made at start, so it neither holds the token nor outlives the process.
 * Non-job: what a request may do (guard.ts).
 */
import { createHash, createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { networkOf } from "../model/ip.ts";

const COOKIE = "postern_session";
const LIFETIME = 12 * 3600; // seconds
const WINDOW = 60_000; // milliseconds over which failures are counted
const MAX_NETWORKS = 1000;

/** True when both are equal; takes the same time for any two texts of one length. */
function sameSecret(a: string, b: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}

export interface SessionsOptions {
  readonly token: string | null;
  readonly now: () => number;
  /** Wrong tokens per network and minute. */
  readonly failures: number;
}

export class Sessions {
  readonly #options: SessionsOptions;
  readonly #key = randomBytes(32);
  readonly #failures = new Map<string, { count: number; until: number }>();

  constructor(options: SessionsOptions) {
    this.#options = options;
  }

  /** False in the dev inbox, where nobody is asked. */
  get required(): boolean {
    return this.#options.token !== null;
  }

  /** The token that hidden fields of our own forms carry, known to nobody who cannot read our pages. */
  get formToken(): string {
    return this.#sign("form");
  }
  isFormToken(text: string): boolean {
    return sameSecret(text, this.formToken);
  }

  /** Seconds to wait when `remote` gave too many wrong tokens, else 0. */
  lockedFor(remote: string): number {
    const entry = this.#failures.get(network(remote));
    const left = entry === undefined || entry.count < this.#options.failures ? 0 : entry.until - this.#options.now();
    return Math.max(0, Math.ceil(left / 1000));
  }

  /** Compares a token that `remote` gave and counts a wrong one. */
  check(token: string, remote: string): boolean {
    if (this.#options.token !== null && sameSecret(token, this.#options.token)) return true;
    const name = network(remote), now = this.#options.now();
    const entry = this.#failures.get(name);
    if (entry !== undefined && entry.until > now) {
      entry.count++;
    } else {
      if (this.#failures.size >= MAX_NETWORKS) this.#failures.delete(this.#failures.keys().next().value!);
      this.#failures.delete(name); // a new window goes to the young end of the map
      this.#failures.set(name, { count: 1, until: now + WINDOW });
    }
    return false;
  }

  /** The Set-Cookie value of a new session. */
  open(secure: boolean): string {
    const end = String(Math.floor(this.#options.now() / 1000) + LIFETIME);
    return cookie(`${end}.${this.#sign(`session ${end}`)}`, LIFETIME, secure);
  }
  /** The Set-Cookie value that ends one. */
  end(secure: boolean): string {
    return cookie("", 0, secure);
  }

  /** True when the Cookie header holds a session that has not ended. */
  holds(header: string | null): boolean {
    if (header === null || header.length > 8192) return false;
    for (const pair of header.split(";")) {
      const [name, value = ""] = pair.trim().split("=", 2);
      if (name !== COOKIE) continue;
      const [end = "", mac = ""] = value.split(".", 2);
      if (sameSecret(mac, this.#sign(`session ${end}`)) && Number(end) * 1000 > this.#options.now()) return true;
    }
    return false;
  }

  #sign(text: string): string {
    return createHmac("sha256", this.#key).update(text).digest("base64url");
  }
}

function cookie(value: string, seconds: number, secure: boolean): string {
  return `${COOKIE}=${value}; Path=/; Max-Age=${seconds}; HttpOnly; SameSite=Strict${secure ? "; Secure" : ""}`;
}
function network(remote: string): string {
  return networkOf(remote, { v6: 64 });
}
