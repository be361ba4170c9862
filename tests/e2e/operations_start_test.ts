/**
 * Starting where something is wrong: one clear line on standard error, exit code 1, and nothing that was there is lost.
 * Starting where all is well: what was there is served, the environment wins, an empty folder is enough.
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { type CliOptions, type CliResult, postern } from "../support/cli.ts";
import { mail } from "../support/bytes.ts";
import { testUnless } from "../support/debian.ts";
import { freePort } from "../support/ports.ts";
import { Server } from "../support/server.ts";
import { queuedAs, SmtpClient } from "../support/smtp_client.ts";
import { TempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";

const MESSAGE = mail("From: a@example.org\nSubject: kept\n\nStill here.\n");

/** Starts and stops a server over `data` and leaves one message in its inbox. */
async function withMessage(data: string): Promise<string> {
  await using server = await Server.start({ data });
  using client = await SmtpClient.ready(server.ports.smtp);
  const id = queuedAs(await client.deliver({ from: "a@example.org", to: ["b@example.org"], message: MESSAGE }))!;
  await client.quit();
  assertEquals((await server.stop()).code, 0);
  return id;
}

async function subjects(server: Server): Promise<string[]> {
  return (await server.api.messages()).map(({ subject }) => subject);
}

/** `postern serve` must end by itself, say one line and nothing else. */
async function fails(args: readonly string[], options: CliOptions, says: RegExp): Promise<CliResult> {
  const result = await postern(["serve", ...args], options);
  assertEquals(result.code, 1, result.err);
  assertEquals(result.out, "");
  assertMatch(result.err, /^[^\n]+\n$/, "one line");
  assertMatch(result.err, says);
  assert(
    !/\bat .*\.ts:\d+|StoreError|ListenError|AddrInUse|os error 0|undefined|\[object/.test(result.err),
    result.err,
  );
  return result;
}

Deno.test("a bad configuration: a line for each fault, exit code 1, and no data folder is made", async () => {
  await using folder = await TempFolder.make();
  const config = await folder.file(
    "postern.yaml",
    "hostname: mx.example.org\nhostnam: x\nlisteners: [{ address: nowhere }]\n",
  );
  const { code, err } = await postern(["serve", "--config", config], { cwd: folder.path, env: { POSTERN_ADMIN: "" } });
  assertEquals(code, 1);
  const lines = err.trimEnd().split("\n");
  assertEquals(lines.length, 2, err);
  assertMatch(lines[0]!, /postern\.yaml:2:1: .*hostnam.*hostname/);
  assertMatch(lines[1]!, /postern\.yaml:3:24: .*"nowhere"/);
  assertEquals([...Deno.readDirSync(folder.path)].map(({ name }) => name), ["postern.yaml"]);
  await fails(["--config", folder.at("none.yaml")], {}, /none\.yaml: there is no such file/);
});

Deno.test("a port in use: SMTP, the site, a socket file; the data folder is free again", async () => {
  await using folder = await TempFolder.make();
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const address = `127.0.0.1:${taken.addr.port}`, POSTERN_DATA = folder.at("data");
  await fails([], { env: { POSTERN_DATA, POSTERN_SMTP: address } }, new RegExp(`${address} is in use`));
  await fails([], { env: { POSTERN_DATA, POSTERN_ADMIN: address } }, new RegExp(`site.*${address}.*another program`));
  const away =
    "hostname: mx.example.org\nlisteners: [{ address: '192.0.2.1:25' }]\nplugins: [{ inbox: { everything: true } }]\npostmaster: a@b.c\n";
  const config = await folder.file("away.yaml", away);
  const env = { POSTERN_DATA, POSTERN_SMTP: "", POSTERN_ADMIN: "" };
  await fails(["--config", config], { env }, /192\.0\.2\.1:25 is no address of this machine/);
  await using server = await Server.start({ data: POSTERN_DATA });
  assertEquals(await subjects(server), []);
});

Deno.test("case 75: a second instance on the same data folder refuses to start and harms nobody", async () => {
  await using folder = await TempFolder.make();
  const data = folder.at("data");
  await using first = await Server.start({ data });
  await fails([], { env: { POSTERN_DATA: data } }, new RegExp(`in use by process ${first.pid}; stop it first`));
  using client = await SmtpClient.ready(first.ports.smtp);
  assert(queuedAs(await client.deliver({ from: "a@b.c", to: ["d@e.f"], message: MESSAGE })));
  await first.kill(); // however the first one ends, the folder is free at once
  await using third = await Server.start({ data });
  assertEquals(await subjects(third), ["kept"]);
});

Deno.test("a data folder that is a file, lies below a file, or holds a foreign spool", async () => {
  await using folder = await TempFolder.make();
  const file = await folder.file("notes.txt", "not a folder");
  await fails([], { env: { POSTERN_DATA: file } }, /notes\.txt.*not a folder/i);
  await fails([], { env: { POSTERN_DATA: `${file}/data` } }, /cannot (make|be used).*notes\.txt|notes\.txt.*cannot/);
  await folder.file("data/spool", "a file where a folder should be");
  await fails([], { env: { POSTERN_DATA: folder.at("data") } }, /data\/spool is not a folder/);
  assertEquals(await Deno.readTextFile(file), "not a folder");
});

Deno.test("a database that is damaged, foreign or of a newer version is refused and left as it is", async (t) => {
  await using folder = await TempFolder.make();
  const data = folder.at("data"), path = `${data}/postern.db`, env = { POSTERN_DATA: data };
  await withMessage(data);
  const good = await Deno.readFile(path);
  const breakages: Record<string, [says: RegExp, bytes: () => Uint8Array<ArrayBuffer>]> = {
    "overwritten": [/damaged|not a database/, () => new TextEncoder().encode("garbage ".repeat(4000))],
    "a page in the middle": [/damaged/, () => {
      const bytes = good.slice();
      bytes.fill(0x5a, 16384 * 2, 16384 * 5);
      return bytes;
    }],
    "cut in half": [/damaged/, () => good.slice(0, Math.floor(good.length / 2) + 100)],
    "newer": [/newer version/, () => good],
    "foreign": [/not a database of Postern/, () => good],
  };
  for (const [name, [says, bytes]] of Object.entries(breakages)) {
    await t.step(name, async () => {
      await Deno.writeFile(path, bytes());
      if (name === "newer" || name === "foreign") {
        const db = new DatabaseSync(path);
        db.exec(name === "newer" ? "pragma user_version = 999" : "pragma application_id = 7");
        db.close();
      }
      const before = await Deno.readFile(path);
      await fails([], { env }, says);
      assertEquals(await Deno.readFile(path), before, "the file is as it was");
    });
  }
  await t.step("the fault removed", async () => {
    await Deno.writeFile(path, good);
    await using server = await Server.start({ data });
    assertEquals(await subjects(server), ["kept"]);
  });
});

// Root writes whatever the permissions say, so it gets a file system that is read-only, in a namespace of its own.
const ROOT = Deno.uid() === 0;
const NO_NAMESPACE = !ROOT || new Deno.Command("unshare", { args: ["-m", "true"], stderr: "null" }).outputSync().success
  ? null
  : "the right to unshare: run as another user than root, or with CAP_SYS_ADMIN";
testUnless(NO_NAMESPACE, "a data folder that may not be written", async () => {
  await using folder = await TempFolder.make();
  const data = folder.at("data");
  await withMessage(data);
  const readOnly = `mount --bind ${data} ${data} && mount -o remount,bind,ro ${data} && exec "$@"`;
  const under = ROOT ? ["unshare", "-m", "sh", "-c", readOnly, "sh"] : [];
  if (!ROOT) await Deno.chmod(data, 0o500);
  const why = /(Read-only file system|[Pp]ermission denied)/.source;
  await fails([], { under, env: { POSTERN_DATA: data } }, new RegExp(`data folder ${data} cannot be .*${why}`));
  await fails([], { under, env: { POSTERN_DATA: `${data}/below` } }, new RegExp(`cannot make the folder .*${why}`));
  if (!ROOT) await Deno.chmod(data, 0o700);
  await using server = await Server.start({ data });
  assertEquals(await subjects(server), ["kept"]);
});

Deno.test("a restart serves what was there, and takes up the write-ahead log of a process that was killed", async () => {
  await using folder = await TempFolder.make();
  const data = folder.at("data");
  const first = await withMessage(data);
  let second: string;
  {
    await using server = await Server.start({ data });
    using client = await SmtpClient.ready(server.ports.smtp);
    second = queuedAs(await client.deliver({ from: "a@b.c", to: ["d@e.f"], message: MESSAGE }))!;
    await server.kill();
  }
  await using server = await Server.start({ data });
  assertEquals((await server.api.messages()).map(({ id }) => id), [second, first]);
  const raw = new TextDecoder().decode((await server.api.raw(first))!);
  assertStringIncludes(raw, "Still here.\r\n");
});

Deno.test("the environment wins over the file: data, addresses, token, level, and the file itself", async () => {
  await using folder = await TempFolder.make();
  const smtp = freePort(), admin = freePort(), token = "token-of-the-environment";
  const config = await folder.file(
    "site.yaml",
    `data: ./from-file
listeners: [{ address: "127.0.0.1:${freePort()}" }]
admin: { address: "127.0.0.1:${freePort()}", token: "token-of-the-file-itself" }
domains: ["*"]
plugins: [{ inbox: { everything: true } }]
log: { level: error }
`,
  );
  await using server = await Server.spawn({
    ports: { smtp, admin },
    env: {
      POSTERN_CONFIG: config,
      POSTERN_DATA: folder.at("from-env"),
      POSTERN_ADMIN_TOKEN: token,
      POSTERN_LOG: "debug",
    },
  });
  await waitFor("the server", () => server.output.includes("Data is kept in"));
  const ask = (bearer: string) =>
    fetch(`http://127.0.0.1:${admin}/api/v1/queue`, { headers: { authorization: `Bearer ${bearer}` } });
  const codes = [await ask(token), await ask("token-of-the-file-itself")].map((response) => {
    response.body?.cancel();
    return response.status;
  });
  assertEquals(codes, [200, 401]);
  using client = await SmtpClient.ready(smtp);
  await client.quit();
  assert(Deno.statSync(folder.at("from-env/postern.db")).isFile);
  assertEquals([...Deno.readDirSync(folder.path)].some(({ name }) => name === "from-file"), false);
  await waitFor("a line of level debug", () => / debug /.test(server.output));
  assertStringIncludes(server.output, "127.0.0.1:" + smtp);
});

Deno.test("the environment is checked as the file is", async () => {
  for (const [name, value] of [["POSTERN_SMTP", "2525"], ["POSTERN_ADMIN", "localhost"], ["POSTERN_LOG", "loud"]]) {
    await fails([], { env: { [name!]: value! } }, new RegExp(name!));
  }
  await fails([], { env: { POSTERN_ADMIN_TOKEN: "short" } }, /POSTERN_ADMIN_TOKEN.*16 characters/);
});

Deno.test("`deno task start` in an empty folder, without a configuration, takes mail and shows it without a token", async () => {
  await using folder = await TempFolder.make();
  const root = new URL("../../", import.meta.url).pathname;
  const smtp = freePort(), admin = freePort();
  // A task runs in the folder of its deno.json; the data folder is moved so that the checkout stays clean.
  const child = new Deno.Command(Deno.execPath(), {
    args: ["task", "--quiet", "start"],
    cwd: root,
    env: {
      POSTERN_SMTP: `127.0.0.1:${smtp}`,
      POSTERN_ADMIN: `127.0.0.1:${admin}`,
      POSTERN_DATA: folder.at("data"),
      NO_COLOR: "1",
    },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let printed = "";
  const streams = [child.stdout, child.stderr].map(async (stream) => {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) printed += text;
  });
  try {
    await waitFor("it to say where to look", () => printed.includes("nothing leaves this machine"), {
      deadline: 20_000,
    });
    assertStringIncludes(printed, `127.0.0.1:${smtp}`);
    assertStringIncludes(printed, `http://127.0.0.1:${admin}`);
    const sent = await postern(["send", "--to", "you@example.org", "--server", `127.0.0.1:${smtp}`]);
    assertEquals(sent.code, 0, sent.err);
    const response = await fetch(`http://127.0.0.1:${admin}/api/v1/messages`);
    assertEquals((await response.json()).messages[0].subject, "A message from postern send");
  } finally {
    // The task runner hands the signal on to what it runs.
    child.kill("SIGTERM");
    await child.status;
    await Promise.all(streams);
  }
  await waitFor("the port to be free", () => {
    try {
      Deno.listen({ hostname: "127.0.0.1", port: smtp }).close();
      return true;
    } catch {
      return false;
    }
  });
});

Deno.test("store: memory takes mail, makes no data folder, and says that it forgets", async () => {
  await using folder = await TempFolder.make();
  const data = folder.at("data");
  const config = `store: memory
domains: ["*"]
postmaster: a@b.example
listeners: [{ address: "127.0.0.1:2525" }]
admin: { address: "127.0.0.1:8025", token: "\${POSTERN_ADMIN_TOKEN}" }
plugins: [{ inbox: { everything: true } }]
`;
  await using server = await Server.start({ data, config });
  assertStringIncludes(server.output, "memory forgets every message");
  using client = await SmtpClient.ready(server.ports.smtp);
  const id = queuedAs(await client.deliver({ from: "a@b.c", to: ["d@e.f"], message: MESSAGE }));
  assert(id);
  assertStringIncludes(new TextDecoder().decode((await server.api.raw(id))!), "Still here.\r\n");
  await client.quit();
  assertEquals((await server.stop()).code, 0);
  assertEquals(await Deno.stat(data).then(() => "there", () => "not there"), "not there");
});
