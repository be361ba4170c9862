/**
 * Counts connections, messages and recipients per client network and messages per sender, and asks to come again later
 * when there are too many in a time. Counters are shared by all threads and nodes through the store (SEMANTICS 24).
 * Non-job: how many connections are open at a time (core/net), lock-outs after failed logins.
 */
import { z } from "zod";
import {
  type Context,
  defer,
  definePlugin,
  formatAddress,
  type Handlers,
  type Lasting,
  networkOf,
  Networks,
  OptionsError,
  type PluginFactory,
  type Reply,
} from "../../../core/pipeline/mod.ts";
import { network } from "../schema.ts";
import { parseRate, RATE } from "../rate.ts";

const rate = z.string().regex(RATE, "must be a rate like 100/1m: a count, and a time in s, m, h or d");

const Options = z.strictObject({
  connectionsPerIp: rate.optional().describe("New connections of one client"),
  messagesPerIp: rate.optional().describe("Messages of one client"),
  recipientsPerIp: rate.optional().describe("Recipients named by one client"),
  messagesPerSender: rate.optional().describe("Messages of one login, or of one sender address without login"),
  exempt: z.array(network).default(["127.0.0.0/8", "::1"]).describe("Clients that are not counted"),
});

type Limited = Pick<Context<Lasting>, "store" | "note">;

/**
 * @example
 * ```ts
 * import { rate_limit } from "./mod.ts";
 * const plugin = rate_limit({ messagesPerIp: "100/1m", recipientsPerIp: "1000/1h" });
 * ```
 */
export const rate_limit: PluginFactory<z.input<typeof Options>> = definePlugin({
  name: "rate_limit",
  options: Options,
  create(options) {
    const exempt = new Networks(options.exempt);
    const connections = limit("connections", options.connectionsPerIp);
    const messages = limit("messages", options.messagesPerIp);
    const recipients = limit("recipients", options.recipientsPerIp);
    const bySender = limit("messages", options.messagesPerSender);

    if (connections === null && messages === null && recipients === null && bySender === null) {
      const message = "no limit is set: name connectionsPerIp, messagesPerIp, recipientsPerIp or messagesPerSender";
      throw new OptionsError([{ path: [], message }]);
    }

    // A limit that is not set costs nothing: its handler is not there.
    const handlers: { -readonly [K in keyof Handlers]: Handlers[K] } = {};
    if (connections !== null) {
      handlers.connect = (ctx, next) => {
        const { ip } = ctx.client;
        if (exempt.has(ip)) return next();
        // 421 and not 450: a client that connects too often is to go away now, not after it said more
        return connections(ctx, "ip", networkOf(ip), 421).then((refusal) => refusal ?? next());
      };
    }
    if (messages !== null || bySender !== null) {
      handlers.mail = (ctx, next) => {
        const { client: { ip, identity }, sender } = ctx;
        if (exempt.has(ip)) return next();
        const who = identity ?? (sender === null ? null : formatAddress(sender).toLowerCase());
        return Promise.all([
          messages?.(ctx, "ip", networkOf(ip)),
          who === null ? null : bySender?.(ctx, identity === null ? "sender" : "login", who), // bounces are no sender's
        ]).then(([perIp, perSender]) => perIp ?? perSender ?? next());
      };
    }
    if (recipients !== null) {
      handlers.rcpt = (ctx, next) => {
        const { client: { ip }, recipient } = ctx;
        if (exempt.has(ip) || recipient.origin !== null || recipient.copy) return next(); // our doing, not the client's
        return recipients(ctx, "ip", networkOf(ip)).then((refusal) => refusal ?? next());
      };
    }
    return handlers;
  },
});

type Limit = (
  ctx: Limited,
  kind: "ip" | "sender" | "login",
  subject: string,
  code?: 421 | 450,
) => Promise<Reply<"defer"> | null>;

/** Counts one more, and refuses when that is one too many. The time begins with the first that is counted. */
function limit(what: "connections" | "messages" | "recipients", text: string | undefined): Limit | null {
  if (text === undefined) return null;
  const { count, seconds, period } = parseRate(text);
  return async (ctx, kind, subject, code = 450) => {
    const sum = await ctx.store.add(`${what} ${kind} ${subject}`, 1, { seconds });
    if (sum <= count) {
      ctx.note(`${sum} of ${count} ${what} in ${period} from ${subject}`);
      return null;
    }
    return defer("4.7.1", `Too many ${what} from ${subject}, at most ${count} in ${period}; try again in ${period}`, {
      code,
      reason: `${sum} ${what} in ${period} from ${subject}, and ${count} are allowed (per ${kind})`,
    });
  };
}
