/**
 * Greylisting (RFC 6647): mail of an unknown client, sender and recipient is asked to come again after some minutes. A mail
 * server does, most of what sends spam does not. Who has come again is remembered; a client that did so several times is
 * asked no more. State is shared by all threads (SEMANTICS 24); who passed is durable, who waits is not.
 * Non-job: lists of good clients (dnsbl), the form of a triplet (triplet.ts).
 */
import { z } from "zod";
import {
  type Address,
  type AddressPattern,
  type Context,
  type DataContext,
  defer,
  definePlugin,
  isLoopback,
  type Lasting,
  Networks,
  parseAddressPattern,
  type PluginFactory,
  type RcptContext,
  type Reply,
} from "../../../core/pipeline/mod.ts";
import { SPF } from "../../identity/spf/key.ts";
import { TAGGED } from "../bounce/key.ts";
import { DNSWL } from "../dnsbl/key.ts";
import { RELAY } from "../relay/key.ts";
import { network, time } from "../schema.ts";
import { GREYLIST, type Greylisted } from "./key.ts";
import { clientOf, crowdOf, nameOf } from "./triplet.ts";

export { GREYLIST, type Greylisted } from "./key.ts";

const DAY = 86_400_000;
const pattern = z.string().refine((text) => parseAddressPattern(text) !== null, {
  error: (issue) => `"${issue.input}" is no address and no pattern like *@example.org`,
});

const Options = z.strictObject({
  delay: time({ most: DAY }).prefault("1m").describe("Not before: a mail that comes again earlier waits on"),
  window: time({ least: 60_000, most: 30 * DAY }).prefault("2d").describe(
    "Not after: a mail that comes again later begins anew",
  ),
  remember: time({ least: 3_600_000, most: 366 * DAY }).prefault("36d").describe(
    "How long who passed is known, renewed by each mail",
  ),
  clientAfter: z.union([z.int().min(1).max(1000), z.literal(false)], { error: "must be a count from 1, or false" })
    .default(5).describe("Triplets of a client that passed before it is asked no more, or false"),
  bounces: z.boolean().default(true).describe("Whether mail from <> is asked to come again too, behind its content"),
  exempt: z.array(pattern).default([]).describe("Recipients that want all mail at once"),
  senders: z.array(pattern).default([]).describe("Senders that are not asked, where SPF says that it is they"),
  networks: z.array(network).default([]).describe("Clients that are not asked"),
}).refine(({ delay, window }) => delay < window, { error: "delay must be shorter than window", path: ["delay"] });

/** Senders of hosts that ask whether an address is there and send nothing: Postfix, Exim, and whoever asks as postmaster. */
const ASKS: ReadonlySet<string> = new Set(["postmaster", "double-bounce", "mailer-daemon"]);

/**
 * Triplets that wait within a window, of one network or one domain that was registered (below it a stranger has as many
 * names as he likes); a site that has so many passes long before.
 */
const MOST_WAITING = 5000;

type Ctx = Pick<Context<Lasting>, "store" | "now">;
/** What is known of a triplet. */
interface State {
  readonly known: Greylisted;
  /** Seconds that it has to wait. */
  readonly wait: number;
}

/**
 * @example
 * ```ts
 * import { greylist } from "./mod.ts";
 * const plugin = greylist({ delay: "5m", exempt: ["support@example.org"], networks: ["192.0.2.0/28"] });
 * ```
 */
export const greylist: PluginFactory<z.input<typeof Options>> = definePlugin({
  name: "greylist",
  options: Options,
  after: ["spf", "dnsbl", "relay", "bounce"],
  roles: ["mx"],
  create({ delay, window, remember, clientAfter, bounces, ...options }) {
    const own = new Networks(options.networks);
    const exempt = anyOf(options.exempt), trusted = anyOf(options.senders);
    const kept = { seconds: Math.ceil(remember / 1000) };

    function isAsked(ctx: RcptContext | DataContext): boolean {
      const { client: { ip, identity }, sender } = ctx;
      if (identity !== null || isLoopback(ip) || own.has(ip)) return false;
      if ((ctx.get(DNSWL) ?? []).length > 0) return false;
      return !(sender !== null && trusted(sender) && ctx.get(SPF)?.result === "pass");
    }

    /** Remembered anew once a day: a list's thousand mails an hour are no thousand writes. */
    async function renew(ctx: Ctx, name: string, since: string): Promise<void> {
      const now = ctx.now();
      if (now - Number(since) >= DAY) await ctx.store.put(name, String(now), kept);
    }

    /** On disk before it counts; where the store cannot write it holds until a restart at least, and has told of it. */
    async function keep(ctx: Ctx, name: string): Promise<void> {
      await ctx.store.put(name, String(ctx.now()), { ...kept, durable: true }).catch(() => {});
    }

    async function ask(ctx: Ctx, client: string, triplet: string): Promise<State> {
      const { store } = ctx, now = ctx.now();
      const [ofClient, passed] = await Promise.all([store.get(`client ${client}`), store.get(`passed ${triplet}`)]);
      if (ofClient !== undefined || passed !== undefined) {
        if (ofClient !== undefined) await renew(ctx, `client ${client}`, ofClient);
        else await renew(ctx, `passed ${triplet}`, passed!);
        return { known: "known", wait: 0 };
      }
      const first = await store.get(`first ${triplet}`);
      if (first === undefined) {
        const seconds = Math.ceil(window / 1000);
        // What strangers can make us remember is bounded: beyond it they are put off, and that is all
        const crowd = await store.add(`waiting ${crowdOf(client)}`, 1, { seconds });
        if (crowd <= MOST_WAITING) await store.put(`first ${triplet}`, String(now), { seconds });
        return { known: "waiting", wait: Math.ceil(delay / 1000) };
      }
      const left = Number(first) + delay - now;
      if (left > 0) return { known: "waiting", wait: Math.min(Math.ceil(left / 1000), Math.ceil(delay / 1000)) };
      await keep(ctx, `passed ${triplet}`);
      // The first to count has it: a triplet that comes again in several sessions at once has passed once
      if (clientAfter === false || await store.add(`pass ${triplet}`, 1, kept) > 1) return { known: "passed", wait: 0 };
      if (await store.add(`passes ${client}`, 1, kept) >= clientAfter) {
        await keep(ctx, `client ${client}`);
      }
      return { known: "passed", wait: 0 };
    }

    function later(wait: number): Reply<"defer"> {
      const seconds = `${wait} second${wait === 1 ? "" : "s"}`;
      return defer("4.7.1", `Greylisted: please come again in ${seconds}`, {
        reason: `${WORDS.waiting}: it may come again in ${seconds}`,
      });
    }

    return {
      async rcpt(ctx, next) {
        const reply = await next(); // about recipients that everybody else takes, and no others
        const { recipient, sender } = ctx, { original, origin, copy } = recipient;
        if (reply.verdict !== "accept" || origin !== null || copy || isQuestion(sender)) return reply;
        if (!isAsked(ctx) || exempt(original) || isPostmaster(original) || recipient.get(RELAY) === "network") {
          ctx.note("Not asked to come again: the client, the sender or the recipient is left alone");
          return reply;
        }
        const client = clientOf(ctx.client.ip, ctx.get(SPF));
        const { known, wait } = await ask(ctx, client, await nameOf(client, sender, original));
        ctx.set(GREYLIST, known);
        if (wait > 0) return later(wait);
        ctx.note(WORDS[known]);
        return reply;
      },
      /** Who only asks has gone by now: a question that is put off would put off the mail that it is about. */
      async data(ctx, next) {
        if (!isQuestion(ctx.sender) || !bounces || !isAsked(ctx)) return next();
        const client = clientOf(ctx.client.ip, ctx.get(SPF));
        let longest = 0;
        for (const recipient of ctx.recipients) {
          const { original, copy } = recipient;
          if (copy || exempt(original) || isPostmaster(original) || recipient.get(RELAY) === "network") continue;
          if (recipient.get(TAGGED)?.expired === false) continue; // the answer to mail of ours
          longest = Math.max(longest, (await ask(ctx, client, await nameOf(client, ctx.sender, original))).wait);
        }
        return longest > 0 ? later(longest) : next();
      },
    };
  },
});

const WORDS: Readonly<Record<Greylisted, string>> = {
  waiting: "This client, sender and recipient have not met before",
  passed: "It has come again, as a mail server does",
  known: "Mail like this, or its client, has come again before",
};

function isQuestion(sender: Address | null): boolean {
  return sender === null || ASKS.has(sender.local.toLowerCase());
}

function isPostmaster({ local }: Address): boolean {
  return local.toLowerCase() === "postmaster";
}

function anyOf(texts: readonly string[]): AddressPattern {
  const patterns = texts.map((text) => parseAddressPattern(text)!);
  return (address) => patterns.some((means) => means(address));
}
