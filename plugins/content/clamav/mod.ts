/**
 * Lets clamd look for malware in each message after its last octet, without ever having the whole of it in memory: refuses
 * what is infected, holds it, or gives points. A clamd that is down, late or incomprehensible has found nothing out, so
 * the message is deferred unless the operator says otherwise. Non-job: the protocol (instream.ts), signatures.
 */
import { z } from "zod";
import {
  type DataContext,
  definePlugin,
  type PluginFactory,
  reject,
  Reply,
  type Verdict,
} from "../../../core/pipeline/mod.ts";
import { askEngine, enginePlace, formatEnginePlace } from "../engine.ts";
import { Failover } from "../failover.ts";
import { isForPostmaster, SCANNING, Scanning, sizeOption } from "../scanning.ts";
import { instream, isWhole, LONGEST_ANSWER, parseAnswer, textOf } from "./instream.ts";

/** A signature's name with `*` for anything; operators write it, but of no use that would make matching slow. */
const pattern = z.string().regex(/^[\x21-\x7e]{1,100}$/, "must be the name of a signature, with * for any characters")
  .refine((text) => text.split("*").length <= 4, "must have at most three *");

const Options = z.strictObject({
  servers: z.array(enginePlace).min(1).prefault(["unix:///run/clamav/clamd.ctl"]).describe(
    "clamd: tcp://host:port or unix:///path; the first that answers is asked",
  ),
  infected: z.enum(["reject", "hold", "score"]).default("reject").describe(
    "Malware was found: refuse the message, hold it for a person, or only give points",
  ),
  points: z.number().positive().default(20).describe("Points for what only counts points"),
  scoreOnly: z.array(pattern).default([]).describe("Signatures that only give points, such as PUA.* or *.UNOFFICIAL"),
  maxSize: sizeOption.prefault("25MiB").describe("The largest message to hand over; at most clamd's StreamMaxLength"),
  larger: z.enum(["reject", "hold", "skip"]).default("reject").describe(
    "A message is larger than that: refuse it, hold it, or take it unseen",
  ),
  authenticated: z.boolean().default(true).describe("Whether mail of clients that have logged in is looked at"),
  ...SCANNING,
});

/**
 * Refuses malware.
 *
 * @example
 * ```ts
 * import { clamav } from "./mod.ts";
 * const plugin = clamav({ servers: ["tcp://127.0.0.1:3310"], scoreOnly: ["PUA.*"] });
 * ```
 */
export const clamav: PluginFactory<z.input<typeof Options>> = definePlugin({
  name: "clamav",
  options: Options,
  create(options, setup) {
    const { infected, points, maxSize, larger } = options;
    const scanning = new Scanning(new Failover(options.servers, formatEnginePlace), options, setup);
    const harmless = options.scoreOnly.map(matcher);

    async function look(ctx: DataContext): Promise<Reply<Verdict> | null> {
      const { message } = ctx;
      if (message.size > maxSize) return tooLarge(ctx);
      const answer = await scanning.ask(ctx, {
        question: "clamd instream",
        async ask(place, signal) {
          const request = instream(message.content()); // what a plugin took out harms nobody, what one put in might
          return textOf(await askEngine(place, { request, longest: LONGEST_ANSWER, whole: isWhole, signal }));
        },
        read: parseAnswer,
      });
      if (answer === null || answer instanceof Reply) return answer;
      if (answer.said === "clean") {
        ctx.note("No malware that clamd knows");
        return null;
      }
      return answer.said === "infected" ? found(ctx, answer.name) : tooLarge(ctx);
    }

    function found(ctx: DataContext, name: string): Reply<Verdict> | null {
      const reason = `${setup.name}: ${name}`;
      ctx.note(`clamd found ${name}`);
      if (infected === "score" || harmless.some((matches) => matches(name))) ctx.score(points, reason);
      else if (infected === "hold" || isForPostmaster(ctx)) ctx.hold(reason);
      else return reject("5.7.1", `The message contains malware (${name})`, { reason });
      return null;
    }

    function tooLarge(ctx: DataContext): Reply<Verdict> | null {
      const why = `larger than ${maxSize} octets, or than clamd takes`;
      if (larger === "reject" && !isForPostmaster(ctx)) {
        return reject("5.3.4", "The message is too large to be looked at for malware", { code: 552, reason: why });
      }
      if (larger === "skip") scanning.pass(ctx, why);
      else ctx.hold(`${setup.name}: not checked: ${why}`);
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

function matcher(pattern: string): (name: string) => boolean {
  const source = pattern.split("*").map((each) => each.replace(/[^A-Za-z0-9]/g, "\\$&")).join(".*");
  const expression = new RegExp(`^${source}$`, "i");
  return (name) => expression.test(name);
}
