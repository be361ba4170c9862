/** The YAML in docs/plugins is what the plugins take: every block is read and handed to the plugin it names. */
import { assert, assertEquals } from "@std/assert";
import { parse } from "@std/yaml";
import type { z } from "zod";
import { headers } from "../../../plugins/content/headers/mod.ts";
import { spamScore } from "../../../plugins/content/spam_score/mod.ts";
import { discard } from "../../../plugins/storage/discard/mod.ts";
import { inbox } from "../../../plugins/storage/inbox/mod.ts";
import { maildir } from "../../../plugins/storage/maildir/mod.ts";
import { null_mx } from "../../../plugins/access/null_mx/mod.ts";
import { rate_limit } from "../../../plugins/access/rate_limit/mod.ts";
import { spf } from "../../../plugins/identity/spf/mod.ts";

const DOCS = new URL("../../../docs/plugins/", import.meta.url);

for (const factory of [spf, rate_limit, null_mx, headers, spamScore, maildir, inbox, discard]) {
  const name = factory.pluginName;
  Deno.test(`docs/plugins/${name}.md: its example is taken, its table names every option`, async () => {
    const text = await Deno.readTextFile(new URL(`${name}.md`, DOCS));
    const blocks = [...text.matchAll(/^```yaml\n(.*?)^```$/gms)].map(([, yaml]) => parse(yaml!));
    assert(blocks.length > 0);
    for (const block of blocks) {
      const [entry] = (block as { plugins: Record<string, unknown>[] }).plugins;
      assertEquals(factory.parse(entry![name], [name]).name, name);
    }
    const rows = [...text.matchAll(/^\| `(\w+)` /gm)].map(([, option]) => option!);
    const { shape } = factory.options as unknown as z.ZodObject;
    assertEquals(rows.toSorted(), Object.keys(shape).toSorted());
  });
}
