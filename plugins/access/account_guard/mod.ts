/**
 * How much a login may send, and the guard against stolen ones: who names too many recipients, too many that do not exist,
 * or comes from too many networks is suspended for a time, and a person is told. Must stand before the plugins that know
 * recipients: it looks at their answers, and observes what bounces later. Counts and suspensions are shared by all threads (SEMANTICS 24).
 * Non-job: clients without a login (rate_limit), failed logins (core/auth).
 */
import { z } from "zod";
import {
  type Context,
  defer,
  definePlugin,
  isLoopback,
  type Lasting,
  networkOf,
  parseDuration,
  type PluginFactory,
  reject,
  type Reply,
} from "../../../core/pipeline/mod.ts";
import { parseRate, RATE, type Rate } from "../rate.ts";
import { accountOf, bouncedName } from "./key.ts";

const rate = z.string().regex(RATE, "must be a rate like 100/1h: a count, and a time in s, m, h or d");
const rateOrOff = z.union([rate, z.literal(false)], { error: "must be a rate like 100/1h, or false" });
const time = z.string().refine(
  (text) => (parseDuration(text) ?? 0) >= 1000,
  "must be a duration such as 30m, 12h or 2d",
);

const Options = z.strictObject({
  messages: z.array(rate).default(["300/1h"]).describe("Messages of one login"),
  recipients: z.array(rate).default(["1000/1h", "5000/1d"]).describe("Recipients named by one login"),
  suspend: z.strictObject({
    recipients: rateOrOff.default("3000/1h").describe("Recipients named, refused ones too"),
    networks: rateOrOff.default("10/1h").describe("Networks (/24, IPv6: /48) that it sends from"),
    share: z.union([z.int().min(1).max(100), z.literal(false)], {
      error: "must be a percentage from 1 to 100, or false",
    })
      .default(30).describe("Percent of recipients that do not exist, refused or bounced"),
    of: z.int().min(1).default(50).describe("Recipients before the share counts"),
    within: time.default("1h").describe("The time that the share is of"),
    for: time.default("12h").describe("How long a suspension lasts"),
  }).prefault({}).describe("What makes a login look stolen, and for how long it is suspended then"),
  exempt: z.array(z.string().min(1)).default([]).describe("Logins that are not counted"),
});

/** Handlers and the observer have it. */
type Ctx = Pick<Context<Lasting>, "store" | "now" | "alert">;
/** It is the address: it does not exist (RFC 3463 3.2). */
const NOBODY = "5.1.";
type Refusal = Reply<"defer" | "reject">;

/**
 * @example
 * ```ts
 * import { account_guard } from "./mod.ts";
 * const plugin = account_guard({ messages: ["100/1h", "500/1d"], suspend: { share: 20, for: "1d" } });
 * ```
 */
export const account_guard: PluginFactory<z.input<typeof Options>> = definePlugin({
  name: "account_guard",
  options: Options,
  roles: ["submission"],
  create({ messages, recipients, suspend, exempt }) {
    const free = new Set(exempt.map(accountOf));
    const messageRates = messages.map(parseRate), recipientRates = recipients.map(parseRate);
    const most = suspend.recipients === false ? null : parseRate(suspend.recipients);
    const networks = suspend.networks === false ? null : parseRate(suspend.networks);
    const within = { seconds: Math.ceil(parseDuration(suspend.within)! / 1000) };
    const lasting = parseDuration(suspend.for)!;

    /** Who is counted, or null. */
    function counted(identity: string | null): string | null {
      const account = identity === null ? null : accountOf(identity);
      return account === null || free.has(account) ? null : account;
    }

    async function suspended({ store }: Ctx, account: string): Promise<Refusal | null> {
      const found = await store.get(`suspended ${account}`);
      if (found === undefined) return null;
      const space = found.indexOf(" ");
      return closed(Number(found.slice(0, space)), found.slice(space + 1));
    }

    /** From now on, on disk, and told once. */
    async function suspendNow(ctx: Ctx, account: string, why: string): Promise<Refusal> {
      const until = ctx.now() + lasting;
      if (await ctx.store.add(`told ${account}`, 1, { seconds: 60 }) === 1) {
        ctx.alert(account, `suspended until ${moment(until)}: ${why}`);
      }
      try {
        await ctx.store.put(`suspended ${account}`, `${until} ${why}`, {
          seconds: Math.ceil(lasting / 1000),
          durable: true,
        });
      } catch { /* the store has told of it; it holds until a restart at least */ }
      return closed(until, why);
    }

    /** Distinct networks in a time: each begins its own when it is first seen. */
    async function tooManyNetworks({ store }: Ctx, account: string, ip: string): Promise<string | null> {
      if (networks === null || isLoopback(ip)) return null;
      const { seconds, count, period } = networks, network = networkOf(ip, { v4: 24, v6: 48 });
      if (await store.add(`network ${account} ${network}`, 1, { seconds }) > 1) return null;
      const seen = await store.add(`networks ${account}`, 1, { seconds });
      return seen > count ? `mail from ${seen} networks in ${period}` : null;
    }

    async function tooManyUnknown({ store }: Ctx, account: string): Promise<string | null> {
      if (suspend.share === false) return null;
      const [named, refused, bounced] = await Promise.all([
        read(store, `named ${account}`),
        read(store, `refused ${account}`),
        read(store, bouncedName(account)),
      ]);
      const bad = refused + bounced, all = Math.max(named, bad);
      if (all < suspend.of || bad * 100 <= suspend.share * all) return null;
      return `${bad} of ${all} recipients in ${suspend.within} do not exist`;
    }

    return {
      async mail(ctx, next) {
        const account = counted(ctx.client.identity);
        if (account === null) return next();
        const refusal = await suspended(ctx, account);
        if (refusal !== null) return refusal;
        const why = await tooManyNetworks(ctx, account, ctx.client.ip) ?? await tooManyUnknown(ctx, account);
        if (why !== null) return suspendNow(ctx, account, why);
        return await exceeded(ctx, "messages", messageRates, account) ?? next();
      },
      async rcpt(ctx, next) {
        const { origin, copy } = ctx.recipient; // aliases and copies are our doing
        const account = origin === null && !copy ? counted(ctx.client.identity) : null;
        if (account === null) return next();
        const refusal = await suspended(ctx, account);
        if (refusal !== null) return refusal;
        await ctx.store.add(`named ${account}`, 1, within);
        if (most !== null) {
          const sum = await ctx.store.add(`recipients in all ${account}`, 1, most);
          if (sum > most.count) return suspendNow(ctx, account, `${sum} recipients in ${most.period}`);
        }
        const late = await exceeded(ctx, "recipients", recipientRates, account);
        if (late !== null) return late;
        const reply = await next();
        if (reply.verdict === "reject" && reply.status.startsWith(NOBODY)) {
          await ctx.store.add(`refused ${account}`, 1, within);
          const why = await tooManyUnknown(ctx, account);
          if (why !== null) await suspendNow(ctx, account, why); // from the next command on
        }
        return reply;
      },
      async data(ctx, next) {
        const account = counted(ctx.client.identity);
        return (account === null ? null : await suspended(ctx, account)) ?? next();
      },
      /** What is sent today bounces tomorrow, when nobody is logged in. */
      async observe(event, house) {
        if (event.type !== "bounced" || event.expired || !event.status.startsWith(NOBODY)) return;
        const account = counted(event.identity);
        if (account === null) return;
        await house.store.add(bouncedName(account), 1, within);
        const why = await tooManyUnknown(house, account);
        if (why !== null && await suspended(house, account) === null) await suspendNow(house, account, why);
      },
    };
  },
});

/** Counts one more under each rate, and refuses when it is one too many. */
async function exceeded(
  ctx: Ctx & Pick<Context<Lasting>, "note">,
  what: "messages" | "recipients",
  rates: readonly Rate[],
  account: string,
): Promise<Refusal | null> {
  let refusal: Refusal | null = null;
  for (const { count, seconds, period } of rates) {
    const sum = await ctx.store.add(`${what} ${seconds}s ${account}`, 1, { seconds });
    if (sum <= count) {
      ctx.note(`${sum} of ${count} ${what} in ${period}`);
      continue;
    }
    refusal ??= defer("4.7.1", `Too many ${what} from your account, at most ${count} in ${period}; try again later`, {
      code: 450,
      reason: `${what} of ${account}: ${sum}, at most ${count} in ${period}`,
    });
  }
  return refusal;
}

/** 550 and not 450: a person is to see it now, and a program that sends for a thief is to stop. */
function closed(until: number, why: string): Reply<"reject"> {
  const text = `This account is suspended until ${moment(until)}: it sends as if somebody else had its password`;
  return reject("5.7.1", `${text}. Ask the postmaster`, { reason: `suspended: ${why}` });
}

/** 2026-01-01 12:00 UTC */
function moment(milliseconds: number): string {
  return `${new Date(milliseconds).toISOString().slice(0, 16).replace("T", " ")} UTC`;
}

async function read(store: Ctx["store"], name: string): Promise<number> {
  return Number(await store.get(name) ?? 0);
}
