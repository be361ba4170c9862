/**
 * Other addresses for those that people use: for all that comes in (`canonical`, `masquerade`), or only for what goes out
 * to foreign hosts (`generic`); in the envelope and in the header. It stands among the accounts because its tables are
 * files like theirs. Non-job: aliases, which lead to several (recipients); the return path of forwarded mail (srs).
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
  type Message,
  OptionsError,
  type PluginFactory,
} from "../../../core/pipeline/mod.ts";
import { fromValue } from "../node.ts";
import { optionsError, TablesFile } from "../tables_file.ts";
import { type Change, rewriteFields } from "./fields.ts";
import { type AddressMap, buildMap } from "./map.ts";

const Table = z.union([z.string().min(1), z.record(z.string(), z.string())], {
  error: "expected a file, or a table of addresses",
});
const domain = z.string().refine((text) => canonicalDomain(text) !== null, {
  error: (issue) => `"${issue.input}" is no domain`,
}).transform((text) => canonicalDomain(text)!);

const Options = z.strictObject({
  canonical: z.strictObject({
    sender: Table.optional().describe("For senders, and in From, Sender and Reply-To"),
    recipient: Table.optional().describe("For recipients, and in To, Cc and Bcc"),
    both: Table.optional().describe("For all of them, after the tables above"),
  }).default({}).describe("Addresses of mail that comes in"),
  generic: Table.optional().describe("Addresses of mail that goes to other hosts"),
  masquerade: z.strictObject({
    domains: z.array(domain).min(1).describe("Domains whose hosts are not shown: the first that fits"),
    except: z.array(z.string().min(1)).default([]).describe("Local parts that keep their host"),
  }).optional().describe("user@host.example.org becomes user@example.org"),
  headers: z.boolean().default(true).describe("Whether addresses in the header are changed too"),
  signed: z.boolean().default(false).describe("Also in the header of mail that a stranger has signed (DKIM)"),
  separator: z.string().max(1).default("+").describe("What parts a local part from its detail, which is kept"),
});

/** A table as it is at a moment. */
type Source = (now: number) => AddressMap;
/** Who asks, and when. */
interface Place {
  readonly host: Host;
  now(): number;
}

/**
 * @example
 * ```ts
 * import { address_map } from "./mod.ts";
 * const plugin = address_map({
 *   canonical: { both: { "bob@old.example": "bob@example.org" } },
 *   generic: { "@internal.example": "@example.org" },
 *   masquerade: { domains: ["example.org"], except: ["root"] },
 * });
 * ```
 */
export const address_map: PluginFactory<z.input<typeof Options>> = definePlugin({
  name: "address_map",
  options: Options,
  create({ canonical, generic, masquerade, headers, signed, separator }, { base, trouble }) {
    function source(table: z.output<typeof Table> | undefined, at: readonly string[]): Source[] {
      if (table === undefined) return [];
      const build = (tree: Parameters<typeof buildMap>[0]) => buildMap(tree, separator);
      if (typeof table === "string") {
        const file = new TablesFile({ file: table, base, at, what: `addresses of ${table}`, trouble, build });
        return [(now) => file.current(now)];
      }
      try {
        const map = build(fromValue(table, at));
        return [() => map];
      } catch (error) {
        throw optionsError(error, at);
      }
    }
    const both = source(canonical.both, ["canonical", "both"]);
    const senders = [...source(canonical.sender, ["canonical", "sender"]), ...both];
    const recipients = [...source(canonical.recipient, ["canonical", "recipient"]), ...both];
    const outward = source(generic, ["generic"]);
    if (senders.length + recipients.length + outward.length === 0 && masquerade === undefined) {
      throw new OptionsError([{ path: [], message: "nothing is mapped: name canonical, generic or masquerade" }]);
    }
    const except = new Set(masquerade?.except.map((name) => name.toLowerCase()));
    const hosts = masquerade?.domains ?? [];

    /** Through all tables once, in their order; null when nothing changes. */
    function mapped(address: Address, sources: readonly Source[], { host, now }: Place, hide: boolean): Address | null {
      let last = address;
      for (const each of sources) last = each(now()).find(last, isOurs(last, host)) ?? last;
      if (hide && !except.has(last.local.toLowerCase())) {
        const above = hosts.find((name) => last.domain.endsWith(`.${name}`));
        if (above !== undefined) last = { local: last.local, domain: above };
      }
      return formatAddress(last) === formatAddress(address) ? null : last;
    }
    const change = (sources: readonly Source[], place: Place, hide: boolean): Change => (address) =>
      mapped(address, sources, place, hide);
    /** A header that its author's host has signed would not verify any more. */
    const mayEdit = (message: Message, stranger: boolean): boolean =>
      headers && (signed || !stranger || message.header("DKIM-Signature") === undefined);

    return {
      mail(ctx, next) {
        const other = ctx.sender && mapped(ctx.sender, senders, placeOf(ctx), true);
        if (other !== null) {
          ctx.reversePath(other);
          ctx.note(`The sender becomes ${formatAddress(other)}`);
        }
        return next();
      },
      rcpt(ctx, next) {
        const { address, origin, copy, route } = ctx.recipient, { host } = ctx;
        if (copy || route !== null || recipients.length === 0) return next();
        if (origin === null) {
          const other = mapped(address, recipients, placeOf(ctx), false);
          if (other === null) return next();
          ctx.expand([other]); // one member: what the sender wants to hear of it passes on     RFC 3461 5.2.7.2
          return accept("OK", { reason: `It becomes ${formatAddress(other)}` });
        }
        // A name of ours that leads elsewhere: the operator wrote it, and that is the authority
        if (origin.origin === null && isOurs(origin.address, host) && !isOurs(address, host)) {
          const other = mapped(origin.address, recipients, placeOf(ctx), false);
          if (other !== null && formatAddress(other) === formatAddress(address)) ctx.route({ to: "remote" });
        }
        return next();
      },
      ...(recipients.length + senders.length + hosts.length === 0 || !headers ? {} : {
        data(ctx, next) {
          if (mayEdit(ctx.message, ctx.client.identity === null)) {
            const place = placeOf(ctx);
            rewriteFields(ctx, { sender: change(senders, place, true), recipient: change(recipients, place, true) });
          }
          return next();
        },
      }),
      ...(outward.length === 0 ? {} : {
        deliver(ctx, next) {
          const { sender, host, origin, recipients } = ctx, place = placeOf(ctx);
          if (recipients.every(({ address }) => isOurs(address, host))) return next(); // a host behind this one
          const other = sender && mapped(sender, outward, place, false);
          if (other !== null) {
            ctx.reversePath(other);
            ctx.note(`The sender is shown to others as ${formatAddress(other)}`);
          }
          for (const recipient of recipients) {
            const address = mapped(recipient.address, outward, place, false);
            if (address !== null) ctx.forwardPath(recipient, address);
          }
          if (mayEdit(ctx.message, origin.identity === null && origin.ip !== "")) {
            const both = change(outward, place, false);
            rewriteFields(ctx, { sender: both, recipient: both });
          }
          return next();
        },
      }),
    };
  },
});

function placeOf(ctx: Place): Place {
  return { host: ctx.host, now: () => ctx.now() };
}

function isOurs({ domain }: Address, host: Host): boolean {
  return domain === "" || DomainSet.of(host.domains).has(domain);
}
