/** Options that plugins of this group share. Non-job: what an option is for. */
import { z } from "zod";
import { isNetwork } from "../../core/pipeline/mod.ts";

/** An address, or a network such as 192.0.2.0/24. */
export const network: z.ZodString = z.string().refine(isNetwork, {
  error: (issue) => `"${issue.input}" is no IP address or network like 192.0.2.0/24`,
});

/** Addresses that no public name service and no SPF record speaks of (RFC 1918, RFC 3927, RFC 4193, RFC 4291 2.5.6). */
export const PRIVATE: readonly string[] = [
  "10.0.0.0/8",
  "172.16.0.0/12",
  "192.168.0.0/16",
  "169.254.0.0/16",
  "fc00::/7",
  "fe80::/10",
];
