/**
 * A RandomSink as a process of its own, which outlives its clients and may be killed: appends a line of JSON to a file for
 * each recipient that it takes or refuses for good, and only then answers. Begun again it goes on with the same file.
 *
 *     deno run -A tests/support/sink_child.ts --port PORT --seed N --record FILE [--moods JSON]
 */
import { parseArgs } from "node:util";
import { Daemon } from "./daemon.ts";
import { freePort } from "./ports.ts";
import { type Moods, MOODY, RandomSink, type SinkEntry } from "./random_sink.ts";

export interface SinkChildOptions {
  readonly seed: number;
  readonly record: string;
  readonly port?: number;
  readonly moods?: Moods;
}

export class SinkChild implements AsyncDisposable {
  private constructor(readonly port: number, readonly options: SinkChildOptions, private readonly daemon: Daemon) {}

  static async start(options: SinkChildOptions): Promise<SinkChild> {
    const { seed, record, port = freePort(), moods = MOODY } = options;
    const command = [Deno.execPath(), "run", "-A", import.meta.url, "--port", String(port), "--seed", String(seed)];
    const more = ["--record", record, "--moods", JSON.stringify(moods)];
    return new SinkChild(port, options, await Daemon.start("the sink", [...command, ...more], [port]));
  }

  get pid(): number {
    return this.daemon.pid;
  }

  /** What it took and refused so far, in that order; also after its end. */
  async entries(): Promise<SinkEntry[]> {
    return await readEntries(this.options.record);
  }

  /** SIGKILL. */
  async kill(): Promise<void> {
    Deno.kill(this.pid, "SIGKILL");
    await this[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.daemon[Symbol.asyncDispose]();
  }
}

/** A last line that was cut off by a kill was never answered: it is left out. */
export async function readEntries(file: string): Promise<SinkEntry[]> {
  const text = await Deno.readTextFile(file).catch(() => "");
  return text.slice(0, text.lastIndexOf("\n") + 1).split("\n").filter((line) => line !== "").map((line) =>
    JSON.parse(line)
  );
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      port: { type: "string", default: "0" },
      seed: { type: "string", default: "1" },
      record: { type: "string" },
      moods: { type: "string" },
    },
  });
  const file = Deno.openSync(values.record!, { append: true, create: true });
  const record = (entry: SinkEntry) => {
    const line = new TextEncoder().encode(`${JSON.stringify(entry)}\n`);
    if (file.writeSync(line) !== line.length) throw new Error("half a line"); // O_APPEND: one write is one line
  };
  await RandomSink.open({
    port: Number(values.port),
    seed: Number(values.seed),
    record,
    moods: values.moods === undefined ? MOODY : JSON.parse(values.moods),
  });
}
