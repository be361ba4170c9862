/**
 * Starts, kills and reads a mail server that runs as a process of its own. Non-job: what it does (sink_child.ts).
 */
import { TIED } from "./server.ts";

export interface SinkProcessOptions {
  readonly port: number;
  /** Where it keeps what it takes; the same after each start. */
  readonly folder: string;
  readonly seed: number;
  /** Steps of a thousand at which it misbehaves. */
  readonly trouble?: number;
  /** Milliseconds at most between keeping a message and saying so. */
  readonly slow?: number;
}
/** A message as the sink kept it. */
export interface Kept {
  /** Of its file. */
  readonly name: string;
  readonly helo: string;
  readonly from: string;
  readonly to: readonly string[];
  /** The client has read the 250. */
  readonly known: boolean;
}

export class SinkProcess implements AsyncDisposable {
  private constructor(readonly child: Deno.ChildProcess) {}

  /** Resolves when it listens. */
  static async start(options: SinkProcessOptions): Promise<SinkProcess> {
    const { port, folder, seed, trouble = 0, slow = 0 } = options;
    const [program, ...before] = [...TIED, Deno.execPath()];
    const child = new Deno.Command(program!, {
      args: [
        ...[...before, "run", "-A", new URL("sink_child.ts", import.meta.url).pathname],
        ...["--port", port, "--folder", folder, "--seed", seed, "--trouble", trouble, "--slow", slow].map(String),
      ],
      env: { NO_COLOR: "1" },
      stdin: "null",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    let said = "";
    while (!said.includes("listening")) {
      const { value, done } = await reader.read();
      if (done) throw new Error(`the sink ended before it listened: ${said}`);
      said += value;
    }
    void reader.cancel();
    return new SinkProcess(child);
  }

  /** SIGKILL; resolves when it is gone. */
  async kill(): Promise<void> {
    try {
      this.child.kill("SIGKILL");
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound || error instanceof TypeError)) throw error; // it has ended already
    }
    await this.child.status;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }
}

/** All that stands in the record, in the order in which it was taken. A line that a kill has cut was no promise. */
export function keptIn(folder: string): readonly Kept[] {
  const kept = new Map<string, Kept>();
  for (const line of read(`${folder}/record`).split("\n")) {
    let entry: { took?: string; known?: string } & Omit<Kept, "name" | "known">;
    try {
      entry = JSON.parse(line);
    } catch {
      continue;
    }
    const { took, known, helo, from, to } = entry;
    if (took !== undefined) kept.set(took, { name: took, helo, from, to, known: false });
    else if (known !== undefined) kept.set(known, { ...kept.get(known)!, known: true });
  }
  return [...kept.values()];
}

function read(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}
