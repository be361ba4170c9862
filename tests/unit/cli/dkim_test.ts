/** `postern dkim`: keys that are made, and the records of those in a configuration. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { run } from "../../../cli/main.ts";
import { PrivateKey } from "../../../core/dkim/private_key.ts";
import { recordText } from "../../../core/dkim/record.ts";
import { TempFolder } from "../../support/temp.ts";
import { FakeTerminal } from "./fake_terminal.ts";

const SITE = `hostname: mx.example.org
domains: [example.org]
postmaster: ops@example.org
listeners: [{ address: "127.0.0.1:2525" }]
`;

async function dkim(
  folder: TempFolder,
  args: string,
  env: Record<string, string> = {},
): Promise<readonly [code: number, printed: string, complaints: string]> {
  const terminal = new FakeTerminal({ cwd: folder.path, env });
  const code = await run(args.split(" "), terminal);
  return [code, terminal.text, terminal.complaints.join("\n")];
}

/** The strings of a TXT record in a zone file's text, joined. */
const joined = (line: string) => [...line.matchAll(/"([^"]*)"/g)].map((match) => match[1]).join("");

Deno.test("keygen: what it prints is a configuration that the server takes, and the record of its key", async () => {
  await using folder = await TempFolder.make();
  let config = `${SITE}plugins:\n  - discard\n`;
  const records: string[] = [];
  for (
    const [args, bits, file] of [
      ["--domain example.org --selector s2026", 2048, "example.org.s2026.pem"],
      ["--domain example.org --selector 2026 --type ed25519 --out keys.d.pem", 256, "keys.d.pem"],
      ["--domain Bücher.example --selector big --bits 3072", 3072, "xn--bcher-kva.example.big.pem"],
    ] as const
  ) {
    const [code, printed, complaints] = await dkim(folder, `dkim keygen ${args}`);
    assertEquals([code, complaints], [0, ""]);
    const text = await Deno.readTextFile(folder.at(file)), key = PrivateKey.parse(text);
    assertEquals([(await Deno.stat(folder.at(file))).mode! & 0o777, key.bits], [0o600, bits]);
    assert(!printed.includes(text.split("\n")[1]!), "the private key is shown");
    const [, record, yaml] = /^(\S+ IN TXT [^)\n]+(?:\n[^)\n]+)*\)?)\n[\s\S]*?\n( {2}- dkim_sign:\n[\s\S]*)$/m.exec(
      printed,
    )!;
    assertEquals(joined(record!), await recordText(key));
    assert([...record!.matchAll(/"([^"]*)"/g)].every((match) => match[1]!.length <= 255));
    records.push(record!);
    config += config.includes("dkim_sign") ? `${yaml!.split("keys:\n")[1]}\n` : `${yaml}\n`;
  }
  assertEquals(records.map((each) => each.split(" ")[0]), [
    "s2026._domainkey.example.org.",
    "2026._domainkey.example.org.",
    "big._domainkey.xn--bcher-kva.example.",
  ]);
  await folder.file("postern.yaml", config);
  assertEquals((await dkim(folder, "check"))[0], 0);
  assertEquals(await dkim(folder, "dkim dns"), [0, records.join("\n"), ""]);
  assertEquals(await dkim(folder, "dkim dns --domain BÜCHER.example"), [0, records[2]!, ""]);
  assertEquals(await dkim(folder, "dkim dns --domain example.net"), [
    1,
    "",
    "postern: dkim_sign has no key of example.net in the configuration",
  ]);
});

Deno.test("keygen: never over a file that is there", async () => {
  await using folder = await TempFolder.make();
  await folder.file("a.pem", "precious");
  const [code, printed, complaints] = await dkim(folder, "dkim keygen --domain example.org --selector s --out a.pem");
  assertEquals([code, printed], [1, ""]);
  assertEquals(complaints, "postern: a.pem is there already, and may be a key in use: name another file with --out");
  assertEquals(await Deno.readTextFile(folder.at("a.pem")), "precious");
});

Deno.test("keygen: a wrong command line is told in one line, and leaves no file", async () => {
  await using folder = await TempFolder.make();
  const good = "--domain example.org --selector s";
  const table: [args: string, code: number, complaint: RegExp][] = [
    ["--selector s", 2, /--domain/],
    ["--domain example.org", 2, /--selector/],
    ["--domain a_b --selector s", 2, /^postern: --domain: "a_b" is no name for DNS$/],
    ["--domain example.org --selector a..b", 2, /^postern: --selector: "a\.\.b" is no name for DNS$/],
    [`${good} --type dsa`, 2, /Allowed choices are rsa, ed25519/],
    [`${good} --bits 1024`, 2, /Allowed choices are 2048, 3072, 4096/],
    [`${good} --type ed25519 --bits 2048`, 2, /^postern: --bits is for --type rsa$/],
    [`${good} --type ed25519 --out no/folder.pem`, 1, /^postern: no\/folder\.pem: /],
  ];
  for (const [args, code, complaint] of table) {
    const [found, printed, complaints] = await dkim(folder, `dkim keygen ${args}`);
    assertEquals([found, printed, complaints.split("\n").length], [code, "", 1], args);
    assertMatch(complaints, complaint);
  }
  assertEquals([...Deno.readDirSync(folder.path)].length, 0);
});

Deno.test("dns: keys of the environment; what cannot be read is told with its place", async () => {
  await using folder = await TempFolder.make();
  await dkim(folder, "dkim keygen --domain example.org --selector s --type ed25519");
  const text = await Deno.readTextFile(folder.at("example.org.s.pem"));
  const plugins = (key: string) =>
    `${SITE}plugins:\n  - dkim_sign:\n      keys: [{ domain: example.org, selector: s, key: "${key}" }]\n`;
  const config = (key: string) => folder.file("postern.yaml", plugins(key));

  await config("${KEY}");
  const [code, record] = await dkim(folder, "dkim dns", { KEY: text });
  assertEquals([code, joined(record)], [0, await recordText(PrivateKey.parse(text))]);
  await config("./none.pem");
  const none = "./none.pem: there is no such file; postern dkim keygen makes one";
  assertEquals(await dkim(folder, "dkim dns"), [1, "", `postern: ${none}`]);
  assertEquals(await dkim(folder, "check"), [1, "", `postern.yaml:7:55: plugins[0].dkim_sign.keys[0].key: ${none}`]);
  await config("./example.org.s.pem");
  await Deno.chmod(folder.at("example.org.s.pem"), 0o644);
  const open = await dkim(folder, "dkim dns");
  assertEquals([open[0], open[1]], [0, record]);
  assertMatch(open[2], /^warning: \.\/example\.org\.s\.pem can be read by everybody on this machine: chmod 600 \//);
  await folder.file("postern.yaml", SITE);
  assertEquals(await dkim(folder, "dkim dns"), [
    1,
    "",
    "postern: the configuration has no dkim_sign: postern dkim keygen makes a key",
  ]);
});

Deno.test("dkim_sign must stand last", async () => {
  await using folder = await TempFolder.make();
  await dkim(folder, "dkim keygen --domain example.org --selector s --type ed25519");
  const key = "{ domain: example.org, selector: s, key: ./example.org.s.pem }";
  await folder.file("postern.yaml", `${SITE}plugins:\n  - dkim_sign: { keys: [${key}] }\n  - discard\n`);
  const [code, , complaints] = await dkim(folder, "check");
  assertEquals(code, 1);
  assertMatch(complaints, /"dkim_sign" must stand after "discard"/);
});
