/** What a plugin in a Worker can do to others by what it should not do: nothing, and one message at most is its own. */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { OptionsError, runPhase, SimulatedCounters, withPolicy } from "postern";
import { sandboxed } from "../../../core/sandbox/sandboxed.ts";
import { Attacked, type Looped, reasonOf } from "./attacked.ts";
import { TempFolder } from "../../support/temp.ts";

const MODULE = new URL("./plugins/attacks.ts", import.meta.url);

/** What ends the sandbox: who is to blame is told so, and nobody else is harmed. */
const ENDS: readonly (readonly [local: string, why: RegExp])[] = [
  ["throw-in-a-timer", /^its sandbox ended: uncaught Error: too late$/],
  ["reject", /^its sandbox ended: unhandled rejection: Error: nobody hears it$/],
  ["exit", /^its sandbox ended: it called exit\(\)$/],
  ["close", /^its sandbox ended: it closed itself$/],
  ["garbage", /^it posted a message is no object$/],
  ["huge", /^it posted deeds has 100000 entries$/],
  ["questions", /^it posted (?:more messages than a call has|too many questions at a time)$/],
  ["other-effect", /^it posted that is no effect$/],
];
for (const [local, why] of ENDS) {
  Deno.test(`a plugin apart, ${local}: one message is harmed, and its neighbours are not`, async () => {
    await using place = await Attacked.open(MODULE);
    const { reason, code } = await place.among(local);
    assertMatch(reason, why);
    assertEquals(code, 451);
    assertMatch(place.told[0]!, why);
    assertEquals(String((await place.ask("good")).reply), "250 2.0.0 OK");
  });
}

/** What never yields: its thread runs on until the process ends, so each has a process of its own here. */
const LOOPS: readonly (readonly [local: string, why: RegExp])[] = [
  ["loop", /^it did not yield for [\d.]+ m?s$/],
  ["loop-later", /^it did not yield for [\d.]+ m?s$/],
  ["microtasks", /^it did not yield for [\d.]+ m?s$/],
  ["flood", /^it posted a flood of messages$/],
];
for (const [local, why] of LOOPS) {
  Deno.test(`a plugin apart, ${local}: one message is harmed, and what cannot be ended goes on in a process`, async () => {
    const { reason, code, told, after } = await loop(local);
    assertMatch(reason, why);
    assertEquals([code, after], [451, "250 2.0.0 OK"]);
    assertEquals(told[0], "its thread cannot be ended and takes a processor until the server is restarted");
    assertMatch(told[1]!, why);
    assertEquals(told.length, 2);
  });
}

Deno.test("a plugin apart that loops in a timer, behind its answer: nobody is harmed", async () => {
  const { code, after } = await loop("loop-in-a-timer");
  assertEquals([code, after], [250, "250 2.0.0 OK"]);
});

async function loop(local: string): Promise<Looped> {
  const script = new URL("./looping.ts", import.meta.url).href;
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", "--unstable-worker-options", script, local],
  }).output();
  const text = new TextDecoder().decode(stdout);
  assert(text.startsWith("{"), new TextDecoder().decode(stderr));
  return JSON.parse(text);
}

/** What makes its own answer an error, and ends nothing. */
const FAILS: readonly (readonly [local: string, why: RegExp])[] = [
  ["read", /^Requires read access.*, which its sandbox: \{ read: \[\.\.\.\] \} does not give/],
  ["write", /^Requires write access.*, which no sandbox gives/],
  ["connect", /^Requires net access.*, which its sandbox: \{ net: \[\.\.\.\] \} does not give/],
  ["run", /^Requires run access.*, which no sandbox gives/],
  ["environment", /^Requires env access.*, which its sandbox: \{ env: \[\.\.\.\] \} does not give/],
  ["no-reply", /^status 4\.0\.0 does not fit code 550/],
  ["no-next", /^answered with next\(\) and did not call it$/],
  ["other-phase", /^identify\(\) has no meaning in mail$/],
];
for (const [local, why] of FAILS) {
  Deno.test(`a plugin apart, ${local}: it may not, and is told so`, async () => {
    await using folder = await TempFolder.make();
    await using place = await Attacked.open(MODULE, { file: await folder.file("key.pem", "secret") });
    const { reason, code } = await place.among(local);
    assertMatch(reason, why);
    assertEquals([code, place.told], [451, []]);
  });
}

Deno.test("a plugin apart that never answers: its deadline ends the call, and the sandbox goes on", async () => {
  await using place = await Attacked.open(MODULE);
  const impatient = withPolicy(place.plugin, { deadline: 200 });
  const [never, good] = await Promise.all([place.ask("never", impatient), place.ask("good")]);
  assertEquals([never.reply.code, String(good.reply)], [451, "250 2.0.0 OK"]);
  assertMatch(reasonOf(never), /^exceeded its deadline/);
  assertEquals(place.told, []);
});

Deno.test("a plugin apart that answers twice: the first answer counts", async () => {
  await using place = await Attacked.open(MODULE);
  assertEquals(String((await place.ask("twice")).reply), "550 5.7.1 forged");
  assertEquals(String((await place.ask("good")).reply), "250 2.0.0 OK");
});

Deno.test("a plugin apart writes under its own names only, and no prototype is anybody's", async () => {
  await using place = await Attacked.open(MODULE);
  const counters = new SimulatedCounters();
  await runPhase(place.plugin, "mail", { from: "names@example.net", counters });
  assertEquals(counters.names, ["plugin:attacks:../plugin:ban:x"]);
  await place.ask("prototype");
  assertEquals(({} as { polluted?: boolean }).polluted, undefined);
});

Deno.test("a plugin apart that throws when it is made, or loops: it is not there, and says why", async () => {
  const { reason } = await loop("create");
  assertEquals(reason, "it did not begin within 5 s");
  const throws = await assertRejects(
    () => sandboxed(MODULE, { create: "throw" }, { at: ["plugins", 0] }),
    OptionsError,
  );
  assert(throws instanceof OptionsError);
  assertEquals(throws.issues, [{ path: ["plugins", 0], message: "no, thank you" }]);
});
