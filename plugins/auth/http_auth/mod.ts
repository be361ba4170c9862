/**
 * Logins checked by a web service of the operator's own: one POST of JSON for each. A service that fails or answers
 * anything but a clear yes or no is 454 4.7.0, never a yes and never a wrong password.
 * Non-job: HTTP (endpoint.ts), growing delays and lock-outs (core/auth).
 */
import { createHmac } from "node:crypto";
import { z } from "zod";
import {
  type AuthContext,
  canonicalDomain,
  definePlugin,
  parseAddress,
  type PluginFactory,
} from "../../../core/pipeline/mod.ts";
import { duration } from "../duration.ts";
import { Endpoint, endpointUrl, exposure } from "../endpoint.ts";
import { Slots } from "../slots.ts";
import { isUserName } from "../user_name.ts";
import { vouch } from "../vouch.ts";
import { Vouchers } from "../vouchers.ts";

const Mechanism = z.enum(["PLAIN", "LOGIN", "OAUTHBEARER", "XOAUTH2"]);

const Options = z.strictObject({
  url: endpointUrl.describe("Where to POST: https, or http within a private network"),
  token: z.string().min(1).optional().describe("Sent as Authorization: Bearer, so that the service knows who asks"),
  secret: z.string().min(16, "must have at least 16 characters").optional().describe(
    "Key of the X-Postern-Signature header",
  ),
  mechanisms: z.array(Mechanism).min(1).default(["PLAIN", "LOGIN"]).describe("SASL mechanisms to offer"),
  timeout: duration(100, 25_000).prefault("10s").describe("Time for a request and its answer"),
  concurrency: z.int().min(1).max(1000).default(32).describe("Requests at a time"),
  cache: duration(0, 3_600_000).prefault("0s").describe("How long a yes is good for without asking again"),
  ca: z.string().min(1).optional().describe("File of certificates to trust besides the system's"),
});

/** What the service answers with 200. Fields beyond these are its own business. */
const Answer = z.discriminatedUnion("ok", [
  z.object({ ok: z.literal(false) }),
  z.object({
    ok: z.literal(true),
    user: z.string().refine(isUserName).optional(),
    senders: z.array(z.string().max(320).refine(isSender)).max(1000).default([]),
  }),
]);

/** What a login may send as: an address, `@domain` for all of a domain, `*` for any. */
function isSender(text: string): boolean {
  return text === "*" || (text.startsWith("@") ? canonicalDomain(text.slice(1)) : parseAddress(text)) !== null;
}

interface Vouched {
  readonly user: string;
  readonly senders: readonly string[];
}

/**
 * Asks a web service about each login.
 *
 * @example
 * ```ts
 * import { http_auth } from "./mod.ts";
 * const plugin = http_auth({ url: "https://auth.example.org/smtp", secret: "a key that both sides know" });
 * ```
 */
export const http_auth: PluginFactory<z.input<typeof Options>> = definePlugin({
  name: "http_auth",
  options: Options,
  roles: ["submission"],
  create(options, setup) {
    const { url, token, secret, timeout, concurrency, cache, ca } = options;
    const endpoint = new Endpoint({ url, timeout, ca, base: setup.base });
    const slots = new Slots(concurrency);
    const vouchers = new Vouchers<Vouched>();
    const warning = exposure(url);
    if (warning !== null) setup.trouble(warning);
    setup.mechanisms(options.mechanisms);

    async function ask(body: string, ctx: AuthContext): Promise<Vouched | null> {
      const headers: Record<string, string> = { "content-type": "application/json" };
      if (token !== undefined) headers["authorization"] = `Bearer ${token}`;
      if (secret !== undefined) headers["x-postern-signature"] = signature(secret, body, ctx.now());
      const { status, value } = await endpoint.ask({ headers, body, signal: ctx.signal });
      if (status === 401 || status === 403) return null;
      if (status !== 200) throw new Error(`${url.host}: answered ${status}`);
      const answer = Answer.safeParse(value);
      if (!answer.success) throw new Error(`${url.host}: its answer is neither { ok: true } nor { ok: false }`);
      if (!answer.data.ok) return null;
      const user = answer.data.user ?? ctx.credentials.user;
      if (!isUserName(user)) throw new Error(`${url.host}: vouched, and did not say for whom`);
      return { user, senders: answer.data.senders };
    }

    return {
      async auth(ctx, next) {
        const { credentials, client } = ctx, { mechanism, user } = credentials;
        if (client.identity !== null || !options.mechanisms.some((each) => each === mechanism)) return next();
        const password = credentials.reveal();
        if (password === null) return next();
        const tls = client.tls === null ? null : { version: client.tls.version, cipher: client.tls.cipher };
        const { ip } = client, { helo, listener } = ctx;
        const body = JSON.stringify({ user, password, mechanism, ip, helo, listener, tls });

        // The whole question is the key: a yes for one network is none for another
        let vouched = cache === 0 ? null : vouchers.find(body, ctx.now()) ?? null;
        if (vouched === null) {
          vouched = await slots.run(() => ask(body, ctx), ctx.signal);
          if (vouched !== null && cache > 0) vouchers.keep(body, vouched, ctx.now() + cache);
        }
        if (vouched !== null) vouch(ctx, vouched.user, vouched.senders);
        return next();
      },
    };
  },
});

/** `t=SECONDS,v1=HEX`: HMAC-SHA-256 of `SECONDS.BODY`; the time lets the service turn down what was recorded earlier. */
function signature(secret: string, body: string, now: number): string {
  const seconds = Math.floor(now / 1000);
  return `t=${seconds},v1=${createHmac("sha256", secret).update(`${seconds}.${body}`).digest("hex")}`;
}
