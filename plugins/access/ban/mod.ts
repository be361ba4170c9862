/**
 * Turns away at the door who has misbehaved too often lately: points for each offence, a ban from a sum on, each next one
 * longer; a network when several of its addresses are banned. Stands first in the list. Points and bans are shared by all
 * threads (SEMANTICS 24). Non-job: what an offence is (offences.ts), failed logins of one account (core/auth).
 */
import { z } from "zod";
import {
  type ConnectContext,
  defer,
  definePlugin,
  type Event,
  type MailContext,
  networkOf,
  Networks,
  type ObserverHouse,
  type PluginFactory,
  reject,
  type Reply,
} from "../../../core/pipeline/mod.ts";
import { network, time } from "../schema.ts";
import { type Session, Sessions } from "../sessions.ts";
import { Bans, subjectsOf } from "./bans.ts";
import { type Offence, offenceIn, OFFENCES } from "./offences.ts";

const offence = (kind: Offence) =>
  z.number().min(0).max(1000).default(OFFENCES[kind].points).describe(`Who ${OFFENCES[kind].text}`);
const Options = z.strictObject({
  offences: z.strictObject({
    earlyTalk: offence("earlyTalk"),
    errors: offence("errors"),
    failedLogin: offence("failedLogin"),
    relaying: offence("relaying"),
    unknownRecipient: offence("unknownRecipient"),
    trap: offence("trap"),
  }).prefault({}).describe("Points of each offence; 0: none"),
  refusedBy: z.record(z.string().min(1), z.number().positive().max(1000)).default({ dnsbl: 5, early_talker: 5 })
    .describe("Points for a connection that one of these plugins refused"),
  traps: z.array(z.string().min(1)).default(["spam_trap"]).describe("Names of spam_trap plugins in the list"),
  accepted: z.number().min(0).max(1000).default(1).describe(
    "Points that a message takes off which is taken and not held",
  ),
  limit: z.number().positive().default(20).describe("A client with so many points is banned"),
  within: time().prefault("1h").describe("The time in which they are counted"),
  for: time().prefault("15m").describe("How long the first ban lasts; each next one twice as long"),
  longest: time().prefault("7d").describe("How long a ban lasts at most"),
  remember: time().prefault("30d").describe("How long a ban makes the next one longer"),
  addresses: z.union([z.int().min(2).max(256), z.literal(false)], { error: "must be a number from 2 on, or false" })
    .default(4).describe("A network (/24, IPv6: /56) with so many banned addresses in a day is banned; or false"),
  answer: z.enum(["defer", "reject"]).default("defer").describe("What the banned are told: 421, or 554"),
  list: z.array(network).default([]).describe("Clients that are always told 554"),
  exempt: z.array(network).default(["127.0.0.0/8", "::1"]).describe("Clients that are never counted nor banned"),
});

const DAY = 86_400;
/** How long a login from an address makes failed ones from there what they mostly are: an old password in a device. */
const KNOWN = 30 * DAY;
const MOST_FRESH = 1000;

/**
 * @example
 * ```ts
 * import { ban } from "./mod.ts";
 * const plugin = ban({ limit: 30, for: "1h", offences: { unknownRecipient: 2 }, exempt: ["192.0.2.0/28"] });
 * ```
 */
export const ban: PluginFactory<z.input<typeof Options>> = definePlugin({
  name: "ban",
  options: Options,
  create(options, { name: own }) {
    const { limit, addresses } = options;
    const exempt = new Networks(options.exempt), always = new Networks(options.list), sessions = new Sessions();
    const fresh = new Map<string, number>(); // subjects that this thread has banned, and until when
    const within = { seconds: Math.ceil(options.within / 1000) };
    const remember = { seconds: Math.ceil(options.remember / 1000) };
    const rules = { points: options.offences, refusedBy: options.refusedBy, traps: new Set(options.traps) };

    async function refusal(ctx: ConnectContext | MailContext): Promise<Reply | null> {
      const found = await new Bans(ctx.store, () => ctx.now()).of(ctx.client.ip);
      if (found === null) return null;
      // A home with a bad machine in it is still the home of users, who log in here
      if (ctx.role === "submission" && await ctx.store.get(`known ${networkOf(ctx.client.ip)}`) !== undefined) {
        return null;
      }
      const { subject, until, reason } = found;
      const text = `${subject} has misbehaved here and is not served until ${moment(until)}`;
      const about = { reason: `banned: ${reason}`, close: true };
      return options.answer === "defer"
        ? defer("4.7.1", text, { ...about, code: 421 })
        : reject("5.7.1", text, { ...about, code: 554 });
    }

    /** One ban more of a subject: the more there were, the longer. */
    async function banNow(house: ObserverHouse, subject: string, reason: string): Promise<void> {
      const count = await house.store.add(`bans ${subject}`, 1, remember);
      const until = house.now() + Math.min(options.longest, options.for * 2 ** Math.min(count - 1, 40));
      if (fresh.size >= MOST_FRESH) fresh.clear();
      fresh.set(subject, until);
      // When it cannot be kept the store has told of it, and it holds until the end of the process
      await new Bans(house.store, () => house.now()).put({ subject, until, reason }).catch(() => {});
      house.alert(subject, `banned until ${moment(until)}: ${reason}`);
    }

    async function count(house: ObserverHouse, ip: string, points: number, text: string): Promise<void> {
      const { store } = house, [subject, around] = subjectsOf(ip);
      const sum = await store.add(`points ${subject}`, points, within);
      // Of all that add at a time one crosses the line
      if (sum < limit || sum - points >= limit) return;
      await banNow(house, subject, `${text}; ${rounded(sum)} points in ${words(options.within)}`);
      await store.put(`points ${subject}`, "0", within);
      if (addresses === false || await store.add(`member ${around} ${subject}`, 1, { seconds: DAY }) > 1) return;
      const members = await store.add(`members ${around}`, 1, { seconds: DAY });
      if (members === addresses) await banNow(house, around, `${members} of its addresses were banned in a day`);
    }

    /**
     * A server that many people send by is no worse for each of them who errs, or wants it to be banned: what it brings
     * else speaks for it. Never below zero: nobody saves up.
     */
    async function discount(house: ObserverHouse, ip: string): Promise<void> {
      const name = `points ${subjectsOf(ip)[0]}`, points = Number(await house.store.get(name) ?? 0);
      if (points <= 0) return;
      const less = Math.min(points, options.accepted), rest = await house.store.add(name, -less, within);
      if (rest < 0) await house.store.add(name, Math.min(less, -rest), within); // of several at a time
    }

    /** What the event counts, and to whom; null for nearly all of them. */
    function deedIn(
      event: Event,
      session: Session | null,
    ): { ip: string; points: number; text: string; kind: Offence | null } | null {
      if (session === null || session.loggedIn || exempt.has(session.ip) || always.has(session.ip)) return null;
      if (event.type === "refused" && event.plugin === own) return null;
      const found = offenceIn(event, session, rules);
      return found === null || found.points === 0 ? null : { ip: session.ip, ...found };
    }

    return {
      connect(ctx, next) {
        const { ip } = ctx.client;
        sessions.meet(ctx);
        if (exempt.has(ip)) return next();
        if (always.has(ip)) {
          return reject("5.7.1", `${ip} is not served here`, { code: 554, close: true, reason: "on the list" });
        }
        return refusal(ctx).then((reply) => reply ?? next());
      },
      /** Who was banned while it was connected is told at its next message: what this thread knows of needs no look-up. */
      mail(ctx, next) {
        const { ip, identity } = ctx.client;
        if (fresh.size === 0 || identity !== null || exempt.has(ip)) return next();
        if (!subjectsOf(ip).some((subject) => (fresh.get(subject) ?? 0) > ctx.now())) return next();
        return refusal(ctx).then((reply) => reply ?? next());
      },
      observe(event, house) {
        const session = sessions.follow(event), deed = deedIn(event, session); // before anything waits: at every event
        if (event.type === "login" && event.ok && !exempt.has(event.ip)) {
          return house.store.put(`known ${networkOf(event.ip)}`, "", { seconds: KNOWN });
        }
        if (event.type === "accepted" && event.held === null && session?.loggedIn === false) {
          return discount(house, session.ip);
        }
        if (deed === null) return;
        const { ip, points, text, kind } = deed;
        if (kind !== "failedLogin") return count(house, ip, points, text);
        return house.store.get(`known ${networkOf(ip)}`).then((known) =>
          known === undefined ? count(house, ip, points, text) : undefined
        );
      },
    };
  },
});

/** 2026-01-01 12:00 UTC */
const moment = (milliseconds: number): string =>
  `${new Date(milliseconds).toISOString().slice(0, 16).replace("T", " ")} UTC`;
const rounded = (points: number): number => Math.round(points * 100) / 100;

function words(milliseconds: number): string {
  const [unit, size] = ([["days", 86_400_000], ["hours", 3_600_000], ["minutes", 60_000], ["seconds", 1000]] as const)
    .find(([, size]) => milliseconds >= size && milliseconds % size === 0) ?? ["seconds", 1000];
  const count = milliseconds / size;
  return count === 1 ? `1 ${unit.slice(0, -1)}` : `${count} ${unit}`;
}
