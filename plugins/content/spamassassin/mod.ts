/**
 * Asks SpamAssassin's spamd about each message after its last octet, and gives the message its points, which `spam_score`
 * adds up with the others; may draw lines of its own. The message is never changed by it, and never whole in memory.
 * Non-job: the protocol (spamc.ts), rules, learning.
 */
import { z } from "zod";
import {
  type DataContext,
  definePlugin,
  formatAddress,
  type PluginFactory,
  reject,
  Reply,
  type Verdict,
} from "../../../core/pipeline/mod.ts";
import { clientName } from "../client_name.ts";
import { askEngine, enginePlace, formatEnginePlace } from "../engine.ts";
import { Failover } from "../failover.ts";
import { isForPostmaster, SCANNING, Scanning, sizeOption } from "../scanning.ts";
import { envelopeFields } from "./envelope.ts";
import { isSpamdUser, isWhole, LONGEST_ANSWER, parseAnswer, symbols, textOf } from "./spamc.ts";

const line = z.union([z.number().positive(), z.literal("never").transform(() => Infinity)]);

const Options = z.strictObject({
  servers: z.array(enginePlace).min(1).prefault(["tcp://127.0.0.1:783"]).describe(
    "spamd: tcp://host:port or unix:///path; the first that answers is asked",
  ),
  user: z.union([
    z.literal("recipient"),
    z.strictObject({ name: z.string().refine(isSpamdUser, "must be a name such as spam or amy@example.org") }),
  ]).optional().describe(
    "Whose rules and training spamd uses: the only recipient's, by address, or one name's; unset: spamd's own",
  ),
  quarantine: line.prefault("never").describe("From these points of SpamAssassin on the message is held; or never"),
  reject: line.prefault("never").describe("From these points of SpamAssassin on the message is refused; or never"),
  maxSize: sizeOption.prefault("512KiB").describe("A larger message is not handed over: it would take too long"),
  authenticated: z.boolean().default(false).describe("Whether mail of clients that have logged in is looked at"),
  ...SCANNING,
}).refine((limits) => limits.quarantine === Infinity || limits.quarantine < limits.reject, {
  path: ["quarantine"],
  message: "Must be less than reject, else it never happens",
});

/** Rules that a reason names. */
const MOST_NAMED = 40;

/**
 * Asks spamd.
 *
 * @example
 * ```ts
 * import { spamassassin } from "./mod.ts";
 * const plugin = spamassassin({ servers: ["tcp://127.0.0.1:783"], reject: 15 });
 * ```
 */
export const spamassassin: PluginFactory<z.input<typeof Options>> = definePlugin({
  name: "spamassassin",
  options: Options,
  create(options, setup) {
    const { user, maxSize } = options;
    const scanning = new Scanning(new Failover(options.servers, formatEnginePlace), options, setup);

    function userFor({ recipients }: DataContext): string | null {
      if (user !== "recipient") return user?.name ?? null;
      const name = recipients.length === 1 ? formatAddress(recipients[0]!.address) : "";
      return isSpamdUser(name) ? name : null; // several have no user in common
    }

    async function look(ctx: DataContext): Promise<Reply<Verdict> | null> {
      const { message } = ctx;
      if (message.size > maxSize) {
        scanning.pass(ctx, `larger than ${maxSize} octets`);
        return null;
      }
      const fields = envelopeFields(ctx, await clientName(ctx));
      const answer = await scanning.ask(ctx, {
        question: "spamd symbols",
        async ask(place, signal) {
          const request = symbols({ fields, size: message.size, message: message.stream(), user: userFor(ctx) });
          return textOf(await askEngine(place, { request, longest: LONGEST_ANSWER, whole: isWhole, signal }));
        },
        read: parseAnswer,
      });
      if (answer === null || answer instanceof Reply) return answer;
      const { score, required, rules } = answer;
      const reason = `${setup.name}: ${score}/${required} ${rules.slice(0, MOST_NAMED).join(",") || "none"}`;
      ctx.score(score, reason);
      ctx.note(`SpamAssassin gives it ${score} points`);
      if (isForPostmaster(ctx)) return null;
      if (score >= options.reject) return reject("5.7.1", "Message looks like spam", { reason });
      if (score >= options.quarantine) ctx.hold(reason);
      return null;
    }

    return {
      data(ctx, next) {
        if (scanning.concerns(ctx)) return look(ctx).then((refusal) => refusal ?? next());
        scanning.skip(ctx);
        return next();
      },
    };
  },
});
