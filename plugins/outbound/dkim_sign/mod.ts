/**
 * Signs what this site answers for (RFC 6376, RFC 8463): mail of logged-in clients, of listed networks, and its own
 * reports, as it goes out, edits and conversion behind it. What a stranger sent and an alias forwards is never signed:
 * its From may be forged, and a signature would vouch for it. Non-job: checking the signatures of others.
 */
import { z } from "zod";
import { canBeSigned, type Canonicalization, sign } from "../../../core/dkim/mod.ts";
import {
  canonicalDomain,
  definePlugin,
  Networks,
  type Origin,
  parseDuration,
  type PluginFactory,
} from "../../../core/pipeline/mod.ts";
import { network } from "../schema.ts";
import { readKeys } from "../key_source.ts";
import { Keyring, type Speakers } from "./author.ts";

const name = (what: string) =>
  z.string().refine((text) => canonicalDomain(text) !== null, { error: (issue) => `"${issue.input}" is no ${what}` });

const Key = z.strictObject({
  domain: name("domain").describe("Whose mail it signs: d="),
  selector: name("selector").describe("Where its record is, below _domainkey of the domain: s="),
  key: z.string().min(1).describe("File of a private key, RSA or Ed25519, or its PEM: `${DKIM_KEY}`"),
});

const forms = ["relaxed/relaxed", "relaxed/simple", "simple/relaxed", "simple/simple"] as const;

const Options = z.strictObject({
  keys: z.array(Key).min(1, "needs a key: postern dkim keygen makes one")
    .describe("Keys; each of an author's domain makes a signature"),
  subdomains: z.boolean().default(false).describe("Whether a key signs for the domains below its own too"),
  fallback: z.enum(["none", "envelope"]).default("none")
    .describe("Whose key signs where there is none for the author's domain"),
  networks: z.array(network).default([]).describe(
    "Clients whose mail is signed without a login: scanners, other hosts of the site",
  ),
  headers: z.array(
    z.string().refine(canBeSigned, {
      error: (issue) => `"${issue.input}" is no field that stays what it is on its way`,
    }),
  ).default([]).describe("Names of fields to sign besides those that always are"),
  canonicalization: z.enum(forms).default("relaxed/relaxed").describe("Forms of header and body (RFC 6376 3.4): c="),
  expire: z.string().refine((text) => (parseDuration(text) ?? 0) > 0, "Write a duration like 12h or 7d")
    .transform((text) => parseDuration(text)!).optional()
    .describe("How long a signature counts: x=. Mail that waits longer on its way arrives unsigned"),
  agent: z.boolean().default(false).describe("Name the author's own domain, which may be below the key's: i="),
});

/**
 * Puts a signature for each key of the author's domain in front of what goes out. Must stand last. A key that cannot sign
 * puts the mail off: it never goes without its signature.
 *
 * @example
 * ```ts
 * import { dkim_sign } from "./mod.ts";
 * const key = "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g"; // RFC 8463 A.2
 * const plugin = dkim_sign({
 *   keys: [{
 *     domain: "example.org",
 *     selector: "s2026",
 *     key: `-----BEGIN PRIVATE KEY-----\n${key}\n-----END PRIVATE KEY-----\n`,
 *   }],
 * });
 * ```
 */
export const dkim_sign: PluginFactory<z.input<typeof Options>> = definePlugin({
  name: "dkim_sign",
  after: ["*"],
  options: Options,
  create({ keys, subdomains, fallback, networks, headers, canonicalization, expire = null, agent }, setup) {
    const keyring = new Keyring(readKeys(keys, setup), { subdomains, fallback });
    const trusted = new Networks(networks);
    const forms = canonicalization.split("/") as [Canonicalization, Canonicalization];
    const answersFor = ({ identity, ip }: Origin) => identity !== null || ip === "" || trusted.has(ip);

    return {
      async deliver(ctx, next) {
        let told = NOT_OURS;
        if (answersFor(ctx.origin)) {
          const { sender } = ctx, now = ctx.now();
          told = "No next hop was reached, so nothing was signed";
          ctx.sign(async (content) => {
            const speakers = keyring.speakersFor(content.head, sender); // of the header that goes out
            told = speakers === null ? NO_KEY : signed(speakers);
            if (speakers === null) return "";
            const i = agent ? speakers.domain : null;
            return await sign(content, speakers.keys, { now, headers, canonicalization: forms, expire, agent: i }) ??
              "";
          });
        }
        const reply = await next(); // signers run behind it: what they did is known then
        ctx.note(told);
        return reply;
      },
    };
  },
});

const NOT_OURS = "Not signed: a stranger brought it, and a signature would vouch for him";
const NO_KEY = "Not signed: there is no key for its author's domain";

/** `Signed for example.org with s2026, e2026`. */
function signed({ keys }: Speakers): string {
  return `Signed for ${keys[0]?.domain} with ${keys.map(({ selector }) => selector).join(", ")}`;
}
