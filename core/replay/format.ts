/**
 * A recording as a file: JSON lines, the first says what it is and of which version, the last that it is whole. Reading is
 * strict: what is cut, foreign or of another version is refused in one sentence. Non-job: when and where (recorder.ts).
 */
import { z } from "zod";
import type { Act, Counted, Heard, Known, Place, Recording, Told } from "./recording.ts";

export const VERSION = 1;
/** A larger file is no recording of ours: the recorder ends one long before. */
export const LARGEST = 256 * 1024 * 1024;
/** UTF-8 octets of the longest answer from outside that is kept. */
export const LONGEST_ANSWER = 65_536;
/** Lines of one file. */
const LINES = 2_000_000;

/** What is wrong with a file, in a sentence. */
export class RecordingError extends Error {
  override readonly name = "RecordingError";
}

const Certificate = z.strictObject({
  fingerprint: z.string(),
  commonName: z.string(),
  emails: z.array(z.string()).readonly(),
});
const Tls = z.strictObject({
  version: z.string(),
  cipher: z.string(),
  serverName: z.string().nullable(),
  resumed: z.boolean(),
  certificate: Certificate.nullable(),
  distrust: z.string().exactOptional(),
});
const count = z.int().min(0);
const Head = z.strictObject({
  recording: z.literal(VERSION),
  session: z.string().regex(/^s?[0-9A-Za-z]{1,40}$/),
  at: count,
  listener: z.string(),
  role: z.string(),
  ip: z.union([z.ipv4(), z.ipv6()]),
  port: count.max(65535),
  hostname: z.string(),
  bodies: z.boolean(),
});
const origin = { ttl: z.number(), name: z.string(), authentic: z.boolean() };
const Answer = z.union([
  z.strictObject({
    ...origin,
    records: z.array(z.union([z.string(), z.strictObject({ preference: count, exchange: z.string() })])).min(1),
  }),
  z.strictObject({ ...origin, fault: z.enum(["nxdomain", "nodata", "servfail", "timeout"]) }),
]);
const octets = z.string().max(1_000_000).refine((text) => !/[^\0-\xff]/.test(text), "holds more than octets");
const Deed = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("connect") }),
  z.strictObject({ kind: z.literal("line"), text: octets }),
  z.strictObject({ kind: z.literal("long"), octets: count.max(1_000_000) }),
  z.strictObject({ kind: z.literal("auth"), mechanism: z.string().max(40) }),
  z.strictObject({ kind: z.literal("content") }),
  z.strictObject({ kind: z.literal("tls"), facts: Tls }),
  z.strictObject({ kind: z.literal("rest"), octets: count }),
]);
const Line = z.union([
  z.strictObject({ at: count, early: z.literal(true).exactOptional(), deed: Deed }),
  z.strictObject({ size: count }),
  z.strictObject({ octets: z.base64() }),
  z.strictObject({ user: z.string() }),
  z.strictObject({ said: z.string() }),
  z.strictObject({ plugin: z.string().nullable(), reason: z.string().nullable() }),
  z.strictObject({ question: z.string(), answer: Answer }),
  z.strictObject({ asked: z.string(), reply: z.string() }),
  z.strictObject({
    outside: z.string().max(200),
    by: z.string(),
    act: count,
    turn: count,
    answer: z.string().max(LONGEST_ANSWER).nullable(),
    failed: z.string(),
  }),
  z.strictObject({ counter: z.string(), value: z.string().nullable() }),
  z.strictObject({ ended: z.string() }),
]);
/** What stands in a line behind the first. What is about an act stands behind its line. */
export type Line = z.infer<typeof Line>;

/** The first line. */
export function headOf(place: Place): string {
  return `${JSON.stringify({ recording: VERSION, ...place })}\n`;
}
export function lineOf(line: Line): string {
  return `${JSON.stringify(line)}\n`;
}

type Making = { -readonly [K in keyof Act]: Act[K] } & { pieces: Uint8Array[] };

/** @throws {RecordingError} */
export function parseRecording(text: string): Recording {
  const lines = text.split("\n", LINES + 2);
  if (lines.length > LINES + 1) throw new RecordingError(`it has more than ${LINES} lines`);
  const place = headIn(lines[0]!);
  if (lines.pop() !== "") throw cut(lines.length + 1);
  const acts: Making[] = [], known: Known[] = [], heard: Heard[] = [], told: Told[] = [], counted: Counted[] = [];
  let ended: string | null = null;
  for (const [index, written] of lines.entries()) {
    if (index === 0) continue;
    if (ended !== null) throw new RecordingError(`line ${index + 1} stands behind its end`);
    const line = lineIn(written, index + 1);
    if ("ended" in line) ended = line.ended;
    else if ("question" in line) known.push(line);
    else if ("asked" in line) heard.push({ question: line.asked, reply: line.reply });
    else if ("outside" in line) {
      const { outside: question, ...rest } = line;
      told.push({ question, ...rest });
    } else if ("counter" in line) counted.push([line.counter, line.value]);
    else if ("deed" in line) acts.push(begun(line));
    else {
      const act = acts.at(-1);
      if (act === undefined) throw new RecordingError(`line ${index + 1} is about an act, and there is none`);
      add(act, line, index + 1);
    }
  }
  if (ended === null) throw cut(lines.length);
  return { ...place, acts: acts.map(finished), known, heard, told, counted, ended };
}

function headIn(line: string): Place {
  let head: unknown;
  try {
    head = JSON.parse(line.slice(0, 100_000));
  } catch {
    throw new RecordingError("it is no recording");
  }
  const version = (head as { recording?: unknown } | null)?.recording;
  if (typeof version !== "number") throw new RecordingError("it is no recording");
  if (version !== VERSION) throw new RecordingError(`it is of version ${version}, and this one reads ${VERSION}`);
  const { data, error } = Head.safeParse(head);
  if (error) throw new RecordingError(`line 1: ${wordsOf(error)}`);
  const { recording: _, ...place } = data;
  return place;
}

function lineIn(written: string, number: number): Line {
  let value: unknown;
  try {
    value = JSON.parse(written);
  } catch {
    throw new RecordingError(`line ${number} is no JSON`);
  }
  const { data, error } = Line.safeParse(value);
  if (error) throw new RecordingError(`line ${number}: ${wordsOf(error)}`);
  return data;
}

function begun({ deed, at, early }: Extract<Line, { readonly deed: unknown }>): Making {
  const started: Act["deed"] = deed.kind === "auth"
    ? { ...deed, user: null }
    : deed.kind === "content"
    ? { kind: "content", size: 0, octets: null }
    : deed as Act["deed"];
  return { deed: started, at, early: early === true, said: "", blame: null, pieces: [] };
}

function add(act: Making, line: Exclude<Line, { deed: unknown } | { ended: string }>, number: number): void {
  const { deed } = act;
  if ("said" in line) act.said += line.said;
  else if ("plugin" in line) act.blame = line;
  else if ("user" in line && deed.kind === "auth") act.deed = { ...deed, user: line.user };
  else if ("size" in line && deed.kind === "content") act.deed = { ...deed, size: deed.size + line.size };
  else if ("octets" in line && deed.kind === "content") act.pieces.push(Uint8Array.fromBase64(line.octets));
  else throw new RecordingError(`line ${number} says what its act cannot have`);
}

function finished({ pieces, ...act }: Making): Act {
  if (act.deed.kind !== "content" || pieces.length === 0) return act;
  const octets = new Uint8Array(pieces.reduce((sum, each) => sum + each.length, 0));
  let at = 0;
  for (const piece of pieces) {
    octets.set(piece, at);
    at += piece.length;
  }
  return { ...act, deed: { kind: "content", size: octets.length, octets } };
}

function cut(line: number): RecordingError {
  return new RecordingError(`it is cut off behind line ${line}: the session was not over, or the file is not whole`);
}
function wordsOf(error: z.ZodError): string {
  const [issue] = error.issues;
  return `${issue?.path.join(".") ?? ""} ${issue?.message ?? ""}`.trim().slice(0, 200);
}
