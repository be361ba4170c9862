/**
 * What a command may touch: words out, words in, the environment. Commands take it as a parameter and answer an exit code,
 * so that they run in a test as they do in a shell. Non-job: parsing arguments (main.ts).
 */
import { concat } from "../core/model/octets.ts";
import type { Output } from "../core/observe/line_writer.ts";
import { harmless } from "./screen/text.ts";
import { SecretReader } from "./secret.ts";
import type { SysExit } from "./sendmail/sysexits.ts";

export interface Terminal {
  /** A line to standard output. */
  out(text: string): void;
  /** A line to standard error. */
  err(text: string): void;
  /** Octets to standard output as they are. */
  octets(octets: Uint8Array): void;
  /** Everything on standard input; of more than `most` octets no more than the beginning, which is longer than that. */
  input(most?: number): Promise<Uint8Array>;
  /** Standard input as it comes. */
  stream(): AsyncIterable<Uint8Array>;
  /** Asks whoever sits there for a line that is not shown; null when standard input is no terminal. */
  secret(prompt: string): Promise<string | null>;
  /** A person can be asked: standard input and standard error are terminals. */
  readonly interactive: boolean;
  /** Asks for a line that is shown; null where nobody can be asked. */
  ask(question: string): Promise<string | null>;
  /** Keys as they are pressed, not shown, until they are let go of; null when standard input is no terminal. */
  keys(): Keys | null;
  /** How large the terminal is that standard output is; null where it is none. */
  screen(): Screen | null;
  /** Standard output for the log, which does not wait. */
  readonly log: Output;
  /** Calls `handler` on each such signal until the function it returns is called. */
  onSignal(signal: Deno.Signal, handler: () => void): () => void;
  /** Ends the process now. */
  exit(code: ExitCode): void;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
}

/** In characters. */
export interface Screen {
  readonly columns: number;
  readonly rows: number;
}
/** What is typed, octets as they come. Disposing of it gives the terminal back as it was. */
export interface Keys extends AsyncIterable<Uint8Array>, Disposable {}

/** Done; the answer is no or the input is bad; the command line is wrong. */
export const DONE = 0, NO = 1, USAGE = 2;
/** Programs that call `sendmail` expect finer ones. */
export type ExitCode = typeof DONE | typeof NO | typeof USAGE | SysExit;

/** What is wrong, where, and what to do, in one line. */
export class CommandError extends Error {
  override readonly name = "CommandError";
  constructor(message: string, readonly code: ExitCode = NO) {
    super(message);
  }
}

const utf8 = new TextEncoder();

/** The real one. Lines are written at once: a command's answer must be out before it exits. */
export function processTerminal(): Terminal {
  const keys = new SecretReader(async () => {
    const buffer = new Uint8Array(256), length = await Deno.stdin.read(buffer);
    return length === null ? null : buffer.subarray(0, length);
  });
  return {
    out: (text) => writeAll(Deno.stdout, `${harmless(text)}\n`),
    err: (text) => writeAll(Deno.stderr, `${harmless(text)}\n`),
    octets: (octets) => writeOctets(Deno.stdout, octets),
    input: async (most = Infinity) => {
      const chunks: Uint8Array[] = [];
      let length = 0;
      for await (const chunk of Deno.stdin.readable) {
        chunks.push(chunk);
        length += chunk.length;
        if (length > most) break;
      }
      return concat(chunks);
    },
    stream: () => Deno.stdin.readable,
    secret: async (prompt) => {
      if (!Deno.stdin.isTerminal()) return null;
      Deno.stdin.setRaw(true); // before the question: what is typed at once is not shown either
      try {
        writeAll(Deno.stderr, prompt);
        const line = await keys.line();
        if (line === null) throw new CommandError("nothing was changed");
        return line;
      } finally {
        Deno.stdin.setRaw(false);
        writeAll(Deno.stderr, "\n");
      }
    },
    interactive: Deno.stdin.isTerminal() && Deno.stderr.isTerminal(),
    ask: async (question) => {
      if (!Deno.stdin.isTerminal() || !Deno.stderr.isTerminal()) return null;
      writeAll(Deno.stderr, question);
      const line: number[] = [], octet = new Uint8Array(1);
      while (await Deno.stdin.read(octet) !== null && octet[0] !== 0x0a) if (line.length < 1000) line.push(octet[0]!);
      return new TextDecoder().decode(Uint8Array.from(line)).trim();
    },
    keys: rawKeys,
    screen: () => {
      if (!Deno.stdout.isTerminal()) return null;
      const { columns, rows } = Deno.consoleSize();
      return { columns: columns || 80, rows: rows || 24 }; // a terminal that does not know its size says 0
    },
    log: Deno.stdout,
    onSignal: (signal, handler) => {
      Deno.addSignalListener(signal, handler);
      return () => Deno.removeSignalListener(signal, handler);
    },
    exit: (code) => Deno.exit(code),
    env: environment(),
    cwd: Deno.cwd(),
  };
}

function rawKeys(): Keys | null {
  if (!Deno.stdin.isTerminal()) return null;
  Deno.stdin.setRaw(true);
  return {
    async *[Symbol.asyncIterator]() {
      const buffer = new Uint8Array(64);
      for (let length; (length = await Deno.stdin.read(buffer)) !== null;) yield buffer.slice(0, length);
    },
    [Symbol.dispose]: () => Deno.stdin.setRaw(false),
  };
}

/** Looked up one at a time: a process may be allowed to see some variables and not all. */
function environment(): Terminal["env"] {
  const value = (name: string | symbol) => typeof name === "string" && name !== "" ? Deno.env.get(name) : undefined;
  return new Proxy(Object.create(null), {
    get: (_, name) => value(name),
    getOwnPropertyDescriptor(_, name) {
      const found = value(name);
      return found === undefined ? undefined : { value: found, enumerable: true, configurable: true };
    },
  });
}

function writeAll(to: { writeSync(bytes: Uint8Array): number }, text: string): void {
  writeOctets(to, utf8.encode(text));
}

function writeOctets(to: { writeSync(bytes: Uint8Array): number }, bytes: Uint8Array): void {
  try {
    while (bytes.length > 0) bytes = bytes.subarray(to.writeSync(bytes));
  } catch (error) {
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error; // `postern queue list | head` is no fault
  }
}
