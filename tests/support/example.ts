/**
 * An example as its reader has it: the commands of its README, run word for word by a shell in the checkout. Places come
 * by the environment, so that nothing is fixed. Job: find the commands, run them, end them. Non-job: what they should do.
 */
import { freePort } from "./ports.ts";
import { TempFolder } from "./temp.ts";
import { waitFor, within } from "./wait.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const DENO = Deno.execPath();
/** Milliseconds for a command that ends, and until one that does not end is at work. */
const PATIENCE = 60_000;

export interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** The commands below a heading of a README: the lines of its `sh` blocks, those that a backslash joins being one. */
export function commandsOf(readme: string, heading: string): string[] {
  const section = readme.split(/^## /m).find((each) => each.startsWith(`${heading}\n`)) ?? "";
  return [...section.matchAll(/^```sh\n(.*?)^```/gms)]
    .flatMap(([, block]) => block!.replaceAll("\\\n", " ").trim().split("\n"));
}

export class Example implements AsyncDisposable {
  readonly #running: Running[] = [];

  private constructor(
    private readonly readme: string,
    private readonly folder: TempFolder,
    /** Where its server takes mail, unless the environment of the test says more. */
    readonly port: number,
    private readonly env: Readonly<Record<string, string>>,
  ) {}

  /** `env`: more variables for all of its commands. */
  static async open(name: string, env: Readonly<Record<string, string>> = {}): Promise<Example> {
    const readme = await Deno.readTextFile(`${ROOT}examples/${name}/README.md`);
    const folder = await TempFolder.make("postern-example-"), port = freePort();
    return new Example(readme, folder, port, {
      PATH: `${DENO.slice(0, DENO.lastIndexOf("/"))}:${Deno.env.get("PATH")}`,
      NO_COLOR: "1",
      POSTERN_DATA: folder.at("data"),
      MAIL: folder.at("mail"),
      POSTERN_SMTP: `127.0.0.1:${port}`,
      ...env,
    });
  }

  /** A place in a folder that lives as long as this. */
  at(name: string): string {
    return this.folder.at(name);
  }
  /** Below the folder that the examples call MAIL. */
  mail(path: string): string {
    return this.folder.at(`mail/${path}`);
  }
  commands(heading: string): string[] {
    const commands = commandsOf(this.readme, heading);
    if (commands.length === 0) throw new Error(`the README has no command under "${heading}"`);
    return commands;
  }

  /** Begins the command under this heading and waits until its port answers, or `ready` stands in its output. */
  async start(heading = "Start", options: StartOptions = {}): Promise<Running> {
    const command = this.commands(heading).at(options.which ?? 0)!, { env = {}, ready, port = this.port } = options;
    const running = this.begin(command, env);
    try {
      await waitFor(`"${command}" to be at work`, () => {
        if (running.ended) throw new Error("it has ended");
        return ready === undefined ? greets(port) : running.output.includes(ready);
      }, { deadline: PATIENCE });
    } catch (error) {
      throw new Error(`${(error as Error).message}; "${command}" printed:\n${running.output}`);
    }
    return running;
  }

  /** Begins a command, and waits for nothing. */
  begin(command: string, env: Readonly<Record<string, string>> = {}): Running {
    const running = new Running(command, { ...this.env, ...env });
    this.#running.push(running);
    return running;
  }

  /** Runs all commands under this heading to their ends. */
  async run(heading = "Try", env: Readonly<Record<string, string>> = {}): Promise<Ended[]> {
    const all: Ended[] = [];
    for (const command of this.commands(heading)) all.push(await this.one(command, env));
    return all;
  }

  async one(command: string, env: Readonly<Record<string, string>> = {}): Promise<Ended> {
    const child = shell(command, { ...this.env, ...env });
    const { code, stdout, stderr } = await within(
      `the end of "${command}"`,
      child.output(),
      PATIENCE,
      () => end(child),
    );
    const text = (octets: Uint8Array) => new TextDecoder().decode(octets);
    return { code, out: text(stdout), err: text(stderr) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const each of this.#running.reverse()) await each[Symbol.asyncDispose]();
    await this.folder[Symbol.asyncDispose]();
  }
}

interface StartOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** It is at work once it has printed this; unless given, once it greets at its port. */
  readonly ready?: string;
  readonly port?: number;
  /** Of several commands under the heading. */
  readonly which?: number;
}

/** A command that does not end by itself. */
export class Running implements AsyncDisposable {
  output = "";
  ended = false;
  readonly #child: Deno.ChildProcess;
  readonly #done: Promise<unknown>;

  constructor(command: string, env: Readonly<Record<string, string>>) {
    this.#child = shell(command, env);
    this.#done = Promise.all([
      this.#child.status.then(() => this.ended = true),
      this.#collect(this.#child.stdout),
      this.#collect(this.#child.stderr),
    ]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    end(this.#child);
    await this.#done;
  }

  async #collect(stream: ReadableStream<Uint8Array>): Promise<void> {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) this.output += text;
  }
}

/** A group of processes: `deno task` has a child of its own, which must not outlive it. */
function shell(command: string, env: Readonly<Record<string, string>>): Deno.ChildProcess {
  return new Deno.Command("sh", {
    args: ["-c", command],
    cwd: ROOT,
    env: { ...env },
    detached: true,
    ...{ stdin: "null", stdout: "piped", stderr: "piped" } as const,
  }).spawn();
}

function end(child: Deno.ChildProcess): void {
  try {
    Deno.kill(-child.pid, "SIGKILL");
  } catch { /* it has ended */ }
}

async function greets(port: number): Promise<boolean> {
  try {
    using conn = await Deno.connect({ hostname: "127.0.0.1", port });
    const octets = new Uint8Array(3), count = await within("a greeting", conn.read(octets), 5000, () => conn.close());
    return count === 3 && new TextDecoder().decode(octets) === "220";
  } catch {
    return false;
  }
}
