/** XCLIENT from a trusted proxy (Postfix's extension): the session is somebody else's from now on. */
import { reject, Reply } from "../../model/reply.ts";
import { parseXclient } from "../xclient.ts";
import type { Command } from "./mod.ts";

const NOT_HERE = reject("5.5.1", "Not offered here", { code: 502 });

export const xclient: Command = {
  verb: "XCLIENT",
  run({ extensions }, rest) {
    if (!extensions.has("XCLIENT")) return NOT_HERE;
    const attributes = parseXclient(rest);
    return attributes instanceof Reply ? attributes : { type: "xclient", asks: true, attributes };
  },
};
