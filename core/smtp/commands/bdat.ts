/**
 * BDAT size [LAST] (RFC 3030 2). The octets follow at once, whatever the answer: where the size can't be read nobody
 * knows where the next command begins, so the session ends.
 */
import { reject } from "../../model/reply.ts";
import type { Command } from "./mod.ts";

// chunk-size = 1*DIGIT; sixteen digits are more than any message, and exact as a number
const BDAT = /^(\d{1,15})(?: +(LAST))? *$/i;

export const bdat: Command = {
  verb: "BDAT",
  run(dialogue, rest) {
    const match = dialogue.extensions.has("CHUNKING") ? BDAT.exec(rest) : null;
    if (match === null) {
      dialogue.hangUp("BDAT without a readable size");
      return reject("5.5.4", "Say BDAT size [LAST]", { code: 501, close: true });
    }
    dialogue.chunk(Number(match[1]), match[2] !== undefined);
    return null;
  },
};
