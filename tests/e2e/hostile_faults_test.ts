/** Case 12: FIN, RST and silence at every point of the protocol. Nothing half is kept, every slot is given back. */
import { assert, assertEquals } from "@std/assert";
import { RudePeer } from "../support/rude_peer.ts";
import { TempFolder } from "../support/temp.ts";
import { strangersConfig, Target } from "../support/target.ts";
import { waitFor } from "../support/wait.ts";

const HEAD = "From: a@sender.example\r\nDate: Sun, 22 Nov 2026 09:40:12 +0000\r\n\r\n";
const BIG = "big line that goes to the spool because of its company\r\n".repeat(40_000); // 2.2 MB

/** Each step: what is sent, and the code that is waited for. */
const POINTS: Record<string, readonly (readonly [send: string, code: number | null])[]> = {
  "nothing said": [],
  "half a command": [["EHL", null]],
  "EHLO": [["EHLO c.example\r\n", 250]],
  "MAIL": [["EHLO c.example\r\n", 250], ["MAIL FROM:<a@sender.example>\r\n", 250]],
  "RCPT": [["EHLO c.example\r\nMAIL FROM:<a@sender.example>\r\n".slice(0, 16), 250], [
    "MAIL FROM:<a@sender.example>\r\nRCPT TO:<cut@example.org>\r\n",
    250,
  ]],
};
const OPEN = [["EHLO c.example\r\n", 250], ["MAIL FROM:<a@sender.example>\r\n", 250], [
  "RCPT TO:<cut@example.org>\r\n",
  250,
]] as const;
Object.assign(
  POINTS,
  {
    "354": [...OPEN, ["DATA\r\n", 354]],
    "in the header": [...OPEN, ["DATA\r\n", 354], ["From: a@sen", null]],
    "in a body that is in memory": [...OPEN, ["DATA\r\n", 354], [`${HEAD}some text`, null]],
    "in a body that is in the spool": [...OPEN, ["DATA\r\n", 354], [HEAD + BIG, null]],
    "before the final dot": [...OPEN, ["DATA\r\n", 354], [`${HEAD}text\r\n`, null]],
    "in the middle of the end": [...OPEN, ["DATA\r\n", 354], [`${HEAD}text\r\n.\r`, null]],
    "behind BDAT": [...OPEN, ["BDAT 5000000\r\n", null]],
    "in a chunk": [...OPEN, ["BDAT 5000000\r\n" + HEAD + BIG, null]],
    "between chunks": [...OPEN, [`BDAT ${HEAD.length}\r\n${HEAD}`, 250]],
    "in the last chunk": [...OPEN, [`BDAT ${HEAD.length + 10} LAST\r\n${HEAD}12345`, null]],
    "after a refused chunk": [["EHLO c.example\r\n", 250], ["BDAT 100000\r\n12345", null]],
  } satisfies typeof POINTS,
);

async function walk(port: number, steps: (typeof POINTS)[string]): Promise<RudePeer> {
  const peer = await RudePeer.connect(port);
  await peer.expect(220);
  for (const [text, code] of steps) {
    await peer.send(text);
    if (code !== null) await peer.expect(code);
  }
  return peer;
}

Deno.test("case 12: FIN and RST at every point", async (t) => {
  await using target = await Target.start();
  const before = (await target.server.api.messages()).length;
  for (const [point, steps] of Object.entries(POINTS)) {
    for (const end of ["FIN", "FIN by half", "RST"] as const) {
      await t.step(`${end}: ${point}`, async () => {
        using peer = await walk(target.port, steps);
        if (end === "RST") peer.reset();
        else if (end === "FIN") peer.socket.destroy();
        else {
          peer.fin();
          await waitFor("the server's own end", () => peer.ended);
        }
        await waitFor("the slot to be free", async () => await target.sessions() === 0);
        await waitFor("the spool to be empty", () => target.spooled().length === 0);
      });
    }
  }
  assertEquals((await target.server.api.messages()).length, before, "nothing without an end was kept");
  assertEquals((await target.server.api.queue()).total, 0);
  await target.unharmed("cut connections", {
    lines: [
      / closed .*reason="peer left in the content"/,
      / closed .*reason="peer left"/,
      / closed .*reason=ECONNRESET/,
    ],
  });
});

Deno.test("case 12: silence at every point ends in 421 4.4.2 and nothing kept", async () => {
  const config = strangersConfig({ limits: `idleTimeout: "2s", dataTimeout: "2s"` });
  await using target = await Target.start({ config });
  const before = (await target.server.api.messages()).length;
  const peers = await Promise.all(
    Object.entries(POINTS).map(async ([point, steps]) => [point, await walk(target.port, steps)] as const),
  );
  for (const [point, peer] of peers) {
    await waitFor(`${point}: the end`, () => peer.ended);
    assert(peer.heard.split("\r\n").at(-2)!.startsWith("421 4.4.2 "), `${point}: ${peer.heard}`);
    peer.socket.destroy();
  }
  assertEquals((await target.server.api.messages()).length, before);
  await target.unharmed("silent peers", {
    lines: [/ closed .*reason=timeout /, / closed .*reason="timeout in the content"/],
  });
});

const SLOW_DATA = `import { on } from "${new URL("../../mod.ts", import.meta.url).pathname}";
export default on("data", async (ctx, next) => {
  if (ctx.message.header("Subject") === "wait") {
    console.log("slow_data judging " + ctx.message.size);
    await new Promise((done) => setTimeout(done, 400));
  }
  return next();
}, { name: "slow_data" });
`;

Deno.test("case 12: a peer that resets while plugins judge its message leaves nothing; in the commit, a whole message or none", async (t) => {
  await using folder = await TempFolder.make();
  const plugin = await folder.file("slow_data.ts", SLOW_DATA);
  await using target = await Target.start({
    config: strangersConfig({ rest: `plugins: [${plugin}, { inbox: { everything: true } }]` }),
  });
  for (const body of ["small\r\n", BIG]) {
    await t.step(`judged, ${body.length} octets`, async () => {
      using peer = await walk(target.port, [...OPEN, ["DATA\r\n", 354]]);
      await peer.send(`Subject: wait\r\n${HEAD}${body}.\r\n`);
      await target.logged(/ judging /);
      if (body === BIG) assertEquals(target.spooled().length, 1);
      peer.reset();
      await waitFor("the slot to be free", async () => await target.sessions() === 0);
      await waitFor("the spool to be empty", () => target.spooled().length === 0);
    });
    await target.unharmed("judged and left", { lines: [/ refused {3}message 451 4\.3\.0 .*reason=ECONNRESET/] });
  }
  const kept = (await target.server.api.messages()).filter((each) => each.to.includes("cut@example.org"));
  assertEquals(kept, [], "cancelled before the commit");
  await t.step("in the commit", async () => {
    for (let round = 0; round < 40; round++) {
      using peer = await walk(target.port, [...OPEN, ["DATA\r\n", 354]]);
      await peer.send(`${HEAD}${round % 2 === 0 ? "small\r\n" : BIG.slice(0, 600_000)}.\r\n`);
      if (round % 4 < 2) peer.reset();
      else peer.socket.destroy();
    }
    await waitFor("the slots to be free", async () => await target.sessions() === 0);
    const kept = (await target.server.api.messages()).filter((each) => each.to.includes("cut@example.org"));
    for (const { id } of kept) {
      const raw = new TextDecoder().decode((await target.server.api.raw(id))!);
      assert(raw.endsWith("small\r\n") || raw.endsWith(BIG.slice(0, 600_000)), "whole");
    }
    const files = kept.filter((each) => each.size > 500_000).length;
    await waitFor("the spool to hold what was kept", () => target.spooled().length === files);
    await target.unharmed("cut commits", { spooled: files });
  });
});
