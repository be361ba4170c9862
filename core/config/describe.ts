/**
 * What `postern check` and the site say of a configuration: listeners, and which plugin speaks in which phase of each.
 * Lines of text, and the plugins as values. Non-job: delivery to other hosts (delivery/describe.ts).
 */
import { formatSize } from "../model/units.ts";
import { COMBINED, type Combined, leavesOf, PHASES } from "../pipeline/compile.ts";
import { Pipeline } from "../pipeline/pipeline.ts";
import type { Plugin } from "../pipeline/plugin.ts";
import { type Config, formatEndpoint, type ListenerConfig } from "./config.ts";
import { formatSelection, possible, selectionOf } from "./entry.ts";
import { databaseOf } from "./store.ts";

/** What `check` prints of all but delivery, line by line. */
export function describe(config: Config): string[] {
  const { limits, admin } = config, database = databaseOf(config.store);
  const lines = [
    `configuration  ${config.file ?? "none: the dev inbox"}`,
    `hostname       ${config.hostname}`,
    `data           ${config.data}${database === null ? ` (${config.store})` : ""}`,
    ...database === null ? [] : [`store          ${database.shown}`],
    ...config.threads === 1 ? [] : [`threads        ${config.threads} that talk SMTP`],
    `domains        ${config.domains.join(", ") || "none"}`,
    `limits         ${formatSize(limits.messageSize)} a message, ${limits.recipients} recipients, connections: ${
      limits.connections ?? "as the open files allow"
    }`,
    `admin          ${
      admin === null
        ? "off"
        : `http://${formatEndpoint(admin.address)}${admin.token === null ? ", no token" : ", with a token"}`
    }`,
  ];
  for (const listener of config.listeners) lines.push("", ...describeListener(listener));
  return lines;
}

/** A plugin of a listener: the phases in which mail of that listener can meet it, and how. */
export interface DescribedPlugin {
  readonly name: string;
  /** "enforce" or "observe". */
  readonly mode: string;
  readonly phases: readonly string[];
  /** Under which conditions, and where it runs; empty: always, and here. */
  readonly note: string;
}

const described = new WeakMap<ListenerConfig, readonly DescribedPlugin[]>();

/** The plugins of a listener in their order; those that nothing there can meet are left out. Found out once. */
export function describePlugins(listener: ListenerConfig): readonly DescribedPlugin[] {
  let found = described.get(listener);
  if (found === undefined) described.set(listener, found = pluginsOf(listener));
  return found;
}

function pluginsOf(listener: ListenerConfig): readonly DescribedPlugin[] {
  const { role, plugins } = listener;
  const conditions = new Map(plugins.flatMap((plugin) => conditionsOf(plugin, listener)));
  const { matrix } = new Pipeline(plugins, { role }); // in the order of the leaves
  return leavesOf(plugins, role).flatMap(({ plugin: leaf }, at) => {
    const { plugin, phases, mode } = matrix[at]!, { possible, words } = conditions.get(leaf)!;
    // The queue asks whom a recipient's route names, whatever the conditions say
    const asked = possible ? phases : phases.filter((phase) => phase === "queue");
    return asked.length === 0 && phases.length > 0
      ? []
      : [{ name: plugin, mode, phases: asked, note: [...words, ...formatSandbox(leaf)].join("; ") }];
  });
}

/** `in a worker of its own: net api.example.org:443`. */
function formatSandbox({ sandbox }: Plugin): string[] {
  if (sandbox === undefined) return [];
  const { isolate, ...may } = sandbox;
  const words = Object.entries(may).flatMap(([word, list]) => list.length > 0 ? [`${word} ${list.join(" and ")}`] : []);
  return [`in a ${isolate} of its own${words.length > 0 ? `: ${words.join(", ")}` : ""}`];
}

function describeListener(listener: ListenerConfig): string[] {
  const { name, role, address } = listener;
  const place = formatEndpoint(address);
  const title = `listener ${place}${name === place ? "" : ` (${name})`}, role ${role}${securityOf(listener)}`;
  const rows = describePlugins(listener);
  if (rows.length === 0) return [title, "  no plugins"];
  const width = Math.max(...rows.map((each) => each.name.length));
  const row = (first: string, cells: readonly string[], note = "") =>
    `  ${first.padEnd(width)}  ${cells.map((cell, at) => cell.padEnd(PHASES[at]!.length)).join(" ")}  ${note}`
      .trimEnd();
  return [
    title,
    row("", PHASES),
    ...rows.map(({ name, phases, mode, note }) => {
      const notes = [mode === "observe" ? "observe" : "", note].filter((each) => each !== "");
      return row(name, PHASES.map((phase) => phases.includes(phase) ? "x" : "."), notes.join("; "));
    }),
  ];
}

/** What the listener does about TLS and logins. */
function securityOf({ tls, requireAuth, mechanisms }: ListenerConfig): string {
  const words = { off: "", offer: ", STARTTLS", require: ", STARTTLS required", implicit: ", TLS" }[tls];
  if (mechanisms.length === 0) return words;
  return `${words}, login ${requireAuth ? "required" : "offered"}: ${mechanisms.join(" ")}`;
}

interface Asked {
  /** False: no mail of the listener can meet its conditions. */
  readonly possible: boolean;
  readonly words: readonly string[];
}

/** Under which conditions each plugin in `plugin` is asked: its own and those of the groups around it. */
function conditionsOf(
  plugin: Plugin,
  listener: ListenerConfig,
  above: Asked = { possible: true, words: [] },
): [Plugin, Asked][] {
  const selection = selectionOf(plugin), text = formatSelection(selection);
  const here: Asked = {
    possible: above.possible && possible(selection, listener),
    words: text === "" ? above.words : [...above.words, text],
  };
  const members = (plugin as Plugin & { readonly [COMBINED]?: Combined })[COMBINED]?.members;
  return members?.flatMap((member) => conditionsOf(member, listener, here)) ?? [[plugin, here]];
}
