/**
 * Remembers what became of the mail of clients, their networks and the domains that they were proven to send for, and lets
 * it speak for or against the next one: points, and refusals beyond a bound. What is new is neither good nor bad. All
 * threads add to one history (SEMANTICS 24). Non-job: judging a message, keeping people out (ban).
 */
import { z } from "zod";
import {
  type DataContext,
  defer,
  definePlugin,
  type Event,
  networkOf,
  Networks,
  type ObserverHouse,
  type PluginFactory,
  reject,
  type Reply,
} from "../../../core/pipeline/mod.ts";
import { network, PRIVATE, time } from "../schema.ts";
import { Sessions } from "../sessions.ts";
import { domainOf } from "./domain.ts";
import { History } from "./history.ts";
import { REPUTATION, type ReputationFinding } from "./key.ts";
import { type Outcome, outcomeOf, outcomeOfMessage } from "./outcome.ts";
import { indexOf, indexOfClient, indexOfNetwork, SHARE } from "./verdict.ts";

export { REPUTATION, type ReputationFinding } from "./key.ts";

const amount = (value: number, text: string) => z.number().min(0).max(100).default(value).describe(text);
const bound = z.union([z.number().gt(0).lt(1), z.literal("never").transform(() => Infinity)], {
  error: "must be a number between 0 and 1, or never",
});

const Options = z.strictObject({
  halfLife: time({ least: 60_000, most: 365 * 86_400_000 }).prefault("14d").describe(
    "After so long what is remembered is worth half",
  ),
  points: z.strictObject({
    bad: z.number().min(0).max(1000).default(4).describe("Points when nothing but bad is known"),
    good: z.number().min(0).max(1000).default(2).describe("Points less when nothing but good is known"),
  }).prefault({}).describe("For the client and for the domain, each; 0: none"),
  defer: bound.prefault("never").describe("From this on a client or domain is asked to come again; or never"),
  reject: bound.prefault("never").describe("From this on a client or domain is refused; or never"),
  clean: z.number().default(1).describe("A message with so few points speaks for its client"),
  spam: z.number().default(5).describe("A message with so many points speaks against it, accepted or not"),
  worth: z.strictObject({
    clean: amount(1, "Good: a clean message"),
    spam: amount(1, "Bad: a message that is held or has the points of spam"),
    refused: amount(1, "Bad: a message or a transaction that policy refuses (5.7.x)"),
    unknownRecipient: amount(0.2, "Bad: a recipient that is not there"),
    trap: amount(5, "Bad: a trap"),
  }).prefault({}).describe("What each counts; 0: nothing"),
  traps: z.array(z.string().min(1)).default(["spam_trap"]).describe("Names of spam_trap plugins in the list"),
  ignore: z.array(z.string().min(1)).default(["ban", "rate_limit"]).describe(
    "Plugins whose refusals say nothing of the mail",
  ),
  networks: z.array(network).default([]).describe("Clients of whom nothing is remembered: relays of your own"),
});

/** Bits of a network that shares a history. */
const NETWORK = { v4: 24, v6: 56 } as const;
/** Less than this says nothing. */
const FAINT = 0.1;
/** How long what `data` found waits for the word on the message, seconds: it has 540 at most (SEMANTICS 10). */
const PENDING = 900;

/**
 * @example
 * ```ts
 * import { reputation } from "./mod.ts";
 * const plugin = reputation({ halfLife: "7d", points: { bad: 5, good: 3 }, defer: 0.8 });
 * ```
 */
export const reputation: PluginFactory<z.input<typeof Options>> = definePlugin({
  name: "reputation",
  options: Options,
  roles: ["mx"],
  after: ["spf", "dkim", "dmarc"],
  create(options, { name: own }) {
    const { halfLife, points } = options;
    const exempt = new Networks([...PRIVATE, ...options.networks]), sessions = new Sessions();
    const rules = { ...options, traps: new Set(options.traps), ignore: new Set([...options.ignore, own]) };

    async function findClient(history: History, ip: string): Promise<ReputationFinding> {
      const [client, around] = await Promise.all([
        history.of(`ip ${networkOf(ip)}`),
        history.of(`net ${networkOf(ip, NETWORK)}`),
      ]);
      const network = indexOfNetwork(around);
      return { address: indexOfClient(client, network), network, domain: null };
    }

    function refusal(index: number, subject: string): Reply<"defer" | "reject"> | null {
      const about = { reason: `The reputation of ${subject} is ${rounded(index)}, where 1 is nothing but bad` };
      if (index >= options.reject) return reject("5.7.1", `Too much spam has come from ${subject}`, about);
      if (index < options.defer) return null;
      return defer("4.7.1", `Too much spam has come from ${subject} lately, try again later`, about);
    }

    /** Points of a subject, told; returns them. */
    function score(ctx: DataContext, index: number, subject: string): number {
      if (Math.abs(index) < FAINT) return 0;
      const found = rounded(index * (index > 0 ? points.bad : points.good));
      if (found !== 0) ctx.score(found, `reputation of ${subject}: ${rounded(index)}`);
      return found;
    }

    async function judge(ctx: DataContext, next: () => Reply | Promise<Reply>): Promise<Reply> {
      const { ip } = ctx.client, history = new History(ctx.store, { now: ctx.now(), halfLife });
      const domain = domainOf(ctx), client = ctx.get(REPUTATION) ?? await findClient(history, ip);
      const ofDomain = domain === null ? null : indexOf(await history.of(`domain ${domain}`));
      ctx.set(REPUTATION, { ...client, domain: ofDomain });
      if (ofDomain !== null) ctx.note(sentenceOf(ofDomain, domain!));
      const given = score(ctx, client.address, ip) + (ofDomain === null ? 0 : score(ctx, ofDomain, domain!));
      // Whoever has trouble with us must reach somebody                                              RFC 5321 4.5.1
      const stop = !ctx.recipients.every(({ original }) => original.local.toLowerCase() === "postmaster");
      const reply = (stop && ofDomain !== null ? refusal(ofDomain, domain!) : null) ?? await next();
      // Its own points are no news: who has a bad name would never lose it
      const total = rounded(ctx.scores.reduce((sum, each) => sum + each.points, 0) - given);
      await ctx.store.put(`pending ${ctx.id}`, JSON.stringify([domain, total]), { seconds: PENDING });
      return reply;
    }

    async function remember(house: ObserverHouse, ip: string, { kind, amount }: Outcome, domain: string | null) {
      const history = new History(house.store, { now: house.now(), halfLife });
      const left = SHARE - await history.add(`ip ${networkOf(ip)}`, kind, amount);
      if (left > 0) await history.add(`net ${networkOf(ip, NETWORK)}`, kind, Math.min(amount, left));
      if (domain !== null) await history.add(`domain ${domain}`, kind, amount);
    }

    async function pending(house: ObserverHouse, transaction: string): Promise<[string | null, number] | null> {
      const found = await house.store.get(`pending ${transaction}`);
      return found === undefined ? null : JSON.parse(found);
    }

    async function accepted(house: ObserverHouse, event: Extract<Event, { type: "accepted" }>): Promise<void> {
      const found = await pending(house, event.transaction);
      if (found === null) return; // nothing was asked of it: who sent it is exempt
      const outcome = outcomeOfMessage({ held: event.held !== null, points: found[1] }, rules);
      if (outcome !== null) await remember(house, event.ip, outcome, found[0]);
    }

    return {
      connect(ctx, next) {
        sessions.meet(ctx);
        return next();
      },
      mail(ctx, next) {
        const { ip, identity } = ctx.client;
        if (identity !== null || exempt.has(ip)) return next();
        return findClient(new History(ctx.store, { now: ctx.now(), halfLife }), ip).then((found) => {
          ctx.set(REPUTATION, found);
          ctx.note(sentenceOf(found.address, ip));
          return refusal(found.address, ip) ?? next();
        });
      },
      data(ctx, next) {
        const { ip, identity } = ctx.client;
        return identity !== null || exempt.has(ip) ? next() : judge(ctx, next);
      },
      observe(event, house) {
        const session = sessions.follow(event);
        if (session === null || session.loggedIn || exempt.has(session.ip)) return;
        if (event.type === "accepted") return accepted(house, event);
        const outcome = outcomeOf(event, session, rules);
        if (outcome === null) return;
        const transaction = event.type === "refused" && event.command === "message" ? event.transaction : null;
        if (transaction === null) return remember(house, session.ip, outcome, null);
        return pending(house, transaction).then((found) => remember(house, session.ip, outcome, found?.[0] ?? null));
      },
    };
  },
});

function sentenceOf(index: number, subject: string): string {
  if (Math.abs(index) < FAINT) return `Little is known of ${subject}, or as much good as bad`;
  return `What came from ${subject} before was mostly ${index > 0 ? "bad" : "good"} (${rounded(index)})`;
}

const rounded = (value: number): number => Math.round(value * 100) / 100;
