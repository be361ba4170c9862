/**
 * Looks at the name that a stranger greets with. By default nobody is refused for it: RFC 5321 4.1.4 allows to verify the
 * name, and forbids to refuse mail because that fails, which is why `mismatch` cannot. What can never be right, such as our
 * own name, is no such verification. Leaves its finding under `HELO`. Non-job: SPF of the name (spf), reverse DNS (fcrdns).
 */
import { z } from "zod";
import {
  definePlugin,
  isLoopback,
  type MailContext,
  Networks,
  type PluginFactory,
  reject,
} from "../../../core/pipeline/mod.ts";
import { network } from "../schema.ts";
import { inTime } from "../in_time.ts";
import { unchecked } from "../unchecked.ts";
import { firstLook, resolve } from "./faults.ts";
import { HELO, type HeloFault, type HeloFinding } from "./key.ts";

export { HELO, type HeloFault, type HeloFinding } from "./key.ts";

const action = z.enum(["ignore", "score", "reject"]);
const points = (default_: number) => z.number().nonnegative().default(default_);
const Options = z.strictObject({
  invalid: action.default("score").describe("Neither a domain name nor an address literal"),
  own: action.default("score").describe("The name of this host, one of its domains, or localhost"),
  literal: action.default("score").describe("An address literal that is not the client's address"),
  ip: action.default("score").describe("An address without brackets"),
  dot: action.default("ignore").describe("A name without a dot"),
  unresolved: action.default("ignore").describe("A name without addresses and mail hosts; costs three questions"),
  mismatch: z.enum(["ignore", "score"]).default("ignore").describe(
    "A name whose addresses are others; nobody may be refused for it (RFC 5321 4.1.4)",
  ),
  points: z.strictObject({
    invalid: points(1),
    own: points(3),
    literal: points(2),
    ip: points(2),
    dot: points(0.5),
    unresolved: points(1),
    mismatch: points(0.5),
  }).prefault({}).describe("What `score` adds for each"),
  networks: z.array(network).default([]).describe("Clients that are not checked: relays of your own"),
});

/** Name service has so long, milliseconds. */
const TIME = 10_000;
const WORDS: Readonly<Record<HeloFault, string>> = {
  invalid: "is neither a domain name nor an address literal",
  own: "is a name of this host",
  literal: "is not your address",
  ip: "is an address without brackets",
  dot: "is no full domain name",
  unresolved: "is a name that does not exist",
  mismatch: "is a name of other addresses",
};

/**
 * @example
 * ```ts
 * import { helo } from "./mod.ts";
 * const plugin = helo({ own: "reject", invalid: "reject", unresolved: "score" });
 * ```
 */
export const helo: PluginFactory<z.input<typeof Options>> = definePlugin({
  name: "helo",
  options: Options,
  roles: ["mx"],
  create(options) {
    const skipped = new Networks(options.networks);
    const asks = options.unresolved !== "ignore" || options.mismatch !== "ignore";

    async function look(ctx: MailContext): Promise<HeloFinding> {
      const name = ctx.helo, { ip } = ctx.client, first = firstLook(name, { ip, host: ctx.host });
      if (first.fault !== null) return { name, faults: [first.fault], confirmed: null };
      if (first.domain === null || !asks) return { name, faults: [], confirmed: first.domain === null ? true : null };
      const { domain } = first;
      const { resolves, confirmed } = await inTime(
        TIME,
        ctx.signal,
        (signal) => resolve(domain, { ip, dns: ctx.dns, signal }),
      );
      const faults: HeloFault[] = resolves === false ? ["unresolved"] : confirmed === false ? ["mismatch"] : [];
      return { name, faults, confirmed };
    }

    return {
      async mail(ctx, next) { // not before: who logs in may call itself what it likes
        const { ip, identity } = ctx.client;
        if (identity !== null || isLoopback(ip) || skipped.has(ip)) {
          ctx.note(unchecked(ctx.client));
          return next();
        }
        let found = ctx.get(HELO);
        if (found?.name !== ctx.helo) ctx.set(HELO, found = await look(ctx)); // it says the same to each message
        ctx.note(sentenceOf(found));
        const fault = found.faults.find((each) => options[each] === "reject");
        if (fault === undefined) return next();
        return reject("5.7.1", `The name that you greeted with ${WORDS[fault]}`, {
          reason: `${sentenceOf(found)} (helo=${fault})`,
        });
      },
      data(ctx, next) {
        const found = ctx.get(HELO);
        if (found === undefined || ctx.client.identity !== null) return next();
        for (const fault of found.faults) {
          if (options[fault] === "score") ctx.score(options.points[fault], `helo=${fault}: it ${WORDS[fault]}`);
        }
        return next();
      },
    };
  },
});

function sentenceOf({ name, faults, confirmed }: HeloFinding): string {
  const odd = faults.map((each) => each === "literal" ? "is not its address" : WORDS[each]).join(" and ");
  if (odd !== "") return `It called itself ${name}, which ${odd}`;
  return confirmed ? `It called itself ${name}, which leads to its address` : `It called itself ${name}: nothing odd`;
}
