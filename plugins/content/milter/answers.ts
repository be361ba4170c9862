/**
 * What a milter says, as values: verdicts, changes of the message, signs of life. Whatever stands in a reply of its own, it
 * is a refusal in one line with a code and a status that go together. Pure. Non-job: when it may say so (session.ts).
 */
import { Reply } from "../../../core/pipeline/mod.ts";
import { Fields, type Packet } from "./packets.ts";
import { MilterError } from "./protocol.ts";

/** What it thinks of a step. `refuse`: with words. */
export type Verdict =
  | { readonly said: "continue" | "accept" | "discard" | "skip" }
  | { readonly said: "refuse"; readonly reply: Reply<"defer" | "reject"> };

/** What it wants changed. `index` counts as the protocol counts: from 1 for changes, from 0 for insertions. */
export type Modification =
  | { readonly change: "add-header"; readonly name: string; readonly value: string }
  | { readonly change: "insert-header"; readonly index: number; readonly name: string; readonly value: string }
  /** An empty value: the field goes. */
  | { readonly change: "change-header"; readonly index: number; readonly name: string; readonly value: string }
  /** `parameters` as they were written, or null. */
  | { readonly change: "sender"; readonly path: string; readonly parameters: string | null }
  | { readonly change: "add-recipient"; readonly path: string; readonly parameters: string | null }
  | { readonly change: "delete-recipient"; readonly path: string }
  | { readonly change: "body"; readonly chunk: Uint8Array<ArrayBuffer> }
  | { readonly change: "quarantine"; readonly reason: string };

/** Anything that it may say once the first words are over. `progress`: it is still at work. */
export type Answer =
  | { readonly type: "verdict"; readonly verdict: Verdict }
  | { readonly type: "modification"; readonly modification: Modification }
  | { readonly type: "progress" };

/** The words of Sendmail and Postfix for a milter that has none of its own. */
export const REJECTED: Reply<"reject"> = new Reply(550, "5.7.1", "Command rejected");
export const TRY_LATER: Reply<"defer"> = new Reply(451, "4.7.1", "Service unavailable, try again later");
const CLOSING: Reply<"defer"> = new Reply(421, "4.7.0", "Service unavailable, closing the connection");

const NAME = /^[!-9;-~]{1,76}$/; // ftext, RFC 5322 3.6.8
const MOST_WORDS = 480; // characters of a text: the reply is a line of 512 octets at most               RFC 5321 4.5.3.1.5

/** @throws {MilterError} when it is none that there is. */
export function readAnswer({ letter, data }: Packet): Answer {
  const fields = new Fields(data);
  const answer = read(letter, fields);
  if (answer === null) throw new MilterError(`it said ${JSON.stringify(letter)}, which means nothing`);
  fields.end();
  return answer;
}

function read(letter: string, fields: Fields): Answer | null {
  switch (letter) {
    case "a":
      return verdict({ said: "accept" });
    case "c":
      return verdict({ said: "continue" });
    case "d":
      return verdict({ said: "discard" });
    case "s":
      return verdict({ said: "skip" });
    case "r":
      return refusal(REJECTED);
    case "t":
      return refusal(TRY_LATER);
    case "f":
    case "4":
      return refusal(CLOSING);
    case "y":
      return refusal(readReply(fields.text()));
    case "p":
      return { type: "progress" };
    case "h":
      return modification({ change: "add-header", name: nameIn(fields), value: fields.text() });
    case "i":
      return modification({
        change: "insert-header",
        index: fields.uint32(),
        name: nameIn(fields),
        value: fields.text(),
      });
    case "m":
      return modification({
        change: "change-header",
        index: fields.uint32(),
        name: nameIn(fields),
        value: fields.text(),
      });
    case "e":
      return modification({ change: "sender", path: fields.text(), parameters: optional(fields) });
    case "+":
      return modification({ change: "add-recipient", path: fields.text(), parameters: null });
    case "2":
      return modification({ change: "add-recipient", path: fields.text(), parameters: optional(fields) });
    case "-":
      return modification({ change: "delete-recipient", path: fields.text() });
    case "b":
      return modification({ change: "body", chunk: fields.rest() });
    case "q":
      return modification({ change: "quarantine", reason: fields.text() });
    default:
      return null;
  }
}

function verdict(verdict: Verdict): Answer {
  return { type: "verdict", verdict };
}
function refusal(reply: Reply<"defer" | "reject">): Answer {
  return verdict({ said: "refuse", reply });
}
function modification(modification: Modification): Answer {
  return { type: "modification", modification };
}
function nameIn(fields: Fields): string {
  const name = fields.text();
  if (!NAME.test(name)) throw new MilterError(`${JSON.stringify(name.slice(0, 100))} is no header field name`);
  return name;
}
function optional(fields: Fields): string | null {
  return fields.done ? null : fields.text();
}

/**
 * A reply in its own words: `550 5.7.1 No`, perhaps of several lines, where `%%` is a percent sign. A status that does not
 * go with the code gives way to x.7.1.
 *
 * @throws {MilterError} when its code is none of a refusal.
 */
export function readReply(text: string): Reply<"defer" | "reject"> {
  const lines = text.split("\n").map((line) => line.trimEnd()).filter((line) => line !== "");
  const code = /^([45][0-5][0-9])(?:[ -]|$)/.exec(lines[0] ?? "")?.[1];
  if (code === undefined) throw new MilterError(`its own reply is none: ${JSON.stringify(text.slice(0, 100))}`);
  let status: string | null = null;
  const words = lines.map((line) => {
    const rest = line.startsWith(code) ? line.slice(4) : line;
    const found = /^([245]\.[0-9]{1,3}\.[0-9]{1,3})(?: |$)/.exec(rest)?.[1];
    if (found !== undefined) status ??= found;
    return (found === undefined ? rest : rest.slice(found.length)).trim();
  });
  if (status === null || (status as string)[0] !== code[0]) status = `${code[0]}.7.1`;
  const whole = words.filter((each) => each !== "").join(" ").replaceAll("%%", "%").slice(0, MOST_WORDS);
  return new Reply(Number(code), status, whole.trim() || (code[0] === "4" ? TRY_LATER : REJECTED).text);
}
