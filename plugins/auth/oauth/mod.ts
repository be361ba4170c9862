/**
 * Logins by access token: OAUTHBEARER (RFC 7628) and XOAUTH2. The token is a JWT whose issuer publishes its keys, or one
 * that the issuer is asked about. Whether keys or issuer can be reached says nothing of the token: that is 454 4.7.0.
 * Non-job: what the client is told after a no (the mechanisms say it), getting tokens.
 */
import { z } from "zod";
import { type AuthContext, definePlugin, OptionsError, type PluginFactory } from "../../../core/pipeline/mod.ts";
import { duration } from "../duration.ts";
import { Endpoint, endpointUrl, exposure } from "../endpoint.ts";
import { Slots } from "../slots.ts";
import { vouch } from "../vouch.ts";
import { type Claims, userOf } from "./claims.ts";
import { Introspection } from "./introspection.ts";
import { ALGORITHMS, checkJwt } from "./jwt.ts";
import { Keys } from "./keys.ts";

const MECHANISMS = ["OAUTHBEARER", "XOAUTH2"] as const;
/** Of a token; those of the large providers have 1 to 3 thousand octets. */
const LONGEST_TOKEN = 16 * 1024;
/** Of a JWK Set; large providers publish 20 KB. */
const LONGEST_KEYS = 256 * 1024;
const TOKEN = /^[A-Za-z0-9\-._~+/]+=*$/; // b64token, RFC 6750 2.1

const Options = z.strictObject({
  jwks: endpointUrl.optional().describe("Where the issuer publishes its keys, for tokens that are JWTs"),
  introspection: endpointUrl.optional().describe("Or the issuer's introspection endpoint (RFC 7662)"),
  clientId: z.string().min(1).optional().describe("Our name at the introspection endpoint"),
  clientSecret: z.string().min(1).optional().describe("Our secret there"),
  issuer: z.string().min(1).optional().describe("What iss must be; required with jwks"),
  audience: z.array(z.string().min(1)).default([]).describe("What aud must name one of; required with jwks"),
  algorithms: z.array(z.enum(ALGORITHMS)).min(1).default(["RS256", "PS256", "ES256", "EdDSA", "Ed25519"]).describe(
    "Signatures that are taken",
  ),
  scopes: z.array(z.string().min(1)).default([]).describe("Scopes that must all have been granted"),
  user: z.string().min(1).optional().describe("The claim that is the user: email; with introspection username"),
  mechanisms: z.array(z.enum(MECHANISMS)).min(1).default([...MECHANISMS]).describe("SASL mechanisms to offer"),
  leeway: duration(0, 300_000).prefault("30s").describe("How much clocks may differ"),
  timeout: duration(100, 25_000).prefault("5s").describe("Time for a request and its answer"),
  cooldown: duration(1000, 3_600_000).prefault("30s").describe(
    "Time between two fetches of the keys, whatever tokens say",
  ),
  maxAge: duration(1000, 86_400_000).prefault("10m").describe("After this time keys are fetched anew"),
  cache: duration(0, 3_600_000).prefault("1m").describe(
    "How long an introspection is good for, at most till the token ends",
  ),
  concurrency: z.int().min(1).max(1000).default(32).describe("Tokens that are checked at a time"),
  ca: z.string().min(1).optional().describe("File of certificates to trust besides the system's"),
});
type Settings = z.output<typeof Options>;
type Check = (token: string, ctx: AuthContext) => Promise<Claims | null>;

/**
 * Takes access tokens of one issuer.
 *
 * @example
 * ```ts
 * import { oauth } from "./mod.ts";
 * const plugin = oauth({
 *   jwks: "https://id.example.org/keys",
 *   issuer: "https://id.example.org",
 *   audience: ["mail"],
 * });
 * ```
 */
export const oauth: PluginFactory<z.input<typeof Options>> = definePlugin({
  name: "oauth",
  options: Options,
  roles: ["submission"],
  create(options, setup) {
    const { jwks, introspection, mechanisms, scopes, concurrency } = options;
    const url = jwks ?? introspection;
    if (url === undefined || jwks !== undefined && introspection !== undefined) {
      throw fault("jwks", "name either jwks or introspection");
    }
    const warning = exposure(url);
    if (warning !== null) setup.trouble(warning);
    const check = jwks === undefined ? byIntrospection(url, options, setup.base) : byKeys(url, options, setup.base);
    const demands = { user: options.user ?? (jwks === undefined ? "username" : "email"), scopes };
    const slots = new Slots(concurrency);
    setup.mechanisms(mechanisms);

    return {
      async auth(ctx, next) {
        const { credentials, client } = ctx;
        if (client.identity !== null || !mechanisms.some((each) => each === credentials.mechanism)) return next();
        const token = credentials.reveal();
        if (token === null || token.length > LONGEST_TOKEN || !TOKEN.test(token)) return next();
        const claims = await slots.run(() => check(token, ctx), ctx.signal);
        const user = claims === null ? null : userOf(claims, demands);
        // RFC 7628 3.1: whom the client says it is must be whose token it is; people type addresses in any case
        const wish = credentials.user;
        if (user !== null && (wish === "" || wish.toLowerCase() === user.toLowerCase())) vouch(ctx, user);
        return next();
      },
    };
  },
});

function byKeys(url: URL, options: Settings, base: string): Check {
  const { issuer, audience, algorithms, leeway, timeout, cooldown, maxAge, ca } = options;
  // Without these any token of the issuer's, for any service and from any tenant, would log in here (RFC 8725 3.8, 3.9)
  if (issuer === undefined) throw fault("issuer", "must be named with jwks");
  if (audience.length === 0) throw fault("audience", "must be named with jwks");
  if (options.clientId !== undefined) throw fault("clientId", "is for introspection");
  if (options.clientSecret !== undefined) throw fault("clientSecret", "is for introspection");
  const endpoint = new Endpoint({ url, timeout, ca, base, longest: LONGEST_KEYS });
  const settings = { keys: new Keys({ endpoint, cooldown, maxAge }), issuer, audience, algorithms, leeway };
  return (token, ctx) => checkJwt(token, settings, ctx.now());
}

function byIntrospection(url: URL, options: Settings, base: string): Check {
  const { issuer, audience, clientId, clientSecret, leeway, timeout, cache, ca } = options;
  if (clientId === undefined) throw fault("clientId", "must be named with introspection");
  if (clientSecret === undefined) throw fault("clientSecret", "must be named with introspection");
  const endpoint = new Endpoint({ url, timeout, ca, base });
  const asked = new Introspection({ endpoint, clientId, clientSecret, issuer, audience, leeway, cache });
  return (token, ctx) => asked.check(token, ctx.now(), ctx.signal);
}

function fault(key: string, message: string): OptionsError {
  return new OptionsError([{ path: [key], message }]);
}
