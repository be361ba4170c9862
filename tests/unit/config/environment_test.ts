import { assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import { YamlFile } from "../../../core/config/document.ts";
import { substitute } from "../../../core/config/environment.ts";
import { ConfigError } from "../../../core/config/issue.ts";
import { loadConfig } from "../../../core/config/load.ts";
import { TempFolder } from "../../support/temp.ts";

Deno.test("variables inside values: set, unset, empty, defaults, escapes", () => {
  const env = { A: "one", EMPTY: "", NESTED: "${A}" };
  const table: readonly [text: string, filled: string, faults: number][] = [
    ["plain", "plain", 0],
    ["${A}", "one", 0],
    ["x${A}y${A}z", "xoneyonez", 0],
    ["${A:-two}", "one", 0],
    ["${B:-two}", "two", 0],
    ["${B:-}", "", 0],
    ["${EMPTY}", "", 0],
    ["${EMPTY:-two}", "two", 0],
    ["${NESTED}", "${A}", 0],
    ["$${A}", "${A}", 0],
    ["$A costs 5$", "$A costs 5$", 0],
    ["${B}", "", 1],
    ["${B}${C}", "", 2],
    ["${}", "", 1],
    ["${A", "", 1],
    ["${A B}", "", 1],
    ["${toString}", "", 1],
  ];
  for (const [text, filled, faults] of table) {
    const result = substitute(text, env);
    assertEquals([result.text, result.faults.length], [filled, faults], text);
  }
});

Deno.test("no value of a variable changes the structure of the file, whatever is in it", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), (value) => {
    const yaml = new YamlFile("f", 'a: "${V}"\nb: ["x${V}"]\n"${V}": 1\n', { V: value });
    assertEquals(yaml.value, { a: value, b: [`x${value}`], "${V}": 1 });
    assertEquals(yaml.issues, []);
  }));
});

Deno.test("an unquoted value is read as YAML reads it, a quoted one is text", () => {
  const yaml = new YamlFile("f", 'a: ${N}\nb: "${N}"\nc: ${T}\nd: ${Z}\ne: ${M:-7}\n', {
    N: "25",
    T: "true",
    Z: "007",
  });
  assertEquals(yaml.value, { a: 25, b: "25", c: true, d: "007", e: 7 });
});

Deno.test("environment over file over defaults", async () => {
  await using temp = await TempFolder.make();
  const folder = temp.path;
  await Deno.writeTextFile(
    `${folder}/p.yaml`,
    `data: ./mail
listeners:
  - { address: "unix:l.sock", role: lmtp }
  - { address: "127.0.0.1:2601", name: first }
  - { address: "127.0.0.1:2602" }
log: { level: error }
admin: { address: "127.0.0.1:8601", token: "0123456789abcdef" }
`,
  );
  const plain = await loadConfig({ file: `${folder}/p.yaml`, env: {} });
  assertEquals(plain.data, `${folder}/mail`);
  assertEquals(plain.listeners.map((each) => each.address), [
    { path: `${folder}/l.sock` },
    { host: "127.0.0.1", port: 2601 },
    { host: "127.0.0.1", port: 2602 },
  ]);
  assertEquals([plain.log.level, plain.log.format, plain.devInbox], ["error", "text", false]);
  assertEquals(plain.admin?.token, "0123456789abcdef");

  const env = {
    POSTERN_CONFIG: "p.yaml",
    POSTERN_DATA: "elsewhere",
    POSTERN_SMTP: "[::1]:2700",
    POSTERN_ADMIN: "127.0.0.1:8700",
    POSTERN_ADMIN_TOKEN: "another-token-of-some-length",
    POSTERN_LOG: "debug",
  };
  const moved = await loadConfig({ env, cwd: folder });
  assertEquals(moved.file, `${folder}/p.yaml`);
  assertEquals(moved.data, `${folder}/elsewhere`);
  assertEquals(moved.listeners.map((each) => [each.name, each.address]), [
    ["unix:l.sock", { path: `${folder}/l.sock` }],
    ["first", { host: "::1", port: 2700 }],
    ["127.0.0.1:2602", { host: "127.0.0.1", port: 2602 }],
  ]);
  assertEquals(moved.admin, {
    address: { host: "127.0.0.1", port: 8700 },
    token: "another-token-of-some-length",
    hosts: [],
    tokens: [],
    rate: null,
    release: null,
    devInbox: false,
  });
  assertEquals(moved.log.level, "debug");
});

Deno.test("faults of the environment name the variable and not its value", async () => {
  const env = {
    POSTERN_SMTP: "nowhere",
    POSTERN_ADMIN: "0.0.0.0:8025",
    POSTERN_LOG: "loud",
    POSTERN_ADMIN_TOKEN: "short",
  };
  const error = await assertRejects(() => loadConfig({ file: null, env }), ConfigError);
  assertEquals(error.message.split("\n"), [
    'POSTERN_SMTP: must be an address and a port, such as "127.0.0.1:2525" or "[::1]:2525"',
    "POSTERN_ADMIN_TOKEN: must have at least 16 characters",
    "POSTERN_LOG: must be one of debug, info, warning, error",
  ]);
});

Deno.test("the site of the dev inbox needs a token as soon as other machines reach it", async () => {
  const error = await assertRejects(
    () => loadConfig({ file: null, env: { POSTERN_ADMIN: "0.0.0.0:8025" } }),
    ConfigError,
  );
  assertEquals(
    error.message,
    "POSTERN_ADMIN: 0.0.0.0:8025 can be reached from other machines and needs a token: set POSTERN_ADMIN_TOKEN",
  );
});
