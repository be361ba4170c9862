/**
 * Logins checked by a directory (LDAP, RFC 4511): bind as the user, whose DN is a template or is searched for first. A
 * directory that is down or in doubt is 454 4.7.0. Non-job: the dialogue (directory.ts), growing delays (core/auth).
 */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { FilterParser } from "ldapts";
import { z } from "zod";
import {
  definePlugin,
  formatAddress,
  isLoopback,
  OptionsError,
  parseAddress,
  type PluginFactory,
} from "../../../core/pipeline/mod.ts";
import { duration } from "../duration.ts";
import { Slots } from "../slots.ts";
import { isUserName } from "../user_name.ts";
import { vouch } from "../vouch.ts";
import { Directory, type Lookup } from "./directory.ts";
import { fill } from "./escape.ts";

const url = z.string().transform((text, context) => {
  const found = URL.canParse(text) ? new URL(text) : null;
  const scheme = found?.protocol, bare = found?.pathname === "" || found?.pathname === "/";
  if (found !== null && (scheme === "ldap:" || scheme === "ldaps:") && found.hostname !== "" && bare && !found.search) {
    const host = found.hostname.replace(/^\[(.*)\]$/, "$1"), secure = scheme === "ldaps:";
    return { host, secure, port: found.port === "" ? secure ? 636 : 389 : Number(found.port) };
  }
  context.addIssue("must be a URL such as ldaps://ldap.example.org or ldap://127.0.0.1:389, with nothing behind it");
  return z.NEVER;
});
const template = z.string().refine((text) => text.includes("{user}"), "must have {user} in it");
const filter = template.refine((text) => {
  try {
    FilterParser.parseString(fill(text, "x"));
    return text.split("(").length === text.split(")").length; // the parser closes some by itself
  } catch {
    return false;
  }
}, "is no filter such as (uid={user})");
const attribute = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9.;-]{0,127}$/, "must be the name of an attribute");

const Options = z.strictObject({
  url: url.describe("The directory: ldaps://host, or ldap://host"),
  startTls: z.boolean().default(false).describe("StartTLS on an ldap:// connection"),
  ca: z.string().min(1).optional().describe("File of certificates that the directory's is checked with"),
  dn: template.optional().describe("DN of a user, such as uid={user},ou=people,dc=example,dc=org"),
  search: z.strictObject({
    base: z.string().min(1),
    scope: z.enum(["sub", "one"]).default("sub"),
    filter: filter.default("(uid={user})"),
    bindDn: z.string().min(1).optional(),
    bindPassword: z.string().min(1).optional(),
  }).optional().describe("Or where and how to search for a user, and the account that may"),
  identity: attribute.nullable().default("uid").describe(
    "Attribute that is the user's one name; null: as it was given",
  ),
  senders: z.array(attribute).max(8).default([]).describe("Attributes with addresses that the user may send from"),
  timeout: duration(100, 25_000).prefault("10s").describe("Time for all of a login"),
  concurrency: z.int().min(1).max(1000).default(16).describe("Connections at a time, one for each login"),
});

/** How often the operator is told of one and the same trouble. */
const MINUTE = 60_000;

/**
 * Binds at a directory as the user that logs in.
 *
 * @example
 * ```ts
 * import { ldap_auth } from "./mod.ts";
 * const plugin = ldap_auth({ url: "ldaps://ldap.example.org", dn: "uid={user},ou=people,dc=example,dc=org" });
 * ```
 */
export const ldap_auth: PluginFactory<z.input<typeof Options>> = definePlugin({
  name: "ldap_auth",
  options: Options,
  roles: ["submission"],
  create(options, setup) {
    const { url: { host, port, secure }, startTls, identity, senders, timeout, concurrency } = options;
    if (startTls && secure) throw fault("startTls", "is for ldap:// only: ldaps:// is TLS from the start");
    const tls = secure ? "implicit" : startTls ? "starttls" : "none";
    if (tls === "none" && !isLoopback(host) && host !== "localhost") {
      setup.trouble(`passwords go to ${host} over plain LDAP; use ldaps:// or startTls`);
    }
    const ca = options.ca === undefined ? undefined : readFileSync(resolve(setup.base, options.ca), "utf8");
    let told = -Infinity;
    const directory = new Directory({
      socket: { host, port, tls, ca },
      lookup: lookupOf(options.dn, options.search),
      identity,
      senders,
      timeout,
      trouble(message) {
        const now = performance.now();
        if (now - told >= MINUTE) setup.trouble(message);
        if (now - told >= MINUTE) told = now;
      },
    });
    const slots = new Slots(concurrency);
    setup.mechanisms(["PLAIN", "LOGIN"]);

    return {
      async auth(ctx, next) {
        const { credentials, client } = ctx, { mechanism, user } = credentials;
        if (client.identity !== null || mechanism !== "PLAIN" && mechanism !== "LOGIN") return next();
        const password = credentials.reveal();
        // RFC 4513 5.1.2: with an empty password a directory says yes to everybody
        if (password === null || password === "" || !isUserName(user)) return next();
        const vouched = await slots.run(() => directory.login(user, password, ctx.signal), ctx.signal);
        if (vouched === null) return next();
        if (!isUserName(vouched.user)) throw new Error(`the user's ${identity} cannot be a name here`);
        vouch(ctx, vouched.user, addresses(vouched.senders));
        return next();
      },
    };
  },
});

function lookupOf(
  dn: string | undefined,
  search: z.output<typeof Options>["search"],
): Lookup {
  if ((dn === undefined) === (search === undefined)) throw fault("dn", "name either dn or search");
  if (search === undefined) return { dn: dn! };
  if ((search.bindDn === undefined) !== (search.bindPassword === undefined)) {
    throw fault("search", "bindDn and bindPassword belong together");
  }
  return { ...search, bindDn: search.bindDn, bindPassword: search.bindPassword };
}

/** Addresses alone: people may often write these attributes themselves, and a `*` would be a pattern for others. */
function addresses(texts: readonly string[]): string[] {
  const found = texts.map((each) => parseAddress(each)).filter((each) => each !== null)
    .filter(({ local }) => !local.includes("*"));
  return [...new Set(found.map(formatAddress))].slice(0, 1000);
}
function fault(key: string, message: string): OptionsError {
  return new OptionsError([{ path: [key], message }]);
}
