/**
 * One executable by `deno compile`, where its runtime file (denort) can be had: DENORT_BIN names it, or the network has it.
 * Bounded in time: without a network the answer is no, and the other way is taken. Non-job: the program (bundle.ts).
 */
import { denoToRun } from "./deno.ts";
import type { Target } from "./target.ts";

export interface CompileOptions {
  readonly target: Target;
  readonly permissions: readonly string[];
  /** Where the executable goes. */
  readonly output: string;
  /** Milliseconds (default 30 s; the runtime file has 45 MB). */
  readonly time?: number;
}

/** Null when it is made, else why there is none, in one line. */
export async function compile(program: Uint8Array, options: CompileOptions): Promise<string | null> {
  const { target, permissions, output, time = 30_000 } = options;
  const folder = await Deno.makeTempDir({ prefix: "postern-compile-" });
  const abort = new AbortController(), timer = setTimeout(() => abort.abort(), time);
  try {
    await Deno.writeFile(`${folder}/main.js`, program);
    const child = new Deno.Command(denoToRun(), {
      args: [
        ...["compile", "--quiet", "--no-check", "--no-config", "--no-lock", "--no-prompt", "--unstable-worker-options"],
        ...permissions.map((flag) => flag.replaceAll("@{exe}", output)),
        ...["--target", target, "--output", output],
        "main.js",
      ],
      cwd: folder,
      env: { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" },
      stdin: "null",
      stdout: "null",
      stderr: "piped",
      signal: abort.signal,
    }).spawn();
    const { success, stderr } = await child.output();
    if (success) return null;
    if (abort.signal.aborted) return `its runtime file did not come within ${time / 1000} s`;
    return reasonIn(new TextDecoder().decode(stderr));
  } finally {
    clearTimeout(timer);
    await Deno.remove(folder, { recursive: true });
  }
}

/** The cause that lies deepest says most: "failed to lookup address information". */
function reasonIn(said: string): string {
  const causes = said.split("\n").filter((line) => /^\s+\d+: (?!<unknown>)/.test(line));
  const line = causes.at(-1) ?? said.split("\n").find((each) => each.includes("error")) ?? "it failed";
  return line.replace(/^\s*(?:\d+: |error: )/, "").replace(/\s+/g, " ").trim().slice(0, 200);
}
