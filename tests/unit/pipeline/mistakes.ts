/** Mistakes of a plugin author that do not compile. `deno check` fails as soon as one of them does. */
import {
  accept,
  defer,
  defineMessagePlugin,
  definePlugin,
  type EdgePhases,
  type Key,
  key,
  on,
  type Plugin,
  reject,
  when,
} from "postern";
import { z } from "zod";

const SPF: Key<"pass" | "fail"> = key("spf");
const TRUST = key<number>("trust", "recipient");
const spf = definePlugin({
  name: "spf",
  options: z.strictObject({ fail: z.enum(["reject", "mark"]).default("mark") }),
  create: (options) => ({
    mail: (ctx, next) => options.fail === "reject" && ctx.client.ip === "" ? reject("5.7.23", "no") : next(),
  }),
});
const tarpit = definePlugin({ name: "tarpit", options: z.strictObject({ ms: z.number() }), create: () => ({}) });

// 1 misspelt phase
// @ts-expect-error "rctp" is not a phase
on("rctp", (_ctx, next) => next());
// @ts-expect-error nor is it in a plugin
export const typo: Plugin = { name: "typo", handlers: { helo: (_ctx, next) => next(), rctp: () => accept() } };
// @ts-expect-error nor in what create gives, where TypeScript itself would let it pass
definePlugin({ name: "typo", options: z.strictObject({}), create: () => ({ rctp: () => accept() }) });
definePlugin({
  name: "typo_beside",
  options: z.strictObject({}),
  // @ts-expect-error beside others
  create: () => ({ helo: (_ctx, next) => next(), rctp: (_ctx, next) => next() }),
});
// 2 transaction key where there is no transaction, recipient key where there is no recipient
// @ts-expect-error SPF is cleared by RSET, `connect` comes before any MAIL
on("connect", (ctx, next) => (ctx.set(SPF, "pass"), next()));
// @ts-expect-error there is no one recipient in data
on("data", (ctx, next) => (ctx.set(TRUST, 1), next()));
// 3 value of the wrong type for a key
// @ts-expect-error not an SPF result
on("mail", (ctx, next) => (ctx.set(SPF, "maybe"), next()));
// 4 forgotten next()
// @ts-expect-error answers nothing
on("mail", (ctx) => ctx.set(SPF, "pass"));
// 5 dropped answer
// @ts-expect-error returns Promise<void>
on("mail", async (_ctx, next) => void await next());
// 6 looks at the answer without waiting for it
// @ts-expect-error Answer may be a promise
on("mail", (_ctx, next) => next().verdict === "accept" ? accept() : reject("5.7.1", "no"));
// 7 status of the wrong class, code of the wrong class
// @ts-expect-error 5.x.x is not a deferral
defer("5.7.1", "later");
// @ts-expect-error 450 is not a rejection
reject("5.7.1", "no", { code: 450 });
// 8 option of the wrong type, misspelt, missing
// @ts-expect-error "bounce" is not a value of fail
spf({ fail: "bounce" });
// @ts-expect-error unknown option
spf({ fial: "reject" });
// @ts-expect-error ms is required
tarpit();
// 9 a fact the phase does not have, a fact that is written to
// @ts-expect-error no recipient in helo
on("helo", (ctx, next) => (ctx.recipient, next()));
// @ts-expect-error no client in queue: it may run hours later
on("queue", (ctx, next) => (ctx.client, next()));
// @ts-expect-error facts are read-only: use ctx.route()
on("rcpt", (ctx, next) => (ctx.recipient.route = { to: "remote" }, next()));
// @ts-expect-error storing belongs to queue
on("data", (ctx, next) => (ctx.settle(ctx.recipients[0]!, "stored"), next()));
// @ts-expect-error only core sends mail to nowhere but its sender
on("rcpt", (ctx, next) => (ctx.route({ to: "report", action: "failed", reason: "" }), next()));
// @ts-expect-error what is on its way out does not come back
on("deliver", (ctx, next) => (ctx.route({ to: "local", plugin: "inbox" }), next()));
// @ts-expect-error no client in deliver: ctx.origin says who it was
on("deliver", (ctx, next) => (ctx.client, next()));
// 10 policy after `data`; more than the host can tell
// @ts-expect-error in queue only one recipient can be refused, by ctx.refuse()
on("queue", () => reject("5.7.1", "too late"));
// @ts-expect-error an acceptance refuses nobody
on("data", (ctx, next) => (ctx.refuse(ctx.recipients[0]!, accept()), next()));
// @ts-expect-error an edge host knows no client address, and spf asks for it
export const edge: Plugin<EdgePhases>[] = [spf({ fail: "reject" })];
defineMessagePlugin({
  name: "edge",
  options: z.strictObject({}),
  // @ts-expect-error nor has it a phase mail
  create: () => ({ data: (_ctx, next) => next(), mail: (_ctx, next) => next() }),
});
// @ts-expect-error a connection key is not a transaction key
export const wrong: Key<string> = key<string>("greeting", "connection");
// 11 a condition that answers later
// @ts-expect-error a condition is a fact, not a question
when(() => Promise.resolve(true), spf());
