/** What a new plugin may be called: it is a folder, a key in YAML and a variable at once. */
import { HOST_WORDS } from "../../core/config/entry.ts";
import { REGISTRY } from "../../core/config/registry.ts";
import { CommandError } from "../terminal.ts";

const NAME = /^[a-z][a-z0-9_]{0,39}$/;
/** Words that no variable may be called (ECMA-262 12.7.2, strict code), and those that the texts use themselves. */
const RESERVED = new Set(
  ("arguments await break case catch class const continue debugger default delete do else enum eval export extends " +
    "false finally for function if implements import in instanceof interface let new null package private protected " +
    "public return static super switch this throw true try typeof undefined var void while with yield " +
    "assert ctx next options reject simulate unwanted z").split(" "),
);

/** @throws {CommandError} with what to take instead. */
export function checkPluginName(name: string): void {
  const shown = JSON.stringify(name.slice(0, 60));
  if (!NAME.test(name)) {
    const near = name.toLowerCase().replace(/[^a-z0-9]+/g, "_").replace(/^[^a-z]+|_+$/g, "").slice(0, 40);
    const instead = NAME.test(near) && near.length > 1 ? `; ${near} would do` : "";
    throw new CommandError(
      `${shown} is no name for a plugin: it begins with a small letter, and has small letters, digits and "_", 40 at most${instead}`,
    );
  }
  if (REGISTRY.has(name)) throw new CommandError(`${shown} comes with Postern already: take another name`);
  if (RESERVED.has(name)) {
    throw new CommandError(`${shown} is a word of TypeScript or of the plugin's own text: take another name`);
  }
  if (
    Object.hasOwn(HOST_WORDS, name) || ["core", "parallel", "firstof", "sandbox", "standard", "plugin"].includes(name)
  ) {
    throw new CommandError(`${shown} means something else in a configuration: take another name`);
  }
}
