/** `postern schema`: the configuration's JSON Schema, for editors. */
import { Command } from "commander";
import { configurationSchema } from "../core/config/json_schema.ts";
import { REGISTRY } from "../core/config/registry.ts";
import { DONE, type ExitCode, type Terminal } from "./terminal.ts";

export function schemaCommand(terminal: Terminal, finish: (code: ExitCode) => void): Command {
  return new Command("schema")
    .description("print the JSON Schema of the configuration, for editors")
    .action(() => {
      terminal.out(JSON.stringify(configurationSchema(REGISTRY), null, 2));
      finish(DONE);
    });
}
