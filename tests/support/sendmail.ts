/** The sendmail of examples/ with the places of a test in it, as programs find it. Non-job: the server behind it. */
import { TempFolder } from "./temp.ts";
import { within } from "./wait.ts";

const ROOT = new URL("../../", import.meta.url).pathname.replace(/\/$/, "");
const WRAPPER = await Deno.readTextFile(`${ROOT}/examples/install/sendmail`);

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}
export interface RunOptions {
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

/** A folder with `sendmail`, and `mailq` and `newaliases` as links to it. */
export class Sendmail implements AsyncDisposable {
  private constructor(readonly folder: TempFolder, readonly env: Readonly<Record<string, string>>) {}

  /** `data`: the server's folder; `config`: text of its configuration. */
  static async make(data: string, config: string): Promise<Sendmail> {
    const folder = await TempFolder.make("postern-sendmail-");
    const places: [string, string][] = [
      ["/usr/bin/deno", Deno.execPath()],
      ["/opt/postern/cli", `${ROOT}/cli`],
      ["/etc/postern/postern.yaml", await folder.file("postern.yaml", config)],
      ["/var/lib/postern", data],
    ];
    let text = WRAPPER;
    for (const [from, to] of places) text = text.replaceAll(from, to);
    const file = await folder.file("sendmail", text);
    await Deno.chmod(file, 0o755);
    for (const name of ["mailq", "newaliases"]) await Deno.symlink("sendmail", folder.at(name));
    const info = await new Deno.Command(Deno.execPath(), { args: ["info", "--json"], cwd: ROOT }).output();
    const { denoDir } = JSON.parse(new TextDecoder().decode(info.stdout));
    return new Sendmail(folder, { DENO_DIR: denoDir, POSTERN_DATA: data, NO_COLOR: "1" });
  }

  get program(): string {
    return this.folder.at("sendmail");
  }

  /** Runs a program to its end. */
  async run(program: string, args: readonly string[], options: RunOptions = {}): Promise<Ran> {
    const child = new Deno.Command(program, {
      args: [...args],
      cwd: options.cwd ?? this.folder.path,
      env: { ...this.env, HOME: this.folder.path, ...options.env },
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(options.input ?? "")).catch(() => {}); // it may have ended before
    await writer.close().catch(() => {});
    const { code, stdout, stderr } = await within(program, child.output(), 60_000, () => child.kill("SIGKILL"));
    const text = (octets: Uint8Array) => new TextDecoder().decode(octets);
    return { code, out: text(stdout), err: text(stderr) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.folder[Symbol.asyncDispose]();
  }
}
