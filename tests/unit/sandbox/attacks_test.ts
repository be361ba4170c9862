/** What a plugin in a Worker can do to others by what it should not do: nothing, and one message at most is its own. */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { OptionsError, type Plugin, runPhase, SimulatedCounters, type SimulatedResult, withPolicy } from "postern";
import { sandboxed } from "../../../core/sandbox/sandboxed.ts";
import { TempFolder } from "../../support/temp.ts";

const MODULE = new URL("./plugins/attacks.ts", import.meta.url);

/** A plugin, and what its operator was told. */
class Attacked implements AsyncDisposable {
  private constructor(readonly plugin: Plugin, readonly told: string[]) {}
  static async open(options: object = {}): Promise<Attacked> {
    const told: string[] = [];
    return new Attacked(await sandboxed(MODULE, options, { trouble: (text) => void told.push(text) }), told);
  }
  ask(local: string, plugin = this.plugin): Promise<SimulatedResult> {
    return runPhase(plugin, "mail", { from: `${local}@example.net` });
  }
  /** Neighbours are open when it comes, and more come meanwhile. */
  async among(local: string): Promise<SimulatedResult> {
    const neighbours = Array.from({ length: 3 }, () => this.ask("good"));
    const attack = this.ask(local);
    neighbours.push(...Array.from({ length: 3 }, () => this.ask("good")));
    for (const { reply, decisions } of await Promise.all(neighbours)) {
      assertEquals(String(reply), "250 2.0.0 OK", `a neighbour of ${local}: ${decisions[0]?.reason}`);
    }
    return await attack;
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.plugin.stop!();
  }
}
const reasonOf = ({ decisions }: SimulatedResult) => decisions.find(({ plugin }) => plugin === "attacks")?.reason ?? "";

/** What ends the sandbox: who is to blame is told so, and nobody else is harmed. */
const ENDS: readonly (readonly [local: string, why: RegExp])[] = [
  ["loop", /^it did not yield for 1 s$/],
  ["loop-later", /^it did not yield for 1 s$/],
  ["microtasks", /^it did not yield for 1 s$/],
  ["throw-in-a-timer", /^its sandbox ended: uncaught Error: too late$/],
  ["reject", /^its sandbox ended: unhandled rejection: Error: nobody hears it$/],
  ["exit", /^its sandbox ended: it called exit\(\)$/],
  ["close", /^its sandbox ended: it closed itself$/],
  ["garbage", /^it posted a message is no object$/],
  ["flood", /^it posted a flood of messages$/],
  ["huge", /^it posted deeds has 100000 entries$/],
  ["questions", /^it posted too many questions at a time$/],
  ["other-effect", /^it posted that is no effect$/],
];
for (const [local, why] of ENDS) {
  Deno.test(`a plugin apart, ${local}: one message is harmed, and its neighbours are not`, async () => {
    await using place = await Attacked.open();
    const result = await place.among(local);
    assertMatch(reasonOf(result), why);
    assertEquals(result.reply.code, 451);
    assertMatch(place.told[0]!, why);
    assertEquals(String((await place.ask("good")).reply), "250 2.0.0 OK");
  });
}

Deno.test("a plugin apart that loops in a timer, behind its answer: nobody is harmed", async () => {
  await using place = await Attacked.open();
  assertEquals(String((await place.ask("loop-in-a-timer")).reply), "250 2.0.0 OK");
  assertEquals(String((await place.ask("good")).reply), "250 2.0.0 OK");
});

/** What makes its own answer an error, and ends nothing. */
const FAILS: readonly (readonly [local: string, why: RegExp])[] = [
  ["read", /^Requires read access/],
  ["write", /^Requires write access/],
  ["connect", /^Requires net access/],
  ["run", /^Requires run access/],
  ["environment", /^Requires env access/],
  ["no-reply", /^status 4\.0\.0 does not fit code 550$/],
  ["no-next", /^answered with next\(\) and did not call it$/],
  ["other-phase", /^identify\(\) has no meaning in mail$/],
];
for (const [local, why] of FAILS) {
  Deno.test(`a plugin apart, ${local}: it may not, and is told so`, async () => {
    await using folder = await TempFolder.make();
    await using place = await Attacked.open({ file: await folder.file("key.pem", "secret") });
    const { reply, decisions } = await place.among(local);
    assertMatch(decisions.find(({ verdict }) => verdict === "error")?.reason ?? String(reply), why);
    assertEquals([reply.code, place.told], [451, []]);
  });
}

Deno.test("a plugin apart that never answers: its deadline ends the call, and the sandbox goes on", async () => {
  await using place = await Attacked.open();
  const impatient = withPolicy(place.plugin, { deadline: 200 });
  const [never, good] = await Promise.all([place.ask("never", impatient), place.ask("good")]);
  assertEquals([never.reply.code, reasonOf(never), String(good.reply)], [451, "exceeded its deadline", "250 2.0.0 OK"]);
  assertEquals(place.told, []);
});

Deno.test("a plugin apart that answers twice: the first answer counts", async () => {
  await using place = await Attacked.open();
  assertEquals(String((await place.ask("twice")).reply), "550 5.7.1 forged");
  assertEquals(String((await place.ask("good")).reply), "250 2.0.0 OK");
});

Deno.test("a plugin apart writes under its own names only, and no prototype is anybody's", async () => {
  await using place = await Attacked.open();
  const counters = new SimulatedCounters();
  await runPhase(place.plugin, "mail", { from: "names@example.net", counters });
  assertEquals(counters.names, ["plugin:attacks:../plugin:ban:x"]);
  await place.ask("prototype");
  assertEquals(({} as { polluted?: boolean }).polluted, undefined);
});

Deno.test("a plugin apart that loops when it is made, or throws: it is not there, and says why", async () => {
  const loops = await assertRejects(() => sandboxed(MODULE, { create: "loop" }, { cpu: 300 }), Error);
  assertEquals(loops.message, "it did not begin within 3 s");
  const throws = await assertRejects(
    () => sandboxed(MODULE, { create: "throw" }, { at: ["plugins", 0] }),
    OptionsError,
  );
  assert(throws instanceof OptionsError);
  assertEquals(throws.issues, [{ path: ["plugins", 0], message: "no, thank you" }]);
});
