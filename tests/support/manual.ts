/** docs/plugins.md as tests read it: a section for each plugin, its YAML and its tables. */
const manual = await Deno.readTextFile(new URL("../../docs/plugins.md", import.meta.url));
const sections = new Map(
  manual.split(/^### /m).slice(1).map((text) => [text.slice(0, text.indexOf("\n")), text.split(/^## /m)[0]!]),
);

/** The plugins that have a section, in their order. */
export const described: readonly string[] = [...sections.keys()];

/** What the manual says of a plugin. */
export function section(plugin: string): string {
  const text = sections.get(plugin);
  if (text === undefined) throw new Error(`docs/plugins.md has no section "### ${plugin}"`);
  return text;
}

/** The YAML blocks of a section, at least one. */
export function yamlBlocks(plugin: string): string[] {
  const blocks = [...section(plugin).matchAll(/^```yaml\n(.*?)^```$/gms)].map((match) => match[1]!);
  if (blocks.length === 0) throw new Error(`docs/plugins.md, ${plugin}: no example`);
  return blocks;
}

/** The options in the table whose first column is `option`. */
export function optionRows(plugin: string): string[] {
  const table = /^\| option .*\n((?:\|.*\n)+)/m.exec(section(plugin))?.[1] ?? "";
  return [...table.matchAll(/^\| `(\w+)` /gm)].map((match) => match[1]!);
}

/** The table of all plugins: name and phases. */
export const overview: readonly (readonly [plugin: string, phases: string])[] = [
  ...manual.matchAll(/^\| \[(\w+)\]\(#(\w+)\) +\| (.*?) +\|/gm),
].map(([, name, anchor, phases]) => {
  if (name !== anchor) throw new Error(`docs/plugins.md: ${name} leads to ${anchor}`);
  return [name!, phases!];
});
