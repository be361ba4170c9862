/**
 * Errors that an address asks for by its local part, so that a test needs no configuration: `reject-550-5.1.1@...`,
 * `you+defer-451@...`, `data-554@...`, `hangup-data@...`, `slow-5s@...`, `defer-451-once@...`. A local part that has one
 * word that means nothing here is an ordinary one. Non-job: rules (rule.ts), counting (mod.ts).
 */
import { parseDuration } from "../../../core/pipeline/mod.ts";
import { type Deed, refusalOf } from "./answer.ts";

export interface Script {
  readonly phase: "mail" | "rcpt" | "data";
  readonly deed: Deed;
  /** Milliseconds. */
  readonly delay: number;
  /** The first times only; null: always. */
  readonly times: number | null;
}

const LONGEST = 120_000;

/**
 * What a local part asks for; null: nothing. Behind the last `+` where there is one, so that the mail is still yours.
 * `standard`: the phase unless it names one.
 *
 * @example
 * ```ts
 * import { scriptOf } from "./address.ts";
 * import { assertEquals } from "@std/assert";
 * const script = scriptOf("you+data-554-5.6.0", "rcpt")!;
 * assertEquals([script.phase, script.deed !== "pass" && script.deed.say.toString()], ["data", "554 5.6.0 Transaction failed"]);
 * assertEquals(scriptOf("reject", "rcpt"), null);
 * ```
 */
export function scriptOf(local: string, standard: Script["phase"]): Script | null {
  const text = local.slice(local.lastIndexOf("+") + 1).toLowerCase();
  if (text.length > 40 || !VERBS.has(text.split("-", 1)[0]!)) return null; // nearly every one
  const [verb = "", ...words] = text.split("-");
  let phase: Script["phase"] | null = isPhase(verb) ? verb : null;
  let code: string | null = null,
    status: string | null = null,
    times: number | null = null,
    delay: number | null = null;
  for (const word of words) {
    const wait: number | null = delay === null && /^\d{1,6}(?:ms|s|m)$/.test(word) ? parseDuration(word) : null;
    if (isPhase(word) && phase === null) phase = word;
    else if (/^[45]\d\d$/.test(word) && code === null) code = word;
    else if (/^[45]\.\d{1,3}\.\d{1,3}$/.test(word) && status === null) status = word;
    else if ((word === "once" || /^[1-9]\d?x$/.test(word)) && times === null) times = Math.max(1, parseInt(word) || 1);
    else if (wait !== null && wait <= LONGEST) delay = wait;
    else return null;
  }
  const deed = deedOf(verb, { code, status, asked: words.length > 0 });
  if (deed === null || deed === "pass" && delay === null) return null;
  return { phase: phase ?? standard, deed, delay: delay ?? 0, times };
}

function deedOf(
  verb: string,
  { code, status, asked }: { readonly code: string | null; readonly status: string | null; readonly asked: boolean },
): Deed | null {
  const reason = "on purpose: the address asks for it";
  if (verb === "slow") return code === null && status === null ? "pass" : null;
  if (verb === "hangup") return code === null && status === null ? { say: refusalOf("hang up", reason)! } : null;
  if (!asked) return null; // "reject@" may be somebody's
  const digits = code ?? USUAL[verb];
  if (digits === undefined || verb === "reject" && digits[0] !== "5" || verb === "defer" && digits[0] !== "4") {
    return null;
  }
  const say = refusalOf(status === null ? digits : `${digits} ${status}`, reason);
  return say === null ? null : { say };
}

const USUAL: Readonly<Record<string, string>> = { reject: "550", defer: "451" };
const VERBS: ReadonlySet<string> = new Set(["reject", "defer", "hangup", "slow", "mail", "rcpt", "data"]);

function isPhase(word: string): word is Script["phase"] {
  return word === "mail" || word === "rcpt" || word === "data";
}
