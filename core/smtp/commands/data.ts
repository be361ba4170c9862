/** DATA (RFC 5321 4.1.1.4): not with BODY=BINARYMIME, which needs BDAT (RFC 3030 3). */
import { reject } from "../../model/reply.ts";
import type { Command } from "./mod.ts";

export const data: Command = {
  verb: "DATA",
  run({ body }, rest) {
    if (rest.trim() !== "") return reject("5.5.4", "DATA takes nothing behind it", { code: 501 });
    if (body === "BINARYMIME") return reject("5.5.1", "BINARYMIME needs BDAT", { code: 503 });
    return { type: "content", asks: true };
  },
};
