/** Runs a program to its end. Non-job: whether it is there (tests/support/debian.ts). */
import { type Program, programOf } from "../support/debian.ts";
import { within } from "../support/wait.ts";

export interface RunOptions {
  /** A file for its standard input. */
  readonly input?: string;
  /** Text for its standard input. */
  readonly text?: string;
  /** Its home, when it should find no settings of ours. */
  readonly home?: string;
  /** Milliseconds (default 30 s). */
  readonly deadline?: number;
  /** Give the output whatever the exit code is. */
  readonly anyEnd?: boolean;
}

/** Everything it printed. @throws with that when it does not end well, or does not end. */
export async function run(
  program: Program | string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<string> {
  const { input, text, home, deadline = 30_000, anyEnd = false } = options;
  const child = new Deno.Command(programOf(program as Program) ?? program, {
    args: [...args],
    ...home !== undefined && { env: { HOME: home }, cwd: home },
    stdin: input === undefined && text === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const output = child.output();
  if (input !== undefined || text !== undefined) {
    const writer = child.stdin.getWriter();
    try {
      await writer.write(input === undefined ? new TextEncoder().encode(text) : await Deno.readFile(input));
      await writer.close();
    } catch { /* it has ended without reading: its output says why */ }
  }
  const { success, stdout, stderr } = await within(
    `the end of ${program}`,
    output,
    deadline,
    () => child.kill("SIGKILL"),
  );
  const printed = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  if (!success && !anyEnd) throw new Error(`${program} ${args.join(" ")}\n${printed}`);
  return printed;
}
