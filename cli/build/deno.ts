/**
 * The Deno that bundles and compiles: the running one. Non-job: the one that goes into the file (command.ts).
 */
import { runnableDeno } from "../../core/packed/runtime.ts";
import { CommandError } from "../terminal.ts";

/** Under a name by which it may be run. @throws {CommandError} with what is missing. */
export function denoToRun(): string {
  const found = runnableDeno();
  if (found !== null) return found;
  throw new CommandError(
    `building needs Deno itself: run this with --allow-run=${Deno.execPath()}, or by deno task compile`,
  );
}
