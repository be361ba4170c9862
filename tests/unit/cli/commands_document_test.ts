/** docs/commands.md says of each command what its help says. */
import { assert, assertEquals } from "@std/assert";
import type { Command } from "commander";
import { programOf } from "../../../cli/main.ts";
import { FakeTerminal } from "./fake_terminal.ts";

const DOCUMENT = new URL("../../../docs/commands.md", import.meta.url);

/** Each command below this one with its whole name, in order. */
function* commandsIn(command: Command, before: string): Generator<readonly [name: string, help: string]> {
  for (const each of command.commands) {
    const name = `${before} ${each.name()}`;
    yield [name, each.helpInformation().trimEnd()];
    yield* commandsIn(each, name);
  }
}

Deno.test("docs/commands.md has the help of every command", () => {
  const told = Deno.readTextFileSync(DOCUMENT);
  const program = programOf(new FakeTerminal(), () => {});
  const expected = [...commandsIn(program, "postern")].map(([name, help]) =>
    `## ${name}\n\n\`\`\`text\n${help}\n\`\`\`\n`
  ).join("\n");
  assert(expected.length > 10_000);
  const at = told.indexOf("\n## ") + 1;
  if (Deno.env.has("UPDATE_DOCS")) { // UPDATE_DOCS=1 deno test -A tests/unit/cli/commands_document_test.ts
    Deno.writeTextFileSync(DOCUMENT, `${at === 0 ? `${told}\n` : told.slice(0, at)}${expected}`);
  } else assertEquals(told.slice(at), expected, "write it anew: UPDATE_DOCS=1");
});
