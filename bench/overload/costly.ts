/** A plugin that costs every message so many milliseconds of the event loop: what a scanner in the process would. */
import { definePlugin } from "../../mod.ts";
import { z } from "zod";

export default definePlugin({
  name: "costly",
  options: z.strictObject({ ms: z.number().min(0) }),
  create: ({ ms }) => ({
    data: (_, next) => {
      const end = performance.now() + ms;
      while (performance.now() < end);
      return next();
    },
  }),
});
