/**
 * Asks rspamd about each message after its last octet and does what it says: takes, marks, holds, defers, refuses, changes
 * header fields; or only passes its points on to `spam_score`. The message is never whole in memory.
 * Non-job: the request (checkv2.ts, envelope.ts), the answer (verdict.ts), learning.
 */
import { z } from "zod";
import {
  type DataContext,
  defer,
  definePlugin,
  parseDuration,
  type PluginFactory,
  reject,
  Reply,
  type Verdict,
} from "../../../core/pipeline/mod.ts";
import { clientName } from "../client_name.ts";
import { EngineError } from "../engine_error.ts";
import { Failover } from "../failover.ts";
import { isForPostmaster, SCANNING, Scanning, sizeOption } from "../scanning.ts";
import { check } from "./checkv2.ts";
import { envelopeHeaders } from "./envelope.ts";
import { cameBefore } from "./greylist.ts";
import { parseVerdict, type RspamdVerdict } from "./verdict.ts";

const MEANINGS = ["accept", "mark", "subject", "hold", "greylist", "defer", "reject"] as const;
type Meaning = typeof MEANINGS[number];

/** What rspamd's own actions mean. */
const ACTIONS: Readonly<Record<string, Meaning>> = {
  "no action": "accept",
  "greylist": "greylist",
  "add header": "mark",
  "rewrite subject": "subject",
  "soft reject": "defer",
  "quarantine": "hold",
  "discard": "hold", // what has our 250 is not lost in silence
  "reject": "reject",
};

const server = z.string().transform((text, context) => {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url !== null && /^https?:$/.test(url.protocol) && url.username === "" && url.search === "" && url.hash === "") {
    if (!url.pathname.endsWith("/")) url.pathname += "/";
    return url;
  }
  context.addIssue("must be a URL such as http://127.0.0.1:11333");
  return z.NEVER;
});

const Options = z.strictObject({
  servers: z.array(server).min(1).prefault(["http://127.0.0.1:11333"]).describe(
    "rspamd's normal workers, or a proxy before them; the first that answers is asked",
  ),
  password: z.string().regex(/^[\x21-\x7e]+$/, "must be printable ASCII").optional().describe("Sent to the server"),
  actions: z.record(z.string().max(64), z.enum(MEANINGS)).default({}).describe(
    "What actions of rspamd mean, where it is not the usual",
  ),
  score: z.boolean().default(false).describe("Only add its points to the others of the message; no action is obeyed"),
  headers: z.boolean().default(true).describe("Whether fields are added and removed as rspamd wants"),
  greylist: z.string().prefault("5m").transform((text, context) => {
    const delay = parseDuration(text);
    if (delay !== null && delay <= 43_200_000) return delay;
    context.addIssue("must be a time of at most 12h");
    return z.NEVER;
  }).describe("After how long a greylisted message is taken"),
  maxSize: sizeOption.prefault("50MB").describe("A larger message is not handed over; at most rspamd's max_message"),
  authenticated: z.boolean().default(false).describe("Whether mail of clients that have logged in is looked at"),
  ...SCANNING,
});

/** The field that marks spam; nobody else may write it. */
const MARK = "X-Spam";

/**
 * Asks rspamd.
 *
 * @example
 * ```ts
 * import { rspamd } from "./mod.ts";
 * const plugin = rspamd({ servers: ["http://127.0.0.1:11333"], actions: { "add header": "hold" } });
 * ```
 */
export const rspamd: PluginFactory<z.input<typeof Options>> = definePlugin({
  name: "rspamd",
  options: Options,
  create(options, setup) {
    const scanning = new Scanning(new Failover(options.servers, (url) => url.host), options, setup);
    const meanings = new Map(Object.entries({ ...ACTIONS, ...options.actions }));

    async function look(ctx: DataContext): Promise<Reply<Verdict> | null> {
      const { message } = ctx;
      if (message.header(MARK) !== undefined) ctx.removeHeader(MARK); // the sender's own word would be taken for ours
      if (message.size > options.maxSize) {
        scanning.pass(ctx, `larger than ${options.maxSize} octets`);
        return null;
      }
      const headers = envelopeHeaders(ctx, { name: await clientName(ctx), password: options.password });
      const verdict = await scanning.ask(ctx, {
        question: "rspamd checkv2",
        ask: (url, signal) => check(url, { headers, message: message.stream(), signal }),
        read(answer): RspamdVerdict {
          const verdict = parseVerdict(answer);
          if (options.score || meanings.has(verdict.action)) return verdict;
          throw new EngineError(`nobody said what its action "${verdict.action}" means: see the option actions`);
        },
      });
      if (verdict === null || verdict instanceof Reply) return verdict;
      const reason = `${setup.name}: ${verdict.action} ${verdict.reason}`;
      ctx.score(options.score ? verdict.score : 0, reason); // every verdict stands in the log
      ctx.note(`rspamd says "${verdict.action}", ${verdict.score} points`);
      const refusal = options.score ? null : await obey(ctx, verdict, reason);
      return refusal ?? (edit(ctx, verdict), null);
    }

    /** The refusal, or null. */
    async function obey(
      ctx: DataContext,
      { action, message }: RspamdVerdict,
      reason: string,
    ): Promise<Reply<Verdict> | null> {
      const meaning = meanings.get(action)!;
      if (isForPostmaster(ctx)) return null;
      if (meaning === "hold") ctx.hold(reason);
      if (meaning === "reject") return reject("5.7.1", message ?? "Message looks like spam", { reason });
      if (meaning === "defer") return defer("4.7.1", message ?? "Try again later", { reason });
      if (meaning === "greylist" && !await cameBefore(ctx, options.greylist)) {
        return defer("4.7.1", message ?? "Greylisted, try again later", { reason });
      }
      return null;
    }

    function edit(ctx: DataContext, { action, subject, add, remove }: RspamdVerdict): void {
      if (options.headers) {
        for (const name of remove) ctx.removeHeader(name);
        for (const { name, value } of add.toReversed()) ctx.prependHeader(name, value);
      }
      const meaning = meanings.get(action);
      if (options.score || meaning === "accept" || meaning === "greylist") return;
      ctx.replaceHeader(MARK, "Yes");
      if (meaning === "subject") {
        ctx.replaceHeader("Subject", subject ?? `***SPAM*** ${ctx.message.header("Subject") ?? ""}`);
      }
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
