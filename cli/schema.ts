/** `postern schema`: the configuration's JSON Schema, for editors; with a file, the options of its own plugins too. */
import { Command } from "commander";
import { configurationSchema } from "../core/config/json_schema.ts";
import { ownPlugins } from "../core/config/own_plugins.ts";
import { REGISTRY } from "../core/config/registry.ts";
import { DONE, type ExitCode, type Terminal } from "./terminal.ts";

export function schemaCommand(terminal: Terminal, finish: (code: ExitCode) => void): Command {
  return new Command("schema")
    .description("print the JSON Schema of the configuration, for editors")
    .option("-c, --config <file>", "with the options of the plugins of your own that this file names")
    .action(async ({ config }: { config?: string }) => {
      const own = config === undefined ? new Map() : await ownPlugins(config, {
        cwd: terminal.cwd,
        env: terminal.env,
        trouble: (name, message) => terminal.err(`postern: warning: ${name} has no options here: ${message}`),
      });
      terminal.out(JSON.stringify(configurationSchema(REGISTRY, own), null, 2));
      finish(DONE);
    });
}
