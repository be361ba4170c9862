/**
 * The program as tests start it: from its sources, or, where POSTERN_BINARY names one, the binary that users have, with no
 * Deno in its PATH. A configuration with a plugin of the test's own gets a binary of its own, as it would from its operator.
 * Non-job: starting it (cli.ts, server.ts).
 */
import { bundle } from "../../cli/build/bundle.ts";
import { joinedWords } from "../../cli/build/command.ts";
import { join } from "../../cli/build/joined.ts";
import { EVERYTHING, type Named, readNamed } from "../../cli/build/named.ts";
import { permissionsFor } from "../../cli/build/permissions.ts";
import { targetOf } from "../../cli/build/target.ts";
import { fromFileUrl } from "./paths.ts";

type Program = readonly [string, ...string[]];

const ROOT = fromFileUrl(new URL("../../", import.meta.url)).replace(/\/$/, "");

/** The binary that is tested, absolute; null where the sources are. */
export const BINARY: string | null = Deno.env.has("POSTERN_BINARY")
  ? Deno.realPathSync(Deno.env.get("POSTERN_BINARY")!)
  : null;

/** A command and its first words: what stands behind them is Postern's. */
export const PROGRAM: Program = BINARY === null ? [Deno.execPath(), "run", "-A", `${ROOT}/cli/main.ts`] : [BINARY];

/** For the environment of that program: from a binary nobody finds a Deno, nor anything else. */
export const ALONE: Readonly<Record<string, string>> = BINARY === null ? {} : { PATH: "/nonexistent" };

/** The same with no more rights than `deno task postern` gives it; a binary has its own. */
export const AS_TASK: Program = BINARY === null ? asTask() : PROGRAM;

function asTask(): Program {
  const { tasks } = JSON.parse(Deno.readTextFileSync(`${ROOT}/deno.json`));
  const [, ...words] = (tasks.postern as string).split(" ");
  return [Deno.execPath(), ...words.slice(0, -1), `${ROOT}/${words.at(-1)}`];
}

const made = new Map<string, Promise<string>>();

/** The program for a configuration file: its plugins are in the binary. */
export async function programFor(file: string | undefined): Promise<Program> {
  if (BINARY === null || file === undefined) return PROGRAM;
  const named = await readNamed(file).catch(() => EVERYTHING); // one with faults names nothing
  if (named.own.length === 0) return PROGRAM;
  const key = JSON.stringify([named.own, named.own.some(({ name }) => name.startsWith(".")) ? named.base : ""]);
  if (!made.has(key)) made.set(key, build(named));
  return [await made.get(key)!];
}

/** The words of a command line decide which configuration it is. */
export function configIn(args: readonly string[], cwd: string): string | undefined {
  const at = args.findIndex((word) => word === "-c" || word === "--config"), file = args[at + 1];
  return at < 0 || file === undefined ? undefined : file.startsWith("/") ? file : `${cwd}/${file}`;
}

async function build(named: Named): Promise<string> {
  const permissions = permissionsFor(EVERYTHING, { installed: null, more: [] }).map(({ flag }) => flag);
  const program = await bundle({ named: { ...EVERYTHING, base: named.base, own: named.own }, permissions, root: ROOT });
  const deno = await Deno.readFile(Deno.execPath());
  const path = await Deno.makeTempFile({ prefix: "postern-binary-" });
  addEventListener("unload", () => Deno.removeSync(path));
  const octets = join({ target: targetOf(deno)!, deno, words: joinedWords(permissions), modules: [program] });
  await Deno.writeFile(path, octets);
  await Deno.chmod(path, 0o755);
  return path;
}
