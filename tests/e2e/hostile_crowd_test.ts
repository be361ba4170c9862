/** Cases 35, 36: slow peers, as many idle ones as there are places, budgets by role, and no descriptors left. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { RudePeer } from "../support/rude_peer.ts";
import { SmtpClient } from "../support/smtp_client.ts";
import { strangersConfig, Target } from "../support/target.ts";
import { TempFolder } from "../support/temp.ts";
import { freePort } from "../support/ports.ts";
import { waitFor } from "../support/wait.ts";

const MIB = 1024 * 1024;

Deno.test("case 35: an octet now and then buys no time, in a command as in content: 421 4.4.2", async () => {
  const limits = `idleTimeout: "2s", dataTimeout: "2s"`;
  await using target = await Target.start({ config: strangersConfig({ limits }) });
  const slow = await RudePeer.connect(target.port);
  using _slow = slow;
  await slow.expect(220);
  while (!slow.ended) { // a command that never ends, an octet at a time
    await slow.send("x").catch(() => {});
    await new Promise((wake) => setTimeout(wake, 100));
  }
  assertMatch(slow.heard, /\r\n421 4\.4\.2 .*\r\n$/);
  assert(slow.heard.length < 200, "said once");
  using silent = await RudePeer.connect(target.port);
  await silent.expect(220);
  await silent.send("EHLO c.example\r\nMAIL FROM:<a@sender.example>\r\n".slice(0, 16));
  await silent.expect(250);
  await silent.send("MAIL FROM:<a@sender.example>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n");
  await silent.expect(354);
  await silent.send("Subject: and then");
  await silent.expect(421);
  await target.unharmed("slow peers", {
    lines: [/ closed .*reason=timeout /, / closed .*reason="timeout in the content"/],
  });
});

function openFiles(pid: number | "self"): number {
  return Number(/^Max open files\s+(\d+)/m.exec(Deno.readTextFileSync(`/proc/${pid}/limits`))![1]);
}
/** Whether the ledger has begun to write. */
function opensLedger(pid: number): boolean {
  return [...Deno.readDirSync(`/proc/${pid}/fd`)].some(({ name }) => {
    try {
      return Deno.readLinkSync(`/proc/${pid}/fd/${name}`).includes("/ledger/");
    } catch { // closed meanwhile
      return false;
    }
  });
}
const descriptors = (pid: number): number => [...Deno.readDirSync(`/proc/${pid}/fd`)].length;

Deno.test("case 36: every place taken by who says nothing: the next is 421 4.7.0, a place that is left is free", async () => {
  const places = Math.min(10_000, Math.floor((openFiles("self") - 512) / 2));
  const limits = `connections: ${places}, drainTime: "2s"`;
  await using target = await Target.start({ config: strangersConfig({ limits }) });
  const before = target.memory();
  const idle: Deno.TcpConn[] = [];
  const buffer = new Uint8Array(512);
  try {
    for (let i = 0; i < places; i++) {
      const conn = await Deno.connect({ hostname: "127.0.0.1", port: target.port });
      idle.push(conn);
      if (i % 100 === 0) {
        assert(new TextDecoder().decode(buffer.subarray(0, (await conn.read(buffer))!)).startsWith("220 "));
      }
    }
    await waitFor("every place to be taken", async () => await target.sessions() === places);
    const each = (target.memory() - before) / places;
    if (places >= 1000) assert(each <= 20 * 1024, `${each} octets for an idle connection`);
    {
      using refused = await SmtpClient.connect(target.port);
      assertMatch((await refused.expect(421)).raw, /^421 4\.7\.0 /);
      assertEquals(await refused.closed(), "");
    }
    const cpu = target.processorSeconds();
    await new Promise((wake) => setTimeout(wake, 1500)); // how busy it is with nothing to do
    assert(target.processorSeconds() - cpu < 0.75, `${target.processorSeconds() - cpu} s in 1.5 s of silence`);
    for (const conn of idle.splice(0, 5)) conn.close();
    await waitFor("every place", async () => await target.sessions() === places - 5);
    await target.probe();
  } finally {
    for (const conn of idle) conn.close();
  }
  await target.unharmed("a crowd", {
    slack: 256 * MIB, // ten thousand sessions are garbage of many small objects, which the collector sees to in its time
    lines: [/ refused {3}connect 421 4\.7\.0 .*reason=full/],
  });
});

Deno.test("case 36: strangers that take every place of mx take none of lmtp", async () => {
  const lmtp = freePort();
  const config = strangersConfig({ limits: "connections: 30" }).replace(
    "listeners: [",
    `listeners: [{ address: "127.0.0.1:${lmtp}", role: lmtp }, `,
  );
  await using target = await Target.start({ config });
  const taken: SmtpClient[] = [];
  await waitFor("every place", async () => { // those of the sessions before come free one after the other
    const client = await SmtpClient.connect(target.port);
    (await client.reply()).code === 220 ? taken.push(client) : client.close();
    return taken.length === 30;
  });
  using another = await SmtpClient.connect(target.port);
  await another.expect(421);
  using own = await SmtpClient.connect(lmtp);
  await own.expect(220);
  await own.command("LHLO own.example", 250);
  await own.begin({ from: "a@own.example", to: ["b@example.org", "c@example.org"] });
  await own.send("Subject: x\r\n\r\nx\r\n.\r\n");
  await own.expect(250);
  await own.expect(250);
  own.close();
  for (const each of taken) each.close();
  await waitFor("a place", () => target.probe().then(() => true, () => false));
  await target.unharmed("a full role");
});

Deno.test("case 16: where places run out the first bad command is the last; who came before has its twenty", async () => {
  await using target = await Target.start({ config: strangersConfig({ limits: "connections: 30" }) });
  const taken: SmtpClient[] = [];
  while (taken.length < 29) {
    const client = await SmtpClient.connect(target.port);
    await client.expect(220);
    taken.push(client);
  }
  for (let i = 0; i < 5; i++) await taken[0]!.command("FOO", 500);
  const late = taken.at(-1)!;
  await late.command("FOO", 500);
  await late.expect(421);
  for (const each of taken) each.close();
  await waitFor("a place", () => target.probe().then(() => true, () => false));
  await target.unharmed("a crowd");
});

Deno.test("case 36: no descriptors left: accepting pauses without spinning, and goes on when there are some", async () => {
  await using folder = await TempFolder.make();
  const path = folder.at("lmtp.sock");
  const config = strangersConfig().replace("listeners: [", `listeners: [{ address: "unix:${path}", role: lmtp }, `);
  await using target = await Target.start({ config });
  const all = openFiles(target.server.pid);
  const allow = async (files: number): Promise<void> => {
    const { success, stderr } = await new Deno.Command("prlimit", {
      args: [`--pid=${target.server.pid}`, `--nofile=${files}:${all}`],
    }).output();
    assert(success, new TextDecoder().decode(stderr));
  };
  await waitFor("the ledger's files, which take their descriptors once", () => opensLedger(target.server.pid));
  await allow(descriptors(target.server.pid) + 10);
  const peers: RudePeer[] = [];
  let site: Deno.Conn | undefined;
  try {
    for (let i = 0; i < 40; i++) peers.push(await RudePeer.connect(target.port)); // the kernel says yes to all of them
    await target.logged(/ trouble .*"no descriptor is left/);
    site = await Deno.connect({ hostname: "127.0.0.1", port: target.server.ports.admin }); // the site meets the same
    await waitFor("some to be greeted", () => peers.filter((each) => each.heard.startsWith("220 ")).length >= 5);
    const cpu = target.processorSeconds();
    const lines = target.news.length;
    await new Promise((wake) => setTimeout(wake, 2000)); // how busy it is with nothing that it could do
    const busy = target.processorSeconds() - cpu;
    assert(busy < 1, `${busy} s in 2 s without a descriptor`);
    assert(target.news.length - lines < 20_000, `${target.news.length - lines} octets of log in 2 s`);
    const greeted = peers.filter((each) => each.heard.startsWith("220 ")).length;
    assert(greeted < 40, "the limit did not bite: the test shows nothing");
    for (const each of peers.slice(0, 5)) each.socket.destroy(); // room for five
    await waitFor(
      "others to be greeted",
      () => peers.filter((each) => each.heard.startsWith("220 ")).length >= greeted + 3,
    );
    await allow(all);
    await waitFor("all to be greeted", () => peers.slice(5).every((each) => each.heard.startsWith("220 ")));
  } finally {
    for (const each of peers) each.socket.destroy();
    site?.close();
  }
  await waitFor("the site", () => target.server.api.healthy());
  using conn = await Deno.connect({ transport: "unix", path }); // the other listener too
  const buffer = new Uint8Array(512);
  assertMatch(new TextDecoder().decode(buffer.subarray(0, (await conn.read(buffer))!)), /^220 /);
  conn.close();
  await target.unharmed("no descriptors");
});

Deno.test("case 36: a thousand connections that come and go at once leave nothing", async () => {
  await using target = await Target.start();
  for (let round = 0; round < 10; round++) {
    const peers = await Promise.all(Array.from({ length: 100 }, () => RudePeer.connect(target.port)));
    for (const [at, peer] of peers.entries()) at % 2 === 0 ? peer.reset() : peer.socket.destroy();
  }
  assert(target.memory() < 512 * MIB);
  await target.unharmed("a storm of connections");
});
