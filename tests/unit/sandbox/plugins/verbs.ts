/** A plugin that uses everything a context has, in every phase: what is the same inside and outside is shown with it. */
import { accept, type Context, defer, definePlugin, key, OutsideError, reject, Reply } from "postern";
import { z } from "zod";

export const WORD = key<string>("verbs.word", "connection", (value) => `the word is ${value}`);
const COUNT = key<number>("verbs.count");
const EACH = key<{ readonly at: Date; readonly names: Map<string, number> }>("verbs.each", "recipient");

const Options = z.strictObject({
  /** What it does in the phase. */
  does: z.string().default("all"),
});
const SAID = key<readonly string[]>("verbs.said", "connection");
/** What it saw, without end: a note is short. */
function say(ctx: Pick<Context, "get" | "set">, what: string): void {
  ctx.set(SAID, [...ctx.get(SAID) ?? [], what]);
}
const words = (error: unknown) => error instanceof Error ? `${error.name}: ${error.message}` : String(error);
const text = async (stream: ReadableStream<Uint8Array<ArrayBuffer>>) => await new Response(stream).text();

export default definePlugin({
  name: "verbs",
  options: Options,
  create: ({ does }, setup) => ({
    async connect(ctx, next) {
      const { id, session, role, listener, host, client } = ctx;
      say(ctx, JSON.stringify([id === session, role, listener, host.name, client.ip, setup.name]));
      ctx.set(WORD, "hello");
      ctx.alert("somebody", "did something");
      say(ctx, `paused: ${await ctx.pause(1500)}`);
      await ctx.store.put("a", "1", { seconds: 60 });
      say(
        ctx,
        `${await ctx.store.add("n", 2, { seconds: 60 })} ${await ctx.store.get("a")} ${await ctx.store.get("b")}`,
      );
      say(
        ctx,
        JSON.stringify((await ctx.store.list({ prefix: "", limit: 9 })).map(({ name, value }) => [name, value])),
      );
      return next();
    },
    async helo(ctx, next) {
      for (
        const ask of [
          () => ctx.dns.a("a.example"),
          () => ctx.dns.mx("a.example"),
          () => ctx.dns.txt("no.example"),
          () => ctx.dns.ptr("192.0.2.1"),
          () => ctx.dns.lookup("a.example", "A").then(({ records }) => records ?? []),
        ]
      ) say(ctx, await ask().then((found) => JSON.stringify(found), words));
      say(ctx, `${ctx.helo} ${ctx.get(WORD)} ${new Date(ctx.now()).toISOString()}`);
      const said = await ctx.outside("what is it", () => Promise.reject(new OutsideError("nobody"))).catch(words);
      say(ctx, said);
      return does === "refuse" ? reject("5.7.1", "Not you", { close: true, reason: "as asked" }) : next();
    },
    async auth(ctx, next) {
      if (does === "a text") return "yes" as never;
      if (does === "nothing") return undefined as never;
      if (does === "next twice") return (next(), next());
      if (does === "no wait") return (void next(), reject("5.7.8", "At once"));
      if (does === "a mistake") return (null as unknown as { reply(): never }).reply();
      const { mechanism, user } = ctx.credentials;
      say(ctx, `${mechanism} ${user} ${ctx.credentials.reveal()} ${await ctx.credentials.decoy("x")}`);
      if (!await ctx.credentials.verify("password")) return next();
      ctx.identify(user);
      return accept();
    },
    mail(ctx, next) {
      say(ctx, JSON.stringify([ctx.sender, ctx.parameters]));
      if (ctx.sender !== null) ctx.reversePath({ local: "other", domain: "example.net" });
      say(ctx, ctx.sender?.local ?? "nobody");
      ctx.set(COUNT, 1);
      return next();
    },
    async rcpt(ctx, next) {
      const { recipient } = ctx;
      if (recipient.address.local === "list") {
        if (recipient.origin === null) ctx.expand([{ local: "b", domain: "example.org" }, recipient.address]);
        else ctx.route({ to: "local", plugin: "verbs" });
        return next();
      }
      ctx.set(EACH, { at: new Date(0), names: new Map([["a", 1]]) });
      say(ctx, `${ctx.recipient.get(EACH)?.names.get("a")} ${ctx.count} ${ctx.recipient.route?.to}`);
      ctx.route({ to: "remote" });
      ctx.route({ to: "remote", via: "another" });
      say(ctx, await ctx.callAhead({ sender: ctx.sender }).then(String, words));
      const below = await next();
      say(ctx, `then ${below.code}`);
      ctx.note(`below said ${below.code}`);
      return below.verdict === "accept" ? below : defer("4.2.0", "Later", { code: 450 });
    },
    async data(ctx, next) {
      const { message } = ctx;
      say(ctx, JSON.stringify([message.size, message.bodyStart, message.malformed, message.header("subject")]));
      ctx.score(1.5, "one");
      ctx.prependHeader("X-Verbs", "a\r\nBcc: b");
      ctx.replaceHeader("Subject", "another");
      ctx.removeHeader("X-Gone");
      ctx.changeFields([{ at: 0, value: "first" }, { before: 99, name: "X-Last", value: "last" }]);
      ctx.attest({ method: "x-verbs", result: "pass", reason: "it is so", properties: [["smtp.mailfrom", "a@b"]] });
      say(ctx, JSON.stringify([message === ctx.message, ctx.message.headers.map(({ name }) => name), ctx.scores]));
      say(ctx, `${(await message.bytes()).length} ${(await text(message.stream())).length}`);
      if (does === "rewrite") {
        await ctx.rewrite(new TextEncoder().encode("another body\r\n"), "as asked");
        say(ctx, `${ctx.message.rewritten} ${await text(ctx.message.content())}`);
      }
      if (does === "hold") ctx.hold("a person is to see it");
      const [first, second] = ctx.recipients;
      if (second !== undefined) ctx.refuse(second, reject("5.2.1", "Not for them"));
      if (does === "drop") ctx.drop(first!);
      ctx.copyTo({ local: "journal", domain: "example.com" });
      ctx.suppress({ local: "gone", domain: "example.net" }, { reason: "bounced", seconds: 60 });
      const r = await next();
      say(ctx, `${r.verdict}, ${ctx.scores.length} scores, ${ctx.recipients.length} recipients`);
      if (does === "over") return accept("all the same", { over: r });
      return does === "drop the refusal" ? accept("no matter") : r;
    },
    async queue(ctx, next) {
      say(ctx, `${ctx.tries} ${await text(ctx.output())}`.slice(0, 200));
      for (const each of ctx.recipients) {
        if (each.address.local === "b") ctx.settle(each, "stored");
        else ctx.deposit(each, "box");
      }
      return next();
    },
    async deliver(ctx, next) {
      const [first] = ctx.recipients;
      say(ctx, JSON.stringify([ctx.destination, ctx.origin.helo, ctx.parameters.body, ctx.tries]));
      ctx.route({ to: "remote", via: "smart" });
      ctx.reversePath({ local: "bounce", domain: "example.org" }, first);
      ctx.forwardPath(first!, { local: "there", domain: "example.net" });
      say(ctx, JSON.stringify(ctx.returnPathOf(first!)));
      ctx.sign(async (content) => {
        const whole = await text(content.stream());
        return `X-Signed: ${whole.length} ${content.size} ${content.head.length > 0} ${content.memory?.length}\r\n`;
      });
      ctx.sign(async ({ stream }) => `X-Again: ${(await text(stream())).split("\r\n")[0]?.length}\r\n`);
      if (does === "postpone") {
        ctx.postpone(ctx.now() + 60_000);
        return defer("4.2.0", "Later");
      }
      const reply = await next();
      return new Reply(reply.code, reply.status, `${reply.text}, and signed`);
    },
  }),
});
