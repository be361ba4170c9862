/**
 * `postern check`: reads the configuration as `serve` would, tells every fault, and shows what would run: listeners,
 * warnings, and which plugin speaks in which phase.
 */
import { Command } from "commander";
import { type Config, formatEndpoint, type ListenerConfig } from "../core/config/config.ts";
import { loadConfig } from "../core/config/load.ts";
import { formatSize } from "../core/model/units.ts";
import { type Phase, Pipeline } from "../core/pipeline/mod.ts";
import { DONE, type ExitCode, type Terminal } from "./terminal.ts";

const PHASES: readonly Phase[] = ["connect", "helo", "auth", "mail", "rcpt", "data", "queue", "deliver"];

export function checkCommand(terminal: Terminal, finish: (code: ExitCode) => void): Command {
  return new Command("check")
    .description("check the configuration; print listeners, warnings and the plugins of each phase")
    .option("-c, --config <file>", "configuration file (default: POSTERN_CONFIG, else ./postern.yaml if it is there)")
    .action(async (options: { config?: string }) => {
      const file = options.config === undefined ? {} : { file: options.config };
      const config = await loadConfig({ ...file, env: terminal.env, cwd: terminal.cwd });
      for (const line of describe(config)) terminal.out(line);
      for (const warning of config.warnings) terminal.err(`warning: ${warning}`);
      finish(DONE);
    });
}

/** What `check` prints, line by line. */
export function describe(config: Config): string[] {
  const { limits, admin } = config;
  const lines = [
    `configuration  ${config.file ?? "none: the dev inbox"}`,
    `hostname       ${config.hostname}`,
    `data           ${config.data} (${config.store})`,
    `domains        ${config.domains.join(", ") || "none"}`,
    `limits         ${
      formatSize(limits.messageSize)
    } a message, ${limits.recipients} recipients, ${limits.connections} connections`,
    `admin          ${
      admin === null
        ? "off"
        : `http://${formatEndpoint(admin.address)}${admin.token === null ? ", no token" : ", with a token"}`
    }`,
  ];
  for (const listener of config.listeners) lines.push("", ...describeListener(listener));
  return lines;
}

function describeListener({ name, role, address, plugins }: ListenerConfig): string[] {
  const place = formatEndpoint(address);
  const title = `listener ${place}${name === place ? "" : ` (${name})`}, role ${role}`;
  const { matrix } = new Pipeline(plugins, { role });
  if (matrix.length === 0) return [title, "  no plugins"];
  const width = Math.max(...matrix.map((each) => each.plugin.length));
  const row = (first: string, cells: readonly string[], note = "") =>
    `  ${first.padEnd(width)}  ${cells.map((cell, at) => cell.padEnd(PHASES[at]!.length)).join(" ")}  ${note}`
      .trimEnd();
  return [
    title,
    row("", PHASES),
    ...matrix.map(({ plugin, phases, mode }) =>
      row(plugin, PHASES.map((phase) => phases.includes(phase) ? "x" : "."), mode === "observe" ? "observe" : "")
    ),
  ];
}
