/** A plugin that does what its sender says: everything that a plugin should not do. */
import { accept, definePlugin, key } from "postern";
import { z } from "zod";

const Options = z.strictObject({
  create: z.string().optional(),
  file: z.string().default(""),
  port: z.number().default(1),
});
const forever = (): never => {
  for (;;);
};
const post = (message: unknown) =>
  (globalThis as unknown as { postMessage(message: unknown): void }).postMessage(message);
const answer = (call: number, deeds: unknown[], outcome: unknown) => post({ do: "answer", call, deeds, outcome });
const REPLY = { code: 550, status: "5.7.1", text: "forged" };
let calls = 0;

export default definePlugin({
  name: "attacks",
  options: Options,
  create({ create, file, port }) {
    if (create === "loop") forever();
    if (create === "throw") throw new Error("no, thank you");
    return {
      async mail(ctx, next) {
        const call = ++calls;
        switch (ctx.sender?.local) {
          case "loop":
            return forever();
          case "loop-later":
            await ctx.store.get("x");
            return forever();
          case "loop-in-a-timer":
            setTimeout(forever);
            return next();
          case "microtasks": {
            const again = (): Promise<void> => Promise.resolve().then(again);
            return again().then(next);
          }
          case "throw-in-a-timer":
            setTimeout(() => {
              throw new Error("too late");
            });
            await ctx.store.get("x");
            await new Promise((resolve) => setTimeout(resolve, 50));
            return next();
          case "reject":
            void Promise.reject(new Error("nobody hears it"));
            await new Promise((resolve) => setTimeout(resolve, 50));
            return next();
          case "exit":
            return Deno.exit(3);
          case "close":
            (globalThis as unknown as { close(): void }).close();
            return new Promise<never>(() => {});
          case "never":
            return new Promise<never>(() => {});
          case "read":
            return accept(await Deno.readTextFile(file));
          case "write":
            await Deno.writeTextFile(`${file}.new`, "x");
            return accept("written");
          case "connect":
            await Deno.connect({ hostname: "127.0.0.1", port });
            return accept("connected");
          case "run":
            return accept(String(new Deno.Command("id").outputSync().success));
          case "environment":
            return accept(Deno.env.get("HOME") ?? "");
          case "garbage":
            post("what is this");
            return new Promise<never>(() => {});
          case "flood":
            for (;;) post({ do: "pong", ping: 1 });
          case "huge":
            answer(call, Array.from({ length: 100_000 }, () => ({ deed: "next" })), { is: "next" });
            return new Promise<never>(() => {});
          case "questions":
            for (let question = 1e6; question < 1e6 + 30_000; question++) {
              post({ do: "question", call, question, about: { ask: "get", name: "x" } });
            }
            return new Promise<never>(() => {});
          case "no-reply":
            answer(call, [], { is: "reply", reply: { ...REPLY, status: "4.0.0" } });
            return new Promise<never>(() => {});
          case "no-next":
            answer(call, [], { is: "next" });
            return new Promise<never>(() => {});
          case "other-phase":
            answer(call, [{ deed: "effect", effect: { do: "identify", user: "root" } }], { is: "next" });
            return new Promise<never>(() => {});
          case "other-effect":
            answer(call, [{ deed: "effect", effect: { do: "__proto__" } }], { is: "next" });
            return new Promise<never>(() => {});
          case "twice":
            answer(call, [], { is: "reply", reply: REPLY });
            answer(call, [], { is: "reply", reply: { ...REPLY, text: "again" } });
            return new Promise<never>(() => {});
          case "names":
            await ctx.store.put("../plugin:ban:x", "1", { seconds: 60 });
            return next();
          case "prototype":
            ctx.set(key<unknown>("__proto__"), JSON.parse('{"__proto__":{"polluted":true}}'));
            return next();
          default:
            await ctx.store.get("x");
            await new Promise((resolve) => setTimeout(resolve, 20));
            return next();
        }
      },
    };
  },
});
