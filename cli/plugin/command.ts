/** `postern plugin`: begins a plugin of one's own, lists those that are there. Non-job: the texts (templates.ts). */
import { resolve } from "node:path";
import { Command } from "commander";
import { jsonSchemaOf } from "../../core/config/json_schema.ts";
import { REGISTRY } from "../../core/config/registry.ts";
import { DONE, type ExitCode, type Terminal } from "../terminal.ts";
import { checkPluginName } from "./name.ts";
import { writePlugin } from "./write.ts";

export function pluginCommand(terminal: Terminal, finish: (code: ExitCode) => void): Command {
  const command = new Command("plugin").description("plugins of one's own, and those that come with Postern");
  command.command("new")
    .description("write a typed plugin with its options, its test and a README, ready to be changed")
    .argument("<name>", "its name, such as no_newsletters")
    .option("-d, --dir <folder>", "where plugins/NAME is written; postern.yaml stands there too", ".")
    .action(async (name: string, { dir }: { dir: string }) => {
      checkPluginName(name);
      for (const line of await writePlugin(name, resolve(terminal.cwd, dir))) terminal.out(line);
      finish(DONE);
    });
  command.command("list")
    .description("print the plugins that a configuration can name, and their options")
    .option("--json", "print JSON")
    .action(({ json = false }: { json?: boolean }) => {
      const plugins = [...REGISTRY].map(([name, { options }]) => ({ name, options: optionNames(options) }));
      if (json) terminal.out(JSON.stringify({ plugins }, null, 2));
      else {
        const width = Math.max(...plugins.map(({ name }) => name.length));
        for (const { name, options } of plugins) terminal.out(`${name.padEnd(width)}  ${options.join(", ")}`.trimEnd());
      }
      finish(DONE);
    });
  return command;
}

function optionNames(schema: unknown): string[] {
  const { properties } = jsonSchemaOf(schema);
  return typeof properties === "object" && properties !== null ? Object.keys(properties) : [];
}
