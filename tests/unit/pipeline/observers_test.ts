/** Plugins as observers: told, never asked. */
import { assertEquals } from "@std/assert";
import {
  definePlugin,
  type Event,
  observersOf,
  parallel,
  type Plugin,
  SimulatedCounters,
  when,
  withPolicy,
} from "postern";
import { z } from "zod";
import { Bus } from "../../../core/observe/bus.ts";
import { Pipeline } from "../../../core/pipeline/pipeline.ts";
import { waitFor } from "../../support/wait.ts";

const HELD: Event = { type: "held", transaction: "T1", recipient: "a@example.org", reason: "odd" };

function observing(name: string, observe: NonNullable<Plugin["observe"]>): Plugin {
  return definePlugin({
    name,
    options: z.strictObject({}),
    create: () => ({ mail: (_ctx, next) => next(), observe }),
  })();
}

class House {
  readonly bus = new Bus();
  readonly events: Event[] = [];
  readonly counters = new SimulatedCounters();
  constructor(...plugins: Plugin[]) {
    this.bus.subscribe((event) => void this.events.push(event));
    const emit = (event: Event) => this.bus.emit(event);
    for (const each of observersOf(plugins, { counters: this.counters, now: () => 7, emit })) this.bus.subscribe(each);
  }
  get told(): string[] {
    return this.events.map((event) =>
      "message" in event ? `${event.type} ${event.where}: ${event.message}` : event.type
    );
  }
}

Deno.test("each instance is told once, wherever it stands and however often", async () => {
  const seen: string[] = [];
  const plugin = (name: string) =>
    observing(name, (event, { now }) => void seen.push(`${name} ${event.type} ${now()}`));
  const one = plugin("one"), two = plugin("two"), three = plugin("three");
  const silent = definePlugin({ name: "silent", options: z.strictObject({}), create: () => ({}) })();
  const house = new House(one, when(() => false, parallel(two, three)), silent, withPolicy(one, { mode: "observe" }));
  house.bus.emit(HELD);
  assertEquals(seen, ["one held 7", "two held 7", "three held 7"]);
  assertEquals([Object.keys(one.handlers), silent.observe], [["mail"], undefined]);
  new Pipeline([one]); // an observer is no phase
  await null;
});

Deno.test("what it counts is its own, and what it tells a person comes under its name", async () => {
  const plugin = observing("counter", async ({ type }, { store, alert }) => {
    if (await store.add(type, 1, { seconds: 60 }) === 2) alert("a@example.org", "twice");
  });
  const house = new House(plugin);
  house.bus.emit(HELD);
  house.bus.emit(HELD);
  await waitFor("the alert", () => house.events.length === 3);
  assertEquals([house.counters.names, house.told.at(-1)], [["plugin:counter:held"], "alert counter: twice"]);
});

Deno.test("a throw is trouble and no more: the others are told, and it is told of the next one", async () => {
  const seen: string[] = [];
  const bad: [string, NonNullable<Plugin["observe"]>][] = [
    ["throws", () => {
      throw new Error("boom");
    }],
    ["rejects", () => Promise.reject(new Error("boom"))],
  ];
  for (const [name, observe] of bad) {
    const house = new House(
      observing(name, observe),
      observing("other", ({ type }) => void (type === "held" && seen.push(name))),
    );
    house.bus.emit(HELD);
    house.bus.emit(HELD);
    await waitFor("both troubles", () => house.events.length === 4);
    const trouble = `trouble ${name}: its observer threw: boom`;
    assertEquals(house.told.toSorted(), ["held", "held", trouble, trouble]);
  }
  assertEquals(seen, ["throws", "throws", "rejects", "rejects"]);
  const odd = new House(observing("odd", () => {
    throw {
      get message() {
        throw new Error();
      },
      toString: null,
    };
  }));
  odd.bus.emit(HELD);
  assertEquals(odd.told.length, 2);
});

Deno.test("two that answer each other's words do not go on for ever", () => {
  const parrot = (name: string) =>
    observing(name, (event, { alert }) => {
      if (event.type === "held" || event.type === "alert") alert("x", `${name} heard of ${event.type}`);
    });
  const house = new House(parrot("a"), parrot("b"));
  house.bus.emit(HELD);
  assertEquals(house.told.length < 8, true, house.told.join("\n"));
});
