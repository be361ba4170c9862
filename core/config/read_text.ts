/** The text of a configuration file. Non-job: what it says (document.ts). */
import { ConfigError } from "./issue.ts";

/** Octets: a running server stands still while it reads its configuration again. */
const LARGEST = 1024 * 1024;

/**
 * `name`: as a person named it.
 *
 * @throws {ConfigError} when there is none, or no text.
 */
export async function readText(path: string, name: string): Promise<string> {
  try {
    const { size } = await Deno.stat(path);
    if (size > LARGEST) throw new RangeError(`has ${size} octets; a configuration may have ${LARGEST}`);
    return new TextDecoder("utf-8", { fatal: true }).decode(await Deno.readFile(path));
  } catch (error) {
    const why = error instanceof RangeError
      ? error.message
      : error instanceof Deno.errors.NotFound
      ? "there is no such file"
      : error instanceof TypeError
      ? "is not UTF-8 text"
      : `cannot be read: ${error instanceof Error ? error.message : error}`;
    throw new ConfigError([{ file: name, line: 0, column: 0, path: "", message: why }]);
  }
}
