/** The options of `dnsbl`: lists by their zones, what each is worth. Non-job: asking them (list.ts). */
import { z } from "zod";
import { canonicalDomain, isIPv4 } from "../../../core/pipeline/mod.ts";
import { network, points, time } from "../schema.ts";
import { type CodeFilter, parseCodeFilter } from "./codes.ts";
import type { ListSettings } from "./list.ts";

const zone = z.string().refine((text) => canonicalDomain(text) !== null && !isIPv4(text), {
  error: (issue) => `"${issue.input}" is no name of a list`,
});
const CODE = "must be like 127.0.0.2, 127.0.0.4-11, 127.0.0.0/28 or &0.0.0.6";
const code = z.string().refine((text) => parseCodeFilter(text) !== null, {
  error: (issue) => `"${issue.input}" ${CODE}`,
});
const codes = z.union([z.array(code).min(1), z.record(code, points)], {
  error: `must be codes, or codes with a weight each; a code ${CODE}`,
});

const shape = {
  weight: points.default(1).describe("What it counts to be on it"),
  codes: codes.optional().describe("Which answers count, or what each of them counts; unset: all"),
  test: z.boolean().default(true).describe("Whether it has the test entries of RFC 5782 5"),
};
const Addresses = z.union([
  points,
  z.strictObject({
    ...shape,
    ipv4: z.boolean().default(true).describe("Ask it about IPv4 clients"),
    ipv6: z.boolean().default(true).describe("Ask it about IPv6 clients"),
  }),
], { error: "must be a weight, or { weight, codes, test, ipv4, ipv6 }" });
const Names = z.union([
  points,
  z.strictObject({
    ...shape,
    of: z.array(z.enum(["helo", "sender"])).min(1).default(["sender"]).describe("Which names it is asked about"),
  }),
], { error: "must be a weight, or { weight, codes, test, of }" });

export const Options = z.strictObject({
  zones: z.record(zone, Addresses).default({}).describe("Lists of bad clients, each with its weight"),
  allow: z.record(zone, Addresses).default({}).describe(
    "Lists of good clients: their weights count against the others",
  ),
  domains: z.record(zone, Names).default({}).describe("Lists of bad domain names, asked about sender or HELO name"),
  reject: z.union([points, z.literal("never").transform(() => Infinity)], {
    error: "must be a weight, or never",
  }).prefault(5).describe("From this weight on the client is refused; or never"),
  score: z.boolean().default(true).describe("Give the message points where it is not refused"),
  failure: z.enum(["pass", "defer"]).default("pass").describe("A list does not answer: go on, or ask to come again"),
  timeout: time({ least: 100, most: 20_000 }).prefault("3s").describe("How long a client waits for the lists"),
  pause: time().prefault("1m").describe("How long a list that fails is left alone"),
  words: z.boolean().default(true).describe("Tell a refused client what the list says of it"),
  networks: z.array(network).default([]).describe("Clients that are not looked up: relays of your own"),
}).refine(({ zones, domains, allow }) => [zones, domains, allow].some((each) => Object.keys(each).length > 0), {
  error: "no list is named: name zones, allow or domains",
});

type Entry = z.output<typeof Addresses> | z.output<typeof Names>;

/** One list, ready to be made. */
export function settingsOf(zone: string, entry: Entry, pause: number): ListSettings {
  const full = typeof entry === "number" ? { weight: entry, codes: undefined, test: true } : entry;
  const every: CodeFilter = () => true;
  const weights = full.codes === undefined
    ? [{ counts: every, weight: full.weight }]
    : Array.isArray(full.codes)
    ? full.codes.map((text) => ({ counts: parseCodeFilter(text)!, weight: full.weight }))
    : Object.entries(full.codes).map(([text, weight]) => ({ counts: parseCodeFilter(text)!, weight }));
  return {
    zone: canonicalDomain(zone)!,
    of: "addresses",
    ipv4: "ipv4" in full ? full.ipv4 : true,
    ipv6: "ipv6" in full ? full.ipv6 : true,
    codes: weights,
    test: full.test,
    pause,
  };
}

/** Which names a list of names is asked about. */
export function namesOf(entry: z.output<typeof Names>): readonly ("helo" | "sender")[] {
  return typeof entry === "number" ? ["sender"] : entry.of;
}
