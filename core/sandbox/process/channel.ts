/**
 * A plugin in a process of its own: a child of this executable, spoken to over its standard input and output, its standard
 * error in the log. Every word of it is taken for hostile: what is no frame, no message or too long ends it.
 * Non-job: the command (command.ts), frames (frames.ts), whether it answers in time (../host.ts).
 */
import { threadModule } from "../../packed/contents.ts";
import type { Channel, ChannelSpec } from "../channel.ts";
import type { Beginning } from "./child.ts";
import { CodecError, pack, unpack } from "./codec.ts";
import { childCommand } from "./command.ts";
import { fits, type Frame, type FrameBounds, FrameError, frameOf, FrameReader } from "./frames.ts";
import { TOO_MUCH } from "./output.ts";
import { LogLines, printable } from "./log_lines.ts";

export interface ProcessOptions {
  /** Is told each line that it prints. */
  told?(line: string): void;
}

const MIB = 1024 * 1024;
/** What a child may say at once. A text of this length is read in some 50 ms; a message of this size can be rewritten. */
const FROM_CHILD: FrameBounds = { text: 4 * MIB, parts: 256, octets: 128 * MIB };
/** What it may be told at once. */
const TO_CHILD: FrameBounds = { text: 512 * MIB, parts: 0xffff, octets: 0x7fff_ffff };
/** Octets that wait for a child to read them. */
const WAITING = 512 * MIB;
/** Parts of less are written with the text, in one go. */
const TOGETHER = 64 * 1024;

/**
 * Starts a child.
 *
 * @throws {Error} in words for the operator when this server may not, or cannot.
 */
export function openProcess(spec: ChannelSpec, options: ProcessOptions = {}): ProcessChannel {
  const { told = (line) => console.error(`${spec.name}: ${line}`) } = options;
  const { path, args, env } = childCommand(spec);
  const pipes = { stdin: "piped", stdout: "piped", stderr: "piped" } as const;
  const child = new Deno.Command(path, { args: [...args], env: { ...env }, clearEnv: true, ...pipes }).spawn();
  return new ProcessChannel(child, spec, told);
}

/** One child. */
export class ProcessChannel implements Channel {
  onmessage: (message: unknown) => void = () => {};
  onend: (why: string) => void = () => {};
  /** Resolves when the child is gone and nothing of it is held any more. */
  readonly closed: Promise<void>;
  /** Its process id. */
  readonly pid: number;
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
  readonly #memory: number | null;
  #waiting = 0;
  /** By `end`, or told by `onend`: nothing is said any more. */
  #over = false;
  /** The first reason there was. */
  #why: string | null = null;
  /** V8 said so while it died. */
  #heapFull = false;

  constructor(child: Deno.ChildProcess, spec: ChannelSpec, told: (line: string) => void) {
    this.#child = child;
    this.pid = child.pid;
    this.#input = child.stdin.getWriter();
    this.#input.closed.catch(() => {}); // it died: `status` says how
    const { name, root, permissions, loading = [], hosts = [], memory } = spec;
    this.#memory = memory;
    const inside = threadModule(new URL("./inside.ts", import.meta.url)).href;
    const beginning: Beginning = { name, inside, root, permissions, loading, hosts, memory };
    this.#write({ kind: "control", text: JSON.stringify(beginning), parts: [] });
    const lines = new LogLines({
      told: (line) => {
        this.#heapFull ||= /out of memory|heap limit/i.test(line);
        if (!this.#over) told(line);
      },
    });
    this.closed = this.#live(lines);
  }

  post(message: unknown, transfer: readonly ArrayBuffer[] = []): void {
    if (this.#over || this.#why !== null) return;
    const { text, parts } = pack(message);
    if (!fits({ text, parts }, TO_CHILD)) throw new DOMException("a message that is too long", "DataCloneError");
    this.#write({ kind: "message", text, parts }, transfer);
    if (this.#waiting > WAITING) this.#fail("does not take what it is sent");
  }

  end(): void {
    this.#over = true;
    this.#kill();
  }

  #write(frame: Frame, transfer: readonly ArrayBuffer[] = []): void {
    const [head, ...parts] = frameOf(frame);
    const octets = parts.reduce((sum, each) => sum + each.length, 0);
    if (octets < TOGETHER) return this.#send(octets === 0 ? head! : joined([head!, ...parts]));
    this.#send(head!);
    for (const part of parts) this.#send(transfer.includes(part.buffer) ? part : part.slice());
  }

  #send(octets: Uint8Array<ArrayBuffer>): void {
    this.#waiting += octets.length;
    const written = () => void (this.#waiting -= octets.length);
    this.#input.write(octets).then(written, written); // a pipe that broke: `status` says why
  }

  /** Until it is gone. */
  async #live(lines: LogLines): Promise<void> {
    const errors = this.#log(lines);
    await this.#read();
    this.#kill(); // without its output it is of no use
    const status = await this.#child.status;
    await Promise.all([errors, this.#input.abort().catch(() => {})]);
    if (this.#over) return;
    this.#over = true;
    this.onend(this.#why ?? (this.#heapFull ? "its heap was full" : wordsOf(status, this.#memory)));
  }

  async #read(): Promise<void> {
    const frames = new FrameReader(FROM_CHILD);
    const output = this.#child.stdout.getReader({ mode: "byob" });
    try {
      for (let buffer = new ArrayBuffer(65_536);;) {
        const { value, done } = await output.read(new Uint8Array(buffer));
        if (done) return;
        for (const frame of frames.read(value)) {
          if (this.#over || this.#why !== null) return;
          this.#take(frame);
        }
        buffer = value.buffer;
      }
    } catch (error) {
      if (error instanceof FrameError) this.#fail(`wrote to its output what is no frame: ${error.message}`);
      else if (error instanceof CodecError) this.#fail(`sent what is no message: ${error.message}`);
      else throw error;
    } finally {
      await output.cancel().catch(() => {});
    }
  }

  #take({ kind, text, parts }: Frame): void {
    if (kind === "message") return this.onmessage(unpack({ text, parts }));
    const { why } = (unpack({ text, parts: [] }) ?? {}) as { readonly why?: unknown };
    this.#fail(typeof why === "string" ? printable(why.slice(0, 500)) : "said that it ends, and not why");
  }

  async #log(lines: LogLines): Promise<void> {
    for await (const octets of this.#child.stderr) lines.write(octets);
    lines.end();
  }

  #fail(why: string): void {
    this.#why ??= why;
    this.#kill();
  }

  #kill(): void {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // it is gone already
    }
  }
}

function joined(pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(pieces.reduce((sum, each) => sum + each.length, 0));
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}

function wordsOf({ code, signal }: Deno.CommandStatus, memory: number | null): string {
  if (code === TOO_MUCH && memory !== null) return `took more than ${Math.round(memory / MIB)} MiB of memory`;
  return signal === null ? `its process ended with exit code ${code}` : `its process was ended by ${signal}`;
}
