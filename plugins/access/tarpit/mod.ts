/**
 * Tarpit: a client that behaves badly waits for its answers, longer each time, so that guessing names is slow work and
 * spam comes from it in drops. What it did is counted for its network in all sessions and threads (SEMANTICS 24); how long
 * a session is held up in all has an end. Nobody who has logged in waits, nor anybody where the listener is crowded.
 * Non-job: refusing (ban, reputation), commands that the grammar refuses (the engine counts those itself).
 */
import { z } from "zod";
import {
  type Context,
  definePlugin,
  isLoopback,
  type Key,
  key,
  type MailContext,
  networkOf,
  Networks,
  type PluginFactory,
} from "../../../core/pipeline/mod.ts";
import { LISTED } from "../dnsbl/key.ts";
import { EARLY_TALKER } from "../early_talker/key.ts";
import { network, time } from "../schema.ts";

const Options = z.strictObject({
  refused: z.union([z.int().min(1).max(10_000), z.literal(false)], { error: "must be a count from 1, or false" })
    .default(3).describe("Refused recipients of a network before it waits, or false"),
  within: time({ most: 86_400_000 }).prefault("10m").describe("The time in which they are counted"),
  listed: z.boolean().default(true).describe("Whether clients on a list of bad ones wait at each MAIL and RCPT"),
  earlyTalkers: z.boolean().default(true).describe("Whether clients that did not wait for the greeting do"),
  first: time({ most: 60_000 }).prefault("1s").describe("The first wait; each is twice as long as the one before"),
  longest: time({ most: 120_000 }).prefault("20s").describe("No single wait is longer"),
  total: time({ most: 3_600_000 }).prefault("3m").describe("How long a session waits in all"),
  networks: z.array(network).default([]).describe("Clients that never wait"),
});

/** What a session has waited so far. */
interface Waited {
  readonly times: number;
  readonly milliseconds: number;
}
const WAITED: Key<Waited, "connection"> = key("tarpit", "connection");

/** What the phases have in common that a peer waits in. */
type Ctx = Pick<MailContext, "client" | "store" | "pause" | "note"> & Pick<Context<"connection">, "get" | "set">;

/**
 * @example
 * ```ts
 * import { tarpit } from "./mod.ts";
 * const plugin = tarpit({ refused: 5, first: "2s", longest: "30s", total: "5m" });
 * ```
 */
export const tarpit: PluginFactory<z.input<typeof Options>> = definePlugin({
  name: "tarpit",
  options: Options,
  after: ["dnsbl", "early_talker"],
  roles: ["mx"],
  create({ refused, within, listed, earlyTalkers, first, longest, total, networks }) {
    const own = new Networks(networks), seconds = Math.ceil(within / 1000);
    const nameOf = (ip: string): string => `refused ${networkOf(ip, { v4: 32, v6: 64 })}`;
    const isFree = ({ client: { ip, identity } }: Ctx): boolean => identity !== null || isLoopback(ip) || own.has(ip);

    /** It behaves badly by what is known of it before it says anything. */
    const isKnown = (ctx: Ctx): boolean =>
      listed && (ctx.get(LISTED) ?? []).length > 0 || earlyTalkers && ctx.get(EARLY_TALKER) === true;

    async function isGuessing({ client, store }: Ctx): Promise<boolean> {
      return refused !== false && Number(await store.get(nameOf(client.ip)) ?? 0) >= refused;
    }

    async function wait(ctx: Ctx): Promise<void> {
      const { times, milliseconds } = ctx.get(WAITED) ?? { times: 0, milliseconds: 0 };
      const next = Math.min(first * 2 ** Math.min(times, 20), longest, total - milliseconds);
      if (next <= 0) return;
      ctx.set(WAITED, { times: times + 1, milliseconds: milliseconds + next });
      ctx.note(`Made to wait ${next / 1000} s, because the client behaves badly`);
      await ctx.pause(next);
    }

    return {
      async mail(ctx, next) {
        if (!isFree(ctx) && (isKnown(ctx) || await isGuessing(ctx))) await wait(ctx);
        return next();
      },
      async rcpt(ctx, next) {
        const { origin, copy } = ctx.recipient; // aliases and copies are our doing
        if (origin !== null || copy || isFree(ctx)) return next();
        const reply = await next();
        const bad = reply.verdict === "reject" && refused !== false &&
          await ctx.store.add(nameOf(ctx.client.ip), 1, { seconds }) >= refused;
        if (bad || isKnown(ctx)) await wait(ctx); // who guesses waits for each no, and for his mail at MAIL
        return reply;
      },
    };
  },
});
