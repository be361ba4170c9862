/** Cases 1, 2, 5, 6, 7, 9: what ends a message, what the server hands on, and peers that talk out of turn, over TCP. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { latin1, octets } from "../support/bytes.ts";
import { TempFolder } from "../support/temp.ts";
import { SmtpClient } from "../support/smtp_client.ts";
import { PROBE, strangersConfig, Target } from "../support/target.ts";
import { readVectors } from "../support/vectors.ts";

interface Ending {
  readonly id: string;
  readonly bytes_b64: string;
}
const endings = readVectors<Ending[]>("smtp-smuggling/endings.json");
/** Hold a true CRLF.CRLF and a NUL beside it: the message ends there. */
const TRUE_ENDS = ["smug-01", "smug-13"];
/** Hold a NUL and whole CRLFs only: the dot line has one more octet, and is content. */
const CONTENT = ["smug-07", "smug-08"];
const HEAD = "From: outer@sender.example\r\nDate: Sun, 22 Nov 2026 09:40:12 +0000\r\nSubject: outer\r\n\r\n";
const SMUGGLED = "MAIL FROM:<evil@sender.example>\r\nRCPT TO:<victim@example.org>\r\nDATA\r\n" +
  "From: evil@sender.example\r\nSubject: smuggled\r\n\r\nsmuggled\r\n.\r\n";

/** Line ends of any kind that are not CRLF. */
const BARE = /\r(?!\n)|(?<!\r)\n/;

Deno.test({
  name: "case 1: none of the 16 endings smuggles a message past the server, whole or octet by octet",
  ignore: endings === null,
  async fn(t) {
    await using target = await Target.start();
    assertEquals(endings!.length, 16);
    for (const { id, bytes_b64 } of endings!) {
      for (const piece of [Infinity, 1]) {
        await t.step(`${id} in pieces of ${piece}`, async () => {
          const before = await target.server.api.messages();
          using client = await target.open();
          await client.begin({ from: "outer@sender.example", to: ["reader@example.org"] });
          const text = `${HEAD}outer${atob(bytes_b64)}${SMUGGLED}`;
          await (piece === 1 ? client.sendInPieces(text, 1) : client.send(text));
          const first = await client.reply();
          const known = new Set(before.map((each) => each.id));
          const fresh = (await target.server.api.messages()).filter((each) => !known.has(each.id));
          if (TRUE_ENDS.includes(id)) {
            // What stands behind a true end is a client's next command, as in every server; the NUL makes it a bad one
            assertEquals(first.code, 250);
            const raw = latin1((await target.server.api.raw(fresh.at(-1)!.id))!);
            assert(raw.includes("outer") && !raw.includes("evil"), raw);
            if (id === "smug-13") assertMatch((await client.reply()).raw, /^500 5\.5\.2 /);
          } else if (CONTENT.includes(id)) {
            assertEquals(first.code, 250);
            assertEquals(fresh.map((each) => each.to.join()), ["reader@example.org"]);
            const raw = latin1((await target.server.api.raw(fresh[0]!.id))!);
            assert(raw.includes("MAIL FROM:<evil@sender.example>") && raw.includes("\0"), "kept, every octet");
          } else {
            assertMatch(first.raw, /^550 5\.5\.2 /);
            assertEquals(fresh, []);
          }
          if (!TRUE_ENDS.includes(id)) await client.command("NOOP", 250); // in step: nothing inside was a command
        });
      }
    }
    await target.unharmed("the endings", { lines: [/ refused {3}message 550 5\.5\.2 .*reason="bare LF"/] });
    assertEquals((await target.server.api.messages()).filter((each) => each.to.includes("evil@example.org")), []);
  },
});

Deno.test("cases 1 and 2: with bareLf normalize one message comes out, and it has CRLF only; a Maildir has LF only", async (t) => {
  await using mail = await TempFolder.make();
  const config = strangersConfig({
    listener: "bareLf: normalize",
    rest: `plugins:
  - recipients: { accounts: { box: inbox, dir: maildir } }
  - maildir: { root: ${JSON.stringify(mail.path)} }
  - inbox`,
  }).replace('domains: ["*"]', "domains: [example.org]").replace("box: inbox", "box: inbox, probe: inbox");
  await using target = await Target.start({ config });
  const ends = [
    ...(endings ?? []).map(({ id, bytes_b64 }) => [id, atob(bytes_b64)] as const),
    ["plain", "\n"] as const,
  ];
  for (const [id, bytes] of ends) {
    if (TRUE_ENDS.includes(id)) continue;
    await t.step(id, async () => {
      const before = new Set((await target.server.api.messages()).map((each) => each.id));
      using client = await target.open();
      await client.begin({ from: "outer@sender.example", to: ["box@example.org", "dir@example.org"] });
      await client.send(`${HEAD}outer${bytes}${SMUGGLED}`);
      await client.expect(250);
      await client.command("NOOP", 250);
      const fresh = (await target.server.api.messages()).filter((each) => !before.has(each.id));
      assertEquals(fresh.length, 1);
      const raw = latin1((await target.server.api.raw(fresh[0]!.id))!);
      assert(!BARE.test(raw), "only CRLF comes out");
      assert(raw.includes("<evil@sender.example>"), "it is text of the one message");
      const [file] = files(mail.path).filter((path) => path.includes(fresh[0]!.id.slice(0, 26)));
      const stored = latin1(Deno.readFileSync(file!));
      assert(!stored.includes("\r"), "a file of a Maildir has LF only");
      const body = (text: string) => text.slice(text.indexOf("Subject: outer"));
      assertEquals(body(stored).replaceAll("\n", "\r\n"), body(raw));
    });
  }
  await target.unharmed("normalized endings");
});

function files(folder: string): string[] {
  return [...Deno.readDirSync(folder)].flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    return entry.isDirectory ? files(path) : [path];
  });
}

Deno.test("case 7: dots, split at every octet, come out as they went in", async () => {
  await using target = await Target.start();
  const message = octets(`${HEAD}.\r\n..\r\n...\r\n.x\r\n..x\r\n. \r\n.\t.\r\nend`);
  const wire = latin1(message).replaceAll(/(^|\r\n)\./g, "$1..") + "\r\n.\r\n";
  using client = await target.open();
  for (let cut = 0; cut <= wire.length; cut++) {
    await client.begin({ from: "a@sender.example", to: ["dots@example.org"] });
    await client.send(wire.slice(0, cut));
    await client.send(wire.slice(cut));
    await client.expect(250);
  }
  await client.begin({ from: "a@sender.example", to: ["dots@example.org"] });
  await client.sendInPieces(wire, 1);
  await client.expect(250);
  const kept = (await target.server.api.messages()).filter((each) => each.to.includes("dots@example.org"));
  assertEquals(kept.length, wire.length + 2);
  for (const { id } of kept) {
    const raw = latin1((await target.server.api.raw(id))!);
    assert(raw.endsWith(latin1(message) + "\r\n"), raw);
  }
  client.close();
  await target.unharmed("dots");
});

Deno.test("case 5: an endless command is 500 5.5.2 and a closed connection, whatever it is made of, in constant memory", async (t) => {
  await using target = await Target.start();
  const block = 64 * 1024;
  for (
    const [name, filler] of [["letters", "x"], ["spaces", " "], ["bare LF", "\n"], ["bare CR", "\r"], ["NUL", "\0"]]
  ) {
    await t.step(name!, async () => {
      target.resetPeak();
      const before = target.memory();
      using client = await target.open();
      const octetsOf = octets(filler!.repeat(block));
      let sent = 0;
      try {
        while (sent < 64 * 1024 * 1024) {
          await client.send(octetsOf);
          sent += block;
        }
      } catch { /* it hung up: that is the case */ }
      assert(sent < 64 * 1024 * 1024, "64 MiB without CRLF were taken");
      assert(target.peak() < before + 64 * 1024 * 1024, `${target.peak() - before} octets more at the peak`);
    });
  }
  await t.step("just above the limit, read to the end", async () => {
    using client = await target.open();
    await client.send("x".repeat(3000));
    assertMatch((await client.reply()).raw, /^500 5\.5\.2 /);
    assertEquals(await client.closed(), "");
  });
  await target.unharmed("endless commands", { lines: [/refused {3}line 500 5\.5\.2 .*too long/] });
});

Deno.test("case 6: a line of 100 MB is refused or kept in constant memory, never folded", async (t) => {
  const block = octets("y".repeat(64 * 1024)), times = 1600; // 100 MiB
  for (
    const [name, limits, code] of [["kept", `messageSize: "200MiB"`, 250], [
      "refused",
      `messageSize: "200MiB", line: "1000B"`,
      554,
    ]] as const
  ) {
    await t.step(name, async () => {
      await using target = await Target.start({ config: strangersConfig({ limits }) });
      target.resetPeak();
      const before = target.memory();
      using client = await target.open();
      await client.begin({ from: "a@sender.example", to: ["line@example.org"] });
      await client.send(HEAD);
      for (let i = 0; i < times; i++) await client.send(block);
      await client.send("\r\n.\r\n");
      await client.expect(code);
      await client.command("NOOP", 250);
      client.close();
      assert(target.peak() < before + 96 * 1024 * 1024, `${target.peak() - before} octets more at the peak`);
      if (code === 250) {
        const { id, size } = (await target.server.api.messages()).find((each) => each.to.includes("line@example.org"))!;
        assert(size > times * block.length);
        const body = await (await target.server.api.get(`/api/v1/messages/${id}/raw`)).bytes();
        const start = body.length - times * block.length - 2;
        assert(body.subarray(start, body.length - 2).every((octet) => octet === 0x79), "one line, as it was sent");
      } else await target.logged(/refused {3}message 554 5\.6\.0 /);
      await target.unharmed(name, { spooled: code === 250 ? 1 : 0 });
    });
  }
});

const SLOW_CONNECT = `import { on } from "${new URL("../../mod.ts", import.meta.url).pathname}";
export default on("connect", async (ctx, next) => {
  await new Promise((done) => setTimeout(done, 60));
  return next();
}, { name: "slow_connect" });
`;

Deno.test("case 9: who talks before its turn is told so and let go; who pipelines as the RFCs allow is not", async (t) => {
  await using folder = await TempFolder.make();
  const plugin = await folder.file("slow_connect.ts", SLOW_CONNECT);
  const config = strangersConfig({ rest: `plugins: [${plugin}, { inbox: { everything: true } }]` });
  await using target = await Target.start({ config });
  const early: [string, (client: SmtpClient) => Promise<void>][] = [
    ["before the greeting", async (client) => {
      await client.send("EHLO c.example\r\n");
      await client.expect(220);
    }],
    ["past EHLO", async (client) => {
      await client.expect(220);
      await client.send("EHLO c.example\r\nMAIL FROM:<a@sender.example>\r\n");
      await client.expect(250);
    }],
    ["past HELO", async (client) => {
      await client.expect(220);
      await client.send("HELO c.example\r\nMAIL FROM:<a@sender.example>\r\n");
      await client.expect(250);
    }],
    ["past DATA", async (client) => {
      await client.expect(220);
      await client.command("EHLO c.example", 250);
      await client.send(`MAIL FROM:<a@sender.example>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n${HEAD}x\r\n.\r\n`);
      await client.expect(250);
      await client.expect(250);
    }],
  ];
  for (const [name, talk] of early) {
    await t.step(name, async () => {
      using client = await SmtpClient.connect(target.port);
      await talk(client);
      assertMatch((await client.reply()).raw, /^554 5\.5\.0 /);
      assertEquals(await client.closed(), "");
    });
  }
  await t.step("legal: commands and DATA, QUIT behind the dot, MAIL behind BDAT LAST", async () => {
    using client = await target.open();
    const open = "MAIL FROM:<a@sender.example>\r\nRCPT TO:<b@example.org>\r\n";
    await client.send(`${open}DATA\r\n`);
    for (const code of [250, 250, 354]) await client.expect(code);
    const message = `${HEAD}x\r\n`;
    await client.send(`${message}.\r\n${open}BDAT ${message.length} LAST\r\n${message}${open}RSET\r\n${open}DATA\r\n`);
    for (const code of [250, 250, 250, 250, 250, 250, 250, 250, 250, 354]) await client.expect(code);
    await client.send(`${message}.\r\nQUIT\r\n`);
    await client.expect(250);
    await client.expect(221);
    assertEquals(await client.closed(), "");
  });
  await target.unharmed("early talkers", { lines: [/ 554 5\.5\.0 .*reason="early talker"/] });
  assertEquals((await target.server.api.messages()).filter((each) => each.to.includes(PROBE) === false).length, 3);
});

Deno.test("case 9: with forbidEarlyTalk off the same peers are served", async () => {
  await using target = await Target.start({ config: strangersConfig({ listener: "forbidEarlyTalk: false" }) });
  using client = await SmtpClient.connect(target.port);
  await client.send(
    `EHLO c.example\r\nMAIL FROM:<a@sender.example>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n${HEAD}x\r\n.\r\nQUIT\r\n`,
  );
  for (const code of [220, 250, 250, 250, 354, 250, 221]) await client.expect(code);
  await target.unharmed("an impatient client");
});

Deno.test("case 51: BINARYMIME takes any octets by BDAT alone; without it the policy on bare CR and LF holds in chunks too", async (t) => {
  await using target = await Target.start({ config: strangersConfig({ listener: "binarymime: true" }) });
  const binary = `${HEAD}\0\r\n.\r\n\n.\n\r.\r\x80\xff.`;
  await t.step("DATA is 503, BDAT keeps every octet", async () => {
    using client = await target.open();
    await client.command("MAIL FROM:<a@sender.example> BODY=BINARYMIME", 250);
    await client.command("RCPT TO:<binary@example.org>", 250);
    assertMatch((await client.command("DATA")).raw, /^503 5\.5\.1 /);
    for (const [at, octet] of [...binary].entries()) {
      await client.send(`BDAT 1${at === binary.length - 1 ? " LAST" : ""}\r\n${octet}`);
    }
    for (const _ of binary) await client.expect(250);
    const { id } = (await target.server.api.messages()).find((each) => each.to.includes("binary@example.org"))!;
    const raw = latin1((await target.server.api.raw(id))!);
    assert(raw.endsWith(binary), JSON.stringify(raw.slice(-80)));
  });
  for (const [name, text] of [["bare LF", "a\nb\r\n"], ["bare CR", "a\rb\r\n"], ["CR at the end", "a\r"]]) {
    await t.step(`${name} without BINARYMIME`, async () => {
      using client = await target.open();
      await client.command("MAIL FROM:<a@sender.example> BODY=8BITMIME", 250);
      await client.command("RCPT TO:<b@example.org>", 250);
      await client.send(`BDAT ${HEAD.length + text!.length} LAST\r\n${HEAD}${text}`);
      assertMatch((await client.reply()).raw, /^550 5\.5\.2 /);
      await client.command("MAIL FROM:<a@sender.example>", 250);
    });
  }
  await target.unharmed("chunks");
});
