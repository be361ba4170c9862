/**
 * The names of a client's address and whether one points back (RFC 8601 2.7.3, iprev): asked when it connects, left under
 * `FCRDNS`, attested, and held against strangers where the operator says so (RFC 7372 3.3). Non-job: what it calls itself
 * (helo), addresses that look like a household's.
 */
import { z } from "zod";
import {
  type ConnectContext,
  definePlugin,
  isLoopback,
  Networks,
  type PluginFactory,
  reject,
} from "../../../core/pipeline/mod.ts";
import { network, PRIVATE } from "../schema.ts";
import { inTime } from "../in_time.ts";
import { confirm } from "./confirm.ts";
import { FCRDNS, type FcrdnsFinding } from "./key.ts";

export { FCRDNS, type FcrdnsFinding, type FcrdnsResult } from "./key.ts";

const Options = z.strictObject({
  fail: z.enum(["mark", "score", "reject"]).default("mark").describe("Its names lead elsewhere, or nowhere"),
  none: z.enum(["mark", "score", "reject"]).default("mark").describe("It has no name, or none that could be one"),
  points: z.number().positive().default(2).describe("What `score` adds"),
  networks: z.array(network).default([]).describe("Clients that are not checked: relays of your own"),
});

/** A client waits for its greeting meanwhile. */
const TIME = 10_000;

/**
 * @example
 * ```ts
 * import { fcrdns } from "./mod.ts";
 * const plugin = fcrdns({ none: "score", fail: "score", points: 1.5 });
 * ```
 */
export const fcrdns: PluginFactory<z.input<typeof Options>> = definePlugin({
  name: "fcrdns",
  options: Options,
  roles: ["mx"],
  create(options) {
    const skipped = new Networks([...PRIVATE, ...options.networks]);
    const actionOn = ({ result }: FcrdnsFinding) =>
      result === "fail" ? options.fail : result === "none" || result === "permerror" ? options.none : "mark";

    async function look(ctx: ConnectContext): Promise<void> {
      const { ip } = ctx.client;
      if (isLoopback(ip) || skipped.has(ip) || ctx.get(FCRDNS) !== undefined) return;
      const found = await inTime(TIME, ctx.signal, (signal) => confirm(ip, { dns: ctx.dns, signal }));
      ctx.set(FCRDNS, found);
      ctx.note(sentenceOf(found));
    }

    return {
      connect: (ctx, next) => look(ctx).then(() => next()),
      helo: (ctx, next) => look(ctx).then(() => next()), // STARTTLS made us forget it; name service remembers
      mail(ctx, next) { // not before: who logs in is no stranger
        const found = ctx.get(FCRDNS);
        if (found === undefined || ctx.client.identity !== null || actionOn(found) !== "reject") return next();
        const text = `Reverse DNS validation failed: ${ctx.client.ip} has no name that points back to it`;
        return reject("5.7.25", text, { reason: `${sentenceOf(found)} (iprev=${found.result})` });
      },
      data(ctx, next) {
        const found = ctx.get(FCRDNS);
        if (found === undefined || ctx.client.identity !== null) return next();
        ctx.attest({
          method: "iprev",
          result: found.result === "none" ? "permerror" : found.result, // its word for no PTR record    RFC 8601 2.7.3
          ...found.result === "none" && { reason: "the address has no name" },
          properties: [["policy.iprev", ctx.client.ip]],
        });
        if (actionOn(found) === "score") ctx.score(options.points, `iprev=${found.result}`);
        return next();
      },
    };
  },
});

const NO_WAY_BACK: Readonly<Record<Exclude<FcrdnsFinding["result"], "pass">, string>> = {
  fail: "The address has a name, and that name leads to another address, or nowhere",
  none: "The address has no name",
  permerror: "The address has no name that could be one",
  temperror: "Name service did not say what the address is called",
};
function sentenceOf({ result, name }: FcrdnsFinding): string {
  return result === "pass" ? `The address is called ${name}, and that name leads back to it` : NO_WAY_BACK[result];
}
