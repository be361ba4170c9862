/** docs/plugins.md says of each plugin what it is: a section, a table of all options, examples that the server takes. */
import { assert, assertEquals } from "@std/assert";
import type { z } from "zod";
import { loadConfig } from "../../../core/config/load.ts";
import { leavesOf, PHASES } from "../../../core/pipeline/compile.ts";
import { PLUGINS } from "../../../plugins/mod.ts";
import { TempFolder } from "../../support/temp.ts";
import { RFC_ED25519_PEM } from "../dkim/keys.ts";
import { described, optionRows, overview, yamlBlocks } from "../../support/manual.ts";

const SITE = `hostname: mx.example.org
domains: [example.org, example.net, example.com, shop.example]
postmaster: ops@example.org
`;

Deno.test("docs/plugins.md: a section for each plugin, in the order of the table", () => {
  assertEquals(described.toSorted(), Object.keys(PLUGINS).toSorted());
  assertEquals(overview.map(([name]) => name), described);
});

for (const [name, factory] of Object.entries(PLUGINS)) {
  Deno.test(`docs/plugins.md, ${name}: every option has its row, no row is without one`, () => {
    const { shape } = factory.options as unknown as z.ZodObject;
    assertEquals(optionRows(name).toSorted(), Object.keys(shape).toSorted());
  });

  Deno.test(`docs/plugins.md, ${name}: the server takes the examples, and the phases are those of the table`, async () => {
    const configurations = yamlBlocks(name).filter((each) => each.startsWith("plugins:"));
    assert(configurations.length > 0);
    const phases = new Set<string>();
    for (const block of configurations) {
      await using folder = await TempFolder.make();
      await folder.file("recipients.yaml", "accounts: [ops]\n");
      await folder.file("accounts.txt", "ops disabled\n");
      for (const name of ["s2026.pem", "e2026.pem"]) await folder.file(name, RFC_ED25519_PEM);
      await folder.file("postern.yaml", SITE + block);
      const { listeners } = await loadConfig({ env: {}, cwd: folder.path });
      for (const { plugin } of leavesOf(listeners[0]!.plugins, undefined)) {
        if (plugin.name !== name) continue; // where its mail goes
        for (const phase of Object.keys(plugin.handlers)) phases.add(phase);
      }
    }
    const row = overview.find(([each]) => each === name)![1];
    assertEquals(row, PHASES.filter((phase) => phases.has(phase)).map((phase) => `\`${phase}\``).join(", "));
  });
}
