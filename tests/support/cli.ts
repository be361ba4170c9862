/** The command line as a child process that runs to its end: what it printed and its exit code. */
import { freePort } from "./ports.ts";
import { ALONE, configIn, programFor } from "./program.ts";
import { within } from "./wait.ts";

export interface CliResult {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}
export interface CliOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string | Uint8Array;
  /** A command that runs it, such as prlimit with its options. */
  readonly under?: readonly string[];
  /** A command that is Postern, in place of the one that is tested. */
  readonly program?: readonly string[];
  /** Milliseconds (default 20 s). */
  readonly deadline?: number;
}

/** Runs `postern ARGS`. Unless told otherwise no server of another test answers it. @throws when it does not end. */
export async function postern(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  const own = options.program ?? await programFor(configIn(args, options.cwd ?? Deno.cwd()));
  const [program, ...before] = [...options.under ?? [], ...own];
  const child = new Deno.Command(program!, {
    args: [...before, ...args],
    cwd: options.cwd ?? Deno.cwd(),
    env: {
      POSTERN_SMTP: `127.0.0.1:${freePort()}`,
      POSTERN_ADMIN: `127.0.0.1:${freePort()}`,
      NO_COLOR: "1",
      ...options.under ? {} : ALONE, // what it runs under is to be found
      ...options.env,
    },
    stdin: options.input === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  if (options.input !== undefined) {
    const writer = child.stdin.getWriter();
    const { input } = options;
    await writer.write(typeof input === "string" ? new TextEncoder().encode(input) : input);
    await writer.close();
  }
  const { code, stdout, stderr } = await within(
    `the end of postern ${args.join(" ")}`,
    child.output(),
    options.deadline ?? 20_000,
    () => child.kill("SIGKILL"),
  );
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, out: text(stdout), err: text(stderr) };
}
