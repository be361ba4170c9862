/** The configurations that docs/from-*.md show are ones that the server takes, and the API paths they name are there. */
import { assert, assertEquals } from "@std/assert";
import { loadConfig } from "../../../core/config/load.ts";
import { REGISTRY } from "../../../core/config/registry.ts";
import { TempFolder } from "../../support/temp.ts";

const PAGES = ["from-haraka.md", "from-postfix.md", "from-mailpit.md", "from-smtp-server.md"];
const page = (name: string) => Deno.readTextFileSync(new URL(`../../../docs/${name}`, import.meta.url));

Deno.test("docs/from-*.md: every YAML block loads", async () => {
  let blocks = 0;
  for (const name of PAGES) {
    for (const [, text] of page(name).matchAll(/^```yaml\n(.*?)^```$/gms)) {
      await using folder = await TempFolder.make();
      await folder.file("postern.yaml", text!);
      const config = await loadConfig({
        cwd: folder.path,
        env: { POSTERN_ADMIN_TOKEN: "a-token-of-the-tests", RELAY_PASSWORD: "x" },
      });
      assert(config.listeners.length > 0);
      blocks++;
    }
  }
  assertEquals(blocks, 2);
});

Deno.test("docs/from-haraka.md and from-postfix.md: words that stand alone in a last column and look like plugins are plugins", () => {
  const odd: string[] = [];
  let seen = 0;
  for (const name of ["from-haraka.md", "from-postfix.md"]) {
    const at = page(name).indexOf(name === "from-haraka.md" ? "## Plugin by plugin" : "## Restrictions, one by one");
    for (const [, cell] of page(name).slice(at).matchAll(/^\|[^|]*\| `([a-z_]+)` *\|$/gm)) {
      seen++;
      if (
        !REGISTRY.has(cell!) && cell !== "log" && cell !== "admin" && cell !== "hostname" && cell !== "listeners" &&
        cell !== "plugins"
      ) {
        odd.push(`${name}: ${cell}`);
      }
    }
  }
  assert(seen > 15);
  assertEquals(odd, []);
});

/** Core and optional plugins of Haraka 3.3.4: its plugins/ folder and its optionalDependencies. */
const HARAKA = (
  "access aliases asn attachment auth/auth_bridge auth/auth_proxy auth/auth_vpopmaild auth/flat_file block_me bounce clamd " +
  "data.signatures dcc delay_deny dkim dns-list early_talker fcrdns geoip greylist headers helo.checks karma known-senders limit " +
  "mail_from.is_resolvable messagesniffer prevent_credential_leaks process_title profile qmail-deliverable queue/deliver " +
  "queue/discard queue/lmtp queue/qmail-queue queue/quarantine queue/smtp_bridge queue/smtp_forward queue/smtp_proxy queue/test " +
  "rcpt_to.in_host_list record_envelope_addresses relay reseed_rng rspamd spamassassin spf status syslog tarpit tls toobusy uribl " +
  "watch xclient"
).split(" ");

Deno.test("docs/from-haraka.md: a row for every plugin that comes with Haraka", () => {
  const table = page("from-haraka.md").split("## Plugin by plugin")[1]!;
  const rows = [...table.matchAll(/^\| ([a-z][^|`]*?) *\|/gm)].flatMap(([, cell]) => cell!.split(", "));
  assertEquals(HARAKA.filter((name) => !rows.includes(name)), []);
});
