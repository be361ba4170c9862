/** Options that plugins of this group share. Non-job: what an option is for. */
import { z } from "zod";
import { isNetwork } from "../../core/pipeline/mod.ts";

/** An address, or a network such as 192.0.2.0/24. */
export const network: z.ZodString = z.string().refine(isNetwork, {
  error: (issue) => `"${issue.input}" is no IP address or network like 192.0.2.0/24`,
});
