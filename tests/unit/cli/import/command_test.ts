/** `postern import` as a person runs it: what it writes, what it never writes over, what it says, its exit code. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { run } from "../../../../cli/main.ts";
import { imported } from "../../../support/import_folder.ts";
import { TempFolder } from "../../../support/temp.ts";
import { FakeTerminal } from "../fake_terminal.ts";

const MAIN =
  "myhostname = mx.example.org\nmydestination = example.org\nmynetworks = 127.0.0.0/8\ninet_protocols = ipv4\n" +
  "compatibility_level = 3.6\nalias_maps =\nlocal_recipient_maps = inline:{ {root = x} }\n";

Deno.test("import: writes for its owner alone, never over anything, and says what is left", async () => {
  await using folder = await TempFolder.make();
  await folder.file("etc/main.cf", MAIN);
  const first = new FakeTerminal({ cwd: folder.path });
  assertEquals(await run(["import", "postfix", "etc", "--output", "new"], first), 0);
  assertEquals(first.printed, [
    `Written to ${folder.path}/new: postern.yaml, recipients.yaml, import.txt`,
    "Everything was taken over.",
  ]);
  assertEquals((await Deno.stat(folder.at("new/postern.yaml"))).mode! & 0o777, 0o600);

  await Deno.writeTextFile(folder.at("new/import.txt"), "mine");
  await Deno.remove(folder.at("new/postern.yaml"));
  const again = new FakeTerminal({ cwd: folder.path });
  assertEquals(await run(["import", "postfix", "etc", "-o", "new"], again), 1);
  assertMatch(again.complaints.join("\n"), /is there already/);
  assertEquals(await Deno.readTextFile(folder.at("new/import.txt")), "mine");
  assertEquals([...Deno.readDirSync(folder.at("new"))].map(({ name }) => name).sort(), [
    "import.txt",
    "recipients.yaml",
  ]);

  await folder.file("etc/main.cf", `${MAIN}header_checks = regexp:/etc/postfix/h\n`);
  const more = new FakeTerminal({ cwd: folder.path });
  assertEquals(await run(["import", "postfix", "etc", "--output", "more"], more), 1);
  assertMatch(more.printed.join("\n"), /Not taken over, 1 .*\n {2}main.cf:8: header_checks/);
  const checked = new FakeTerminal({ cwd: folder.at("more") });
  assertEquals(await run(["check"], checked), 0);
});

Deno.test("import: what is no configuration is one line, and nothing is written", async () => {
  await using folder = await TempFolder.make();
  await Deno.mkdir(folder.at("pipe"));
  await new Deno.Command("mkfifo", { args: [folder.at("pipe/main.cf")] }).output();
  for (
    const [args, words] of [
      [["postfix", "nowhere"], /main.cf: is not there/],
      [["postfix", "pipe"], /main.cf: is no file/], // it would never end
      [["haraka", "pipe"], /config\/plugins is not there/],
    ] as const
  ) {
    const terminal = new FakeTerminal({ cwd: folder.path });
    assertEquals(await run(["import", ...args, "--output", "new"], terminal), 1);
    assertEquals(terminal.complaints.length, 1);
    assertMatch(terminal.complaints[0]!, words);
    assert(!await Deno.stat(folder.at("new")).then(() => true, () => false));
  }
  const usage = new FakeTerminal({ cwd: folder.path });
  assertEquals(await run(["import", "postfix", "etc"], usage), 2);
});

Deno.test("import haraka: the list it comes with, passwords as hashes, an open relay as none", async () => {
  const { config, left, yaml, draft } = await imported("haraka", {
    "config/me": "mx.example.org\n",
    "config/plugins":
      "# all\nspf\ndkim\ndns-list\nrelay\ntls\nauth/flat_file\nrcpt_to.in_host_list\nmine\nqueue/smtp_forward\n",
    "config/host_list": "example.org\n",
    "config/relay.ini": "[relay]\nall=true\n",
    "config/relay_acl_allow": "192.0.2.0/24\nnonsense\n",
    "config/spf.ini": "[deny]\nmfrom_fail=true\n",
    "config/dns-list.ini": "zones[]=bl.example.net\nzones[]=list.dnswl.org\n",
    "config/smtp.ini": "listen=127.0.0.1:25,127.0.0.1:587\n",
    "config/auth_flat_file.ini": "[core]\nmethods=CRAM-MD5\n[users]\nann=correct horse ${x}\n",
    "config/smtp_forward.ini": "host=in.example.org\nport=2525\nauth_user=me\nauth_pass=a ${secret}\n",
  });
  assertEquals(config.listeners.map(({ name }) => name), ["127.0.0.1:25"]);
  assertMatch(yaml, /spf:\n {6}fail: reject/);
  assertMatch(yaml, /networks: \[ "192.0.2.0\/24" \]/);
  assertMatch(yaml, /password: ".*\$\$\{secret\}"/);
  const accounts = draft.files.find(({ name }) => name === "accounts.txt")!.text;
  assertMatch(accounts, /^ann \$scrypt\$.* SCRAM-SHA-256\$/m);
  assert(!accounts.includes("horse"));
  assertEquals(left.map((each) => each.replace(/^\S+ /, "")), [
    "tls_cert.pem",
    "listen: 127.0.0.1:587",
    "auth/flat_file",
    "methods = CRAM-MD5",
    "mine",
    "relay.ini: all = true",
    "nonsense",
  ]);
});

Deno.test("import haraka: plugins by the names that they had before", async () => {
  const { left, yaml } = await imported("haraka", {
    "config/me": "mx.example.org\n",
    "config/plugins": "dnsbl\nconnect.fcrdns\ndata.headers\ndata.uribl\nlog.syslog\nrcpt_to.in_host_list\n",
    "config/host_list": "example.org\n",
    "config/dnsbl.zones": "bl.example.net\n",
  });
  assertMatch(yaml, /dnsbl:\n {6}zones: \{ bl\.example\.net: 5 \}/);
  for (const name of ["fcrdns", "headers"]) assertMatch(yaml, new RegExp(`^  - ${name}\\b`, "m"));
  assertEquals(left.map((each) => each.replace(/^\S+ /, "")), ["data.uribl"]);
});
