/** RSET, NOOP and QUIT (RFC 5321 4.1.1.5, 4.1.1.9, 4.1.1.10). NOOP ignores its argument, the others take none. */
import { reject, Reply } from "../../model/reply.ts";
import type { Verb } from "../state.ts";
import type { Command } from "./mod.ts";

function plain(verb: Verb, reply: Reply): Command {
  const refusal = reject("5.5.4", `${verb} takes nothing behind it`, { code: 501 });
  return { verb, run: (_dialogue, rest) => verb !== "NOOP" && rest.trim() !== "" ? refusal : reply };
}
export const rset: Command = plain("RSET", new Reply(250, "2.0.0", "Forgotten"));
export const noop: Command = plain("NOOP", new Reply(250, "2.0.0", "OK"));
export const quit: Command = plain("QUIT", new Reply(221, "2.0.0", "Bye"));
