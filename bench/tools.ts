/**
 * The load generator and the sink in C (tools/), compiled into .build/ when their source is newer. Job: build, run,
 * parse the one line of JSON that smtpload prints. Non-job: what to load (workloads.ts).
 */

export const BENCH = new URL(".", import.meta.url).pathname.replace(/\/$/, "");
export const BUILD = `${BENCH}/.build`;

/** Compiles `name`.c when needed and returns the program's path. @throws with the compiler's words. */
export async function compiled(name: "smtpload" | "smtpsink"): Promise<string> {
  const source = `${BENCH}/tools/${name}.c`, program = `${BUILD}/${name}`;
  await Deno.mkdir(BUILD, { recursive: true });
  const built = await Deno.stat(program).catch(() => null);
  if (built && built.mtime! > (await Deno.stat(source)).mtime!) return program;
  const { success, stderr } = await new Deno.Command("cc", {
    args: ["-O2", "-Wall", "-DNO_TLS", "-o", program, source], // TLS has no workload yet
  }).output();
  if (!success) throw new Error(`cc ${source}: ${new TextDecoder().decode(stderr)}`);
  return program;
}

export interface LoadResult {
  readonly ok: number;
  readonly failed: number;
  readonly elapsed_s: number;
  readonly msgs_s: number;
  readonly lat_ms: { readonly p50?: number; readonly p99?: number };
  readonly errors: Readonly<Record<string, number>>;
  readonly cpu_user_s: number;
  readonly cpu_sys_s: number;
}

/** Runs smtpload to its end. */
export async function load(port: number, args: readonly string[]): Promise<LoadResult> {
  const { stdout, stderr } = await new Deno.Command(await compiled("smtpload"), {
    args: ["--port", String(port), ...args],
  }).output();
  const last = new TextDecoder().decode(stdout).trim().split("\n").at(-1) ?? "";
  if (!last.startsWith("{")) throw new Error(`smtpload: ${last} ${new TextDecoder().decode(stderr)}`);
  return JSON.parse(last);
}
