/**
 * A program of the system that runs as long as a test: started with a command, ready when its port takes connections,
 * ended by SIGTERM to that process and no other. Non-job: configurations, and programs with an end of their own.
 */
import { waitFor, within } from "./wait.ts";

/** Whether a port of loopback takes connections. */
export async function takesConnections(port: number, hostname = "127.0.0.1"): Promise<boolean> {
  return await Deno.connect({ hostname, port }).then((conn) => (conn.close(), true), () => false);
}

export class Daemon implements AsyncDisposable {
  /** What it printed so far. */
  output = "";
  readonly #child: Deno.ChildProcess;
  readonly #name: string;
  readonly #streams: Promise<unknown>;
  #ended = false;

  private constructor(name: string, command: readonly string[]) {
    this.#name = name;
    const [program, ...args] = command;
    this.#child = new Deno.Command(program!, { args, stdin: "null", stdout: "piped", stderr: "piped" }).spawn();
    this.#streams = Promise.all([this.#collect(this.#child.stdout), this.#collect(this.#child.stderr)]);
    this.#child.status.then(() => this.#ended = true);
  }

  /** @throws with what it printed when it ends, or none of its `ports` opens. */
  static async start(
    name: string,
    command: readonly string[],
    ports: readonly number[],
    hostname = "127.0.0.1",
  ): Promise<Daemon> {
    const daemon = new Daemon(name, command);
    try {
      for (const port of ports) {
        await waitFor(`${name} on port ${port}`, () => {
          if (daemon.#ended) throw new Error(`${name} ended at once`);
          return takesConnections(port, hostname);
        });
      }
      return daemon;
    } catch (error) {
      await daemon[Symbol.asyncDispose]();
      throw new Error(`${(error as Error).message}: ${daemon.output}`);
    }
  }

  get pid(): number {
    return this.#child.pid;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const signal = (name: Deno.Signal) => {
      if (!this.#ended) this.#child.kill(name);
    };
    signal("SIGTERM");
    await within(`the end of ${this.#name}`, this.#child.status, 5000).catch(() => signal("SIGKILL"));
    await this.#child.status;
    await within(`the last words of ${this.#name}`, this.#streams, 2000).catch(() => {}); // a child of it has them still
  }

  async #collect(stream: ReadableStream<Uint8Array>): Promise<void> {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) this.output += text;
  }
}
