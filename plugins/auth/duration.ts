/** Times in options, as everywhere in a configuration: a text with its unit. */
import { z } from "zod";
import { parseDuration } from "../../core/pipeline/mod.ts";

/** A text such as `10s`; milliseconds after parsing. */
export function duration(
  least: number,
  most: number,
): z.ZodPipe<z.ZodString, z.ZodTransform<number, string>> {
  return z.string({ error: 'must be a time such as "10s"' }).transform((text, context) => {
    const found = parseDuration(text);
    if (found !== null && found >= least && found <= most) return found;
    context.addIssue(
      found === null
        ? `"${text.slice(0, 80)}" is no time such as 10s, 5m or 1h`
        : `must be from ${least} ms to ${most} ms`,
    );
    return z.NEVER;
  });
}
