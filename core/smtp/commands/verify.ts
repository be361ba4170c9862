/**
 * VRFY and EXPN tell nobody who lives here (RFC 5321 3.5.3, 7.3): VRFY takes the message and promises nothing, EXPN is
 * known and not done.
 */
import { reject, Reply } from "../../model/reply.ts";
import type { Command } from "./mod.ts";

const CANNOT = new Reply(252, "2.5.2", "Cannot verify, but will take mail for whom it may concern");
const NO_ARGUMENT = reject("5.5.4", "Say VRFY name", { code: 501 });
const NO_VRFY = reject("5.5.1", "VRFY is not done here", { code: 502 });
export const vrfy: Command = {
  verb: "VRFY",
  run: ({ options }, rest) => options.vrfy === "off" ? NO_VRFY : rest.trim() === "" ? NO_ARGUMENT : CANNOT,
};
const NO_LISTS = reject("5.5.1", "EXPN is not done here", { code: 502 });
export const expn: Command = { verb: "EXPN", run: () => NO_LISTS };
