/**
 * What every plugin that asks an engine owes its operator, whichever engine it is: a table of ways to fail, each with both
 * policies, and who is asked about. Non-job: what answers mean.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import type { Plugin } from "../../../../core/pipeline/plugin.ts";
import { runPhase } from "../../../../core/pipeline/testing/simulation.ts";
import { type EngineSide, FakeEngine } from "../../../support/fake_engine.ts";
import { freePort } from "../../../support/ports.ts";

/** An engine's plugin, and how to speak to it. */
export interface Subject {
  /** `at`: host and port of an engine on this machine. */
  make(at: string, options: Record<string, unknown>, trouble: (message: string) => void): Plugin;
  /** Whether a whole question was heard. */
  readonly asked: (heard: string) => boolean;
  /** An answer that finds nothing. */
  readonly clean: string;
  /** Another server's answer, or the engine's in a bad hour. */
  readonly rubbish: readonly string[];
  /** Whether clients that have logged in are looked at by default. */
  readonly authenticated: boolean;
}

const LATE = /no answer within \d+ ms/;
const WAYS: readonly [string, RegExp, (side: EngineSide, subject: Subject) => Promise<void>][] = [
  ["hangs up", /closed|broke|connection|error/i, () => Promise.resolve()],
  ["is silent", LATE, (side) => side.forever()],
  [
    "hangs up in the middle of its answer",
    /./,
    async (side, { asked, clean }) => (await side.until(asked), side.say(clean.slice(0, -1))),
  ],
  [
    "stops in the middle of its answer",
    LATE,
    async (side, { asked, clean }) => (await side.until(asked), side.say(clean.slice(0, -1)), side.forever()),
  ],
  [
    "never stops",
    /./,
    async (side, { asked }) => {
      await side.until(asked);
      for (;;) await side.say("x".repeat(60_000));
    },
  ],
];

/** The tests. */
export function keepsItsPolicy(name: string, subject: Subject): void {
  const ask = async (at: string, options: Record<string, unknown>) => {
    const troubles: string[] = [];
    const plugin = subject.make(at, options, (message) => troubles.push(message));
    return { ...await runPhase(plugin, "data"), troubles };
  };

  async function fails(at: string, why: RegExp): Promise<void> {
    const timeout = why === LATE ? "500ms" : "20s";
    const deferred = await ask(at, { timeout });
    assertEquals(String(deferred.reply), "451 4.3.0 The message cannot be checked at the moment, try again later");
    assertMatch(deferred.decisions[0]!.reason, why);
    assertEquals(deferred.troubles.length, 1, "the operator was not told");
    const skipped = await ask(at, { timeout, unavailable: "skip" });
    assertEquals([skipped.reply.verdict, skipped.held], ["accept", null]);
    assertEquals(skipped.scores.map(({ points }) => points), [0]);
    assertMatch(skipped.scores[0]!.reason, new RegExp(`^${name}: not checked: `));
  }

  for (const [way, why, serve] of WAYS) {
    Deno.test(`${name}: an engine that ${way} has found nothing out`, async () => {
      await using engine = new FakeEngine((side) => serve(side, subject));
      await fails(`127.0.0.1:${engine.port}`, why);
    });
  }
  Deno.test(`${name}: an engine that is not there has found nothing out`, async () => {
    await fails(`127.0.0.1:${freePort()}`, /refused|connection|error/i);
  });
  Deno.test(`${name}: rubbish finds nothing out`, async () => {
    for (const answer of subject.rubbish) {
      await using engine = FakeEngine.answering(subject.asked, answer);
      await fails(`127.0.0.1:${engine.port}`, /./);
    }
  });

  Deno.test(`${name}: one word to the operator a minute, and the next message is asked about again`, async () => {
    const port = freePort(), troubles: string[] = [];
    let now = 1_000_000;
    const plugin = subject.make(`127.0.0.1:${port}`, {}, (message) => troubles.push(message));
    const reply = async () => (await runPhase(plugin, "data", { now: () => now })).reply.code;
    assertEquals([await reply(), await reply(), troubles.length], [451, 451, 1]);
    now += 61_000;
    assertEquals([await reply(), troubles.length], [451, 2]);
    await using _ = new FakeEngine(async (side) => {
      if (await side.until(subject.asked)) await side.say(subject.clean);
    }, port);
    assertEquals(await reply(), 250);
  });

  Deno.test(`${name}: whose mail is looked at`, async () => {
    await using engine = FakeEngine.answering(subject.asked, subject.clean);
    const at = `127.0.0.1:${engine.port}`;
    const looked = async (options: Record<string, unknown>, facts: Parameters<typeof runPhase>[2]) => {
      const before = engine.connections;
      const { reply } = await runPhase(subject.make(at, options, () => {}), "data", facts);
      assertEquals(reply.code, 250);
      return engine.connections > before;
    };
    assert(await looked({}, {}));
    assertEquals(await looked({}, { identity: "amy" }), subject.authenticated);
    assert(await looked({ authenticated: true }, { identity: "amy" }));
    assert(!await looked({ authenticated: false }, { identity: "amy" }));
    assert(!await looked({ networks: ["192.0.2.0/24"] }, { ip: "192.0.2.1" }));
    assert(await looked({ networks: ["192.0.2.0/24"] }, { ip: "203.0.113.1" }));
  });
}
