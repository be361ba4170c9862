/** A plugin that does next to nothing: what a call of it takes is the way to it and back. */
import { accept, definePlugin } from "postern";
import { z } from "zod";

const Options = z.strictObject({
  /** What it answers. */
  answer: z.enum(["next", "async next", "reply", "awaits next"]).default("next"),
  /** Whether it reads the message. */
  reads: z.boolean().default(false),
});

export default definePlugin({
  name: "measured",
  options: Options,
  create: ({ answer, reads }) => ({
    mail: (_ctx, next) => {
      if (answer === "next") return next();
      if (answer === "reply") return accept();
      // deno-lint-ignore require-await -- it is what many write
      return answer === "async next" ? (async () => next())() : (async () => await next())();
    },
    data: async ({ message }, next) => {
      if (reads && (await message.bytes({ max: 4_000_000 })).length === 0) throw new Error("an empty message");
      return next();
    },
  }),
});
