/**
 * Speaks to a milter, as Sendmail and Postfix do (protocol versions 2 to 6): tells it of each session step by step, does
 * what it says, and makes the changes that it wants. A milter that is down, late or incomprehensible has found nothing out,
 * so the mail is deferred unless the operator says otherwise. Non-job: the steps (conversation.ts), the protocol (session.ts).
 */
import { z } from "zod";
import {
  accept,
  type ConnectContext,
  type DataContext,
  defer,
  definePlugin,
  Networks,
  type Next,
  parseDuration,
  type PluginFactory,
  type Reply,
} from "../../../core/pipeline/mod.ts";
import { enginePlace } from "../engine.ts";
import { EngineError } from "../engine_error.ts";
import { isForPostmaster, network } from "../scanning.ts";
import { Conversations } from "./conversations.ts";
import { offer, PERMISSIONS, VERSIONS } from "./negotiation.ts";
import { Server } from "./server.ts";

const time = (most: number) =>
  z.string().transform((text, context) => {
    const found = parseDuration(text);
    if (found !== null && found >= 100 && found <= most) return found;
    context.addIssue(`must be a time from 100ms to ${most / 1000}s`);
    return z.NEVER;
  });

const Options = z.strictObject({
  connect: enginePlace.describe("Where the milter listens: tcp://host:port or unix:///path"),
  unavailable: z.enum(["defer", "skip"]).default("defer").describe(
    "It does not answer, or says what it should not: ask the client to come again, or go on without it",
  ),
  timeouts: z.strictObject({
    connect: time(30_000).prefault("30s").describe("For the connection and the first words"),
    command: time(300_000).prefault("30s").describe("For each answer; a milter that says it is at work begins anew"),
    content: time(300_000).prefault("100s").describe(
      "For all of a message, and for all that is asked in any other phase; at most what limits.pluginsTime leaves",
    ),
  }).prefault({}),
  pause: time(3_600_000).prefault("10s").describe("How long a milter that did not answer in time is not tried again"),
  networks: z.array(network).default([]).describe("Clients that the milter is not told of"),
  actions: z.array(z.enum(PERMISSIONS)).default([...PERMISSIONS]).describe("What it may do to a message"),
  macros: z.record(
    z.string().regex(/^(?:[A-Za-z_]|\{[A-Za-z0-9_]{1,60}\})$/, "must be a macro such as j or {daemon_name}"),
    z.string().max(1000),
  )
    .default({}).describe("Values of macros in the place of ours, or beside them"),
  protocol: z.literal(VERSIONS, { error: "must be 2, 3, 4 or 6" }).default(6).describe(
    "The latest version of the protocol to offer",
  ),
});

const LATER = "The message cannot be checked at the moment, try again later";

/**
 * A milter beside the server.
 *
 * @example
 * ```ts
 * import { milter } from "./mod.ts";
 * const plugin = milter({ connect: "tcp://127.0.0.1:8891", macros: { "{daemon_name}": "ORIGINATING" } });
 * ```
 */
export const milter: PluginFactory<z.input<typeof Options>> = definePlugin({
  name: "milter",
  asksEngine: true,
  options: Options,
  create(options, setup) {
    const { unavailable, timeouts: { connect, command, content } } = options;
    const skipped = new Networks(options.networks);
    const server = new Server({
      place: options.connect,
      offered: offer(options.protocol, options.actions),
      times: { connect, answer: command, whole: content },
      pause: options.pause,
      macros: new Map(Object.entries(options.macros)),
      trouble: setup.trouble,
    });
    const conversations = new Conversations(server);
    setup.deadline(Math.max(content + 5000, 30_000)); // what it says then is said before
    setup.mechanisms([]); // `auth` only looks on

    const concerns = ({ client }: ConnectContext) => !skipped.has(client.ip);

    /** What `work` gives, or why the milter gives nothing. */
    async function guarded<T>(
      ctx: ConnectContext,
      work: () => Promise<T>,
    ): Promise<T | { readonly failed: string }> {
      try {
        return await work();
      } catch (error) {
        if (!(error instanceof EngineError) || ctx.signal.aborted) throw error;
        return { failed: server.failed(error, ctx.now()) };
      }
    }

    /** In connect and helo: MAIL tries again, and nobody is refused before. */
    async function introduce(
      ctx: ConnectContext,
      next: Next,
      step: () => Promise<Refusal | null>,
    ) {
      const refusal = await guarded(ctx, step);
      return refusal !== null && !("failed" in refusal) ? refusal : next();
    }

    function deferral(failed: string): Reply<"defer"> | null {
      return unavailable === "skip" ? null : defer("4.3.0", LATER, { reason: failed });
    }

    async function judge(ctx: DataContext): Promise<Reply | null> {
      const talk = conversations.of(ctx);
      if (talk.stand(ctx.id) === "lost") return lost(ctx, "it failed before the message came");
      const outcome = await guarded(ctx, () => talk.message(ctx, setup.name));
      if ("failed" in outcome) return lost(ctx, outcome.failed);
      if (outcome.said === "discard") {
        // Whoever has trouble with us must reach somebody, and would not even be told                RFC 5321 4.5.1
        if (isForPostmaster(ctx)) return spared(ctx, "discard it");
        for (const recipient of ctx.recipients) if (recipient.result === null) ctx.drop(recipient);
        ctx.score(0, `${setup.name}: discarded the message`);
        return accept("OK", { reason: "The milter has it dropped, and nobody is told" });
      }
      if (outcome.said !== "refuse") {
        ctx.note("The milter takes it");
        return null;
      }
      if (!isForPostmaster(ctx)) return outcome.reply;
      return spared(ctx, `refuse it: ${outcome.reply}`);
    }

    function spared(ctx: DataContext, what: string): null {
      ctx.score(0, `${setup.name}: would ${what}`);
      return null;
    }

    function lost(ctx: DataContext, failed: string): Reply<"defer"> | null {
      if (unavailable === "skip") ctx.score(0, `${setup.name}: not checked: ${failed}`);
      return deferral(failed);
    }

    return {
      connect: (ctx, next) => concerns(ctx) ? introduce(ctx, next, () => conversations.of(ctx).connect(ctx)) : next(),
      helo: (ctx, next) => concerns(ctx) ? introduce(ctx, next, () => conversations.of(ctx).helo(ctx)) : next(),
      async auth(ctx, next) {
        const reply = await next();
        if (reply.verdict === "accept" && concerns(ctx)) conversations.of(ctx).mechanism = ctx.credentials.mechanism;
        return reply;
      },
      async mail(ctx, next) {
        if (!concerns(ctx)) return next();
        const refusal = await guarded(ctx, () => conversations.of(ctx).mail(ctx));
        if (refusal === null) return next();
        return ("failed" in refusal ? deferral(refusal.failed) : refusal) ?? next();
      },
      async rcpt(ctx, next) {
        const reply = await next(); // about recipients that everybody else takes; of others only who wants to hears
        const { origin, copy } = ctx.recipient;
        if (!concerns(ctx) || origin !== null || copy) return reply; // aliases and copies are our doing
        const refused = reply.verdict === "accept" ? null : reply;
        const talk = conversations.of(ctx);
        if (talk.stand(ctx.id) === "lost") return refused ?? deferral("it failed before") ?? reply;
        const refusal = await guarded(ctx, () => talk.rcpt(ctx, refused));
        if (refused !== null || refusal === null) return reply;
        return ("failed" in refusal ? deferral(refusal.failed) : refusal) ?? reply;
      },
      async data(ctx, next) {
        return concerns(ctx) ? await judge(ctx) ?? next() : next();
      },
      observe(event) {
        if (event.type === "session-closed") conversations.end(event.session);
      },
    };
  },
});

type Refusal = Reply<"defer" | "reject">;
