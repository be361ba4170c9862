/** The functions of @std/yaml that are used here, over `yaml`, so that a network with JSR changes one line. */
import { parse as read, stringify as write } from "yaml";

/** @throws {SyntaxError} on text that is no YAML 1.2 document. */
export function parse(content: string): unknown {
  try {
    return read(content, { maxAliasCount: 100 });
  } catch (error) {
    throw new SyntaxError(error instanceof Error ? error.message : String(error));
  }
}

export function stringify(data: unknown): string {
  return write(data);
}
