import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { Pseudonyms } from "../../../core/auth/pseudonym.ts";
import { SimulatedCounters } from "../../../core/pipeline/mod.ts";

const pseudonyms = new Pseudonyms(new Uint8Array(32).fill(7));

Deno.test("a pseudonym is short, the same for every way to write the name, and another for another name", () => {
  assertMatch(pseudonyms.of("alice"), /^user#[0-9a-f]{6}$/);
  assertMatch(pseudonyms.index("alice"), /^[0-9a-f]{32}$/);
  assertEquals(pseudonyms.of("Alice"), pseudonyms.of("alice"));
  assertEquals(pseudonyms.index("ａｌｉｃｅ"), pseudonyms.index("alice"));
  assertNotEquals(pseudonyms.of("bob"), pseudonyms.of("alice"));
});

Deno.test("a pseudonym holds nothing of the name, however long and odd it is", () => {
  for (const name of ["hunter2", "x".repeat(65536), "\ud800", "a\r\nb", "", "ﷺ".repeat(20_000)]) {
    const text = pseudonyms.of(name);
    assertMatch(text, /^user#[0-9a-f]{6}$/);
    assert(name === "" || !text.includes(name));
  }
});

Deno.test("the key is the data folder's: it outlives a restart, and another folder has another one", async () => {
  const counters = new SimulatedCounters();
  const before = await Pseudonyms.open(counters), after = await Pseudonyms.open(counters);
  assertEquals(after.of("alice"), before.of("alice"));
  assertNotEquals((await Pseudonyms.open(new SimulatedCounters())).index("alice"), before.index("alice"));
});

Deno.test("nodes that start together have one key, also when the one that was to make it died", async () => {
  let now = 0;
  const counters = new SimulatedCounters(() => now);
  const nodes = await Promise.all([1, 2, 3, 4].map(() => Pseudonyms.open(counters)));
  assertEquals(new Set(nodes.map((each) => each.index("alice"))).size, 1);

  const left = new SimulatedCounters(() => now), add = left.add.bind(left);
  await add("auth:pseudonym key turn", 1, { seconds: 10 }); // by a node that got no further
  let asked = 0;
  left.add = (...args) => {
    if (++asked === 2) now += 10_000;
    return add(...args);
  };
  const [one, two] = await Promise.all([Pseudonyms.open(left), Pseudonyms.open(left)]);
  assertEquals(one.index("alice"), two.index("alice"));
});

Deno.test("case 39: white space that a directory overlooks makes no other name", () => {
  const pseudonyms = new Pseudonyms(new Uint8Array(32));
  const index = pseudonyms.index("alice smith");
  for (const name of [" alice smith", "alice smith ", "alice  smith", "Alice\u00a0Smith", "\talice smith"]) {
    assertEquals(pseudonyms.index(name), index, JSON.stringify(name));
  }
  assertNotEquals(pseudonyms.index("alicesmith"), index);
});
