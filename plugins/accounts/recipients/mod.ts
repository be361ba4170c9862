/**
 * Existence: who is behind an address of a local domain, and where it goes (RFC 5321 3.6.1, 4.5.1, 5.1). Tables from the
 * configuration or a file: accounts, aliases, virtual domains, catch-alls, details behind a separator.
 * Non-job: foreign domains that a peer names (`relay`), storing (the plugin that a route names), depth, number and
 * cycles of aliases (the pipeline counts them in `expand`).
 */
import { z } from "zod";
import {
  accept,
  type Address,
  canonicalDomain,
  definePlugin,
  DomainSet,
  formatAddress,
  type Host,
  type PluginFactory,
  type PluginRoute,
  type Recipient,
  reject,
} from "../../../core/pipeline/mod.ts";
import { fromValue } from "../node.ts";
import type { Directory, Found, Targets } from "./directory.ts";
import { MAILBOX } from "./key.ts";
import { Source } from "./source.ts";

export { MAILBOX, type Mailbox } from "./key.ts";

const STORE = "expected a storage plugin, { to: local, plugin: NAME }, { to: remote } or { to: remote, via: NAME }";
const Store = z.union([
  z.string().min(1),
  z.discriminatedUnion("to", [
    z.strictObject({ to: z.literal("local"), plugin: z.string().min(1) }),
    z.strictObject({ to: z.literal("remote"), via: z.string().min(1).optional() }),
  ]),
], { error: STORE });
const Accounts = z.union([
  z.array(z.string()),
  z.record(z.string(), z.union([z.null(), z.string(), z.strictObject({ store: Store.optional() })], { error: STORE })),
], { error: "expected a list of accounts, or a table of account and store" });
const TargetList = z.union([z.string(), z.array(z.string())], { error: "expected an address or a list of addresses" });
const Aliases = z.record(z.string(), TargetList);

const Options = z.strictObject({
  file: z.string().min(1).optional().describe(
    "YAML file with accounts, aliases, catchAll, virtual; read when it changes",
  ),
  accounts: Accounts.optional().describe("Local parts or addresses that have a mailbox, each with its store"),
  aliases: Aliases.optional().describe("Address, local part or @domain to one or more targets"),
  catchAll: Aliases.optional().describe("Domain to the target of every name that it does not have"),
  virtual: z.record(
    z.string(),
    z.strictObject({ accounts: Accounts.optional(), aliases: Aliases.optional(), catchAll: TargetList.optional() }),
  ).optional().describe("Domains with names of their own, in which the names above mean nothing"),
  deliverTo: Store.default("maildir").describe("Store of the accounts that name none"),
  plusAddressing: z.union([z.literal(false), z.string().regex(/^[!-/:-?[-`{-~]+$/)], {
    error: 'expected the separators as a text like "+", or false',
  }).default("+").describe("Separators that begin the detail of an address; false for none"),
  home: z.string().refine((text) => canonicalDomain(text) !== null, {
    error: (issue) => `"${issue.input}" is no domain`,
  }).optional().describe("The domain of accounts without one; the first of `domains` unless said"),
  unknown: z.enum(["reject", "next"]).default("reject")
    .describe("A name of ours in no table: refused as 550 5.1.1, or left to the plugins after this one"),
});

/** What the tables say of a recipient of ours, and so which alias its members came from. Null for a foreign one. */
function foundFor(recipient: Recipient | null, directory: Directory, host: Host): Found | null {
  if (recipient === null || !isOurs(recipient.address, host)) return null;
  const above = foundFor(recipient.origin, directory, host); // ten deep at most, the pipeline sees to it
  return directory.find(recipient.address, host, targetsOf(above));
}
const isOurs = ({ domain }: Address, host: Host): boolean => domain === "" || DomainSet.of(host.domains).has(domain);
const targetsOf = (found: Found | null): Targets | null => found?.kind === "alias" ? found.targets : null;
const equal = (a: Address, b: Address): boolean => a.local === b.local && a.domain === b.domain;

/**
 * Gives each recipient of a local domain its route, expands aliases, and refuses names that nobody has.
 *
 * @example
 * ```ts
 * import { recipients } from "./mod.ts";
 * const plugin = recipients({
 *   accounts: ["alice", "bob"],
 *   aliases: { info: ["alice", "bob"], "@example.net": "@example.org" },
 * });
 * ```
 */
export const recipients: PluginFactory<z.input<typeof Options>> = definePlugin({
  name: "recipients",
  options: Options,
  create(options, setup) {
    const { file = null, accounts, aliases, catchAll, virtual, deliverTo, plusAddressing, unknown } = options;
    const source = new Source({
      inline: fromValue({ accounts, aliases, catchAll, virtual }),
      file,
      base: setup.base,
      trouble: setup.trouble,
      deliverTo: routeOf(deliverTo),
      separators: plusAddressing || "",
      home: options.home === undefined ? null : canonicalDomain(options.home),
      closed: unknown === "reject",
    });
    setup.routesTo(source.stores);
    setup.routesVia(source.nextHops);

    return {
      rcpt(ctx, next) {
        const { recipient, host } = ctx, { address, origin } = recipient;
        if (recipient.route !== null) return next(); // another plugin knows it
        const directory = source.current(ctx.now()), above = foundFor(origin, directory, host);
        if (!isOurs(address, host)) {
          // Foreign, and so not for us to let out, unless an alias of ours leads there: then that is the authority.
          if (above?.kind === "alias" && above.members.some((member) => equal(member, address))) {
            ctx.route({ to: "remote" });
            ctx.note("It may leave: an alias of ours leads there");
          }
          return next();
        }
        const found = directory.find(address, host, targetsOf(above));
        if (found === null) {
          return unknown === "next"
            ? next()
            : reject("5.1.1", "No such user here", { reason: `Nobody here is called ${formatAddress(address)}` });
        }
        if (found.kind === "account" && equal(found.mailbox, address)) {
          ctx.set(MAILBOX, { name: formatAddress(address), detail: above?.kind === "account" ? above.detail : "" });
          ctx.route(found.route);
          ctx.note(`${formatAddress(address)} exists; its mail goes ${wayOf(found.route)}`);
          return next();
        }
        // One mailbox has one address: case, detail and second domain end here, and storage needs no table to find it.
        ctx.expand(found.kind === "alias" ? found.members : [found.mailbox]);
        const reason = found.kind === "alias"
          ? `An alias of ${named(found.members)}`
          : `Another way to write ${formatAddress(found.mailbox)}`;
        return accept("OK", { reason }); // the members are asked everything; this name is done with
      },
    };
  },
});

function routeOf(store: z.output<typeof Store>): PluginRoute {
  if (typeof store === "string") return { to: "local", plugin: store };
  if (store.to === "local") return store;
  return store.via === undefined ? { to: "remote" } : { to: "remote", via: store.via };
}

function wayOf(route: PluginRoute): string {
  if (route.to === "local") return `to ${route.plugin}`;
  return route.via === undefined ? "to the hosts of its domain" : `to ${route.via}`;
}

/** The first few. */
function named(members: readonly Address[]): string {
  const words = members.slice(0, 3).map((each) => formatAddress(each)).join(", ");
  return members.length > 3 ? `${words} and ${members.length - 3} more` : words;
}
