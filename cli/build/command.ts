/**
 * `postern build`: one executable with the program, what the configuration names, and its permissions. By `deno compile`
 * where its runtime file can be had, else the running Deno and the modules joined in one file; it says which.
 * Non-job: each of its steps (a file each).
 */
import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { Command, Option } from "commander";
import { carried } from "../../core/packed/contents.ts";
import { mayRun } from "../../core/packed/runtime.ts";
import { VERSION } from "../../core/version.ts";
import { CommandError, DONE, type ExitCode, type Terminal, USAGE } from "../terminal.ts";
import { bundle } from "./bundle.ts";
import { compile } from "./compile.ts";
import { join } from "./joined.ts";
import { EVERYTHING, type Named, readNamed } from "./named.ts";
import { type Permission, permissionsFor } from "./permissions.ts";
import { movable, type Target, targetOf, TARGETS } from "./target.ts";

interface BuildOptions {
  readonly config?: string;
  readonly output: string;
  readonly target?: Target;
  readonly deno?: string;
  readonly installed?: string;
  readonly allow: readonly string[];
  readonly how?: Way;
}
type Way = "compile" | "join";

export function buildCommand(terminal: Terminal, finish: (code: ExitCode) => void): Command {
  return new Command("build")
    .description("make one executable with what the configuration names and its permissions")
    .option(
      "-c, --config <file>",
      "configuration file; without it all built-in plugins, and the permissions of deno task start",
    )
    .option("-o, --output <file>", "where it goes", "dist/postern")
    .addOption(new Option("--target <system>", "for which system (default: this one)").choices([...TARGETS]))
    .option("--deno <file>", "the Deno to put in, of that system (default: the running one)")
    .option("--installed <folder>", "where the configuration's folder will be when it runs (default: where it is)")
    .option("--allow <flag>", "one more permission of Deno, such as read=/srv/lists; more than once", collect, [])
    .addOption(new Option("--how <way>", "only this way (default: compile, else join)").choices(["compile", "join"]))
    .action(async (options: BuildOptions) => finish(await build(options, terminal)));
}

async function build(options: BuildOptions, terminal: Terminal): Promise<ExitCode> {
  if (carried() !== null) {
    throw new CommandError("a binary has no sources to build from: run this from a checkout, deno task postern build");
  }
  const above = new URL("../../", import.meta.url);
  if (above.protocol !== "file:") {
    throw new CommandError(
      `it is built from sources on the disk: run deno task postern build in a checkout of Postern`,
    );
  }
  const root = fileURLToPath(above).replace(/\/$/, "");
  const named = options.config === undefined ? EVERYTHING : await readNamed(resolve(terminal.cwd, options.config));
  const permissions = permissionsFor(named, {
    installed: options.installed === undefined ? null : resolve(terminal.cwd, options.installed),
    more: options.allow.map(flagOf),
  });
  const target = options.target ?? hostTarget();
  const output = resolve(terminal.cwd, options.output), temporary = `${output}.${crypto.randomUUID().slice(0, 8)}`;
  const flags = permissions.map(({ flag }) => flag);
  await checkOutput(output);
  const program = await bundle({ named, root, permissions: flags });
  const job: Job = { named, program, permissions, target, output: temporary };
  await Deno.mkdir(dirname(output), { recursive: true });
  try {
    let refused = options.how === "join"
      ? "--how join"
      : await compile(program, { target, permissions: flags, output: temporary });
    if (refused !== null && options.how === "compile") throw new CommandError(`cannot compile: ${refused}`);
    if (refused === null) await prove(temporary, target).catch((error) => void (refused = String(error.message)));
    if (refused !== null && options.how === "compile") {
      throw new CommandError(`what was compiled does not run: ${refused}`);
    }
    if (refused !== null) {
      await byJoining(job, await denoFor(target, options.deno, terminal.cwd));
      await prove(temporary, target);
    }
    await Deno.rename(temporary, output);
    tell({ ...job, output }, refused, terminal);
    return DONE;
  } finally {
    await Deno.remove(temporary).catch(() => {});
  }
}

/** What a file may be put in the place of. @throws {CommandError} for a folder, and for a device, which would be gone. */
async function checkOutput(output: string): Promise<void> {
  const there = await Deno.lstat(output).catch(() => null);
  if (there === null || there.isFile || there.isSymlink) return;
  throw new CommandError(`${output} is ${there.isDirectory ? "a folder" : "no file"}: name the file to be written`);
}

interface Job {
  readonly named: Named;
  readonly program: Uint8Array<ArrayBuffer>;
  readonly permissions: readonly Permission[];
  readonly target: Target;
  /** Where the executable is written. */
  readonly output: string;
}

/** What the Deno in a joined file is told before the user's words. */
export function joinedWords(permissions: readonly string[]): readonly string[] {
  return [
    // The program is all there is: nothing is looked up, fetched, or kept for the next time
    ...["run", "--quiet", "--no-prompt", "--no-config", "--no-lock", "--no-remote", "--cached-only", "--no-code-cache"],
    ...["--unstable-worker-options", "--ext=js"],
    // Threads start from the program again
    ...permissions.map((flag) => flag.replace(/^--allow-read=/, () => "--allow-read=@{0},")),
    "@{0}",
  ];
}

async function byJoining(job: Job, deno: Uint8Array<ArrayBuffer>): Promise<void> {
  const words = joinedWords(job.permissions.map(({ flag }) => flag));
  const octets = join({ target: job.target, deno, words, modules: [job.program] });
  await Deno.writeFile(job.output, octets, { mode: 0o755, createNew: true });
}

/** The Deno to put in. @throws {CommandError} when there is none for that system. */
async function denoFor(target: Target, file: string | undefined, cwd: string): Promise<Uint8Array<ArrayBuffer>> {
  if (file === undefined && target !== hostTarget()) {
    throw new CommandError(
      `there is no Deno for ${target} here: name one with --deno FILE, or the runtime file of deno compile with DENORT_BIN`,
    );
  }
  const path = file === undefined ? Deno.execPath() : resolve(cwd, file);
  const deno = await Deno.readFile(path).catch((error) => {
    throw new CommandError(`cannot read ${path}: ${error.message}`);
  });
  const found = targetOf(deno);
  if (found !== target) {
    throw new CommandError(`${path} is ${found === null ? "no program" : `for ${found}`}, not for ${target}`);
  }
  if (!movable(deno)) throw new CommandError(`${path} cannot be joined: it runs at a fixed address only`);
  return deno;
}

/** Runs it once where that is possible, and allowed: `deno task postern` runs nothing but Deno. @throws {CommandError} when it is not what was to be built. */
async function prove(program: string, target: Target): Promise<void> {
  if (target !== hostTarget() || !mayRun(program)) return;
  const { stdout } = await new Deno.Command(program, { args: ["--version"], stdin: "null", stderr: "null" }).output();
  const said = new TextDecoder().decode(stdout);
  if (!said.startsWith(`${VERSION} `)) throw new CommandError("it does not answer --version as this Postern does");
}

const TRY_IT = "no: this may run nothing but Deno (deno task compile may); ask it for --version";

function tell({ named, permissions, target, output }: Job, refused: string | null, terminal: Terminal): void {
  const { size } = Deno.statSync(output);
  const tried = target !== hostTarget() ? "no: it is for another system" : mayRun(output) ? null : TRY_IT;
  const way = refused === null
    ? "by deno compile"
    : `this Deno (${Deno.version.deno}) and the modules joined in one file; not by deno compile: ${refused}`;
  terminal.out(`${output}: Postern ${VERSION} for ${target}, ${(size / 1e6).toFixed(1)} MB`);
  terminal.out(`  made      ${way}`);
  const own = named.own.map(({ name }) => name);
  const builtIns = named.builtIns === null ? "all built-in plugins" : [...named.builtIns].sort().join(", ");
  if (tried !== null) terminal.out(`  tried     ${tried}`);
  terminal.out(`  carries   ${[builtIns, ...own].join(", ")}`);
  for (const [index, { flag, why }] of permissions.entries()) {
    terminal.out(`  ${index === 0 ? "may       " : "          "}${flag.replaceAll("@{exe}", "ITSELF")} (${why})`);
  }
}

function hostTarget(): Target {
  const { os, arch } = Deno.build, found = TARGETS.find((each) => each.startsWith(arch));
  if (os !== "linux" || found === undefined) throw new CommandError(`there is no launcher for ${Deno.build.target}`);
  return found;
}

/** `read=/srv/lists` or `--allow-read=/srv/lists`. */
function flagOf(text: string): string {
  const flag = text.replace(/^(?:--)?(?:allow-)?/, "--allow-");
  if (/^--allow-(?:net|read|write|env|sys|run|ffi|import)(?:=.+)?$/.test(flag) && !flag.includes("\0")) return flag;
  throw new CommandError(`--allow ${text} is no permission of Deno: write read=/srv/lists, or net`, USAGE);
}

function collect(value: string, before: readonly string[]): readonly string[] {
  return [...before, value];
}
