/** HELP names what is done here, and nothing else (RFC 5321 4.1.1.8). */
import { Reply } from "../../model/reply.ts";
import type { Dialogue } from "../dialogue.ts";
import type { Verb } from "../state.ts";
import type { Command } from "./mod.ts";

function verbs({ extensions, options: { lmtp, vrfy } }: Dialogue): Verb[] {
  return [
    ...(lmtp ? ["LHLO"] as const : ["EHLO", "HELO"] as const),
    ...["MAIL", "RCPT", "DATA"] as const,
    ...(extensions.has("CHUNKING") ? ["BDAT"] as const : []),
    ...["RSET", "NOOP", "QUIT"] as const,
    ...(vrfy === "off" ? [] : ["VRFY"] as const),
    ...(extensions.has("STARTTLS") ? ["STARTTLS"] as const : []),
    ...(extensions.has("AUTH") ? ["AUTH"] as const : []),
    "HELP",
  ];
}

export const help: Command = {
  verb: "HELP",
  run: (dialogue) =>
    new Reply(214, "2.0.0", `${verbs(dialogue).join(" ")} (RFC ${dialogue.options.lmtp ? "2033" : "5321"})`),
};
