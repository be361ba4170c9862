/**
 * The 33 ways to ask a mail server for relaying, from a stranger, past the grammar and the plugins `relay` and
 * `recipients`. The same forms over a socket are another test's.
 */
import { assert, assertEquals } from "@std/assert";
import { formatAddress, parsePath } from "../../core/model/address.ts";
import { simulate } from "../../core/pipeline/testing/simulation.ts";
import { relay } from "../../plugins/access/relay/mod.ts";
import { recipients } from "../../plugins/accounts/recipients/mod.ts";
import { readVectors } from "../support/vectors.ts";

interface Form {
  readonly id: string;
  readonly from: string;
  readonly to: string;
  readonly why: string;
}

const forms = readVectors<Form[]>("relay-forms/relay-forms.json");

const HOST = { name: "mx.local.example", domains: ["local.example"], postmaster: null };
const PLUGINS = [
  relay({ networks: ["10.0.0.0/8"], domains: ["partner.example"] }),
  recipients({ accounts: ["alice"], aliases: { forward: "alice@elsewhere.example" } }),
];

function fill(form: string): string {
  return form.replaceAll("OTHERIP", "198.51.100.7").replace(/\bIP\b/g, "192.0.2.25")
    .replaceAll("LOCAL", "local.example").replaceAll("OUT", "out.example");
}

Deno.test({
  name: "case 23: all 33 relay forms are refused for a stranger",
  ignore: forms === null,
  async fn() {
    assertEquals(forms!.length, 33);
    for (const { id, to, why } of forms!) {
      const text = fill(to);
      for (const smtputf8 of [false, true]) {
        const path = parsePath(`<${text}>`, 0, { smtputf8 });
        if (path.fault !== undefined) continue; // 501 or 553: no plugin is asked
        assert(path.address !== null, id);
        if (path.end !== text.length + 2) continue; // something stands behind the path: no parameter, 501
        for (const from of [null, "a@local.example", "alice@local.example", "a@out.example", "a@[192.0.2.25]"]) {
          const result = await simulate(PLUGINS, { host: HOST, from, to: formatAddress(path.address) });
          const reply = `${result.reply.code} ${result.reply.status}`;
          const local = path.address.domain === "local.example";
          assertEquals(reply, local ? "550 5.1.1" : "550 5.7.1", `${id}: ${why}: ${text}`);
          assertEquals([result.recipients, result.rows], [[], []], id);
        }
      }
    }
  },
});

Deno.test("case 23: the same plugins do let out what they should", async () => {
  const table: [string, { ip?: string; identity?: string }][] = [
    ["u@out.example", { identity: "alice" }],
    ["u@out.example", { ip: "10.0.0.1" }],
    ["u@partner.example", {}],
    ["forward@local.example", {}],
  ];
  for (const [to, facts] of table) {
    const { recipients } = await simulate(PLUGINS, { host: HOST, to, ...facts });
    assertEquals(recipients.map(({ route }) => route), [{ to: "remote" }], to);
  }
  const forward = await simulate(PLUGINS, { host: HOST, to: "alice@elsewhere.example" });
  assertEquals(`${forward.reply.code} ${forward.reply.status}`, "550 5.7.1");
});
