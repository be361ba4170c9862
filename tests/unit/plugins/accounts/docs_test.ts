/** What the manual shows of `relay` and `recipients` is what the plugins take and do. */
import { assert, assertEquals } from "@std/assert";
import { parse } from "@std/yaml";
import { formatAddress, type Plugin } from "../../../../core/pipeline/mod.ts";
import { simulate } from "../../../../core/pipeline/testing/simulation.ts";
import { relay } from "../../../../plugins/access/relay/mod.ts";
import { recipients } from "../../../../plugins/accounts/recipients/mod.ts";
import { yamlBlocks } from "../../../support/manual.ts";
import { TempFolder } from "../../../support/temp.ts";

const HOST = {
  name: "mx.example.org",
  domains: ["example.org", "example.net", "example.com", "shop.example"],
  postmaster: null,
};

function plugin(block: string, base = "."): Plugin {
  const { plugins: [entry] } = parse(block) as { plugins: Record<string, unknown>[] };
  const [[name, options]] = Object.entries(entry!) as [[string, unknown]];
  return (name === "relay" ? relay : recipients).parse(options, [name], { base });
}
async function routes(plugin: Plugin, to: string, facts: { ip?: string } = {}): Promise<string> {
  const { recipients, reply } = await simulate([plugin], { host: HOST, to, ...facts });
  if (recipients.length === 0) return `${reply.code} ${reply.status}`;
  return recipients.map(({ address, route }) =>
    `${formatAddress(address)} ${
      route!.to === "local" ? route!.plugin : route!.to === "remote" ? route!.via ?? "out" : route!.to
    }`
  ).join(", ");
}

Deno.test("docs/plugins.md, relay: the example does what the text says", async () => {
  const [block, ...more] = yamlBlocks("relay");
  assertEquals(more, []);
  const example = plugin(block!);
  assertEquals(await routes(example, "u@other.example"), "550 5.7.1");
  assertEquals(await routes(example, "u@other.example", { ip: "10.20.1.1" }), "u@other.example out");
  assertEquals(await routes(example, "u@a.partner.example"), "u@a.partner.example out");
});

Deno.test("docs/plugins.md, recipients: the examples do what the text says", async () => {
  const [inline, file, lines, ...more] = yamlBlocks("recipients");
  assertEquals(more, []);
  const table: [string, string][] = [
    ["Alice@example.net", "alice@example.org maildir"],
    ["bob@example.org", "bob@example.org inbox"],
    ["carol@example.net", "carol@example.net archive"],
    ["info@example.org", "alice@example.org maildir, bob@example.org inbox"],
    ["sales@example.net", "alice@example.org maildir"],
    ["away@example.org", "someone@elsewhere.example out"],
    ["bob@example.com", "bob@example.org inbox"],
    ["whoever@example.net", "alice@example.org maildir"],
    ["whoever@example.com", "550 5.1.1"],
    ["orders@shop.example", "owner@shop.example maildir, help@shop.example maildir"],
    ["alice@shop.example", "owner@shop.example maildir"],
  ];
  for (const [to, answer] of table) assertEquals(await routes(plugin(inline!), to), answer, to);

  await using temp = await TempFolder.make();
  const base = temp.path;
  await Deno.writeTextFile(`${base}/recipients.yaml`, lines!);
  const read = plugin(file!, base);
  assertEquals(await routes(read, '"C D"@example.net'), '"c d"@example.net maildir');
  assert((await routes(read, "team@example.org")).endsWith("someone@elsewhere.example out"));
});
