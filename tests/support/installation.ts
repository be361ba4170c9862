/**
 * Postern installed as examples/install says: the files that the Containerfile copies, their packages, a folder for the
 * configuration and one for the data, and the command lines of unit and container with these places put in. Job: lay it
 * out, start it as an ordinary user. Non-job: what is said to it.
 */
import { programOf } from "./debian.ts";
import { freePort } from "./ports.ts";
import { TempFolder } from "./temp.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const CONTAINERFILE = await Deno.readTextFile(`${ROOT}examples/install/Containerfile`);
const UNIT = await Deno.readTextFile(`${ROOT}examples/install/postern.service`);

/** A word list of the unit, the lines of it that a backslash joins being one. */
export function unitLines(key: string): string[][] {
  const joined = UNIT.replaceAll("\\\n", " ");
  return [...joined.matchAll(new RegExp(`^${key}=(.*)$`, "gm"))].map(([, value]) => value!.trim().split(/\s+/));
}

/** What an instruction of the Containerfile says, each time it stands there, and in which order of stages. */
export function containerLines(instruction: string): string[] {
  const joined = CONTAINERFILE.replaceAll("\\\n", " ");
  return [...joined.matchAll(new RegExp(`^${instruction} +(.*)$`, "gm"))].map(([, value]) => value!.trim());
}

/** What the container runs. */
export function containerCommand(): string[] {
  const [entrypoint] = containerLines("ENTRYPOINT"), [command] = containerLines("CMD");
  return [...JSON.parse(entrypoint!), ...JSON.parse(command!)];
}

/** A port below 1024 that nobody listens on. Root only. */
export function lowPort(): number {
  for (let tries = 0; tries < 200; tries++) {
    const port = 600 + Math.floor(Math.random() * 400);
    try {
      Deno.listen({ hostname: "127.0.0.1", port }).close();
      return port;
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    }
  }
  throw new Error("no free port between 600 and 1000");
}

export interface StartOptions {
  /** Capabilities that it keeps, such as net_bind_service. */
  readonly capabilities?: readonly string[];
  /** A command that runs it in its own place, as root: systemd-socket-activate with its options. */
  readonly under?: readonly string[];
}

/** A started command: what it printed, how it ended. */
export class Started implements AsyncDisposable {
  output = "";
  readonly ended: Promise<Deno.CommandStatus>;
  constructor(readonly child: Deno.ChildProcess) {
    const streams = [this.#collect(child.stdout), this.#collect(child.stderr)];
    this.ended = child.status.then(async (status) => (await Promise.all(streams), status));
  }
  /** Lines of /proc/PID/status. */
  status(name: string): string {
    const text = Deno.readTextFileSync(`/proc/${this.child.pid}/status`);
    return new RegExp(`^${name}:\\s*(.*)$`, "m").exec(text)?.[1] ?? "";
  }
  async stop(): Promise<Deno.CommandStatus> {
    this.child.kill("SIGTERM");
    return await this.ended;
  }
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.child.kill("SIGKILL");
    } catch { /* it has ended */ }
    await this.ended;
  }
  async #collect(stream: ReadableStream<Uint8Array>): Promise<void> {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) this.output += text;
  }
}

export class Installation implements AsyncDisposable {
  readonly program: string;
  readonly etc: string;
  readonly data: string;
  /** Where the installed server listens for each address that the examples name. */
  readonly ports: ReadonlyMap<string, number>;

  private constructor(readonly folder: TempFolder) {
    this.program = folder.at("opt/postern");
    this.etc = folder.at("etc/postern");
    this.data = folder.at("var/lib/postern");
    const addresses = ["0.0.0.0:25", "0.0.0.0:465", "0.0.0.0:587", "0.0.0.0:2525", "127.0.0.1:8025"];
    const chosen = new Set<number>();
    this.ports = new Map(addresses.map((address) => {
      const choose = Deno.uid() === 0 && Number(address.split(":")[1]) < 1024 ? lowPort : freePort;
      let port = choose();
      while (chosen.has(port)) port = choose();
      chosen.add(port);
      return [address, port];
    }));
  }

  static async make(): Promise<Installation> {
    const installation = new Installation(await TempFolder.make("postern-installed-"));
    await Deno.chmod(installation.folder.path, 0o755);
    await installation.#layOut();
    return installation;
  }

  /** A line of the examples, with the places of this installation. */
  put(text: string): string {
    const places: [string, string][] = [
      ["/usr/bin/deno", Deno.execPath()],
      ["/opt/postern", this.program],
      ["/etc/postern", this.etc],
      ["/var/lib/postern", this.data],
      ...[...this.ports].map(([address, port]): [string, string] => [address, `127.0.0.1:${port}`]),
    ];
    for (const [from, to] of places) text = text.replace(new RegExp(`${RegExp.escape(from)}(?!\\d)`, "g"), () => to);
    return text;
  }

  /** Starts a command of the examples as nobody, who can gain no privilege again. */
  start(command: readonly string[], options: StartOptions = {}): Started {
    const { capabilities = [], under = [] } = options;
    const kept = ["-all", ...capabilities.map((name) => `+${name}`)].join(",");
    const [program, ...args] = [
      ...under,
      programOf("setpriv")!,
      ...["--reuid", "nobody", "--regid", "nogroup", "--clear-groups", "--no-new-privs"],
      ...["--inh-caps", kept, "--ambient-caps", kept, "--bounding-set", kept],
      ...command.map((word) => this.put(word)),
    ];
    const env = Object.fromEntries(unitLines("Environment").flat().map((each) => this.put(each).split("=")));
    return new Started(
      new Deno.Command(program!, {
        args,
        cwd: this.program,
        clearEnv: true,
        env: { PATH: "/usr/bin:/bin", NO_COLOR: "1", POSTERN_ADMIN_TOKEN: "token-of-the-tests", ...env },
        stdin: "null",
        stdout: "piped",
        stderr: "piped",
      }).spawn(),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.folder[Symbol.asyncDispose]();
  }

  /** As the first stage of the Containerfile does. */
  async #layOut(): Promise<void> {
    const copied = containerLines("COPY").filter((each) => !each.startsWith("--from")).flatMap((each) => {
      const words = each.split(/\s+/);
      return words.slice(0, -1);
    });
    await Deno.mkdir(this.program, { recursive: true });
    await run("cp", "-r", ...copied.map((name) => `${ROOT}${name}`), this.program);
    const cache = `${this.program}/.deno`;
    await Deno.mkdir(cache);
    const info = await new Deno.Command(Deno.execPath(), { args: ["info", "--json"], cwd: ROOT }).output();
    const { npmCache } = JSON.parse(new TextDecoder().decode(info.stdout));
    await run("cp", "-r", npmCache, `${cache}/npm`); // what is here already is not fetched again
    const [, build] = containerLines("RUN");
    const { success, stderr } = await new Deno.Command(Deno.execPath(), {
      args: build!.split(/\s+/).slice(1),
      cwd: this.program,
      env: { DENO_DIR: cache },
      stderr: "piped",
    }).output();
    if (!success) throw new Error(`${build}: ${new TextDecoder().decode(stderr)}`);
    await Deno.mkdir(this.etc, { recursive: true });
    await Deno.mkdir(this.data, { recursive: true });
    if (Deno.uid() === 0) await run("chown", "nobody", this.data);
  }
}

async function run(program: string, ...args: readonly string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(program, { args: [...args], stdout: "null" }).output();
  if (!success) throw new Error(`${program} ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
}
