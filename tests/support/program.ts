/**
 * The program as tests start it: from its sources, or, where POSTERN_BINARY names one, the binary that users have, with no
 * Deno in its PATH. Non-job: starting it (cli.ts, server.ts).
 */
import { fromFileUrl } from "./paths.ts";

const MAIN = fromFileUrl(new URL("../../cli/main.ts", import.meta.url));

/** The binary that is tested, absolute; null where the sources are. */
export const BINARY: string | null = Deno.env.has("POSTERN_BINARY")
  ? Deno.realPathSync(Deno.env.get("POSTERN_BINARY")!)
  : null;

/** A command and its first words: what stands behind them is Postern's. */
export const PROGRAM: readonly [string, ...string[]] = BINARY === null
  ? [Deno.execPath(), "run", "-A", MAIN]
  : [BINARY];

/** For the environment of that program: from a binary nobody finds a Deno, nor anything else. */
export const ALONE: Readonly<Record<string, string>> = BINARY === null ? {} : { PATH: "/nonexistent" };

/** For `ignore`: what a binary cannot have, such as a plugin that the test writes. A reason stands beside each use. */
export const FROM_SOURCES_ONLY = BINARY !== null;
