/**
 * The verbs, a file each: check syntax, then answer at once (a Reply) or ask the host (an event). Order is state.ts's
 * work, acting on the answer the session's.
 */
import type { Asking } from "../events.ts";
import type { Reply } from "../../model/reply.ts";
import type { Dialogue } from "../dialogue.ts";
import type { Verb } from "../state.ts";
import { auth } from "./auth.ts";
import { bdat } from "./bdat.ts";
import { data } from "./data.ts";
import { ehlo, helo, lhlo } from "./hello.ts";
import { help } from "./help.ts";
import { mail } from "./mail.ts";
import { noop, quit, rset } from "./plain.ts";
import { rcpt } from "./rcpt.ts";
import { starttls } from "./starttls.ts";
import { expn, vrfy } from "./verify.ts";
import { xclient } from "./xclient.ts";

export interface Command {
  readonly verb: Verb;
  /** Only in LMTP sessions, or only outside of them; unset: in both. */
  readonly lmtp?: boolean;
  /** `rest` is what stands behind the verb and one space. Null: done, nothing to say yet. */
  run(dialogue: Dialogue, rest: string): Reply | Asking | null;
}

export const COMMANDS: ReadonlyMap<string, Command> = new Map(
  [helo, ehlo, lhlo, mail, rcpt, data, bdat, rset, noop, quit, help, vrfy, expn, starttls, auth, xclient].map((
    each,
  ) => [each.verb, each]),
);
