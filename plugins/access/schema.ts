/** Options that plugins of this group share: networks, times, points. Non-job: what an option is for. */
import { z } from "zod";
import { isNetwork, parseDuration } from "../../core/pipeline/mod.ts";

/** An address, or a network such as 192.0.2.0/24. */
export const network = z.string().refine(isNetwork, {
  error: (issue) => `"${issue.input}" is no IP address or network like 192.0.2.0/24`,
});

const DURATION = "must be a duration such as 30s, 12h or 2d";

/** A time with its unit, from a second to ten years unless said; milliseconds after parsing. */
export function time(
  { least = 1000, most = 3650 * 86_400_000 }: { readonly least?: number; readonly most?: number } = {},
): z.ZodPipe<z.ZodString, z.ZodTransform<number, string>> {
  return z.string({ error: DURATION }).transform((text, context) => {
    const found = parseDuration(text);
    if (found !== null && found >= least && found <= most) return found;
    context.addIssue(found === null ? DURATION : `must be from ${least / 1000} s to ${most / 1000} s`);
    return z.NEVER;
  });
}

/** Points for `ctx.score`, positive. */
export const points = z.number().positive().max(1000);

/** Addresses that no list and no database speaks of (RFC 1918, RFC 3927, RFC 4193, RFC 4291 2.5.3, 2.5.6), and loopback. */
export const PRIVATE: readonly string[] = [
  "127.0.0.0/8",
  "10.0.0.0/8",
  "172.16.0.0/12",
  "192.168.0.0/16",
  "169.254.0.0/16",
  "::1",
  "fc00::/7",
  "fe80::/10",
];
