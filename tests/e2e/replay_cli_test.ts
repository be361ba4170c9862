/** `postern replay` and `postern try` as a user has them: what they say, and that they leave the data folder as it is. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { dirname } from "node:path";
import { octets } from "../support/bytes.ts";
import { postern } from "../support/cli.ts";
import { Server } from "../support/server.ts";
import { SmtpClient } from "../support/smtp_client.ts";
import { TempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";

const DEADLINE = 60_000;
const ENV = { POSTERN_ADMIN_TOKEN: "token-of-the-tests" };
const MESSAGE = octets("From: a@sender.example\r\nSubject: hello\r\nMessage-ID: <a@b>\r\n\r\nBuy now, winner\r\n");

/** Everything that keeps, counts or sends. */
const CONFIG = `hostname: mx.example.org
data: ./data
domains: [example.org]
postmaster: bob@example.org
listeners: [{ address: "127.0.0.1:2525", name: in, xclient: ["127.0.0.1"] }]
admin: { address: "127.0.0.1:8025", token: "\${POSTERN_ADMIN_TOKEN}" }
recordings: { bodies: true }
nextHops: { away: { hosts: ["smtp://127.0.0.1:1"] }, hook: { hosts: ["http://127.0.0.1:1/mail"] } }
delivery: { retry: [1d], routes: [{ domain: "hook.example", to: remote, via: hook }, { to: remote, via: away }] }
plugins:
  - ban
  - rate_limit: { messagesPerIp: 100/1h }
  - reputation
  - relay: { networks: ["127.0.0.0/8"] }
  - recipients: { accounts: { bob: maildir, eve: inbox } }
  - greylist: { delay: 1s }
  - archive: { to: journal@hook.example, direction: both }
  - spam_score: { quarantine: 100, reject: 200 }
  - maildir: { root: ./data/mail }
  - inbox
`;

/** Each file of a folder with what is in it. The index of a log is no data: whoever opens the database makes it anew. */
async function contents(folder: string, below = ""): Promise<string[]> {
  const found: string[] = [];
  for (const { name, isDirectory } of [...Deno.readDirSync(folder)].sort((a, b) => a.name < b.name ? -1 : 1)) {
    const path = `${folder}/${name}`;
    if (isDirectory) found.push(`${below}${name}/`, ...await contents(path, `${below}${name}/`));
    else if (!name.endsWith("-shm")) {
      const digest = await crypto.subtle.digest("SHA-256", await Deno.readFile(path));
      found.push(`${below}${name} ${new Uint8Array(digest).toHex()}`);
    }
  }
  return found;
}

async function deliver(port: number, to: readonly string[]): Promise<void> {
  using client = await SmtpClient.connect(port);
  await client.reply();
  await client.command("XCLIENT ADDR=203.0.113.9", 220);
  await client.command("EHLO client.example", 250);
  await client.attempt({ from: "a@sender.example", to, message: MESSAGE });
  await client.quit();
}

const TRY = ["try", "--ip", "203.0.113.9", "--helo", "client.example", "--from", "a@sender.example", "--dns", "none"];

Deno.test("try and replay leave the data folder as it is, beside a server and without one", async (t) => {
  await using server = await Server.start({ config: CONFIG, env: ENV });
  const file = `${dirname(server.data)}/postern.yaml`, config = ["--config", file];
  const options = { env: { ...ENV, POSTERN_DATA: server.data }, deadline: DEADLINE };
  await deliver(server.ports.smtp, ["bob@example.org"]); // greylisted
  const folder = `${server.data}/recordings`;
  const texts = () => [...Deno.readDirSync(folder)].map(({ name }) => Deno.readTextFileSync(`${folder}/${name}`));
  await waitFor(
    "the whole recording",
    () => texts().some((text) => text.includes("RCPT TO") && text.includes('"ended":')),
  );

  const both = async () => {
    const before = await contents(server.data);
    const tried = await postern(
      [...TRY, "--to", "bob@example.org", "--to", "eve@example.org", "--json", ...config],
      { ...options, input: MESSAGE },
    );
    const played = await postern(["replay", "--json", ...config], options);
    assertEquals(await contents(server.data), before);
    return { tried: JSON.parse(tried.out), played: { code: played.code, ...JSON.parse(played.out) } };
  };
  const check = ({ tried, played }: Awaited<ReturnType<typeof both>>) => {
    assertEquals([played.code, played.changed, played.unread], [0, 0, 0], JSON.stringify(played));
    assert(played.sessions.some(({ compared }: { compared: number }) => compared > 4));
    // The folder's greylist has seen this sender with bob, and has not with eve
    assertEquals(tried.verdict, "accepted", JSON.stringify(tried.turns));
    const reply = (to: string) => tried.turns.find(({ command }: { command: string }) => command.includes(to)).reply;
    assertMatch(reply("bob@"), /^250 /);
    assertMatch(reply("eve@"), /^45/);
    const ways = tried.kept.recipients.map(({ recipient, way }: Record<string, string>) => `${recipient} ${way}`);
    assertEquals(ways, ["bob@example.org local maildir", "journal@hook.example remote"]);
  };
  await t.step("while a server runs", async () => {
    // Until all is written down; then it stands still, so that what changes is nobody else's doing
    let before = "";
    await waitFor("a quiet folder", async () => {
      const now = (await contents(server.data)).join();
      return now === before || (before = now, false);
    }, { every: 1000, deadline: 20_000 });
    Deno.kill(server.pid, "SIGSTOP");
    try {
      check(await both());
    } finally {
      Deno.kill(server.pid, "SIGCONT");
    }
  });
  await server.stop();
  await t.step("while none runs", async () => {
    check(await both());
  });
});

Deno.test("replay says what changes, and answers 1", async () => {
  await using server = await Server.start({ config: CONFIG.replace("  - greylist: { delay: 1s }\n", ""), env: ENV });
  await deliver(server.ports.smtp, ["bob@example.org"]);
  await server.stop();
  await using folder = await TempFolder.make();
  const file = await folder.file("other.yaml", CONFIG.replace("bob: maildir", "carol: maildir"));
  const { code, out } = await postern(["replay", `${server.data}/recordings`, "--config", file], {
    env: ENV,
    deadline: DEADLINE,
  });
  assertEquals(code, 1);
  assertMatch(out, /RCPT TO:<bob@example\.org>\n {4}then {2}250 2\.1\.5 .*\n {4}now {3}550 5\.1\.1 .* {2}by \w+/);
  // The other one is who looked whether the server is there
  assertMatch(out, /\n2 sessions, 1 changed\n$/);
});

Deno.test("replay without any recording says what makes some", async () => {
  await using folder = await TempFolder.make();
  const config = await folder.file("postern.yaml", CONFIG);
  const { code, err } = await postern(["replay", "--config", config], { env: ENV, deadline: DEADLINE });
  assertEquals([code, err.trim()], [1, "postern: there is no recording: `recordings` in the configuration makes some"]);
});

Deno.test("what is no whole recording is refused in one line, and the others are played", async (t) => {
  await using folder = await TempFolder.make();
  const config = await folder.file("postern.yaml", CONFIG);
  const head = JSON.stringify({
    ...{ recording: 1, session: "s1", at: 0, listener: "in", role: "mx", ip: "192.0.2.1", port: 1 },
    ...{ hostname: "mx.example.org", bodies: false },
  });
  const connect = '{"at":0,"deed":{"kind":"connect"}}', end = '{"ended":"quit"}';
  const good = await folder.file("good.jsonl", `${head}\n${connect}\n{"said":"220 mx.example.org\\r\\n"}\n${end}\n`);
  const files: Readonly<Record<string, readonly [text: string, words: RegExp]>> = {
    "cut in a line": [`${head}\n${connect}\n{"sa`, /cut off/],
    "cut between lines": [`${head}\n${connect}\n`, /cut off/],
    empty: ["", /no recording/],
    foreign: ["\x7fELF\0\0\0\xff\n\n", /no recording/],
    "another JSON": ['{"a":1}\n', /no recording/],
    "of another version": [`${head.replace('"recording":1', '"recording":2')}\n${end}\n`, /version 2.*reads 1/],
    "with an address that is none": [`${head.replace("192.0.2.1", "somewhere")}\n${end}\n`, /line 1: ip/],
    "with something else in it": [`${head}\n{"rm":"-rf"}\n${end}\n`, /line 2/],
    "about nothing": [`${head}\n{"said":"250 ok\\r\\n"}\n${end}\n`, /line 2/],
    "behind its end": [`${head}\n${connect}\n${end}\n${connect}\n`, /behind its end/],
    "of a role that nobody has": [
      `${head.replace('"mx"', '"lmtp"')}\n${connect}\n${end}\n`,
      /no listener of the role lmtp/,
    ],
  };
  const bad: string[] = [];
  for (const [name, [text]] of Object.entries(files)) bad.push(await folder.file(`${name}.jsonl`, text));
  const huge = await folder.file("huge.jsonl", head);
  await Deno.truncate(huge, 300 * 1024 * 1024);
  const { code, out, err } = await postern(
    ["replay", ...bad, huge, folder.at("nowhere.jsonl"), good, "--config", config],
    { env: ENV, deadline: DEADLINE },
  );
  assertEquals(code, 1);
  const lines = err.trimEnd().split("\n");
  assertEquals(lines.length, bad.length + 2, err);
  for (const [index, [name, [, words]]] of Object.entries(files).entries()) {
    await t.step(name, () => assertMatch(lines[index]!, words));
  }
  assertMatch(lines.at(-2)!, /larger than/);
  assertMatch(lines.at(-1)!, /no such file/);
  assertMatch(out, /^1 session, 0 changed, 13 could not be played\n$/);
});

Deno.test("try tells phase by phase who said what, and answers 1 for a refusal", async () => {
  await using folder = await TempFolder.make();
  const config = ["--config", await folder.file("postern.yaml", CONFIG.replace("  - greylist: { delay: 1s }\n", ""))];
  const options = { env: ENV, input: MESSAGE, deadline: DEADLINE };
  const good = await postern([...TRY, "--to", "bob@example.org", ...config], options);
  assertEquals(good.code, 0, good.err);
  assertMatch(good.out, /C: RCPT TO:<bob@example\.org>\nS: 250 2\.1\.5 .*\n/);
  assertMatch(good.out, /\nACCEPTED .*\n/);
  assertMatch(good.out, /\nrcpt .*\n(?: .*\n)* +recipients +no objection .*bob@example\.org/);
  assertStringIncludes(
    good.out,
    "It was a trial: the message would be taken.\n  bob@example.org  local maildir  ready",
  );
  const bad = await postern([...TRY, "--to", "nobody@example.org", ...config], options);
  assertEquals(bad.code, 1);
  assertMatch(bad.out, /S: 550 5\.1\.1 /);
  assertStringIncludes(bad.out, "It was a trial: the message would be refused.");
  assert(![...Deno.readDirSync(folder.path)].some(({ name }) => name === "data"));
  for (const wrong of [["--ip", "x"], ["--to", "x y"], ["--helo", "a b"], ["--dns", "maybe"]]) {
    const { code, err } = await postern([...TRY, "--to", "bob@example.org", ...wrong, ...config], options);
    assertEquals([code, err.trimEnd().split("\n").length], [2, 1], err);
  }
});
