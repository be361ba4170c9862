/**
 * Says in which country and network (AS) a client is, by database files on this machine, and refuses or gives points by
 * rules. A country is a guess of the database and proves nothing about a mail: points say that, refusals do not.
 * Non-job: the format of the files (mmdb.ts), getting and renewing them.
 */
import { z } from "zod";
import {
  definePlugin,
  isLoopback,
  Networks,
  OptionsError,
  type PluginFactory,
  reject,
} from "../../../core/pipeline/mod.ts";
import { network, points } from "../schema.ts";
import { factsOf } from "./facts.ts";
import { type GeoFinding, GEOIP } from "./key.ts";
import { type Mmdb, MmdbError } from "./mmdb.ts";
import { GeoFile } from "./source.ts";

export { type GeoFinding, GEOIP } from "./key.ts";

const country = z.string().regex(/^[A-Za-z]{2}$/, "must be a country's two letters, such as CH")
  .transform((text) => text.toUpperCase());
const asn = z.int("must be the number of a network, such as 64500").min(1).max(2 ** 32 - 1);

const Rule = z.strictObject({
  countries: z.array(country).min(1).optional().describe("Two letters each"),
  asns: z.array(asn).min(1).optional().describe("Numbers of autonomous systems"),
  not: z.boolean().default(false).describe("Mean all others instead, as far as they are known"),
  unknown: z.boolean().default(false).describe("Mean those too of whom no database knows"),
  points: z.union([points, z.number().negative().min(-1000)]).optional()
    .describe("Points for their messages; negative ones speak for them"),
  reject: z.literal(true).optional().describe("Refuse them"),
}).refine(({ countries, asns, unknown }) => countries !== undefined || asns !== undefined || unknown, {
  error: "names nobody: give countries, asns or unknown",
}).refine(({ points, reject }) => (points === undefined) !== (reject === undefined), {
  error: "must say either points or reject",
});
type Rule = z.output<typeof Rule>;

const Options = z.strictObject({
  files: z.array(z.string().min(1)).min(1).max(8).describe("Database files (.mmdb): of countries, of AS numbers"),
  required: z.boolean().default(false).describe("Whether the server starts only with all of them"),
  rules: z.array(Rule).default([]).describe("What follows; the first that fits counts"),
  networks: z.array(network).default([]).describe("Clients to whom no rule applies"),
});

/**
 * @example
 * ```ts
 * import { geoip } from "./mod.ts";
 * const plugin = geoip({ files: ["country.mmdb", "asn.mmdb"], rules: [{ countries: ["XX"], points: 1.5 }] });
 * ```
 */
export const geoip: PluginFactory<z.input<typeof Options>> = definePlugin({
  name: "geoip",
  options: Options,
  roles: ["mx"],
  create({ files, required, rules, networks }, { base, trouble }) {
    const exempt = new Networks(networks);
    const sources = files.map((name, index) => {
      const source = new GeoFile(name, { base, trouble }), fault = source.open();
      if (fault !== null) {
        if (required) throw new OptionsError([{ path: ["files", index], message: `${name}: ${fault}` }]);
        trouble(`${name}: ${fault}; no facts come from it until it is there`);
      }
      return source;
    });
    const damaged = new WeakSet<Mmdb>();

    /** What the databases know together; null when there is none. */
    function find(ip: string, now: number): GeoFinding | null {
      let found = null as GeoFinding | null;
      for (const source of sources) {
        const database = source.current(now);
        if (database === null) continue;
        try {
          const facts = factsOf(database.get(ip));
          found = {
            country: found?.country ?? facts.country,
            asn: found?.asn ?? facts.asn,
            organization: found?.organization ?? facts.organization,
          };
        } catch (error) {
          if (!(error instanceof MmdbError)) throw error;
          if (!damaged.has(database)) trouble(`${database.type}: damaged: ${error.message}`);
          damaged.add(database);
        }
      }
      return found;
    }

    return {
      connect(ctx, next) {
        const { ip } = ctx.client;
        if (isLoopback(ip)) return next();
        const found = find(ip, ctx.now());
        if (found === null) return next();
        ctx.set(GEOIP, found);
        const rule = exempt.has(ip) ? undefined : rules.find((each) => fits(each, found));
        if (rule?.reject !== true) return next();
        return reject("5.7.1", `Mail from where ${ip} is at home is not taken here`, { reason: told(found) });
      },
      data(ctx, next) {
        const found = ctx.get(GEOIP), { ip, identity } = ctx.client;
        if (found === undefined || identity !== null || exempt.has(ip)) return next();
        const rule = rules.find((each) => fits(each, found));
        if (rule?.points !== undefined) ctx.score(rule.points, `geoip: ${told(found)}`);
        return next();
      },
    };
  },
});

function fits({ countries, asns, not, unknown }: Rule, { country, asn }: GeoFinding): boolean {
  if (country === null && asn === null) return unknown;
  const inside = country !== null && countries?.includes(country) || asn !== null && asns?.includes(asn) || false;
  if (!not) return inside;
  // Of whom the database does not know what the rule is about, nobody can say that it is another one
  const known = countries !== undefined && country !== null || asns !== undefined && asn !== null;
  return known && !inside;
}

const told = ({ country, asn, organization }: GeoFinding): string =>
  `country=${country ?? "unknown"} asn=${asn ?? "unknown"}${organization === null ? "" : ` (${organization})`}`;
