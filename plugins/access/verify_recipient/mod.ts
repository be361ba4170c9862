/**
 * Call-ahead: asks the next hop of mail that comes in for a gateway or a backup MX whether it takes the recipient, so that
 * a name that nobody has is refused here and not bounced later. Answers are remembered for all threads (SEMANTICS 24).
 * Non-job: asking (core/delivery), which recipients are ours and where they go (`relay`, `recipients`, routes), senders.
 */
import { z } from "zod";
import {
  accept,
  type Address,
  defer,
  definePlugin,
  DomainSet,
  isDomainPattern,
  parseAddress,
  parseDuration,
  type PluginFactory,
  type RcptContext,
  reject,
  type Reply,
  sameAddress,
} from "../../../core/pipeline/mod.ts";
import { UNPROVEN } from "../../auth/any_login/key.ts";
import { parseRate, RATE } from "../rate.ts";
import { RELAY } from "../relay/key.ts";
import { type Answer, nameOf, parseAnswer } from "./answer.ts";
import { Questions, type Unanswered } from "./questions.ts";

const time = z.string().refine(
  (text) => (parseDuration(text) ?? 0) >= 1000,
  "must be a duration such as 10m, 3h or 31d",
);
/** The pipeline gives a plugin 30 s: what it says then is said before. */
const wait = time.refine((text) => (parseDuration(text) ?? 0) <= 25_000, "must be at most 25s");
const memory = (keep: string, refresh: string) =>
  z.strictObject({
    keep: time.default(keep).describe("How long it counts when the next hop gives no new answer"),
    refresh: time.default(refresh).describe("After how long the next hop is asked again"),
  }).prefault({});

const Options = z.strictObject({
  domains: z.array(z.string().refine(isDomainPattern, { error: (issue) => `"${issue.input}" is no domain` })).min(1)
    .optional().describe(
      "Domains of recipients to ask about; unset: the local ones, and those that relay is backup for",
    ),
  positive: memory("31d", "7d").describe("How long it is remembered that a recipient is taken"),
  negative: memory("3h", "1h").describe("How long it is remembered that a recipient is refused"),
  onDefer: z.enum(["accept", "defer"]).default("accept").describe(
    "No answer: take the recipient and leave the rest to the queue, or ask the client to come again",
  ),
  sender: z.string().refine((text) => (parseAddress(text)?.domain ?? "") !== "", {
    error: (issue) => `"${issue.input}" is no address`,
  }).optional().describe("Who to say the mail is from; unset: nobody, <>"),
  timeout: wait.default("10s").describe("How long a client waits for an answer"),
  pause: time.default("1m").describe("How long a next hop that gave no answer is not asked again"),
  questions: z.string().regex(RATE, "must be a rate like 60/1m: a count, and a time in s, m, h or d").default("60/1m")
    .describe("Questions to one next hop; beyond that there is no answer"),
  authenticated: z.boolean().default(false).describe("Whether authenticated peers are held to it too"),
  code: z.union([z.literal(450), z.literal(550), z.literal(551), z.literal(553), z.literal(554)], {
    error: "must be 450, 550, 551, 553 or 554",
  }).default(550).describe("Code of a refusal; 450: the client comes again, which is a way to begin"),
});

const LOOP = defer("4.4.6", "This recipient is being asked about at this very moment, try again later");

/**
 * Refuses recipients that the host behind this one refuses.
 *
 * @example
 * ```ts
 * import { verify_recipient } from "./mod.ts";
 * const plugin = verify_recipient({ domains: ["example.org"], negative: { keep: "1h", refresh: "15m" } });
 * ```
 */
export const verify_recipient: PluginFactory<z.input<typeof Options>> = definePlugin({
  name: "verify_recipient",
  options: Options,
  after: ["relay", "recipients"], // they give routes
  create(options) {
    const { onDefer, authenticated, code } = options;
    const domains = options.domains === undefined ? null : new DomainSet(options.domains);
    const sender = options.sender === undefined ? null : parseAddress(options.sender);
    const memoryOf = ({ taken }: Answer) => taken ? options.positive : options.negative;
    const questions = new Questions({
      sender,
      rate: parseRate(options.questions),
      timeout: parseDuration(options.timeout)!,
      pause: Math.ceil(parseDuration(options.pause)! / 1000),
      keep: (answer) => Math.ceil(parseDuration(memoryOf(answer).keep)! / 1000),
    });

    function isAskedAbout(ctx: RcptContext): boolean {
      const { client, recipient } = ctx, { address, route, copy } = recipient;
      if (route?.to !== "remote" || copy || address.domain === "") return false;
      if (!authenticated && client.identity !== null && ctx.get(UNPROVEN) !== true) return false;
      if (domains !== null) return domains.has(address.domain);
      return recipient.get(RELAY) === "domain" || DomainSet.of(ctx.host.domains).has(address.domain);
    }

    async function known(ctx: RcptContext, hop: string): Promise<Answer | Reply | Unanswered> {
      const name = await nameOf(hop, ctx.recipient.address), subject = { hop, name };
      const answer = parseAnswer(await ctx.store.get(`answer ${name}`));
      if (answer !== null && ctx.now() - answer.at < parseDuration(memoryOf(answer).refresh)!) return answer;
      // It may be our own question that has come round: who waits for himself waits for ever
      if (questions.isUnderWay(subject) && isSame(ctx.sender, sender)) return answer ?? LOOP;
      const found = await questions.ask(ctx, subject);
      return answer !== null && ("unanswered" in found || found.verdict === "defer") ? answer : found;
    }

    function refusal(status: string, hop: string, reason: string): Reply {
      const [, subject, detail] = status.split(".").map(Number) as [number, number, number];
      const nobody = subject === 0 && detail === 0 || subject === 1 && detail === 1; // 5.0.0: a code, and no more
      const text = `${nobody ? "No such user" : "Recipient refused"} (said ${hop})`;
      const about = nobody ? "1.1" as const : `${subject}.${detail}` as const;
      return code === 450 ? defer(`4.${about}`, text, { code, reason }) : reject(`5.${about}`, text, { code, reason });
    }

    return {
      async rcpt(ctx, next) {
        const reply = await next(); // about recipients that everybody else takes, and no others
        if (reply.verdict !== "accept" || !isAskedAbout(ctx)) return reply;
        const { address, route } = ctx.recipient;
        const hop = route?.to === "remote" && route.via || address.domain;
        const found = await known(ctx, hop);
        if ("taken" in found) {
          const { taken, status, at } = found;
          const when = new Date(at).toISOString();
          if (!taken) return refusal(status, hop, `${hop} said so at ${when}`);
          ctx.note(`${hop} takes this recipient, as it said at ${when}`);
          return reply;
        }
        if (found === LOOP) return LOOP;
        if ("verdict" in found && found.verdict === "accept") {
          ctx.note(`${hop} takes this recipient, as it said just now`);
          return reply;
        }
        if ("verdict" in found && found.verdict === "reject") return refusal(found.status, hop, String(found));
        const reason = `not verified: ${"unanswered" in found ? found.unanswered : found}`;
        if (onDefer === "accept") return accept("OK", { reason });
        return defer("4.4.1", `${hop} does not say whether it takes this recipient, try again later`, { reason });
      },
    };
  },
});

function isSame(a: Address | null, b: Address | null): boolean {
  return a === null || b === null ? a === b : sameAddress(a, b);
}
