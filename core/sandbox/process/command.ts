/**
 * How a child is started: the same executable, with no more than the plugin is granted, an environment of its own, and a
 * bound on V8's heap. From a checkout, from a bundle beside the runtime, and out of a compiled executable.
 * Non-job: talking to it (channel.ts), what it does then (child.ts).
 */
import { carried, plainDeno, threadModule } from "../../packed/contents.ts";
import { runnableDeno } from "../../packed/runtime.ts";
import { ChannelError, type ChannelSpec, type Permissions } from "../channel.ts";

/** What is run. */
export interface ChildCommand {
  readonly path: string;
  readonly args: readonly string[];
  /** All of its environment. */
  readonly env: Readonly<Record<string, string>>;
}

/** The word by which a compiled executable is asked to be a child: no command of the manual. */
export const CHILD_WORD = "__sandbox";
/** With less the shim and a small plugin do not run, octets. */
export const LEAST_MEMORY = 48 * 1024 * 1024;
/**
 * Where Deno keeps what it has compiled, whom its TLS trusts, and where it is. The plugin sees of these what it is granted.
 */
const NEEDED = ["HOME", "XDG_CACHE_HOME", "DENO_DIR", "DENO_CERT", "DENO_TLS_CA_STORE", "TZ"];
const QUIET = { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" };
/** What glibc is told: octets of a body go back to the system as soon as they are freed. */
const FRUGAL = { MALLOC_MMAP_THRESHOLD_: "65536", MALLOC_TRIM_THRESHOLD_: "1048576", MALLOC_ARENA_MAX: "2" };

/**
 * The command that starts a child for `spec`.
 *
 * @throws {ChannelError} in words for the operator: what this server would have to be allowed.
 */
export function childCommand({ permissions, memory }: Pick<ChannelSpec, "permissions" | "memory">): ChildCommand {
  if (memory !== null && memory < LEAST_MEMORY) {
    throw new ChannelError(`memory: must be at least ${LEAST_MEMORY} octets`);
  }
  holdsItself(permissions);
  const heap = memory === null ? null : `--expose-gc,--max-old-space-size=${Math.ceil(memory / (1024 * 1024))}`;
  const env = { ...environment(permissions.env), ...QUIET, ...memory === null ? {} : FRUGAL };
  const path = executable(), child = threadModule(new URL("./child.ts", import.meta.url)).href;
  if (Deno.build.standalone) {
    return { path, args: [CHILD_WORD], env: heap === null ? env : { ...env, DENO_V8_FLAGS: heap } };
  }
  return { path, args: [...plainDeno(), "run", ...flags(permissions, heap), child], env };
}

function flags({ net, env }: Permissions, heap: string | null): string[] {
  return [
    "--quiet",
    "--no-prompt",
    "--cached-only", // else the name of a package that is asked for would be a way out
    "--unstable-worker-options",
    // Of modules that the root imports, those below it too; given up before the first message (child.ts)
    "--allow-read",
    ...net.length > 0 ? [`--allow-net=${list(net)}`] : [],
    ...env.length > 0 ? [`--allow-env=${list(env)}`] : [],
    ...configuration(),
    ...heap === null ? [] : [`--v8-flags=${heap}`],
  ];
}

function list(words: readonly string[]): string {
  return words.map((each) => each.replaceAll(",", ",,")).join(",");
}

/** The import map by which a plugin says `postern`; in a bundle nothing is left to map. */
function configuration(): string[] {
  if (carried() !== null) return ["--no-config"];
  const file = new URL("../../../deno.json", import.meta.url);
  try {
    return Deno.statSync(file).isFile ? [`--config=${decodeURIComponent(file.pathname)}`] : ["--no-config"];
  } catch {
    return ["--no-config"];
  }
}

/** Variables that this server may not read are not there. */
function environment(granted: readonly string[]): Record<string, string> {
  const found: Record<string, string> = {};
  for (const name of [...NEEDED, ...granted]) {
    if (Deno.permissions.querySync({ name: "env", variable: name }).state !== "granted") continue;
    const value = Deno.env.get(name);
    if (value !== undefined) found[name] = value;
  }
  return found;
}

/** This executable, by a name under which it may be run. */
function executable(): string {
  const found = runnableDeno();
  if (found !== null) return found;
  throw new ChannelError(
    `needs a process of its own, and the server may start none: run it with --allow-run=${Deno.execPath()}`,
  );
}

/** A child is held by its own flags alone, so this server could give away what it has not. */
function holdsItself({ net, read, env }: Permissions): void {
  const asked: [flag: string, Deno.PermissionDescriptor][] = [
    ...net.map((host): [string, Deno.PermissionDescriptor] => [`--allow-net=${host}`, { name: "net", host }]),
    ...read.map((path): [string, Deno.PermissionDescriptor] => [`--allow-read=${path}`, { name: "read", path }]),
    ...env.map((
      variable,
    ): [string, Deno.PermissionDescriptor] => [`--allow-env=${variable}`, { name: "env", variable }]),
  ];
  for (const [flag, descriptor] of asked) {
    if (Deno.permissions.querySync(descriptor).state === "granted") continue;
    throw new ChannelError(`would be allowed more than the server itself is: run it with ${flag}`);
  }
}
