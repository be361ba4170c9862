/** HELP (RFC 5321 4.1.1.8). */
import { Reply } from "../../model/reply.ts";
import type { Command } from "./mod.ts";

const TEXT = new Reply(214, "2.0.0", "EHLO HELO MAIL RCPT DATA BDAT RSET NOOP QUIT VRFY HELP (RFC 5321)");
export const help: Command = { verb: "HELP", run: () => TEXT };
