/**
 * `postern explain`, `sessions`, `ledger`, `reload` and `events` as an operator has them: the same answers from a running
 * server and from its folder after it has stopped.
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { run } from "../../cli/main.ts";
import { mail } from "../support/bytes.ts";
import { type CliResult, postern } from "../support/cli.ts";
import { freePort } from "../support/ports.ts";
import { programFor } from "../support/program.ts";
import { Server } from "../support/server.ts";
import { SmtpClient } from "../support/smtp_client.ts";
import { TempFolder } from "../support/temp.ts";
import { FakeTerminal } from "../unit/cli/fake_terminal.ts";
import { waitFor, within } from "../support/wait.ts";

const DEADLINE = 60_000;
const JUDGE = `
import { reject } from "postern";
export default {
  name: "judge",
  handlers: {
    mail: (ctx, next) => ctx.sender?.local === "bad" ? reject("5.7.1", "Not from you", { reason: "a bad one \\u001b[2J" }) : next(),
  },
};
`;
const MESSAGE = mail("From: a@example.org\nSubject: hello\n\nText\n");

interface Site {
  readonly server: Server;
  readonly file: string;
  readonly text: string;
  readonly data: string;
  run(...args: string[]): Promise<CliResult>;
}
async function start(folder: TempFolder): Promise<Site> {
  const text = `hostname: mx.local.example
domains: [local.example]
listeners: [{ address: "127.0.0.1:2525" }]
admin: { address: "127.0.0.1:8025", token: "\${POSTERN_ADMIN_TOKEN}" }
plugins: [${await folder.file("judge.ts", JUDGE)}, { inbox: { everything: true } }]
`;
  const data = folder.at("data"), file = await folder.file("postern.yaml", text);
  const server = await Server.start({ data, config: text });
  const env = {
    POSTERN_DATA: data,
    POSTERN_ADMIN: `127.0.0.1:${server.ports.admin}`,
    POSTERN_SMTP: `127.0.0.1:${freePort()}`,
    POSTERN_ADMIN_TOKEN: server.api.token,
  };
  // In this process: what a child adds is tested by others, and costs seconds for each of some fifty commands
  const command = async (...args: string[]): Promise<CliResult> => {
    const terminal = new FakeTerminal({ env, cwd: folder.path });
    const code = await run([...args, "-c", file], terminal), lines = (all: string[]) => all.map((each) => `${each}\n`);
    return { code, out: lines(terminal.printed).join(""), err: lines(terminal.complaints).join("") };
  };
  return { server, file, text, data, run: command };
}
async function send(server: Server, from: string): Promise<string> {
  using client = await SmtpClient.ready(server.ports.smtp);
  await client.command("EHLO client.example", 250);
  await client.command(`MAIL FROM:<${from}>`, 250);
  await client.send("RCPT TO:<bob@local.example>\r\n");
  const { raw, code } = await client.reply();
  if (code !== 250) {
    await client.command("QUIT", 221);
    return /\(ref (\w{8})\)/.exec(raw)![1]!;
  }
  await client.command("DATA", 354);
  await client.send(MESSAGE);
  await client.send(".\r\n");
  const reply = await client.reply();
  await client.command("QUIT", 221);
  return /\b([0-9A-Z]{26})\b/.exec(reply.raw)![1]!;
}

async function dialogue(t: Deno.TestContext, { run }: Site, ids: { readonly good: string; readonly bad: string }) {
  await t.step("explain", async () => {
    const story = await run("explain", ids.bad);
    assertEquals([story.code, story.err], [0, ""]);
    assertMatch(story.out, /^REFUSED {2}/);
    assertStringIncludes(story.out, "judge refused it at MAIL: a bad one");
    assertStringIncludes(story.out, `(ref ${ids.bad})`);
    assert(!story.out.includes("\x1b"), "what a plugin says does not steer the terminal");
    assertEquals((await run("explain", `(ref ${ids.bad.toLowerCase()})`)).out, story.out);
    const good = JSON.parse((await run("explain", ids.good, "--json")).out);
    assertEquals([good.id, good.verdict, good.sender], [ids.good, "accepted", "good@example.org"]);
    const none = await run("explain", "01ARZ3NDEKTSV4RRFFQ69G5FAV");
    assertEquals([none.code, none.out], [1, ""]);
    assertMatch(none.err, /^postern: no message and no session has the id 01ARZ3.*\n$/);
    assertEquals((await run("explain", "nonsense!")).code, 2);
  });
  await t.step("sessions", async () => {
    const all = await run("sessions");
    assertEquals([all.code, all.err], [0, ""]);
    const [head, first, second] = all.out.split("\n");
    assertMatch(head!, /^WHEN +ID +VERDICT +CLIENT +FROM +TO +BY +WHY$/);
    assertMatch(first!, /refused +127\.0\.0\.1 +<bad@example\.org> +<bob@local\.example> +judge +a bad one/);
    assertMatch(second!, /accepted +127\.0\.0\.1 +<good@example\.org> +<bob@local\.example>/);
    const found = async (...args: string[]) => {
      const { code, out, err } = await run("sessions", "--json", ...args);
      assertEquals(code, 0, err);
      return JSON.parse(out).entries.map(({ sender }: { sender: string | null }) => sender?.split("@")[0]);
    };
    assertEquals(await found("--verdict", "refused"), ["bad"]);
    assertEquals(await found("--plugin", "judge"), ["bad"]);
    assertEquals(await found("--to", "@local.example", "--since", "2h"), ["bad", "good"]);
    assertEquals(await found("--until", "2h"), []);
    assertEquals(await found("--ip", "127.0.0.0/8", "--limit", "1"), ["bad"]);
    assertEquals(await found("good@example.org"), ["good"]);
    assertEquals(await found("--observed"), []);
    for (const args of [["--since", "soon"], ["--limit", "0"], ["--verdict", "bad"], ["--until", "7"]]) {
      assertEquals((await run("sessions", ...args)).code, 2, args.join(" "));
    }
    assertEquals((await run("sessions", "--ip", "mail.example.org")).code, 1);
    assertEquals((await run("sessions", "--from", "nobody@example.org")).out, "Nothing matches.\n");
  });
  await t.step("ledger size", async () => {
    const { entries, octets, oldest } = JSON.parse((await run("ledger", "size", "--json")).out);
    assert(entries >= 2 && octets > 0, `${entries} ${octets}`);
    assert(Math.abs(Date.parse(oldest) - Date.now()) < 600_000, oldest);
    assertMatch((await run("ledger", "size")).out, /^entries {2}\d+\nsince {4}20\d\d-.*\nsize {5}\d/);
  });
}

Deno.test("the ledger is asked by command, of a server and of its folder; it forgets in both", async (t) => {
  await using folder = await TempFolder.make();
  const site = await start(folder), { run } = site;
  await using server = site.server;
  const ids = { good: await send(server, "good@example.org"), bad: await send(server, "bad@example.org") };
  await waitFor("both in the ledger", async () => {
    const { entries } = await server.api.json<{ entries: { sender: string | null }[] }>("/api/v1/sessions");
    return entries.filter(({ sender }) => sender !== null).length === 2;
  }, { deadline: DEADLINE });
  await t.step("a server runs", (t) => dialogue(t, site, ids));
  await t.step("it is no folder for anybody else", async () => {
    assertEquals(
      (await run("ledger", "forget", "nobody@example.org", "--yes")).out,
      "0 entries named nobody@example.org, and no more\n",
    );
  });
  assertEquals((await server.stop()).code, 0);
  await t.step("none runs", (t) => dialogue(t, site, ids));
  await t.step("forget", async () => {
    assertEquals((await run("sessions", "--follow")).code, 1);
    assertEquals((await run("ledger", "forget", "not an address")).code, 2);
    const { code, out } = await run("ledger", "forget", "bad@example.org", "--json");
    assertEquals([code, out], [0, '{"forgotten":1}\n']);
    assertStringIncludes((await run("explain", ids.bad)).out, "<forgotten>");
    assertEquals((await run("sessions", "--from", "bad@example.org")).out, "Nothing matches.\n");
  });
  await t.step("where there is no ledger", async () => {
    await using empty = await TempFolder.make();
    const nothing = await postern(["explain", ids.good], { cwd: empty.path, deadline: DEADLINE });
    assertEquals([nothing.code, nothing.out], [1, ""]);
    assertMatch(nothing.err, /^postern: no server answers, and .* holds no ledger; start the server, or name .*\n$/);
    assertEquals([...Deno.readDirSync(empty.path)], [], "and none is made by asking");
  });
});

Deno.test("reload by command: what is different, every fault, and that a bad file changed nothing", async () => {
  await using folder = await TempFolder.make();
  const { server, text, run } = await start(folder);
  await using _ = server;
  const none = await run("reload");
  assertEquals([none.code, none.err], [0, ""]);
  await server.configure(`${text}limits: { messageSize: 100KiB }\n`);
  const taken = await run("reload");
  assertEquals([taken.code, taken.err], [0, ""]);
  assertStringIncludes(taken.out, "limits");
  await server.configure(`${text}limits: { mesageSize: 100KiB }\nplugins: [imbox]\n`);
  const bad = await run("reload");
  assertEquals([bad.code, bad.out], [1, ""]);
  assertMatch(bad.err, /postern\.yaml:\d+:\d+: /);
  assertMatch(bad.err, /\npostern: the configuration has faults; the server goes on with the one that it has\n$/);
  assert(JSON.parse((await run("reload", "--json")).out).faults.length >= 1);
  assertEquals((await server.stop()).code, 0);
  const gone = await run("reload");
  assertEquals([gone.code, gone.err], [1, "postern: no server answers: the configuration is read when it starts\n"]);
});

/** A command that goes on until it is told to stop. */
async function following({ server, file, data }: Site, args: readonly string[]) {
  const [program, ...before] = await programFor(file);
  const child = new Deno.Command(program, {
    args: [...before, ...args, "-c", file],
    env: {
      POSTERN_DATA: data,
      POSTERN_ADMIN: `127.0.0.1:${server.ports.admin}`,
      POSTERN_ADMIN_TOKEN: server.api.token,
      NO_COLOR: "1",
    },
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const told = { text: "" };
  const reading = (async () => {
    for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) told.text += text;
  })();
  return {
    told,
    async stop(): Promise<number> {
      child.kill("SIGINT");
      const [{ code }] = await within(
        "the end",
        Promise.all([child.status, reading]),
        DEADLINE,
        () => child.kill("SIGKILL"),
      );
      return code;
    },
  };
}

Deno.test("sessions --follow and events tell what comes, each once, until Ctrl-C", async () => {
  await using folder = await TempFolder.make();
  const site = await start(folder);
  await using server = site.server;
  await send(server, "before@example.org");
  const sessions = await following(site, ["sessions", "--follow"]),
    events = await following(site, ["events", "--json"]);
  const wait = { deadline: DEADLINE };
  await waitFor("what was there", () => sessions.told.text.includes("before@example.org"), wait);
  await waitFor("both to be told", async () => { // events begin when they listen
    await send(server, "bad@example.org");
    return events.told.text.includes('"refused"');
  }, { ...wait, every: 300 });
  await waitFor("the refusal", () => sessions.told.text.includes("judge: a bad one ?[2J"), wait);
  assertEquals(sessions.told.text.split("before@example.org").length, 2, "told once");
  assertEquals([await sessions.stop(), await events.stop()], [0, 0]);
  for (const line of events.told.text.trim().split("\n")) assertEquals(typeof JSON.parse(line).type, "string");
});
