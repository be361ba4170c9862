/** What is wrong with a configuration, with its place, and the error that carries all of it at once. */

/** One fault and its place. */
export interface ConfigIssue {
  /** As it was named on the command line; null when the fault is in the environment. */
  readonly file: string | null;
  /** From 1; 0 when there is no place in a file. */
  readonly line: number;
  /** From 1. */
  readonly column: number;
  /** The key, as `listeners[0].address`. */
  readonly path: string;
  /** What is wrong and what to do. */
  readonly message: string;
}

/** `file:line:column: path: message`, as compilers write it. */
export function formatIssue(issue: ConfigIssue): string {
  const place = issue.file === null
    ? []
    : [issue.line > 0 ? `${issue.file}:${issue.line}:${issue.column}` : issue.file];
  return [...place, ...(issue.path === "" ? [] : [issue.path]), issue.message].join(": ");
}

/**
 * A configuration that cannot be used: every fault of it, in the order of the file.
 *
 * @example
 * ```ts
 * import { ConfigError, loadConfig } from "postern/server";
 * import { assertEquals, assertRejects } from "@std/assert";
 * const value = { hostname: "mx.example.org", plugins: [{ inbox: { everything: "yes" } }, "spff"] };
 * const error = await assertRejects(() => loadConfig({ value, env: {} }), ConfigError);
 * assertEquals(error.issues.map(({ path, message }) => `${path}: ${message}`), [
 *   "plugins[0].inbox.everything: must be true or false",
 *   'plugins[1]: there is no plugin "spff"; did you mean "spf"?',
 * ]);
 * ```
 */
export class ConfigError extends Error {
  /** Tells it from other errors. */
  override readonly name = "ConfigError";
  /** The faults; the message has a line for each. */
  constructor(readonly issues: readonly ConfigIssue[]) {
    super(issues.map(formatIssue).join("\n"));
  }
}

export type Path = readonly (string | number)[];

/** `["listeners", 0, "address"]` as `listeners[0].address`. */
export function formatPath(path: Path): string {
  let text = "";
  for (const step of path) {
    if (typeof step === "number") text += `[${step}]`;
    else if (/^[\w-]+$/.test(step)) text += text === "" ? step : `.${step}`;
    else text += `[${JSON.stringify(step)}]`;
  }
  return text;
}
