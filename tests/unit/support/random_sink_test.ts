/** The sink that fails at random: one seed, one behaviour; and its account holds what it said, whoever is killed. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { mail } from "../../support/bytes.ts";
import { CALM, digestOf, type Moods, RandomSink, type SinkEntry } from "../../support/random_sink.ts";
import { readEntries, SinkChild } from "../../support/sink_child.ts";
import { ConnectionClosed, SmtpClient } from "../../support/smtp_client.ts";
import { TempFolder } from "../../support/temp.ts";

const MESSAGE = (id: number) => mail(`From: <a@client.example>\nMessage-ID: <${id}@client.example>\n\n.\nbody ${id}\n`);

/** The code of each command of a session with one message, and how it ended. */
async function session(port: number, id: number): Promise<string> {
  const heard: number[] = [];
  try {
    using client = await SmtpClient.connect(port);
    heard.push((await client.reply()).code);
    if (heard[0] !== 220) return `${heard[0]}`;
    for (
      const line of ["EHLO client.example", "MAIL FROM:<a@client.example>", `RCPT TO:<r${id}@far.example>`, "DATA"]
    ) {
      heard.push((await client.command(line)).code);
      if (heard.at(-1)! >= 400) return heard.join(" ");
    }
    const text = new TextDecoder("latin1").decode(MESSAGE(id)).replaceAll("\r\n.", "\r\n..");
    await client.send(`${text}.\r\n`);
    heard.push((await client.reply()).code);
    return heard.join(" ");
  } catch (error) {
    if (error instanceof ConnectionClosed || error instanceof Deno.errors.BrokenPipe) {
      return `${heard.join(" ")} closed`;
    }
    throw error;
  }
}

const WILD: Moods = { defer: 10, reject: 10, close: 10, slow: 0 };

async function run(seed: number, moods: Moods): Promise<{ sessions: string[]; entries: SinkEntry[] }> {
  const entries: SinkEntry[] = [];
  await using sink = await RandomSink.open({ seed, moods, record: (entry) => entries.push(entry) });
  const sessions: string[] = [];
  for (let id = 0; id < 60; id++) sessions.push(await session(sink.port, id));
  return { sessions, entries };
}

Deno.test("a seed decides everything, and every 250 and 550 is in the account", async () => {
  const [first, again, other] = [await run(7, WILD), await run(7, WILD), await run(8, WILD)];
  assertEquals(first, again);
  assert(first.sessions.join() !== other.sessions.join());
  for (const [id, codes] of first.sessions.entries()) {
    const entry = first.entries.find(({ recipient }) => recipient === `r${id}@far.example`);
    if (codes.endsWith("354 250")) assertEquals(entry?.fate, "taken");
    else if (codes.endsWith("354 closed")) assert(entry === undefined || entry.fate === "silent");
    else assertEquals(entry?.fate, /55\d$/.test(codes) ? "refused" : undefined, codes);
    if (entry?.id) assertEquals([entry.id, entry.digest], [`${id}@client.example`, digestOf(MESSAGE(id))]);
  }
  const seen = first.sessions.map((codes) => codes.slice(-3)).join(" ");
  for (const one of ["250", "45", "421", "55", "sed"]) {
    assertMatch(seen, new RegExp(one), `none in 60 sessions: ${one}`);
  }
});

Deno.test("calm, it takes all", async () => {
  const { sessions, entries } = await run(1, CALM);
  assertEquals(new Set(sessions), new Set(["220 250 250 250 354 250"]));
  assertEquals(entries.length, 60);
});

Deno.test("killed, its account has what was answered, and it goes on behind it", async () => {
  await using folder = await TempFolder.make();
  const options = { seed: 1, moods: CALM, record: folder.at("record") };
  const child = await SinkChild.start(options);
  for (let id = 0; id < 5; id++) assertMatch(await session(child.port, id), /250$/);
  await child.kill();
  assertEquals((await readEntries(options.record)).length, 5);
  await using again = await SinkChild.start({ ...options, port: child.port });
  assertMatch(await session(again.port, 5), /250$/);
  assertEquals(
    (await again.entries()).map(({ recipient }) => recipient),
    [0, 1, 2, 3, 4, 5].map((id) => `r${id}@far.example`),
  );
  await Deno.writeTextFile(options.record, '{"fate":"tak', { append: true });
  assertEquals((await again.entries()).length, 6, "half a line is none");
});
