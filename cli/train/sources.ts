/**
 * Messages out of what a person has: a file, an mbox, a Maildir, a folder of those, standard input. One at a time, with
 * CRLF. Non-job: what is done with them (command.ts).
 */
import { join, resolve } from "node:path";
import { CommandError, type Terminal } from "../terminal.ts";

export interface TrainMessage {
  /** For people: the file, and the place in it. */
  readonly name: string;
  /** Its first octets: a lesson looks at no more. */
  readonly content: Uint8Array<ArrayBuffer>;
}
/** Octets of a message that are taken, of a file, and folders inside of folders. */
const LESSON = 1024 * 1024, LARGEST = 1024 * 1024 * 1024, DEEPEST = 10;

/**
 * The messages of a path. `passed` is told of each thing in a folder that cannot be read, and the others follow: in a
 * mailbox that is in use, messages come and go.
 *
 * @throws {CommandError} when the path itself cannot be read.
 */
export async function* messagesIn(
  path: string,
  terminal: Terminal,
  { passed }: { readonly passed: (fault: CommandError) => void },
): AsyncGenerator<TrainMessage> {
  if (path === "-") return yield* split("-", new Uint8Array(await terminal.input()));
  yield* messagesAt(resolve(terminal.cwd, path), { name: path, depth: 0, passed });
}

async function* messagesAt(
  path: string,
  { name, depth, passed }: {
    readonly name: string;
    readonly depth: number;
    readonly passed: (fault: CommandError) => void;
  },
): AsyncGenerator<TrainMessage> {
  const info = await readable(name, () => Deno.stat(path));
  if (info.isFile) {
    if (info.size > LARGEST) throw new CommandError(`${name}: it is larger than 1 GiB, split it`);
    return yield* split(name, await readable(name, () => Deno.readFile(path)));
  }
  if (!info.isDirectory) throw new CommandError(`${name}: neither a file nor a folder`);
  if (depth > DEEPEST) throw new CommandError(`${name}: too many folders inside of each other`);
  const inside = await readable(name, () => Array.fromAsync(Deno.readDir(path)));
  const names = inside.map((entry) => entry.name).filter((entry) => !entry.startsWith(".")).sort();
  const maildir = names.includes("cur") && names.includes("new");
  for (const entry of maildir ? ["cur", "new"] : names) { // what lies in tmp is not whole
    try {
      yield* messagesAt(join(path, entry), { name: join(name, entry), depth: depth + 1, passed });
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      passed(error);
    }
  }
}

async function readable<T>(name: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    throw new CommandError(`${name}: ${(error instanceof Error ? error.message : String(error)).replace(/\s+/g, " ")}`);
  }
}

const LF = 10, CR = 13;
const FROM = new TextEncoder().encode("From ");
/** A sender and a date: no sentence that begins so. */
const SEPARATOR = /^From \S+ .{0,80}\b(?:19|20)\d\d\b/;

/** One message, or those of an mbox (RFC 4155), told by the line that each begins with. */
function* split(name: string, octets: Uint8Array<ArrayBuffer>): Generator<TrainMessage> {
  if (octets.length === 0) return;
  if (!begins(octets, 0)) return yield { name, content: withCrlf(octets) };
  let count = 0;
  for (let at = 0; at < octets.length;) {
    const start = lineEnd(octets, at);
    let end = start;
    while (end < octets.length && !(begins(octets, end) && isEmptyLine(octets, end))) end = lineEnd(octets, end);
    if (end > start) yield { name: `${name}, message ${++count}`, content: withCrlf(octets.subarray(start, end)) };
    at = end;
  }
}

function begins(octets: Uint8Array, at: number): boolean {
  return FROM.every((octet, place) => octets[at + place] === octet) &&
    SEPARATOR.test(new TextDecoder("latin1").decode(octets.subarray(at, Math.min(lineEnd(octets, at), at + 500))));
}
function lineEnd(octets: Uint8Array, at: number): number {
  const found = octets.indexOf(LF, at);
  return found < 0 ? octets.length : found + 1;
}
/** The line before this place is empty. */
function isEmptyLine(octets: Uint8Array, at: number): boolean {
  return octets[at - 1] === LF && (octets[at - 2] === LF || octets[at - 2] === CR && octets[at - 3] === LF);
}

/** The first MiB with line ends as they are on the wire. */
function withCrlf(octets: Uint8Array): Uint8Array<ArrayBuffer> {
  const source = octets.subarray(0, LESSON), out = new Uint8Array(2 * source.length);
  let length = 0;
  for (let at = 0; at < source.length; at++) {
    if (source[at] === LF && source[at - 1] !== CR) out[length++] = CR;
    out[length++] = source[at]!;
  }
  return out.slice(0, length);
}
