/**
 * The server as its users have it: the command line started as a child process with a data folder of its own, ready
 * when /healthz and the SMTP greeting answer. Job: start, stop, kill, what it printed. Non-job: what tests say to it
 * (smtp_client.ts, api.ts).
 */
import { Api } from "./api.ts";
import { programOf } from "./debian.ts";
import { freePort } from "./ports.ts";
import { ALONE, programFor } from "./program.ts";
import { SmtpClient } from "./smtp_client.ts";
import { TempFolder } from "./temp.ts";
import { waitFor, within } from "./wait.ts";

/** Before a command: a test run that is killed takes its servers along. Where the program is missing they stay. */
export const TIED: readonly string[] = programOf("setpriv") === null
  ? []
  : [programOf("setpriv")!, "--pdeathsig", "KILL"];
/** In the environment of every server here; a server with a configuration file wants one. */
const TOKEN = "token-of-the-tests";

export interface ServerOptions {
  /** Text of postern.yaml. Absent: no configuration file, the dev inbox. */
  readonly config?: string;
  /** A data folder to use again, as after a crash. Absent: a new one, removed at the end. */
  readonly data?: string;
  readonly ports?: { readonly smtp: number; readonly admin: number };
  readonly env?: Readonly<Record<string, string>>;
  /** A command that is Postern, in place of the one that is tested. */
  readonly program?: readonly string[];
  /** A command that runs the server as its only child, such as strace with its options. */
  readonly under?: readonly string[];
  /** Milliseconds until it must be ready (default 20 s). */
  readonly deadline?: number;
}

export class Server implements AsyncDisposable {
  /** Everything written to standard error and output so far. */
  output = "";
  /** Resolves when the process (and what it runs under) has ended and its output is complete. */
  readonly ended: Promise<Deno.CommandStatus>;
  hasEnded = false;
  /** Of the server itself, also when it runs under something. */
  pid = 0;
  readonly api: Api;

  private constructor(
    readonly child: Deno.ChildProcess,
    readonly data: string,
    readonly ports: { readonly smtp: number; readonly admin: number },
    private readonly folder: TempFolder,
  ) {
    this.api = new Api(`http://127.0.0.1:${ports.admin}`, TOKEN);
    const streams = [this.#collect(child.stdout), this.#collect(child.stderr)];
    this.ended = child.status.then(async (status) => {
      await Promise.all(streams);
      this.hasEnded = true;
      return status;
    });
  }

  /** Starts it and waits until it is ready. @throws with its output when it ends or stays silent instead. */
  static async start(options: ServerOptions = {}): Promise<Server> {
    const server = await Server.spawn(options);
    try {
      await server.ready(options.deadline ?? 20_000);
      return server;
    } catch (error) {
      await server[Symbol.asyncDispose]();
      throw new Error(`${(error as Error).message}; the server printed:\n${server.output}`);
    }
  }

  /** Starts it without waiting, for tests in which it is to fail. */
  static async spawn(options: ServerOptions = {}): Promise<Server> {
    const folder = await TempFolder.make("postern-server-");
    const data = options.data ?? folder.at("data");
    const ports = options.ports ?? { smtp: freePort(), admin: freePort() };
    const file = options.config === undefined ? undefined : await folder.file("postern.yaml", options.config);
    const args = ["serve", ...file === undefined ? [] : ["--config", file]];
    const own = options.program ?? await programFor(file), [program, ...before] = [...options.under ?? TIED, ...own];
    const child = new Deno.Command(program!, {
      args: [...before, ...args],
      cwd: folder.path, // a postern.yaml in the checkout is not ours
      env: {
        POSTERN_DATA: data,
        POSTERN_SMTP: `127.0.0.1:${ports.smtp}`,
        POSTERN_ADMIN: `127.0.0.1:${ports.admin}`,
        POSTERN_ADMIN_TOKEN: TOKEN,
        NO_COLOR: "1",
        ...ALONE,
        ...options.env,
      },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const server = new Server(child, data, ports, folder);
    server.pid = child.pid;
    if (options.under?.length) {
      server.pid = await waitFor("the server under its tracer", () => childOf(child.pid, own[0]!));
    }
    return server;
  }

  /** Waits for /healthz and the greeting. */
  async ready(deadline: number): Promise<void> {
    await waitFor("the server to be ready", async () => {
      if (this.hasEnded) throw new Error("the server ended before it was ready");
      return await this.api.healthy();
    }, { deadline, every: 10 });
    using client = await SmtpClient.connect(this.ports.smtp, { deadline });
    await client.expect(220);
    await client.command("QUIT", 221);
  }

  /** Replaces its configuration file; it reads it when it is told to. */
  async configure(text: string): Promise<void> {
    await this.folder.file("postern.yaml", text);
  }

  signal(name: Deno.Signal): void {
    try {
      Deno.kill(this.pid, name);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error; // it has ended already
    }
  }

  /** SIGTERM; waits for the end. @throws when it takes longer than `deadline`. */
  async stop(deadline = 15_000): Promise<Deno.CommandStatus> {
    this.signal("SIGTERM");
    return await within("the end after SIGTERM", this.ended, deadline);
  }

  /** SIGKILL; waits until it is gone. */
  async kill(): Promise<void> {
    this.signal("SIGKILL");
    await this.ended;
  }

  /** Ends it by force, removes its folder (not a data folder that was given). */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await this.folder[Symbol.asyncDispose]();
  }

  async #collect(stream: ReadableStream<Uint8Array>): Promise<void> {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) this.output += text;
  }
}

/** The first child of a process, once it is the program (a tracer forks before it executes). */
function childOf(pid: number, program: string): number | null {
  try {
    const child = Number(Deno.readTextFileSync(`/proc/${pid}/task/${pid}/children`).trim().split(" ")[0]);
    return child && Deno.readLinkSync(`/proc/${child}/exe`) === Deno.realPathSync(program) ? child : null;
  } catch {
    return null;
  }
}
