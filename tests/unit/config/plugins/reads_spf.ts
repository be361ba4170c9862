/** A plugin that must stand after another. */
import { definePlugin } from "postern";
import { z } from "zod";

export default definePlugin({
  name: "reads_spf",
  after: ["spf"],
  options: z.strictObject({ mark: z.string().default("x") }),
  create: () => ({ data: (_ctx, next) => next() }),
});
