/** What the storage plugins share: options whose text is read by a function that throws. Non-job: reading. */
import { z } from "zod";

/** `read` as a step of a schema: the sentence that it throws becomes the fault. */
export function parsed<In, Out>(read: (value: In) => Out): (value: In, check: z.RefinementCtx) => Out {
  return (value, check) => {
    try {
      return read(value);
    } catch (error) {
      check.issues.push({ code: "custom", message: (error as Error).message, input: value });
      return z.NEVER;
    }
  };
}
