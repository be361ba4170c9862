/**
 * A scanning engine of the system, started by a test in a folder of its own: ready when it answers its own question for
 * life, then killed, frozen, woken and started again with all its processes as a test likes.
 * Non-job: configurations (clamd.ts, spamd.ts, rspamd.ts), what it is asked.
 */
import { takesConnections } from "./daemon.ts";
import { FakeEngine } from "./fake_engine.ts";
import { freePort } from "./ports.ts";
import { TIED } from "./server.ts";
import { TempFolder } from "./temp.ts";
import { waitFor, within } from "./wait.ts";

/** Perl and LuaJIT take their time on a busy machine. */
const PATIENCE = 60_000;

export interface EngineProcessOptions {
  readonly name: string;
  /** Writes its configuration; gives the command. */
  readonly prepare: (folder: TempFolder, port: number) => Promise<readonly string[]>;
  /** Whether it answers on that port. */
  readonly alive: (port: number) => Promise<boolean>;
}

export class EngineProcess implements AsyncDisposable {
  #child: Deno.ChildProcess | null = null;
  #output = "";

  private constructor(
    readonly options: EngineProcessOptions,
    readonly folder: TempFolder,
    readonly port: number,
    private readonly command: readonly string[],
  ) {}

  /** @throws with what it printed, when it does not come to life. */
  static async start(options: EngineProcessOptions): Promise<EngineProcess> {
    const folder = await TempFolder.make(`postern-${options.name}-`), port = freePort();
    await Deno.chmod(folder.path, 0o777); // some engines are somebody else once they run
    const engine = new EngineProcess(options, folder, port, await options.prepare(folder, port));
    try {
      await engine.begin();
      return engine;
    } catch (error) {
      await engine[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Again, after `kill`. */
  async begin(): Promise<void> {
    const { name, alive } = this.options;
    const [program, ...args] = [...TIED, ...this.command];
    const child = this.#child = new Deno.Command(program!, { args, stdin: "null", stdout: "piped", stderr: "piped" })
      .spawn();
    let ended = false;
    child.status.then(() => ended = true);
    for (const stream of [child.stdout, child.stderr]) this.#collect(stream).catch(() => {});
    await waitFor(`${name} to answer`, () => {
      if (ended) throw new Error(`${name} ended at once: ${this.#output}`);
      return within("an answer", alive(this.port), 5000).catch(() => false);
    }, { deadline: PATIENCE, every: 100 }).catch((error) => {
      throw new Error(`${(error as Error).message}: ${this.#output}`);
    });
  }

  /** All its processes stand still, connections are taken by the kernel alone. */
  freeze(): void {
    for (const pid of this.#processes()) signal(pid, "SIGSTOP");
  }
  thaw(): void {
    for (const pid of this.#processes()) signal(pid, "SIGCONT");
  }

  /** SIGKILL to all its processes; resolves when nobody listens. */
  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = null;
    if (child === null) return;
    for (const pid of processesOf(child.pid)) signal(pid, "SIGKILL"); // the first one first: it would start others
    await child.status;
    await waitFor("the port to be free", async () => !await takesConnections(this.port));
  }

  /** Something else in its place, until it is disposed of. Only after `kill`. */
  replaced(serve: ConstructorParameters<typeof FakeEngine>[0]): FakeEngine {
    return new FakeEngine(serve, this.port);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await this.folder[Symbol.asyncDispose]();
  }

  #processes(): number[] {
    return this.#child === null ? [] : processesOf(this.#child.pid);
  }
  async #collect(stream: ReadableStream<Uint8Array>): Promise<void> {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) this.#output += text;
  }
}

/** What `ask` hears after it has said `question`, until it is `length` characters or the end. */
export async function exchange(port: number, question: string, length: number): Promise<string> {
  try {
    using conn = await Deno.connect({ hostname: "127.0.0.1", port });
    await conn.write(new TextEncoder().encode(question));
    const buffer = new Uint8Array(1024);
    let heard = "";
    while (heard.length < length) {
      const count = await conn.read(buffer);
      if (count === null) break;
      heard += new TextDecoder().decode(buffer.subarray(0, count));
    }
    return heard;
  } catch {
    return "";
  }
}

/** It and all below it. */
function processesOf(pid: number): number[] {
  try {
    const children = Deno.readTextFileSync(`/proc/${pid}/task/${pid}/children`).trim().split(" ").filter(Boolean);
    return [pid, ...children.flatMap((each) => processesOf(Number(each)))];
  } catch {
    return [pid]; // it has ended
  }
}

function signal(pid: number, name: Deno.Signal): void {
  try {
    Deno.kill(pid, name);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error; // it has ended already
  }
}
