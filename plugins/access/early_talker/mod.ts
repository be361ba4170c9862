/**
 * Early talkers: a client that nobody knows waits some seconds for the greeting, as RFC 5321 3.1 has it wait; what sends
 * spam in a hurry talks before. Who has waited is greeted at once for a while (shared by all threads, SEMANTICS 24).
 * Non-job: octets that came together with the connection (the engine's forbidEarlyTalk, which goes on to look).
 */
import { z } from "zod";
import {
  type ConnectContext,
  definePlugin,
  isLoopback,
  networkOf,
  Networks,
  type PluginFactory,
  reject,
} from "../../../core/pipeline/mod.ts";
import { DNSWL } from "../dnsbl/key.ts";
import { network, points, time } from "../schema.ts";
import { EARLY_TALKER } from "./key.ts";

export { EARLY_TALKER } from "./key.ts";

const Options = z.strictObject({
  pause: time({ most: 60_000 }).prefault("6s").describe(
    "How long a client that is not known waits for the greeting",
  ),
  remember: time({ least: 60_000 }).prefault("1d").describe(
    "How long a client that has waited is greeted at once, renewed each time",
  ),
  action: z.enum(["reject", "score", "mark"]).default("reject").describe("What becomes of a client that did not wait"),
  points: points.default(4).describe("Points for score"),
  networks: z.array(network).default([]).describe("Clients that are greeted at once"),
});

/** As the engine says it: a policy would be put off to RCPT, and this client reads no replies. */
const TALKED = reject("5.5.0", "Talked before the greeting", { code: 554, close: true, reason: "early talker" });
const HALF = 0.5; // of the time: a name in the store is not written at each connection

/**
 * @example
 * ```ts
 * import { early_talker } from "./mod.ts";
 * const plugin = early_talker({ pause: "4s", networks: ["192.0.2.0/28"] });
 * ```
 */
export const early_talker: PluginFactory<z.input<typeof Options>> = definePlugin({
  name: "early_talker",
  options: Options,
  after: ["ban", "dnsbl"],
  roles: ["mx"],
  create({ pause, remember, action, points, networks }) {
    const own = new Networks(networks), seconds = Math.ceil(remember / 1000);

    /** An IPv6 client has a /64 of addresses to come from, and fills no store with them. */
    const nameOf = (ip: string): string => `waited ${networkOf(ip)}`;

    /** Renewed while it comes, and forgotten when it has stayed away. */
    async function isKnown(ctx: ConnectContext): Promise<boolean> {
      const { client: { ip }, store } = ctx, now = ctx.now(), name = nameOf(ip);
      const since = await store.get(name);
      if (since === undefined) return false;
      if (now - Number(since) > remember * HALF) await store.put(name, String(now), { seconds });
      return true;
    }

    return {
      async connect(ctx, next) {
        const { ip } = ctx.client;
        const why = isLoopback(ip) || own.has(ip)
          ? "Greeted at once: this machine, or a network that is left alone"
          : (ctx.get(DNSWL) ?? []).length > 0
          ? "Greeted at once: it is on a list of good clients"
          : await isKnown(ctx)
          ? "Greeted at once: it has waited for its greeting before"
          : null;
        if (why !== null) {
          ctx.note(why);
          return next();
        }
        const begun = ctx.now();
        const talked = await ctx.pause(pause);
        ctx.set(EARLY_TALKER, talked);
        ctx.note(talked ? "It talked before it was greeted" : `It waited ${pause / 1000} s for its greeting`);
        if (talked) return action === "reject" ? TALKED : next();
        // Where the listener is crowded nobody waits, and nobody has shown anything
        if (ctx.now() - begun >= pause * HALF) {
          await ctx.store.put(nameOf(ip), String(ctx.now()), { seconds });
        }
        return next();
      },
      ...(action !== "score" ? {} : {
        data(ctx, next) {
          if (ctx.get(EARLY_TALKER) === true && ctx.client.identity === null) ctx.score(points, "early_talker");
          return next();
        },
      }),
    };
  },
});
