/**
 * Logins by client certificate: SASL EXTERNAL (RFC 4422 appendix A), for certificates that the listener's client CA
 * vouches for. Which user a certificate is stands here by fingerprint, or in the certificate as an e-mail address.
 * Non-job: asking for certificates and verifying their chain (core/net/tls).
 */
import { z } from "zod";
import { definePlugin, OptionsError, parseAddress, type PluginFactory } from "../../../core/pipeline/mod.ts";
import { isUserName } from "../user_name.ts";
import { vouch } from "../vouch.ts";

const fingerprint = z.string().transform((text, context) => {
  const hex = text.replaceAll(":", "").toUpperCase();
  if (/^[0-9A-F]{64}$/.test(hex)) return hex.replace(/..(?!$)/g, "$&:");
  context.addIssue(`"${text.slice(0, 80)}" is no SHA-256 fingerprint: 64 hex digits, with or without colons`);
  return z.NEVER;
});

const Options = z.strictObject({
  users: z.record(z.string(), z.array(fingerprint).min(1))
    .default({}).describe("SHA-256 fingerprints of each user's certificates"),
  emails: z.boolean().default(false).describe("Whether a certificate's own e-mail addresses are users too"),
});

/**
 * Says who a verified client certificate is.
 *
 * @example
 * ```ts
 * import { certificates } from "./mod.ts";
 * const plugin = certificates({ emails: true });
 * ```
 */
export const certificates: PluginFactory<z.input<typeof Options>> = definePlugin({
  name: "certificates",
  options: Options,
  roles: ["submission"],
  create({ users, emails }, setup) {
    if (!emails && Object.keys(users).length === 0) {
      const message = "lets nobody in: name users, or set emails: true";
      throw new OptionsError([{ path: [], message }]);
    }
    const byFingerprint = new Map<string, string[]>();
    for (const [user, fingerprints] of Object.entries(users)) {
      if (!isUserName(user)) {
        throw new OptionsError([{ path: ["users", user], message: "must be a name without controls" }]);
      }
      for (const each of fingerprints) byFingerprint.set(each, [...byFingerprint.get(each) ?? [], user]);
    }
    setup.mechanisms(["EXTERNAL"]);

    return {
      auth(ctx, next) {
        const { client, credentials } = ctx, certificate = client.tls?.certificate ?? null;
        if (client.identity !== null || credentials.mechanism !== "EXTERNAL" || certificate === null) return next();
        const names = [
          ...byFingerprint.get(certificate.fingerprint) ?? [],
          ...emails ? certificate.emails.filter((each) => isUserName(each) && parseAddress(each) !== null) : [],
        ];
        // Without a wish of the client's it is what the certificate says of itself, which may be no user here: then the
        // certificate's own user it is (RFC 4422 A.1)
        const wish = credentials.user, { commonName, emails: own } = certificate;
        const open = wish === "" || wish === commonName || own.includes(wish);
        const user = names.find((name) => same(name, wish)) ?? (open ? names[0] : undefined);
        if (user !== undefined) vouch(ctx, user);
        return next();
      },
    };
  },
});

/** Equal, but for the case of a domain. */
function same(name: string, wish: string): boolean {
  if (name === wish) return true;
  const a = parseAddress(name), b = parseAddress(wish);
  return a !== null && b !== null && a.local === b.local && a.domain === b.domain;
}
