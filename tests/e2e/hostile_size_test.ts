/** Cases 28, 31, 50: sizes that lie, header sections made to hurt. Constant memory, linear time, the session in step. */
import { assert, assertMatch } from "@std/assert";
import { octets } from "../support/bytes.ts";
import type { SmtpClient } from "../support/smtp_client.ts";
import { strangersConfig, Target } from "../support/target.ts";

const MIB = 1024 * 1024;
/** How long a flood is, and what the process may grow by meanwhile. */
const FLOOD = 256 * MIB, GARBAGE = 48 * MIB;
const DATE = new Date().toUTCString().replace("GMT", "+0000");
const HEAD = `From: a@sender.example\r\nDate: ${DATE}\r\nMessage-ID: <1@sender.example>\r\n`;
const PLUGINS = "plugins: [headers, spam_score, { inbox: { everything: true } }]";

async function flood(client: SmtpClient): Promise<void> {
  const block = octets(("z".repeat(1022) + "\r\n").repeat(64));
  for (let sent = 0; sent < FLOOD; sent += block.length) await client.send(block);
}

Deno.test("case 28: SIZE=10 and 256 MB of content: read to the end in constant memory, 552 5.3.4, still in step", async () => {
  await using target = await Target.start({ config: strangersConfig({ limits: `messageSize: "1MiB"` }) });
  target.resetPeak();
  const before = target.memory();
  using client = await target.open();
  await client.command("MAIL FROM:<a@sender.example> SIZE=10", 250);
  await client.command("RCPT TO:<b@example.org>", 250);
  await client.command("DATA", 354);
  await client.send("Subject: small\r\n\r\n");
  await flood(client);
  await client.send(".\r\nNOOP\r\n");
  assertMatch((await client.expect(552)).raw, /^552 5\.3\.4 /);
  await client.expect(250);
  assert(target.peak() < before + GARBAGE, `${target.peak() - before} octets more at the peak`);
  client.close();
  await target.unharmed("a lie about the size", {
    lines: [/ refused {3}message 552 5\.3\.4 .*reason="size limit" from=<a@sender\.example>/],
  });
});

Deno.test("case 50: a chunk of 256 MB over the limit is swallowed and refused, as are those behind it, until RSET", async () => {
  await using target = await Target.start({ config: strangersConfig({ limits: `messageSize: "1MiB"` }) });
  target.resetPeak();
  const before = target.memory();
  using client = await target.open();
  await client.command("MAIL FROM:<a@sender.example>", 250);
  await client.command("RCPT TO:<b@example.org>", 250);
  await client.send(`BDAT ${FLOOD}\r\n`);
  await flood(client);
  assertMatch((await client.expect(552)).raw, /^552 5\.3\.4 /);
  await client.send("BDAT 6\r\nNOOP\r\nBDAT 0 LAST\r\nRSET\r\n");
  await client.expect(503);
  await client.expect(503);
  await client.expect(250);
  await client.command("MAIL FROM:<a@sender.example>", 250);
  assert(target.peak() < before + GARBAGE, `${target.peak() - before} octets more at the peak`);
  client.close();
  await target.unharmed("a big chunk");
});

/** Header sections by their name: what stands in it `n` times. */
const HEADERS: Record<string, (n: number) => string> = {
  "many fields": (n) => "X-Many: v\r\n".repeat(n),
  "one long field": (n) => `X-Long: ${"v".repeat(11 * n)}\r\n`,
  "one long From": (n) => `To: ${"a@b.example, ".repeat(n)}a@b.example\r\n`,
  "folding": (n) => `X-Folded: v${"\r\n v".repeat(3 * n)}\r\n`,
  "folding with nothing in it": (n) => `X-Folded: v${"\r\n ".repeat(3 * n)}\r\n`,
  "a long name": (n) => `X-${"n".repeat(11 * n)}: v\r\n`,
  "Received": (n) => "Received: from\r\n".repeat(Math.min(n, 90)) + "X: y\r\n".repeat(n),
  "Authentication-Results in comments": (n) => `Authentication-Results: ${"(a ".repeat(4 * n)}\r\n`,
  "no colon": (n) => `${"x".repeat(11 * n)}\r\n`,
};

async function deliver(client: SmtpClient, header: string, body: string): Promise<string> {
  await client.begin({ from: "a@sender.example", to: ["b@example.org"] });
  await client.send(`${HEAD}${header}${body}.\r\n`);
  return (await client.reply()).raw;
}

Deno.test("case 31: a header section past its limit is 552 5.3.4, whatever it is made of; header only is a message", async (t) => {
  await using target = await Target.start({ config: strangersConfig({ rest: PLUGINS }) });
  for (const [name, make] of Object.entries(HEADERS)) {
    await t.step(`${name}, 10 MB`, async () => {
      target.resetPeak();
      const before = target.memory();
      using client = await target.open();
      assertMatch(await deliver(client, make(1_000_000), "\r\nx\r\n"), /^552 5\.3\.4 /);
      await client.command("NOOP", 250);
      assert(target.peak() < before + GARBAGE, `${target.peak() - before} octets more at the peak`);
    });
  }
  await t.step("header only", async () => {
    using client = await target.open();
    assertMatch(await deliver(client, "Subject: no body\r\n", ""), /^250 /);
    assertMatch(await deliver(client, "Subject: no body\r\n", "\r\n"), /^250 /);
  });
  await target.unharmed("big headers", { lines: [/ refused {3}message 552 5\.3\.4 .*reason="header limit"/] });
});

Deno.test("case 31: where they are allowed, 1e5 fields and 10 MB of header cost no more than their length", async (t) => {
  const config = strangersConfig({ limits: `headerBytes: "16MiB"`, rest: PLUGINS });
  await using target = await Target.start({ config });
  using client = await target.open();
  const cost = async (header: string): Promise<number> => {
    const start = target.processorSeconds();
    assertMatch(await deliver(client, header, "\r\nx\r\n"), /^(?:250 |5\d\d 5\.)/);
    return target.processorSeconds() - start;
  };
  for (const [name, make] of Object.entries(HEADERS)) {
    await t.step(name, async () => {
      await cost(make(10_000)); // compiled
      const small = await cost(make(30_000)), big = await cost(make(120_000));
      // Four times the length: sixteen times the cost if it were quadratic. Half a second covers a collection or two.
      assert(big < 8 * small + 0.5, `${small} s for a quarter, ${big} s for all of it`);
    });
  }
  for (const name of ["one long field", "folding", "folding with nothing in it", "a long name"]) {
    await t.step(`${name}, 10 MB`, async () => {
      const all = await cost(HEADERS[name]!(900_000));
      assert(all < 3, `${all} s`);
    });
  }
  client.close();
  // Ten million octets of header make garbage of many small objects, which the collector sees to in its own time
  await target.unharmed("big headers that are allowed", { slack: 256 * MIB, spooled: await bigOnes(target) });
});

/** Messages that lie in the spool. */
async function bigOnes(target: Target): Promise<number> {
  return (await target.server.api.messages()).filter((each) => each.size > 256 * 1024).length;
}
