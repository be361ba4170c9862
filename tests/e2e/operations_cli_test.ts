/** The command line against a running server and against a data folder that no server holds: words, JSON, exit codes. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { defer } from "../../core/model/reply.ts";
import { mail } from "../support/bytes.ts";
import { type CliResult, postern } from "../support/cli.ts";
import { RELAY_CONFIG } from "../support/configs.ts";
import { MailSink } from "../support/mail_sink.ts";
import { freePort } from "../support/ports.ts";
import { PROGRAM } from "../support/program.ts";
import { Server } from "../support/server.ts";
import { queuedAs, SmtpClient } from "../support/smtp_client.ts";
import { TempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";

const MESSAGE = mail("From: a@example.org\nSubject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?=\n\nText\n");

/** Exit code, and one line on the stream that fits it. */
function one(result: CliResult, code: number, says: RegExp): void {
  assertEquals(result.code, code, result.out + result.err);
  const [line, other] = code === 0 ? [result.out, result.err] : [result.err, result.out];
  assertMatch(line, /^[^\n]+\n$/);
  assertMatch(line, says);
  assertEquals(other, "");
}

interface Site extends AsyncDisposable {
  readonly server: Server;
  readonly data: string;
  readonly config: string;
  readonly text: string;
  /** Takes nobody for now. Mail for others goes there. */
  readonly tired: MailSink;
  /** Takes everything, so what senders of example.org are told. */
  readonly backup: MailSink;
  readonly ids: string[];
  run(...args: string[]): Promise<CliResult>;
}
async function send(server: Server, to: readonly string[]): Promise<string> {
  using client = await SmtpClient.ready(server.ports.smtp);
  const reply = await client.deliver({ from: "s@example.org", to, message: MESSAGE });
  await client.quit();
  return queuedAs(reply)!;
}
/** Nothing of the queue is under way or about to be. */
async function settled({ api }: Server): Promise<void> {
  await waitFor("what is due to be tried", async () => {
    const { items } = await api.queue();
    return items.every(({ recipients }) => recipients.every(({ state }) => state !== "ready" && state !== "active"));
  });
}
/** A server with three messages that wait for a host that does not want them now. */
async function start(folder: TempFolder): Promise<Site> {
  const tired = await MailSink.open({ rcpt: () => defer("4.2.0", "come back later") }), backup = await MailSink.open();
  const text = RELAY_CONFIG.replace(/^(?:delivery|nextHops):.*\n/gm, "") + `nextHops:
  tired: { hosts: ["smtp://127.0.0.1:${tired.port}"] }
  backup: { hosts: ["smtp://127.0.0.1:${backup.port}"] }
delivery:
  retry: [1h]
  routes: [{ domain: example.org, to: remote, via: backup }, { to: remote, via: tired }]
`;
  const data = folder.at("data"), config = await folder.file("postern.yaml", text);
  const server = await Server.start({ data, config: text });
  const ids: string[] = [];
  for (const to of [["a@one.example"], ["b@two.example"], ["c@one.example", "d@two.example"]]) {
    ids.push(await send(server, to));
  }
  await settled(server);
  const env = {
    POSTERN_DATA: data,
    POSTERN_ADMIN: `127.0.0.1:${server.ports.admin}`,
    POSTERN_ADMIN_TOKEN: server.api.token,
  };
  return {
    ...{ server, data, config, text, tired, backup, ids },
    run: (...args) => postern([...args, "--config", config], { env }),
    async [Symbol.asyncDispose]() {
      await Promise.all([server, tired, backup].map((each) => each[Symbol.asyncDispose]()));
    },
  };
}
/** Waits until a sender of example.org was told, and resolves to the report. */
async function told({ backup }: Site): Promise<string> {
  const report = await waitFor("the report", () => backup.messages.at(-1));
  return new TextDecoder().decode(report);
}

/** The same questions to the server and to the folder. */
async function queueDialogue(t: Deno.TestContext, { ids, run, server }: Site): Promise<void> {
  const calm = () => server.hasEnded ? Promise.resolve() : settled(server);
  const [first, second, third] = ids as [string, string, string];
  await t.step("list, for people and for machines", async () => {
    const list = await run("queue", "list");
    assertEquals([list.code, list.err], [0, ""]);
    assertMatch(
      list.out,
      new RegExp(
        `^${third}  \\d{4}-.* B  <s@example\\.org>\n  deferred +<c@one\\.example>, 1 attempt, next .*: 451 4`,
      ),
    );
    assertMatch(list.out, /\n3 of 3 messages\n$/);
    const json = JSON.parse((await run("queue", "list", "--json")).out);
    assertEquals([json.total, json.items.length, json.corrupt], [3, 3, []]);
    const [{ id, from, recipients, size, queuedAt, subject }] = json.items;
    assertEquals([id, from, subject, typeof size], [third, "s@example.org", "Grüße", "number"]);
    assertMatch(queuedAt, /^\d{4}-\d\d-\d\dT.*Z$/);
    assertEquals(
      recipients.map((
        each: { address: string; state: string; attempts: number; lastReply: unknown; destination: string },
      ) => [each.address, each.state, each.attempts, each.lastReply, each.destination]),
      [
        ["c@one.example", "deferred", 1, "451 4.2.0 come back later", "via:tired"],
        ["d@two.example", "deferred", 1, "451 4.2.0 come back later", "via:tired"],
      ],
    );
  });
  await t.step("filters and limits", async () => {
    assertEquals(JSON.parse((await run("queue", "list", "--domain", "ONE.example", "--json")).out).total, 2);
    assertEquals(JSON.parse((await run("queue", "list", "--limit", "1", "--json")).out).items.length, 1);
    one(await run("queue", "list", "--state", "held"), 0, /^Nothing is held\.$/m);
    one(await run("queue", "list", "--state", "lost"), 2, /lost.*ready, active/);
    for (const limit of ["0", "1001", "x", "1.5", "-1"]) {
      one(await run("queue", "list", `--limit=${limit}`), 2, /--limit: must be 1 to 1000/);
    }
  });
  await t.step("show", async () => {
    const shown = await run("queue", "show", first.toLowerCase());
    assertEquals(shown.code, 0);
    assertMatch(shown.out, new RegExp(`^id       ${first}\nfrom     <s@example\\.org>\nsubject  Grüße\n`));
    assertMatch(shown.out, /\nto {7}<a@one\.example> deferred, 1 attempt/);
    assertEquals(JSON.parse((await run("queue", "show", first, "--json")).out).id, first);
    one(await run("queue", "show", "01ARZ3NDEKTSV4RRFFQ69G5FAV"), 1, /nothing in the queue has the id 01ARZ3/);
    one(await run("queue", "show", "../../etc"), 2, /no message id; it has 26/);
    one(await run("queue", "show"), 2, /missing.*id/);
  });
  await t.step("bounce and route: nothing changes by what is not meant so", async () => {
    one(await run("queue", "bounce"), 2, /name messages by id, or all that match/);
    one(await run("queue", "bounce", first, "--reason", "two\nlines"), 1, /reason is one line of 300 characters/);
    one(await run("queue", "route", first), 2, /say where to, by one of --via NEXTHOP, --mx, --local PLUGIN/);
    one(await run("queue", "route", first, "--mx", "--local", "inbox"), 2, /say where to, by one of/);
    one(await run("queue", "route", first, "--via", "nowhere"), 1, /no next hop "nowhere".* tired, backup/);
    one(await run("queue", "route", first, "--local", "inbox"), 1, /no plugin that stores mail "inbox".*there is none/);
    assertMatch((await run("queue", "show", first)).out, /deferred, 1 attempt.*\n {2}way {4}via:tired\n/);
  });
  await t.step("hold, release, retry, delete", async () => {
    one(await run("queue", "hold", first, third), 0, /^3 recipients changed$/m);
    one(await run("queue", "retry", first), 0, /^0 recipients changed$/m);
    assertMatch((await run("queue", "show", first)).out, /held, 1 attempt: held by hand\n/);
    one(await run("queue", "release", "--state", "held", "--domain", "two.example", "--json"), 0, /^\{"changed":1\}$/m);
    one(await run("queue", "release", first), 0, /^1 recipient changed$/m);
    await calm();
    one(await run("queue", "retry", "--domain", "two.example"), 0, /^2 recipients changed$/m);
    one(await run("queue", "delete", second), 0, /^1 recipient changed$/m);
    await calm();
    const mixed = await run("queue", "delete", first, second);
    assertEquals([mixed.code, mixed.out], [1, "1 recipient changed\n"]);
    one({ ...mixed, out: "" }, 1, new RegExp(`nothing in the queue has the id ${second}`));
    one(await run("queue", "delete"), 2, /name messages by id, or all that match/);
    one(await run("queue", "delete", third, "--state", "ready"), 2, /name messages by id, or all that match/);
    one(await run("queue", "delete", "--domain", "one.example"), 0, /^1 recipient changed$/m);
    assertEquals(JSON.parse((await run("queue", "list", "--json")).out).items.length, 1);
  });
}

Deno.test("postern queue asks the running server", async (t) => {
  await using folder = await TempFolder.make();
  await using site = await start(folder);
  const { server, run } = site, [, , third] = site.ids as [string, string, string];
  await queueDialogue(t, site);
  await t.step("with a wrong token, and without one", async () => {
    for (const token of ["a-wrong-token-of-16", ""]) {
      const env = {
        POSTERN_DATA: site.data,
        POSTERN_ADMIN: `127.0.0.1:${server.ports.admin}`,
        POSTERN_ADMIN_TOKEN: token,
      };
      const { code, err } = await postern(["queue", "list", "-c", site.config], { env });
      assertEquals(code, 1);
      assertMatch(err, /POSTERN_ADMIN_TOKEN/);
    }
  });
  await t.step("a server whose site is elsewhere holds its folder: said in one line", async () => {
    const env = { POSTERN_DATA: site.data, POSTERN_ADMIN_TOKEN: server.api.token };
    one(await postern(["queue", "list", "-c", site.config], { env }), 1, new RegExp(`in use by process ${server.pid}`));
  });
  await t.step("another way: what waited for its next try goes there now", async () => {
    one(await run("queue", "route", third, "--via", "backup"), 0, /^1 recipient changed$/m);
    await waitFor("the message", () => site.backup.messages.length === 1);
    await waitFor("the queue to be empty", async () => (await server.api.queue()).total === 0);
  });
  await t.step("bounce: its sender is told why, and the message is gone", async () => {
    const id = await send(server, ["e@one.example"]);
    await settled(server);
    site.backup.messages.length = 0;
    one(await run("queue", "bounce", id, "--reason", "the project has ended"), 0, /^1 recipient changed$/m);
    const report = await told(site);
    for (const piece of ["Final-Recipient: rfc822; e@one.example", "Action: failed", "the project has ended"]) {
      assertStringIncludes(report, piece);
    }
    await waitFor("the queue to be empty", async () => (await server.api.queue()).total === 0);
  });
  await t.step("a host that is gone: its destination rests and says why, until a person is in a hurry", async () => {
    one(await run("queue", "destinations"), 0, /^Nothing rests, nothing is under way\.$/m);
    await site.tired[Symbol.asyncDispose]();
    const id = await send(server, ["f@one.example"]);
    await waitFor("its destination to be dead", async () => { // one attempt that fails may be bad luck, five are not
      await settled(server);
      if ((await server.api.json<{ total: number }>("/api/v1/queue/destinations")).total > 0) return true;
      await run("queue", "retry", id);
      return false;
    }, { deadline: 60_000 });
    const { code, out } = await run("queue", "destinations");
    assertEquals(code, 0);
    assertMatch(out, /^via:tired {2}0 under way, 0 ready, nothing before \d{4}-.*Z: .*\n1 of 1 destination\n$/);
    const attempts = async () =>
      (await server.api.queue()).items.find((item) => item.id === id)!.recipients[0]!.attempts;
    const before = await attempts();
    one(await run("queue", "retry", "--domain", "one.example"), 0, /^1 recipient changed$/m);
    await waitFor("the next attempt", async () => await attempts() > before);
  });
});

Deno.test("postern queue opens the data folder when no server runs", async (t) => {
  await using folder = await TempFolder.make();
  await using site = await start(folder);
  const { run } = site, [, , third] = site.ids as [string, string, string];
  assertEquals((await site.server.stop()).code, 0);
  await queueDialogue(t, site);
  await t.step("a folder without a queue is not made into one", async () => {
    const env = { POSTERN_DATA: folder.at("nothing"), POSTERN_ADMIN_TOKEN: "x".repeat(16) };
    one(
      await postern(["queue", "list", "-c", site.config], { env }),
      1,
      /no server answers, and .*nothing holds no queue/,
    );
    assertEquals([...Deno.readDirSync(folder.path)].some(({ name }) => name === "nothing"), false);
  });
  await t.step("what a person did is there when the server comes back, and done", async () => {
    one(await run("queue", "destinations"), 0, /^No server runs/);
    one(await run("queue", "hold", third), 0, /^1 recipient changed$/m);
    await using server = await Server.start({ data: site.data, config: site.text });
    const { items } = await server.api.queue();
    assertEquals(items.map(({ id }) => id), [third]);
    assertEquals(items[0]!.recipients.map(({ address, state }) => [address, state]), [["d@two.example", "held"]]);
    await server.stop();
    one(await run("queue", "bounce", "--state", "held"), 0, /^1 recipient changed$/m);
    await using again = await Server.start({ data: site.data, config: site.text });
    assertStringIncludes(await told(site), "returned by the postmaster");
    await waitFor("the queue to be empty", async () => (await again.api.queue()).total === 0);
  });
});

Deno.test("postern send: the default message, a file, standard input, several recipients, the trace", async (t) => {
  await using folder = await TempFolder.make();
  await using server = await Server.start({
    config: RELAY_CONFIG.replace("  - relay:", "  - recipients: { accounts: { box: inbox } }\n  - inbox\n  - relay:")
      .replace('networks: ["127.0.0.0/8"]', "networks: []"),
  });
  const at = ["--server", `127.0.0.1:${server.ports.smtp}`];
  const send = (args: string[], input?: string) =>
    postern(["send", ...at, ...args], input === undefined ? {} : { input });
  await t.step("accepted", async () => {
    one(await send(["--to", "box@local.example"]), 0, /^250 2\.0\.0 queued as [0-9A-Z]{26}$/m);
  });
  await t.step("from a file with LF and dots, and from standard input", async () => {
    const file = await folder.file("m.eml", "Subject: from a file\n\n.dot\n..dots\nlast line without an end");
    one(await send(["--to", "box@local.example", "--from", "", "--file", file]), 0, /^250 /);
    one(await send(["--to", "box@local.example", "--file", "-"], "Subject: from stdin\n\nx\n"), 0, /^250 /);
    const [stdin, fromFile] = await server.api.messages();
    assertEquals([fromFile!.subject, stdin!.subject], ["from a file", "from stdin"]);
    const raw = new TextDecoder().decode((await server.api.raw(fromFile!.id))!);
    assertStringIncludes(raw, "\r\n\r\n.dot\r\n..dots\r\nlast line without an end\r\n");
    assertStringIncludes(raw, "Return-Path: <>\r\n");
  });
  await t.step("the trace shows the dialogue", async () => {
    const { code, out } = await send(["--to", "box@local.example", "--trace"]);
    assertEquals(code, 0);
    for (
      const piece of ["220 mx.local.example", "EHLO localhost", "MAIL FROM:<postern@localhost>", "354 ", "250 2.0.0"]
    ) {
      assertStringIncludes(out, piece);
    }
  });
  await t.step("refused: exit code 1, the server's words", async () => {
    one(await send(["--to", "nobody@local.example"]), 1, /nobody@local\.example was refused: 550 5\.1\.1/);
    const both = await send(["--to", "box@local.example", "stranger@far.example"]);
    assertEquals(both.code, 1);
    assertMatch(both.out, /^250 /);
    assertMatch(both.err, /stranger@far\.example was refused: 550 5\.7\.1/);
  });
  await t.step("what cannot be", async () => {
    const nowhere = freePort();
    one(await postern(["send", "--to", "a@b.c", "--server", `127.0.0.1:${nowhere}`]), 1, /nobody listens there/);
    one(await send(["--to", "no address"]), 2, /--to: "no address" is no address/);
    one(await send(["--to", "a@b.c", "--from", "a@b@c d"]), 2, /--from/);
    one(await send([]), 2, /--to <address/);
    one(await postern(["send", "--to", "a@b.c", "--server", "nowhere"]), 2, /is not host:port/);
    one(await send(["--to", "a@b.c", "--file", folder.at("none")]), 1, /there is no such file/);
    one(await send(["--to", "a@b.c", "--helo", "a b"]), 2, /--helo/);
  });
  await t.step("a server that is none: garbage, silence cut short, a flood of lines", async () => {
    const answers: [name: string, bytes: string, says: RegExp][] = [
      ["garbage", "\u0000\u00ff garbage\r\n", /./],
      ["hangs up", "", /./],
      ["refuses", "554 5.7.1 \u001b[31mgo away\u0007\r\n", /554 5\.7\.1/],
      ["no code", "hello\r\n", /./],
    ];
    for (const [name, bytes, says] of answers) {
      using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
      const served = (async () => {
        using conn = await listener.accept();
        await conn.write(new TextEncoder().encode(bytes)).catch(() => 0);
      })();
      const result = await postern(["send", "--to", "a@b.c", "--server", `127.0.0.1:${listener.addr.port}`]);
      await served;
      one(result, 1, says);
      assert(!/[\u0000-\u0008\u000b-\u001f\u007f]/.test(result.err), `${name}: controls on the terminal`);
    }
  });
});

Deno.test("postern check: what would run, and every fault at once", async () => {
  await using folder = await TempFolder.make();
  const config = await folder.file("postern.yaml", RELAY_CONFIG);
  const env = { POSTERN_SMTP: "", POSTERN_ADMIN: "", POSTERN_ADMIN_TOKEN: "x".repeat(16) };
  const good = await postern(["check", "-c", config], { env });
  assertEquals(good.code, 0, good.err);
  for (
    const piece of ["hostname       mx.local.example", "listener 127.0.0.1:2525, role mx", "relay", "with a token"]
  ) {
    assertStringIncludes(good.out, piece);
  }
  assert(!good.out.includes("x".repeat(16)));
  const bad = await folder.file("bad.yaml", "hostname: 7\nlimits: { errors: 0 }\nplugins: [relais]\n");
  const { code, out, err } = await postern(["check", "-c", bad], { env });
  assertEquals([code, out], [1, ""]);
  assertEquals(err.trimEnd().split("\n").map((line) => /bad\.yaml:(\d+:\d+): /.exec(line)?.[1]), [
    "1:11",
    "2:19",
    "3:11",
  ], err);
  assertStringIncludes(err, 'did you mean "relay"');
  const unasked = await postern(["check"], { cwd: folder.path, env: { ...env, POSTERN_CONFIG: "" } });
  assertEquals(unasked.code, 0, unasked.err);
  assertStringIncludes(unasked.out, "hostname       mx.local.example"); // ./postern.yaml is read unasked
});

Deno.test("postern schema, help, version; unknown commands and options are usage, exit code 2", async () => {
  const schema = await postern(["schema"]);
  assertEquals(schema.code, 0);
  assertEquals(typeof JSON.parse(schema.out).properties.listeners, "object");
  const help = await postern(["--help"]);
  assertEquals(help.code, 0);
  for (const name of ["serve", "check", "schema", "send", "queue"]) {
    assertMatch(help.out, new RegExp(`^  ${name}\\b`, "m"));
  }
  assertMatch((await postern(["--version"])).out, /^\d+\.\d+\.\d+ \(Deno \d+\.\d+\.\d+ on [\w-]+, [\w ]+\)\n$/);
  const rows: [args: string[], says: RegExp][] = [
    [["serv"], /unknown command 'serv'.*serve/],
    [["serve", "--confg", "x"], /unknown option '--confg'.*--config/],
    [["serve", "extra"], /too many arguments/],
    [["serve", "--config"], /argument missing/],
    [["queue", "lst"], /unknown command 'lst'.*list/],
    [["queue", "list", "--jsn"], /unknown option '--jsn'.*--json/],
    [["--colour"], /unknown option/],
  ];
  for (const [args, says] of rows) one(await postern(args), 2, says);
  for (const args of [[], ["queue"]]) {
    const { code, out, err } = await postern(args);
    assertEquals([code, out], [2, ""], `${args}`);
    assertStringIncludes(err, "Usage: postern");
  }
});

Deno.test("a reader that goes away is no fault: postern schema | head", async () => {
  const { code, stderr } = await new Deno.Command("sh", {
    args: ["-c", `"$@" schema | head -c 10 >/dev/null`, "sh", ...PROGRAM],
  }).output();
  assertEquals([code, new TextDecoder().decode(stderr)], [0, ""]);
});

Deno.test("a log that nobody reads any more does not stop the server", async () => {
  const smtp = freePort();
  await using folder = await TempFolder.make();
  const child = new Deno.Command("sh", {
    args: ["-c", `exec "$@" serve | head -n 1`, "sh", ...PROGRAM],
    env: {
      POSTERN_SMTP: `127.0.0.1:${smtp}`,
      POSTERN_ADMIN: `127.0.0.1:${freePort()}`,
      POSTERN_DATA: folder.at("data"),
    },
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const output = child.output();
  try {
    await waitFor("the greeting", async () => {
      try {
        using client = await SmtpClient.connect(smtp);
        await client.expect(220);
        await client.quit();
        return true;
      } catch {
        return false;
      }
    });
    for (let i = 0; i < 3; i++) {
      using client = await SmtpClient.ready(smtp);
      assert(queuedAs(await client.deliver({ from: "a@b.c", to: ["d@e.f"], message: MESSAGE })));
      await client.quit();
    }
  } finally {
    const pid = Number((await Deno.readTextFile(folder.at("data/lock"))).trim());
    Deno.kill(pid, "SIGTERM");
    await output;
  }
});
