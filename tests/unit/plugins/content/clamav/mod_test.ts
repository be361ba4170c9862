/** clamd's words and what follows from them, without a clamd: the real one is asked in tests/interop. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { runPhase, type Simulated } from "../../../../../core/pipeline/testing/simulation.ts";
import { on, OptionsError } from "../../../../../core/pipeline/plugin.ts";
import { instream, parseAnswer } from "../../../../../plugins/content/clamav/instream.ts";
import { clamav } from "../../../../../plugins/content/clamav/mod.ts";
import { EngineError } from "../../../../../plugins/content/engine_error.ts";
import { latin1, octets } from "../../../../support/bytes.ts";
import { FakeEngine } from "../../../../support/fake_engine.ts";
import { keepsItsPolicy } from "../policy.ts";

const asked = (heard: string) => heard.endsWith("\0\0\0\0");
const FOUND = "stream: Eicar-Signature FOUND\0";

keepsItsPolicy("clamav", {
  make: (at, options, trouble) => clamav.parse({ servers: [`tcp://${at}`], ...options }, [], { trouble }),
  asked,
  clean: "stream: OK\0",
  rubbish: [
    "220 mx.example.org ESMTP\r\n\0",
    "\0",
    "OK\0",
    "stream: OK\0stream: Eicar FOUND\0",
    "stream: not OK\0",
    "stream: ok\0",
    "UNKNOWN COMMAND\0",
    "Can't allocate memory ERROR\0",
    "stream:  FOUND\0",
    "stream: \u0001 FOUND\0",
  ],
  authenticated: true,
});

async function ask(answer: string, options: Parameters<typeof clamav>[0] = {}, facts: Simulated = {}) {
  await using engine = FakeEngine.answering(asked, answer);
  return await runPhase(clamav({ servers: [engine.place], ...options }), "data", facts);
}

Deno.test("clamav: the command as clamd wants it, in chunks that it can take", async () => {
  const parts: Uint8Array[] = [];
  const pieces = [octets("abc"), new Uint8Array(0), new Uint8Array(150_000).fill(120)];
  for await (const part of instream(ReadableStream.from(pieces))) parts.push(part);
  assertEquals(latin1(parts[0]!), "zINSTREAM\0");
  assertEquals(latin1(parts[1]!), "\0\0\0\u0003abc");
  assertEquals(parts.slice(2).map(({ length }) => length), [65_540, 65_540, 18_932, 4]);
  assertEquals([...parts[2]!.subarray(0, 5)], [0, 1, 0, 0, 120]);
  assertEquals([...parts.at(-1)!], [0, 0, 0, 0]);
});

Deno.test("clamav: answers", () => {
  assertEquals(parseAnswer("stream: OK\0"), { said: "clean" });
  assertEquals(parseAnswer(FOUND), { said: "infected", name: "Eicar-Signature" });
  assertEquals(parseAnswer("stream: A FOUND FOUND\0x"), { said: "infected", name: "A FOUND" });
  assertEquals(parseAnswer("INSTREAM size limit exceeded. ERROR\0"), { said: "too large" });
  const { message } = assertThrows(() => parseAnswer("Error writing to temporary file ERROR\0"), EngineError);
  assertEquals(message, "it failed: Error writing to temporary file");
});

Deno.test("clamav: malware is refused, held or counted", async () => {
  const refused = await ask(FOUND);
  assertEquals(String(refused.reply), "550 5.7.1 The message contains malware (Eicar-Signature)");
  assertEquals(refused.decisions[0]!.reason, "clamav: Eicar-Signature");
  const held = await ask(FOUND, { infected: "hold" });
  assertEquals([held.reply.code, held.held], [250, "clamav: Eicar-Signature"]);
  const counted = await ask(FOUND, { infected: "score", points: 7 });
  assertEquals([counted.reply.code, counted.held], [250, null]);
  assertEquals(counted.scores, [{ points: 7, reason: "clamav: Eicar-Signature" }]);
  const clean = await ask("stream: OK\0");
  assertEquals([clean.reply.code, clean.held, clean.scores.length], [250, null, 0]);
});

Deno.test("clamav: signatures that only count", async () => {
  const options = { scoreOnly: ["PUA.*", "*.unofficial", "Exact.Name"] };
  for (const name of ["PUA.Win.Packer", "Sanesecurity.Junk.1.UNOFFICIAL", "exact.name"]) {
    const { reply, scores } = await ask(`stream: ${name} FOUND\0`, options);
    assertEquals([reply.code, scores[0]?.points], [250, 20], name);
  }
  for (const name of ["Win.PUA.Packer", "x.UNOFFICIAL.y", "ExactXName"]) {
    assertEquals((await ask(`stream: ${name} FOUND\0`, options)).reply.code, 550, name);
  }
  assertThrows(() => clamav({ scoreOnly: ["a*b*c*d*e"] }), OptionsError);
});

Deno.test("clamav: postmaster's mail is held, never refused", async () => {
  const found = await ask(FOUND, {}, { to: "Postmaster@example.org" });
  assertEquals([found.reply.code, found.held], [250, "clamav: Eicar-Signature"]);
  const large = await ask(FOUND, { maxSize: "10B" }, { to: "postmaster@example.org" });
  assertEquals(large.reply.code, 250);
  assert(large.held !== null);
  const both = await ask(FOUND, {}, { to: ["postmaster@example.org", "b@example.org"] });
  assertEquals(both.reply.code, 550);
});

Deno.test("clamav: what is too large, by our word or by clamd's", async () => {
  for (
    const [answer, maxSize] of [["stream: OK\0", "10B"], ["INSTREAM size limit exceeded. ERROR\0", "1MiB"]] as const
  ) {
    const refused = await ask(answer, { maxSize });
    assertEquals(String(refused.reply), "552 5.3.4 The message is too large to be looked at for malware");
    const held = await ask(answer, { maxSize, larger: "hold" });
    assertEquals(held.reply.code, 250);
    assert(held.held?.startsWith("clamav: not checked: larger than"), String(held.held));
    const skipped = await ask(answer, { maxSize, larger: "skip" });
    assertEquals([skipped.reply.code, skipped.held, skipped.scores[0]?.points], [250, null, 0]);
  }
});

Deno.test("clamav: it is what goes on that is looked at", async () => {
  let heard = "";
  await using engine = new FakeEngine(async (side) => {
    await side.until(asked);
    heard = side.heard();
    await side.say("stream: OK\0");
  });
  const rewrites = on("data", async (ctx, next) => {
    await ctx.rewrite(octets("nothing bad\r\n"), "a part was taken out");
    return next();
  });
  const message = "Subject: x\n\nbad\n";
  const { reply } = await runPhase([rewrites, clamav({ servers: [engine.place] })], "data", { message });
  assertEquals(reply.code, 250);
  assertEquals(heard.replace(/[^ -~]+/g, " "), "zINSTREAM Subject: x nothing bad ");
});

Deno.test("clamav: in mode observe it looks, and nothing follows", async () => {
  await using engine = FakeEngine.answering(asked, FOUND);
  const plugin = { ...clamav({ servers: [engine.place] }), policy: { mode: "observe" as const } };
  const { reply, decisions } = await runPhase(plugin, "data");
  assertEquals([reply.code, decisions[0]?.verdict, engine.connections], [250, "reject", 1]);
});

Deno.test("clamav: the second server, when the first one fails", async () => {
  await using broken = new FakeEngine(() => Promise.resolve());
  await using well = FakeEngine.answering(asked, FOUND);
  const plugin = clamav({ servers: [broken.place, well.place] });
  assertEquals((await runPhase(plugin, "data")).reply.code, 550);
  assertEquals((await runPhase(plugin, "data")).reply.code, 550);
  assertEquals([broken.connections, well.connections], [1, 2], "the broken one was asked again at once");
});

Deno.test("clamav: options that are none", () => {
  const wrong = [{ servers: [] }, { servers: ["localhost"] }, { timeout: "5m" }, { maxSize: "0B" }, {
    networks: ["x"],
  }];
  for (const each of wrong) assertThrows(() => clamav.parse(each, []), OptionsError);
  assertThrows(() => parseAnswer(""), EngineError);
});
