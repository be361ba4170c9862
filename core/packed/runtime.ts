/**
 * The Deno that runs this program, by a name under which it may be started again: `--allow-run=deno` allows what PATH
 * finds, and that is the same file only behind a link. Non-job: with which arguments (core/sandbox/process, cli/build).
 */

/** Null where this program may not start it. */
export function runnableDeno(): string | null {
  // Where a newer one was put in its place, Linux says so behind the path: the child is that one, with our own modules
  const own = Deno.execPath().replace(/ \(deleted\)$/, "");
  if (mayRun(own)) return own;
  const found = onPath("deno");
  return found !== null && mayRun(found) && Deno.realPathSync(found) === Deno.realPathSync(own) ? found : null;
}

/** Whether this program may start that one. */
export function mayRun(command: string): boolean {
  return Deno.permissions.querySync({ name: "run", command }).state === "granted";
}

function onPath(name: string): string | null {
  if (Deno.build.os === "windows") return null;
  if (Deno.permissions.querySync({ name: "env", variable: "PATH" }).state !== "granted") return null;
  for (const folder of Deno.env.get("PATH")?.split(":") ?? []) {
    try {
      if (Deno.statSync(`${folder}/${name}`).isFile) return `${folder}/${name}`;
    } catch {
      continue; // not there, or not to be read
    }
  }
  return null;
}
