/** What all examples have: a README in the index, a configuration that loads without a warning. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { unreachable } from "../../../cli/check/command.ts";
import { loadConfig } from "../../../core/config/load.ts";
import { runPhase } from "../../../core/pipeline/mod.ts";
import members_only from "../../../examples/fan_out/members_only.ts";
import { commandsOf } from "../../support/example.ts";

const EXAMPLES = new URL("../../../examples/", import.meta.url).pathname;
const NAMES = [...Deno.readDirSync(EXAMPLES)].filter(({ isDirectory }) => isDirectory).map(({ name }) => name);
const text = (path: string) => Deno.readTextFileSync(EXAMPLES + path);
/** Of no use without files that only the operator has. */
const ENV = {
  HOOK_SECRET: "a secret of both",
  SMARTHOST_PASSWORD: "secret",
  ACCOUNTS: `${EXAMPLES}sites/accounts.txt`,
};

Deno.test("examples/README.md has a line for each folder, and nothing lies outside of one", () => {
  const listed = [...text("README.md").matchAll(/^\| \[(.+?)\]\((.+?)\/README\.md\)/gm)];
  assertEquals(listed.map(([, name]) => name).toSorted(), NAMES.toSorted());
  assertEquals(listed.map(([, name]) => name), listed.map(([, , path]) => path));
  const loose = [...Deno.readDirSync(EXAMPLES)].filter(({ isFile }) => isFile).map(({ name }) => name);
  assertEquals(loose, ["README.md"]);
});

for (const name of NAMES) {
  Deno.test(`example ${name}: its README says what it is, and names commands`, () => {
    const readme = text(`${name}/README.md`);
    assertMatch(readme, /^# \S.*\n\n\S/);
    const commands = ["Start", "Try", "Check"].flatMap((heading) => commandsOf(readme, heading));
    assert(commands.length > 0);
    for (const command of commands) {
      const [, task] = /^(?:.* )?deno task (?:-q )?(\S+)/.exec(command) ?? [];
      if (task !== undefined) assert(["postern", "start"].includes(task), command);
    }
  });
}

for (const name of NAMES.filter((name) => exists(`${name}/postern.yaml`))) {
  Deno.test(`example ${name}: its configuration loads, without a warning`, async () => {
    const config = await loadConfig({ file: `${EXAMPLES}${name}/postern.yaml`, env: ENV });
    assertEquals([...config.warnings, ...await unreachable(config)], []);
    assert(config.listeners.every(({ address }) => "host" in address && address.host === "127.0.0.1"));
  });
}

Deno.test("example fan_out: strangers do not write to everybody, one's own and logins do, and other addresses are open", async () => {
  const plugin = members_only({ address: "all@example.org", networks: ["10.0.0.0/8"] });
  const answer = async (to: string, ip: string, identity?: string) => {
    const { reply } = await runPhase(plugin, "rcpt", { to, ip, identity: identity ?? null });
    return String(reply);
  };
  for (const to of ["all@example.org", "ALL@Example.Org", "all+x@example.org"]) {
    assertEquals(await answer(to, "203.0.113.7"), "550 5.7.1 For members only");
  }
  const unrouted = await answer("anna@example.org", "203.0.113.7"); // who has it, others say
  assertEquals(await answer("all@example.org", "10.1.2.3"), unrouted);
  assertEquals(await answer("all@example.org", "203.0.113.7", "anna"), unrouted);
  assert(!unrouted.includes("members"));
});

function exists(path: string): boolean {
  try {
    return Deno.statSync(EXAMPLES + path).isFile;
  } catch {
    return false;
  }
}
