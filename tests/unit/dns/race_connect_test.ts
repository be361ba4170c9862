import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { type After, raceConnect } from "../../../core/dns/race_connect.ts";

/** Time that a test moves, and connections that it decides; `log` says in order what was done. */
class Track {
  readonly log: string[] = [];
  readonly closed: string[] = [];
  readonly #attempts = new Map<string, PromiseWithResolvers<string>>();
  #timers: { at: number; callback: () => void }[] = [];
  #now = 0;

  readonly after: After = (milliseconds, callback) => {
    const entry = { at: this.#now + milliseconds, callback };
    this.#timers.push(entry);
    return () => this.#timers = this.#timers.filter((each) => each !== entry);
  };
  readonly connect = (address: string, signal: AbortSignal): Promise<string> => {
    this.log.push(`${this.#now} ${address}`);
    const attempt = Promise.withResolvers<string>();
    this.#attempts.set(address, attempt);
    signal.addEventListener("abort", () => this.log.push(`${this.#now} abort ${address}`));
    return attempt.promise;
  };
  readonly close = (connection: string) => void this.closed.push(connection);

  get timers(): number {
    return this.#timers.length;
  }

  async pass(milliseconds: number): Promise<void> {
    const end = this.#now + milliseconds;
    for (;;) {
      const due = this.#timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (due === undefined) break;
      this.#timers = this.#timers.filter((each) => each !== due);
      this.#now = due.at;
      due.callback();
      await settle();
    }
    this.#now = end;
  }
  async open(address: string): Promise<void> {
    this.#attempts.get(address)!.resolve(`connection to ${address}`);
    await settle();
  }
  async fail(address: string): Promise<void> {
    this.#attempts.get(address)!.reject(`refused by ${address}`);
    await settle();
  }
}
const settle = async () => {
  for (let i = 0; i < 10; i++) await Promise.resolve();
};
const race = (track: Track, addresses: string[], signal?: AbortSignal) =>
  raceConnect(addresses, track.connect, { ...track, ...(signal ? { signal } : {}) });

Deno.test("a moment apart, the first success wins, the others are aborted", async () => {
  const track = new Track(), racing = race(track, ["a", "b", "c"]);
  await track.pass(600);
  await track.open("b");
  assertEquals(await racing, { connection: "connection to b", address: "b", failures: [] });
  assertEquals(track.log, ["0 a", "250 b", "500 c", "600 abort a", "600 abort c"]);
  assertEquals(track.timers, 0);
});

Deno.test("a quick success is the only try", async () => {
  const track = new Track(), racing = race(track, ["a", "b"]);
  await track.open("a");
  assertEquals((await racing).address, "a");
  await track.pass(10_000);
  assertEquals(track.log, ["0 a"]);
});

Deno.test("a failure starts the next at once, and the moment is counted anew", async () => {
  const track = new Track(), racing = race(track, ["a", "b", "c"]);
  await track.pass(100);
  await track.fail("a");
  await track.pass(249);
  assertEquals(track.log, ["0 a", "100 b"]);
  await track.pass(1);
  await track.fail("c");
  await track.open("b");
  const failures = [{ address: "a", error: "refused by a" }, { address: "c", error: "refused by c" }];
  assertEquals(await racing, { connection: "connection to b", address: "b", failures });
  assertEquals(track.log, ["0 a", "100 b", "350 c"]);
});

Deno.test("when all fail every error is told; with no address there is none", async () => {
  const track = new Track(), racing = race(track, ["a", "b"]);
  await track.fail("a");
  await track.fail("b");
  const failures = [{ address: "a", error: "refused by a" }, { address: "b", error: "refused by b" }];
  assertEquals(await racing, { connection: null, address: null, failures });
  assertEquals(await race(track, []), { connection: null, address: null, failures: [] });
});

Deno.test("what opens too late is closed, what fails too late is forgotten", async () => {
  const track = new Track(), racing = race(track, ["a", "b", "c"]);
  await track.pass(500);
  await track.open("c");
  await track.open("a");
  await track.fail("b");
  assertEquals(await racing, { connection: "connection to c", address: "c", failures: [] });
  assertEquals(track.closed, ["connection to a"]);
});

Deno.test("an abort ends the race, before it or in it", async () => {
  const track = new Track(), leaving = new AbortController();
  const racing = race(track, ["a", "b", "c"], leaving.signal);
  await track.pass(300);
  await track.fail("a");
  leaving.abort();
  await track.open("b");
  assertEquals(await racing, {
    connection: null,
    address: null,
    failures: [{ address: "a", error: "refused by a" }],
  });
  assertEquals([track.closed, track.timers], [["connection to b"], 0]);
  assertEquals((await race(track, ["d"], leaving.signal)).connection, null);
  assert(!track.log.includes("300 d"));
});

Deno.test("a race that is decided leaves nothing at a signal that lives longer", async () => {
  const { signal } = new AbortController(), track = new Track();
  let listeners = 0;
  for (const [name, step] of [["addEventListener", 1], ["removeEventListener", -1]] as const) {
    const method = signal[name];
    Object.defineProperty(signal, name, {
      value(...args: Parameters<typeof method>) {
        listeners += step;
        method.apply(signal, args);
      },
    });
  }
  const racing = race(track, ["a"], signal);
  assertEquals(listeners, 1);
  await track.open("a");
  assertEquals([(await racing).address, listeners], ["a", 0]);
});

Deno.test("a connect that throws is a failure", async () => {
  const { failures } = await raceConnect(["a"], () => {
    throw new Error("no socket");
  }, { close: () => {} });
  assertEquals(failures.map(({ error }) => (error as Error).message), ["no socket"]);
});

Deno.test("with the clock of the runtime: a silent address is passed over", async () => {
  const connect = (address: string, signal: AbortSignal) =>
    address === "silent"
      ? new Promise<string>((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)))
      : Promise.resolve(address);
  const { address } = await raceConnect(["silent", "good"], connect, { close: () => {}, delay: 5 });
  assertEquals(address, "good");
});

Deno.test("any race: one winner at most, and every other connection is closed", async () => {
  const outcome = fc.record({ opens: fc.boolean(), after: fc.nat(1000) });
  await fc.assert(fc.asyncProperty(fc.array(outcome, { maxLength: 8 }), async (outcomes) => {
    const track = new Track(), opened: string[] = [];
    const started: string[] = [];
    const racing = raceConnect(
      outcomes.map((_, i) => String(i)),
      (address) => {
        started.push(address);
        const { opens, after } = outcomes[Number(address)]!, attempt = Promise.withResolvers<string>();
        track.after(after, () => {
          if (!opens) return attempt.reject("refused");
          opened.push(address);
          attempt.resolve(address);
        });
        return attempt.promise;
      },
      track,
    );
    await track.pass(100_000);
    const { address, failures } = await racing;
    assertEquals(address === null, !outcomes.some(({ opens }) => opens));
    assertEquals([...track.closed, ...(address === null ? [] : [address])].sort(), opened.sort());
    assertEquals(started, started.map((_, i) => String(i)), "in order, each once");
    if (address === null) assertEquals(failures.length, outcomes.length);
  }));
});
