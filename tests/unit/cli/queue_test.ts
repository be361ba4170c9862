import { assertEquals, assertStringIncludes } from "@std/assert";
import { run } from "../../../cli/main.ts";
import { NO_EDITS, NO_MAIL_PARAMETERS, NO_RCPT_PARAMETERS } from "../../../core/model/envelope.ts";
import { newId } from "../../../core/model/id.ts";
import { openSqliteStore } from "../../../core/store/sqlite.ts";
import { FakeTerminal } from "./fake_terminal.ts";
import { TempFolder } from "../../support/temp.ts";

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
    deadline: null,
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
  assertEquals(shown.split("\n").slice(-6), [
    "RET      HDRS",
    "ENVID    abc+2B1",
    "to       <b@example.org> ready, next 1970-01-01T00:00:00.000Z",
    "to       <c@example.com> ready, next 1970-01-01T00:00:00.000Z",
    "  NOTIFY FAILURE,DELAY",
    "  ORCPT  rfc822;c+2B@example.com",
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
  assertEquals((await command("delete", id))[0], 0);
  assertEquals((await command("list"))[1], "The queue is empty.");

  const gone = new FakeTerminal({ cwd, env });
  assertEquals(await run(["queue", "retry", id], gone), 1);
  assertEquals(gone.complaints, [`postern: nothing in the queue has the id ${id}`]);
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
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request) => {
    const { pathname, search } = new URL(request.url);
    if (pathname === "/healthz") return new Response("ok");
    asked.push(`${request.method} ${pathname}${search}`);
    if (request.headers.get("authorization") !== `Bearer ${TOKEN}`) return new Response("{}", { status: 401 });
    if (pathname.includes("01K00000000000000000000000")) return Response.json({ detail: "no" }, { status: 404 });
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
    assertEquals(asked, [
      "GET /api/v1/queue?state=deferred&limit=100",
      `GET /api/v1/queue/${id}`,
      `POST /api/v1/queue/${id}/retry`,
      `POST /api/v1/queue/${id}/retry`,
      "DELETE /api/v1/queue?domain=example.org",
      "POST /api/v1/queue/01K00000000000000000000000/hold",
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
