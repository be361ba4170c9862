/** The LMTP listener, over TCP and a socket file (RFC 2033): a reply for each RCPT, in order, aliases among them. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { dotStuffed, join, latin1, mail, octets } from "../support/bytes.ts";
import { freePort } from "../support/ports.ts";
import { Server } from "../support/server.ts";
import { SmtpClient } from "../support/smtp_client.ts";
import { TempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";

const MESSAGE = mail("From: a@example.org\nSubject: lmtp\n\nText\n");
const BODY = join(dotStuffed(MESSAGE), octets(".\r\n"));

interface Site {
  readonly server: Server;
  readonly lmtp: number;
  readonly socket: string;
  readonly root: string;
  /** While it is there, `dir` is full; when it says "closed", closed. */
  readonly flag: string;
}
async function start(folder: TempFolder): Promise<Site> {
  const lmtp = freePort(), socket = folder.at("lmtp.sock"), root = folder.at("mail"), flag = folder.at("flag");
  const moody = await folder.file(
    "moody.ts",
    `import { defer, reject } from "postern";
export default { name: "moody", handlers: { queue(ctx, next) {
  let mood; try { mood = Deno.readTextFileSync(${JSON.stringify(flag)}); } catch { return next(); }
  for (const each of ctx.recipients) {
    if (!each.address.local.startsWith("dir")) continue;
    ctx.refuse(each, mood === "closed" ? reject("5.2.1", "Mailbox closed") : defer("4.2.2", "Mailbox full", { code: 452 }));
  }
  return next();
} } };`,
  );
  const server = await Server.start({
    config: `hostname: mx.local.example
domains: [local.example]
postmaster: box@local.example
listeners:
  - { address: "127.0.0.1:2525" }
  - { address: "127.0.0.1:${lmtp}", role: lmtp }
  - { address: "unix:${socket}", role: lmtp }
admin: { address: "127.0.0.1:8025", token: "\${POSTERN_ADMIN_TOKEN}" }
delivery: { retry: [1s] }
plugins:
  - relay
  - recipients:
      accounts: { box: inbox, dir: maildir, dir2: maildir }
      aliases: { team: [box, dir], dirs: [dir, dir2] }
  - ${moody}
  - maildir: { root: ${root} }
  - inbox
`,
  });
  return { server, lmtp, socket, root, flag };
}

/** LHLO, MAIL, the recipients, DATA; the codes of RCPT, then the replies after the dot. */
async function transaction(client: SmtpClient, to: readonly string[], expected: number): Promise<[number[], string[]]> {
  await client.command("MAIL FROM:<a@example.org>", 250);
  const codes: number[] = [];
  for (const each of to) codes.push((await client.command(`RCPT TO:<${each}@local.example>`)).code);
  await client.command("DATA", 354);
  await client.send(BODY);
  const replies: string[] = [];
  for (let i = 0; i < expected; i++) replies.push((await client.reply()).raw.trim());
  await client.command("NOOP", 250); // and no reply more than that
  return [codes, replies];
}
async function lhlo(port: number): Promise<SmtpClient> {
  const client = await SmtpClient.connect(port);
  assertMatch((await client.expect(220)).lines[0]!, /^mx\.local\.example LMTP Postern/);
  await client.command("EHLO c", 500);
  await client.command("HELO c", 500);
  await client.command("LHLO c.example", 250);
  return client;
}
function copies(root: string, user: string): number {
  try {
    return [...Deno.readDirSync(`${root}/local.example/${user}/Maildir/new`)].length;
  } catch {
    return 0;
  }
}
const QUEUED = /^250 2\.0\.0 queued as [0-9A-Z]{26}$/;

Deno.test("RFC 2033 4.2: a reply for each accepted RCPT, in their order, after the dot", async () => {
  await using folder = await TempFolder.make();
  const { server, lmtp, root } = await start(folder);
  await using _ = server;
  using client = await lhlo(lmtp);
  const [codes, replies] = await transaction(client, ["box", "nobody", "dir", "box", "team"], 4);
  assertEquals(codes, [250, 550, 250, 250, 250]);
  for (const reply of replies) assertMatch(reply, QUEUED);
  assertEquals(new Set(replies).size, 1);
  assertEquals([copies(root, "dir"), (await server.api.messages()).length], [1, 1], "each mailbox once");
});

Deno.test("RFC 2033: one full mailbox is 452 in its place, and nothing of it is kept; the client's retry is its own", async () => {
  await using folder = await TempFolder.make();
  const { server, lmtp, root, flag } = await start(folder);
  await using _ = server;
  await Deno.writeTextFile(flag, "full");
  using client = await lhlo(lmtp);
  const [, replies] = await transaction(client, ["dir", "box", "dir2"], 3);
  assertMatch(replies[0]!, /^452 4\.2\.2 Mailbox full/);
  assertMatch(replies[1]!, QUEUED);
  assertMatch(replies[2]!, /^452 4\.2\.2 Mailbox full/);
  assertEquals((await server.api.queue()).total, 0);
  assertEquals((await server.api.messages()).length, 1);

  await Deno.writeTextFile(flag, "closed");
  const [, closed] = await transaction(client, ["dir", "dir2"], 2);
  for (const reply of closed) assertMatch(reply, /^550 5\.2\.1 Mailbox closed/);
  await Deno.remove(flag);
  const [, again] = await transaction(client, ["dir", "dir2"], 2);
  for (const reply of again) assertMatch(reply, QUEUED);
  assertEquals([copies(root, "dir"), copies(root, "dir2")], [1, 1]);
});

Deno.test("SEMANTICS 8, 15: an alias is one RCPT with one reply: what was promised with it is kept and tried again", async () => {
  await using folder = await TempFolder.make();
  const { server, lmtp, root, flag } = await start(folder);
  await using _ = server;
  await Deno.writeTextFile(flag, "full");
  using client = await lhlo(lmtp);
  const [, replies] = await transaction(client, ["team", "dirs", "box"], 3);
  assertMatch(replies[0]!, QUEUED, "box took it, so that dir's copy is ours to deliver");
  assertMatch(replies[1]!, /^452 4\.2\.2 /, "no member took it");
  assertMatch(replies[2]!, QUEUED);
  const { items } = await server.api.queue();
  assertEquals(items.map(({ recipients }) => recipients.map(({ address }) => address)), [["dir@local.example"]]);
  await Deno.remove(flag);
  await waitFor("the copy", () => copies(root, "dir") === 1);
  await waitFor("an empty queue", async () => (await server.api.queue()).total === 0);
  assertEquals([copies(root, "dir"), copies(root, "dir2"), (await server.api.messages()).length], [1, 0, 1]);
});

Deno.test("a message that is refused whole has the refusal once for each RCPT", async () => {
  await using folder = await TempFolder.make();
  const { server, lmtp } = await start(folder);
  await using _ = server;
  using client = await lhlo(lmtp);
  await client.command("MAIL FROM:<a@example.org>", 250);
  for (const to of ["box", "dir", "team"]) await client.command(`RCPT TO:<${to}@local.example>`, 250);
  await client.command("DATA", 354);
  await client.send("Subject: x\r\n\r\nbare\nline feed\r\n.\r\n");
  for (let i = 0; i < 3; i++) assertMatch((await client.reply()).raw, /^550 5\.5\.2 Bare LF/);
  await client.command("NOOP", 250);
  assertEquals((await server.api.messages()).length, 0);
});

Deno.test("LMTP over a socket file: the same dialogue, Received says so, and the file goes with the server", async () => {
  await using folder = await TempFolder.make();
  const { server, socket } = await start(folder);
  await using _ = server;
  assert((await Deno.lstat(socket)).isSocket);
  using conn = await Deno.connect({ transport: "unix", path: socket });
  const dialogue = [
    ...["LHLO c.example", "MAIL FROM:<>", "RCPT TO:<box@local.example>", "RCPT TO:<box@local.example>", "DATA"],
    ...[`${latin1(BODY)}QUIT`],
  ];
  let said = "";
  const chunk = new Uint8Array(4096);
  const read = async (until: RegExp) => {
    while (!until.test(said)) {
      const count = await conn.read(chunk);
      if (count === null) break;
      said += latin1(chunk.subarray(0, count));
    }
  };
  await read(/^220 /m);
  for (const line of dialogue) {
    const before = said.length;
    await conn.write(octets(`${line}\r\n`));
    await read(new RegExp(`^[^]{${before}}([^]*\\n)?(250|354|221) [^\\n]*\\n$`));
  }
  const codes = said.trimEnd().split("\r\n").filter((line) => line[3] === " ").map((line) => line.slice(0, 3));
  assertEquals(codes.join(" "), "220 250 250 250 250 354 250 250 221");
  const [entry] = await server.api.messages();
  const raw = latin1((await server.api.raw(entry!.id))!);
  assertMatch(
    raw,
    /^Return-Path: <>\r\n|^(.+\r\n)*Received: from c\.example \(\[127\.0\.0\.1\]\)\r\n\tby mx\.local\.example \(Postern\) with LMTP id/,
  );
  assertEquals((await server.stop()).code, 0);
  assertEquals(await Deno.lstat(socket).then(() => "there", () => "gone"), "gone");
});

Deno.test("a socket file that a killed server left is taken over; one that is served, or no socket, is not", async () => {
  await using folder = await TempFolder.make();
  const socket = folder.at("lmtp.sock");
  const config = (path: string) =>
    `hostname: mx.local.example
domains: ["*"]
postmaster: box@local.example
listeners: [{ address: "unix:${path}", role: lmtp }]
admin: { address: "127.0.0.1:8025", token: "\${POSTERN_ADMIN_TOKEN}" }
plugins: [{ inbox: { everything: true } }]
`;
  const env = { POSTERN_SMTP: "" };
  const up = async (server: Server) => {
    await waitFor("the site", async () => server.hasEnded || await server.api.healthy());
    return !server.hasEnded;
  };
  {
    await using first = await Server.spawn({ config: config(socket), env });
    assert(await up(first), first.output);
    await using second = await Server.spawn({ config: config(socket), env });
    assert(!await up(second));
    assertMatch(second.output, new RegExp(`^postern: unix:${socket} is in use: [^\\n]*\\n$`));
    (await Deno.connect({ transport: "unix", path: socket })).close(); // the first one still serves
    await first.kill();
  }
  assert((await Deno.lstat(socket)).isSocket, "left behind");
  await using third = await Server.spawn({ config: config(socket), env });
  assert(await up(third), third.output);
  (await Deno.connect({ transport: "unix", path: socket })).close();
  const file = await folder.file("notes", "somebody's");
  await using fourth = await Server.spawn({ config: config(file), env });
  assert(!await up(fourth));
  assertMatch(fourth.output, /^postern: unix:.*notes is in use[^\n]*\n$/);
  assertEquals(await Deno.readTextFile(file), "somebody's");
});
