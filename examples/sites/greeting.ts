/**
 * A plugin in some thirty lines: refuse clients that call themselves by our own name, and say in the message's header how
 * they greeted us. `- ./examples/sites/greeting.ts: { refuse: [localhost] }` puts it to work.
 */
import { definePlugin, key, reject } from "postern";
import { z } from "zod";

const Options = z.strictObject({
  refuse: z.array(z.string()).default([]).describe("Names that no client has, besides our own."),
  header: z.string().regex(/^[A-Za-z-]+$/).default("X-Greeting").describe("The field that is added."),
});

/** What the client called itself; other plugins may read it. */
export const GREETING = key<string>("greeting", "connection");

export default definePlugin({
  name: "greeting",
  roles: ["mx"],
  options: Options,
  create: ({ refuse, header }) => {
    const names = new Set(refuse.map((name) => name.toLowerCase()));
    return {
      helo(ctx, next) {
        const name = ctx.helo.toLowerCase();
        if (name === ctx.host.name || names.has(name)) return reject("5.7.1", `You are not ${ctx.helo}`);
        ctx.set(GREETING, name);
        return next();
      },
      data(ctx, next) {
        ctx.prependHeader(header, ctx.get(GREETING) ?? "none");
        return next();
      },
    };
  },
});
