/**
 * Forwarded mail with a return path of ours (Sender Rewriting Scheme), so that SPF at the next host finds us, who really
 * sends it; and the way back for what bounces. Acts where an address of ours leads to a foreign one: who sends from one of
 * our domains, and `<>`, stay who they are. Non-job: who is forwarded where (recipients), the form of paths (scheme.ts).
 */
import { z } from "zod";
import {
  accept,
  type Address,
  canonicalDomain,
  type Context,
  definePlugin,
  DomainSet,
  formatAddress,
  type Host,
  type Lasting,
  parseAddress,
  parseDuration,
  type PluginFactory,
  reject,
} from "../../../core/pipeline/mod.ts";
import { isRewritten, type Memory, Scheme } from "./scheme.ts";

const DAY = 86_400_000;
const age = z.string().refine((text) => {
  const ms = parseDuration(text);
  return ms !== null && ms >= DAY && ms <= 1000 * DAY;
}, "must be a duration between 1d and 1000d").transform((text) => parseDuration(text)!);

const Options = z.strictObject({
  domain: z.string().refine((text) => canonicalDomain(text) !== null, {
    error: (issue) => `"${issue.input}" is no domain`,
  }).transform((text) => canonicalDomain(text)!).describe(
    "Domain of the new return paths: its mail comes to this host",
  ),
  secrets: z.array(z.string().min(16, "must have 16 characters or more")).min(1)
    .describe("The first one signs; paths signed with any of them lead back"),
  maxAge: age.prefault("21d").describe("How long a path leads back"),
  separator: z.enum(["=", "-", "+"]).default("=").describe("What stands behind SRS0 and SRS1"),
  anyone: z.boolean().default(false).describe("Whether mail from others than <> may take the way back too"),
});

const BOUNCES_ONLY = reject("5.7.1", "This return path takes bounces only");
const FORGED = reject("5.1.1", "No such return path here", {
  reason: "This return path was not written here: its hash is not ours",
});
const EXPIRED = reject("5.1.1", "This return path has expired");

/**
 * @example
 * ```ts
 * import { srs } from "./mod.ts";
 * const plugin = srs({ domain: "example.org", secrets: ["a secret of some length"] });
 * ```
 */
export const srs: PluginFactory<z.input<typeof Options>> = definePlugin({
  name: "srs",
  options: Options,
  create({ anyone, ...options }) {
    const scheme = new Scheme(options);
    const isPath = (address: Address): boolean => address.domain === options.domain && isRewritten(address);
    const seconds = Math.ceil(options.maxAge / 1000) + DAY / 1000;

    const back = (path: Address, ctx: Context<Lasting>) => scheme.back(path, ctx.now(), memoryOf(ctx, seconds));

    return {
      rcpt(ctx, next) {
        const { address, origin, route } = ctx.recipient;
        if (isPath(address)) {
          if (ctx.sender !== null && !anyone) return BOUNCES_ONLY;
          return back(address, ctx).then((found) => {
            if (typeof found === "string") return found === "forged" ? FORGED : EXPIRED;
            ctx.expand([found]);
            return accept("OK", { reason: `A return path of ours, which leads back to ${formatAddress(found)}` });
          });
        }
        if (origin === null || !isPath(origin.address) || route !== null || isOurs(address, ctx.host)) return next();
        return back(origin.address, ctx).then((found) => { // where the path leads: that we wrote it lets it out
          const isIt = typeof found !== "string" && formatAddress(found) === formatAddress(address);
          if (isIt) {
            ctx.route({ to: "remote" });
            ctx.note("It may leave: a return path of ours leads there");
          }
          return next();
        });
      },
      deliver(ctx, next) {
        const { sender, host } = ctx;
        if (sender === null || isOurs(sender, host)) return next();
        const forwarded = ctx.recipients.filter(({ address, original, result }) =>
          result === null && isOurs(original, host) && !isOurs(address, host)
        );
        if (forwarded.length === 0) return next();
        return scheme.forward(sender, ctx.now(), memoryOf(ctx, seconds)).then((path) => {
          for (const recipient of forwarded) ctx.reversePath(path, recipient);
          ctx.note(`Forwarded, and so sent from ${formatAddress(path)}`);
          return next();
        });
      },
    };
  },
});

function isOurs({ domain }: Address, host: Host): boolean {
  return domain === "" || DomainSet.of(host.domains).has(domain);
}

function memoryOf({ store }: Pick<Context<Lasting>, "store">, seconds: number): Memory {
  return {
    recall: async (key) => {
      const text = await store.get(`sender ${key}`);
      return text === undefined ? null : parseAddress(text);
    },
    keep: (key, sender) => store.put(`sender ${key}`, formatAddress(sender), { seconds, durable: true }),
  };
}
