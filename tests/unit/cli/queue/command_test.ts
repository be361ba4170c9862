import { assertEquals, assertStringIncludes } from "@std/assert";
import { run } from "../../../../cli/main.ts";
import { NO_EDITS, NO_MAIL_PARAMETERS, NO_RCPT_PARAMETERS } from "../../../../core/model/envelope.ts";
import { newId } from "../../../../core/model/id.ts";
import { openSqliteStore } from "../../../../core/store/sqlite.ts";
import { TempFolder } from "../../../support/temp.ts";
import { FakeTerminal } from "../fake_terminal.ts";

const TOKEN = "0123456789abcdef";

/** A data folder with one message that waits for two recipients. Resolves to its id. */
async function fill(folder: string, id = newId(Date.now())): Promise<string> {
  const store = await openSqliteStore({ folder });
  const writer = store.receive(id);
  await writer.write(new TextEncoder().encode("Subject: x\r\n\r\nhi\r\n"));
  const recipient = (local: string, domain: string) => ({
    address: { local, domain },
    original: { local, domain },
    parameters: local === "c"
      ? { notify: ["FAILURE" as const, "DELAY" as const], orcpt: "rfc822;c+2B@example.com" }
      : NO_RCPT_PARAMETERS,
    route: { to: "remote" } as const,
    destination: `mx:${domain}`,
    deadline: local === "c" ? Date.UTC(2100, 0) : null,
    state: "ready" as const,
    nextAttempt: 0,
    lastReply: null,
  });
  await store.commit({
    id,
    sender: { local: "a", domain: "example.net" },
    parameters: { ...NO_MAIL_PARAMETERS, ret: "HDRS", envid: "abc+2B1" },
    origin: { session: "s", ip: "192.0.2.1", helo: "x", identity: null, protocol: "ESMTP", listener: "x" },
    receivedAt: Date.now(),
    edits: NO_EDITS,
    summary: { from: "", to: "", subject: "x\u001b[2J" },
    recipients: [recipient("b", "example.org"), recipient("c", "example.com")],
    deposits: [],
  }, await writer.finish());
  await store.close();
  return id;
}

Deno.test("queue: list, show and change in the data folder where no server runs", async () => {
  await using temp = await TempFolder.make();
  const cwd = temp.path;
  const env = { POSTERN_ADMIN: "127.0.0.1:1" };
  const id = await fill(`${cwd}/data`);
  const command = async (...args: string[]) => {
    const terminal = new FakeTerminal({ cwd, env });
    const code = await run(["queue", ...args], terminal);
    assertEquals(terminal.complaints, []);
    return [code, terminal.text] as const;
  };
  const states = async () =>
    JSON.parse((await command("show", id, "--json"))[1]).recipients.map((each: { state: string }) => each.state);

  assertStringIncludes((await command("list"))[1], `${id}  `);
  assertEquals(JSON.parse((await command("list", "--json"))[1]).total, 1);
  assertEquals(JSON.parse((await command("list", "--json", "--domain", "example.edu"))[1]).total, 0);
  const [, shown] = await command("show", id.toLowerCase());
  assertStringIncludes(shown, "subject  x?[2J");
  assertEquals(shown.split("\n").slice(-9), [
    "RET      HDRS",
    "ENVID    abc+2B1",
    "to       <b@example.org> ready, next 1970-01-01T00:00:00.000Z",
    "  way    mx:example.org",
    "to       <c@example.com> ready, next 1970-01-01T00:00:00.000Z",
    "  NOTIFY FAILURE,DELAY",
    "  ORCPT  rfc822;c+2B@example.com",
    "  way    mx:example.com",
    "  tells  its sender by 2100-01-01T00:00:00.000Z",
  ]);
  const row = JSON.parse((await command("show", id, "--json"))[1]);
  assertEquals([row.ret, row.envid, row.recipients[0].notify, row.recipients[1].orcpt], [
    "HDRS",
    "abc+2B1",
    null,
    "rfc822;c+2B@example.com",
  ]);
  assertEquals(await command("hold", id), [0, "2 recipients changed"]);
  assertEquals(await states(), ["held", "held"]);
  assertEquals(await command("release", "--state", "held", "--json"), [0, '{"changed":2}']);
  assertEquals(await states(), ["ready", "ready"]);
  assertEquals(await command("destinations"), [0, "No server runs: nothing is on its way."]);
  assertEquals(JSON.parse((await command("destinations", "--json"))[1]), { total: 0, items: [] });
  assertEquals(await command("bounce", "--domain", "example.org", "--reason", "no such project"), [
    0,
    "1 recipient changed",
  ]);
  assertEquals(JSON.parse((await command("show", id, "--json"))[1]).recipients[0].route, {
    to: "report",
    action: "failed",
    reason: "no such project",
  });
  assertEquals((await command("delete", id))[0], 0);
  assertEquals((await command("list"))[1], "The queue is empty.");

  const gone = new FakeTerminal({ cwd, env });
  assertEquals(await run(["queue", "retry", id], gone), 1);
  assertEquals(gone.complaints, [`postern: nothing in the queue has the id ${id}`]);
});

Deno.test("queue: filters by sender, recipient and age; a dry run changes nothing", async () => {
  await using temp = await TempFolder.make();
  const cwd = temp.path, env = { POSTERN_ADMIN: "127.0.0.1:1" }, hour = 3_600_000;
  const old = await fill(`${cwd}/data`, newId(Date.now() - 5 * hour)), young = await fill(`${cwd}/data`);
  const command = async (...args: string[]) => {
    const terminal = new FakeTerminal({ cwd, env });
    return [await run(["queue", ...args], terminal), [...terminal.printed, ...terminal.complaints].join("\n")] as const;
  };
  const found = async (...args: string[]) =>
    JSON.parse((await command("list", "--json", ...args))[1]).items.map(({ id }: { id: string }) => id);
  assertEquals(await found("--older", "4h"), [old]);
  assertEquals(await found("--older", "6h"), []);
  assertEquals(await found("--from", "A@example.net", "--to", "@example.org"), [young, old]);
  assertEquals(await found("--from", "<>"), []);
  assertEquals(await command("delete", "--to", "c@example.com", "--older", "4h", "--dry-run", "--json"), [
    0,
    '{"matching":1}',
  ]);
  const [code, shown] = await command("delete", "--older", "4h", "--dry-run");
  assertEquals([code, shown.startsWith(`${old}  `), shown.split("\n").at(-1)], [
    0,
    true,
    "1 message would be changed, as far as it can be",
  ]);
  const [missing, words] = await command("delete", old, "01ARZ3NDEKTSV4RRFFQ69G5FAV", "--dry-run");
  assertEquals([missing, words.includes("nothing in the queue has the id 01ARZ3")], [1, true]);
  assertEquals(await found(), [young, old], "and all are there");
  assertEquals(await command("delete", "--to", "c@example.com", "--older", "4h"), [0, "1 recipient changed"]);
  assertEquals(JSON.parse((await command("show", old, "--json"))[1]).recipients.length, 1);
  assertEquals(await command("list", "--older", "soon"), [
    2,
    "postern: --older: must be a duration such as 30m, 12h or 2d",
  ]);
});

Deno.test("queue: a person is asked before many are changed, and shown tables that fit his terminal", async () => {
  await using temp = await TempFolder.make();
  const cwd = temp.path, env = { POSTERN_ADMIN: "127.0.0.1:1" };
  await fill(`${cwd}/data`);
  await fill(`${cwd}/data`);
  const at = async (answers: readonly string[], ...args: string[]) => {
    const terminal = new FakeTerminal({ cwd, env, answers, screen: { columns: 72, rows: 24 } });
    const code = await run(["queue", ...args], terminal);
    return { code, ...{ asked: terminal.asked, out: terminal.printed, err: terminal.complaints } };
  };
  assertEquals(await at(["n"], "hold", "--domain", "example.org"), {
    code: 1,
    asked: ["hold 2 messages? [y/N] "],
    out: [],
    err: ["postern: nothing was changed"],
  });
  assertEquals((await at([""], "delete", "--state", "ready")).code, 1, "no answer is no");
  const yes = await at(["y"], "hold", "--domain", "example.org");
  assertEquals([yes.code, yes.out], [0, ["2 recipients changed"]]);
  assertEquals((await at([], "release", "--domain", "example.org", "--yes")).asked, []);
  const { out } = await at([], "list");
  const lines = out.map((line) => line.replace(/\x1b\[\d+m/g, ""));
  assertEquals(lines[0]!.split(/ +/), ["ID", "AGE", "SIZE", "FROM", "TO", "STATE", "TRIES", "NEXT", "WHY"]);
  assertEquals([lines.length, lines.every((line) => line.length <= 72)], [6, true], lines.join("\n"));
});

Deno.test("quarantine: what is held is listed, released and deleted; what is not held is left alone", async () => {
  await using temp = await TempFolder.make();
  const cwd = temp.path, env = { POSTERN_ADMIN: "127.0.0.1:1" };
  const id = await fill(`${cwd}/data`);
  const command = async (...args: string[]) => {
    const terminal = new FakeTerminal({ cwd, env });
    return [await run(args, terminal), [...terminal.printed, ...terminal.complaints].join("\n")] as const;
  };
  assertEquals(await command("quarantine", "list"), [0, "Nothing is held."]);
  const [code, words] = await command("quarantine", "delete", id);
  assertEquals(code, 1);
  assertStringIncludes(words, "is not in quarantine");
  await command("queue", "hold", id);
  assertStringIncludes((await command("quarantine", "list"))[1], "held by hand");
  assertStringIncludes((await command("quarantine", "show", id))[1], "held");
  assertEquals(await command("quarantine", "release", "--domain", "example.org"), [0, "1 recipient changed"]);
  assertEquals((await command("quarantine", "delete", id))[0], 1, "a part of it is on its way");
  await command("queue", "hold", id);
  assertEquals(await command("quarantine", "delete", id), [0, "2 recipients changed"]);
  assertEquals((await command("quarantine", "release"))[0], 2);
  assertEquals((await command("quarantine", "release", id, "--domain", "example.org"))[0], 2);
});

Deno.test("queue route: by a next hop, as the configuration says, to a plugin; only by what is there, one at a time", async () => {
  await using temp = await TempFolder.make();
  const cwd = temp.path, env = { POSTERN_ADMIN: "127.0.0.1:1", POSTERN_ADMIN_TOKEN: TOKEN };
  await temp.file(
    "postern.yaml",
    `hostname: mx.example.org
domains: [example.org]
postmaster: box@example.org
listeners: [{ address: "127.0.0.1:2525" }]
plugins: [{ recipients: { accounts: { box: inbox } } }, inbox]
nextHops: { backup: { hosts: ["smtp://127.0.0.1:2600"] } }
`,
  );
  const id = await fill(`${cwd}/data`);
  const command = async (...args: string[]) => {
    const terminal = new FakeTerminal({ cwd, env });
    return [await run(["queue", ...args], terminal), [...terminal.printed, ...terminal.complaints].join("\n")] as const;
  };
  const ways = async () =>
    JSON.parse((await command("show", id, "--json"))[1]).recipients
      .map(({ destination }: { destination: string }) => destination);
  assertEquals(await command("route", id, "--via", "backup"), [0, "2 recipients changed"]);
  assertEquals(await ways(), ["via:backup", "via:backup"]);
  assertEquals(await command("route", "--domain", "example.com", "--mx"), [0, "1 recipient changed"]);
  assertEquals(await command("route", "--domain", "example.org", "--local", "inbox", "--json"), [0, '{"changed":1}']);
  assertEquals(await ways(), ["local:inbox", "mx:example.com"]);
  const rows: [args: string[], code: number, says: string][] = [
    [[id, "--via", "bakcup"], 1, 'There is no next hop "bakcup" in the configuration; there is backup.'],
    [
      [id, "--local", "maildir"],
      1,
      'There is no plugin that stores mail "maildir" in the configuration; there is inbox.',
    ],
    [[id], 2, "say where to, by one of --via"],
    [[id, "--mx", "--via", "backup"], 2, "say where to, by one of --via"],
    [["--mx"], 2, "name messages by id, or all that match"],
  ];
  for (const [args, code, says] of rows) {
    const [given, words] = await command("route", ...args);
    assertEquals([given, words.split("\n").length], [code, 1], words);
    assertStringIncludes(words, says);
  }
  const [given, words] = await command("bounce", id, "--reason", "two\nlines");
  assertEquals([given, words], [1, "postern: reason is one line of 300 characters at most."]);
  assertEquals(await ways(), ["local:inbox", "mx:example.com"], "nothing changed by what was refused");
});

Deno.test("case 75: the queue of a running server is asked for over HTTP, with the token, and never opened", async () => {
  const cwd = await Deno.makeTempDir();
  const asked: string[] = [];
  const id = newId(Date.now());
  const row = {
    id,
    from: "a@example.net",
    recipients: [{
      address: "b@example.org",
      state: "deferred",
      attempts: 2,
      nextAttempt: "2026-01-01T00:00:00.000Z",
      lastReply: "451 later",
    }],
    size: 2048,
    queuedAt: "2026-01-01T00:00:00.000Z",
  };
  const closedUntil = "2026-01-01T12:40:00.000Z";
  const rests = [
    { destination: "mx:example.net", waiting: 0, running: 0, closedUntil, reason: "421 too many\u001b[2J" },
    { destination: "via:upstream", waiting: 3, running: 5, closedUntil: null, reason: null },
  ];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
    const { pathname, search } = new URL(request.url);
    if (pathname === "/healthz") return new Response("ok");
    asked.push(`${request.method} ${pathname}${search} ${await request.text()}`.trim());
    if (request.headers.get("authorization") !== `Bearer ${TOKEN}`) return new Response("{}", { status: 401 });
    if (pathname.includes("01K00000000000000000000000")) return Response.json({ detail: "no" }, { status: 404 });
    if (pathname.endsWith("/destinations")) return Response.json({ total: 3, items: rests });
    if (pathname.endsWith("/route")) return Response.json({ detail: "There is no next hop." }, { status: 400 });
    if (request.method === "GET") return Response.json(pathname.endsWith("queue") ? { total: 1, items: [row] } : row);
    return Response.json({ changed: 1 });
  });
  try {
    const env = { POSTERN_ADMIN: `127.0.0.1:${server.addr.port}`, POSTERN_ADMIN_TOKEN: TOKEN };
    const command = async (...args: string[]) => {
      const terminal = new FakeTerminal({ cwd, env });
      return [
        await run(["queue", ...args], terminal),
        [...terminal.printed, ...terminal.complaints].join("\n"),
      ] as const;
    };
    assertStringIncludes(
      (await command("list", "--state", "deferred"))[1],
      "deferred  <b@example.org>, 2 attempts, next",
    );
    assertEquals((await command("show", id))[0], 0);
    assertEquals((await command("retry", id, id))[1], "2 recipients changed");
    assertEquals((await command("delete", "--domain", "example.org"))[1], "1 recipient changed");
    assertEquals(await command("hold", "01K00000000000000000000000"), [
      1,
      "0 recipients changed\npostern: nothing in the queue has the id 01K00000000000000000000000",
    ]);
    assertEquals((await command("bounce", id, "--reason", "gone"))[1], "1 recipient changed");
    assertEquals((await command("bounce", "--state", "held"))[1], "1 recipient changed");
    const [refused, why] = await command("route", id, "--via", "x");
    assertEquals([refused, why.split("\n").length], [1, 1]);
    assertStringIncludes(why, "answered 400: There is no next hop.");
    assertEquals((await command("destinations"))[1].split("\n"), [
      `mx:example.net  0 under way, 0 ready, nothing before ${closedUntil}: 421 too many?[2J`,
      "via:upstream  5 under way, 3 ready",
      "2 of 3 destinations",
    ]);
    assertEquals(asked, [
      "GET /api/v1/queue?state=deferred&limit=100",
      `GET /api/v1/queue/${id}`,
      `POST /api/v1/queue/${id}/retry`,
      `POST /api/v1/queue/${id}/retry`,
      "DELETE /api/v1/queue?domain=example.org",
      "POST /api/v1/queue/01K00000000000000000000000/hold",
      `POST /api/v1/queue/${id}/bounce {"reason":"gone"}`,
      "POST /api/v1/queue/bounce?state=held {}",
      `POST /api/v1/queue/${id}/route {"to":"remote","via":"x"}`,
      "GET /api/v1/queue/destinations?limit=100",
    ]);
    env.POSTERN_ADMIN_TOKEN = "another-wrong-token";
    const [code, words] = await command("list");
    assertEquals(code, 1);
    assertStringIncludes(words, "wants another token");
    assertEquals([...Deno.readDirSync(cwd)].length, 0, "no data folder was made");
  } finally {
    await server.shutdown();
    await Deno.remove(cwd, { recursive: true });
  }
});

Deno.test("queue: the eight characters that refusals and the log show name a message, as long as they name one", async () => {
  await using temp = await TempFolder.make();
  const cwd = temp.path;
  const command = async (...args: string[]) => {
    const terminal = new FakeTerminal({ cwd, env: { POSTERN_ADMIN: "127.0.0.1:1" } });
    return [await run(["queue", ...args], terminal), [...terminal.printed, ...terminal.complaints].join("\n")] as const;
  };
  const one = await fill(`${cwd}/data`, "01K0000000AAAAAAAAQZKZK2RF");
  const two = await fill(`${cwd}/data`, "01K0000000BBBBBBBB00000001");
  assertStringIncludes((await command("show", "qzkzk2rf"))[1], `id       ${one}`);
  assertEquals(await command("hold", "QZKZK2RF", two), [0, "4 recipients changed"]);
  assertEquals(await command("show", "QZKZK2RG"), [1, "postern: nothing in the queue has the id QZKZK2RG"]);
  const twin = await fill(`${cwd}/data`, "01K0000000CCCCCCCC00000001");
  const [code, words] = await command("delete", "QZKZK2RF", "0000000L");
  assertEquals([code, words.includes(two), words.includes(twin)], [2, true, true], words);
  assertEquals(JSON.parse((await command("list", "--json"))[1]).total, 3, "nothing was deleted on the way");
  assertEquals(await command("delete", "QZKZK2RF", "QZKZK2RG"), [
    1,
    "2 recipients changed\npostern: nothing in the queue has the id QZKZK2RG",
  ]);
});
