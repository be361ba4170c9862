/** HELP names what is done here, and nothing else (RFC 5321 4.1.1.8). */
import { Reply } from "../../model/reply.ts";
import type { ServerOptions } from "../server.ts";
import type { Verb } from "../state.ts";
import type { Command } from "./mod.ts";

function verbs({ lmtp, extensions, vrfy }: ServerOptions): Verb[] {
  return [
    ...(lmtp ? ["LHLO"] as const : ["EHLO", "HELO"] as const),
    ...["MAIL", "RCPT", "DATA"] as const,
    ...(extensions.has("CHUNKING") ? ["BDAT"] as const : []),
    ...["RSET", "NOOP", "QUIT"] as const,
    ...(vrfy === "off" ? [] : ["VRFY"] as const),
    "HELP",
  ];
}

export const help: Command = {
  verb: "HELP",
  run: ({ options }) => new Reply(214, "2.0.0", `${verbs(options).join(" ")} (RFC ${options.lmtp ? "2033" : "5321"})`),
};
