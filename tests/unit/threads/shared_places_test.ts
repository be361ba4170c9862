/** Places of several threads: limits that nobody exceeds, counts that come back to nothing, what a dead thread leaves. */
import { assert, assertEquals } from "@std/assert";
import { placesMemory, SharedPlaces } from "../../../core/threads/shared_places.ts";
import { Random, seedOf } from "../../support/random.ts";
import type { Told } from "./places_child.ts";

const MOST = { connections: 1000, perIp: 2 };

Deno.test("a share is a peer's and a role's, and who has none counts in all alone", () => {
  const memory = placesMemory(2, 64), one = new SharedPlaces(memory, { threads: 2, thread: 0 });
  const other = new SharedPlaces(memory, { threads: 2, thread: 1 });
  const mx = [one.of("mx"), other.of("mx")] as const;
  assertEquals([mx[0].take("192.0.2.1", MOST), mx[1].take("192.0.2.1", MOST)], [null, null]);
  assertEquals([mx[0].take("192.0.2.1", MOST), mx[1].take("192.0.2.1", MOST)], ["share", "share"]);
  const near = ["192.0.2.2", "2001:db8::/64", "2001:db8:0:1::/64", "::/64", "0.0.0.0", "1.192.0.2"];
  for (const peer of near) assertEquals(mx[1].take(peer, MOST), null, peer);
  assertEquals(one.of("submission").take("192.0.2.1", MOST), null);
  assertEquals(mx[0].take(null, { connections: 9, perIp: 2 }), null);
  assertEquals(mx[0].take(null, { connections: 9, perIp: 2 }), "full");
  assertEquals([mx[0].total, one.of("submission").total], [9, 1]);
  mx[1].give("192.0.2.1");
  assertEquals(mx[0].take("192.0.2.1", MOST), null);
});

Deno.test("a table of peers that is full says so, and each that goes makes room", () => {
  const places = new SharedPlaces(placesMemory(1, 40), { threads: 1, thread: 0 }).of("mx");
  const peers = Array.from({ length: 60 }, (_, at) => `10.0.${at}.1`);
  const taken = peers.filter((peer) => places.take(peer, MOST) === null);
  assertEquals(taken.length, 36); // nine of ten
  for (const peer of taken) places.give(peer);
  assertEquals(peers.slice(20, 56).map((peer) => places.take(peer, MOST)), new Array(36).fill(null));
});

Deno.test("as a table of one thread would say it, whatever the order of coming and going", () => {
  const random = new Random(seedOf("shared places")), model = new Map<string, number>();
  const places = new SharedPlaces(placesMemory(1, 100), { threads: 1, thread: 0 }).of("mx");
  const here: string[] = [];
  for (let round = 0; round < 20_000; round++) {
    if (here.length > 0 && random.below(2) === 0) {
      const [peer] = here.splice(random.below(here.length), 1);
      places.give(peer!);
      model.set(peer!, model.get(peer!)! - 1);
    } else {
      const peer = `2001:db8:${random.below(8).toString(16)}:${random.below(8).toString(16)}::/64`;
      const count = model.get(peer) ?? 0;
      assertEquals(places.take(peer, MOST), count >= MOST.perIp ? "share" : null, `${peer} in round ${round}`);
      if (count >= MOST.perIp) continue;
      model.set(peer, count + 1);
      here.push(peer);
    }
    assertEquals(places.total, here.length);
  }
});

Deno.test("what a dead thread had is taken back, also where it died with the lock; the others keep theirs", () => {
  const memory = placesMemory(3, 200),
    [, dead, alive] = [0, 1, 2].map((thread) => new SharedPlaces(memory, { threads: 3, thread })) as [
      SharedPlaces,
      SharedPlaces,
      SharedPlaces,
    ];
  const owner = new SharedPlaces(memory, { threads: 3, thread: 0 });
  for (let at = 0; at < 120; at++) {
    assertEquals((at % 3 === 0 ? alive : dead).of("mx").take(`10.0.0.${at}`, MOST), null);
    if (at % 4 === 0) assertEquals(alive.of("mx").take(`10.0.0.${at}`, MOST), null);
  }
  const kept = alive.of("mx").total - dead.of("mx").total + 40 + 30;
  Atomics.store(new Int32Array(memory), 0, 1 + 1);
  owner.takeBack(1);
  assertEquals(owner.of("mx").total, kept);
  for (let at = 0; at < 120; at++) {
    const there = (at % 3 === 0 ? 1 : 0) + (at % 4 === 0 ? 1 : 0);
    let more = 0;
    while (owner.of("mx").take(`10.0.0.${at}`, MOST) === null) more++;
    assertEquals(more, MOST.perIp - there, `10.0.0.${at}`);
  }
});

Deno.test("case 36: several threads at once never exceed a limit, and leave nothing behind", async () => {
  const threads = 4, connections = 20, perIp = 3, seed = seedOf("threads of places");
  const peers = Array.from({ length: 16 }, (_, at) => at % 2 ? `198.51.100.${at}` : `2001:db8:${at}::/64`);
  const memory = placesMemory(threads, 64), seen = new SharedArrayBuffer(4 * (1 + peers.length));
  const said = await Promise.all(Array.from({ length: threads }, async (_, thread) => {
    const worker = new Worker(new URL("./places_child.ts", import.meta.url), { type: "module" });
    const told: Told = {
      memory,
      threads,
      thread,
      seed: seed + thread,
      rounds: 20_000,
      peers,
      connections,
      perIp,
      seen,
    };
    const answer = await new Promise<{ taken: number; wrong: number; left: number[] }>((resolve, reject) => {
      worker.onmessage = ({ data }) => resolve(data);
      worker.onerror = (event) => reject(new Error(event.message));
      worker.postMessage(told);
    });
    worker.terminate();
    return answer;
  }));
  assertEquals(said.map(({ wrong }) => wrong), [0, 0, 0, 0]);
  // One that the machine lets begin when others have ended finds what those kept
  assert(said.reduce((sum, { taken }) => sum + taken, 0) > 400, JSON.stringify(said.map(({ taken }) => taken)));
  for (const [thread, { left }] of said.entries()) {
    const places = new SharedPlaces(memory, { threads, thread }).of("mx");
    for (const peer of left) places.give(peers[peer]!);
  }
  const places = new SharedPlaces(memory, { threads, thread: 0 }).of("mx");
  assertEquals(places.total, 0);
  for (const peer of peers) { // of nobody is anything left
    for (let count = 0; count < perIp; count++) {
      assertEquals(places.take(peer, { connections: 1000, perIp }), null, peer);
    }
    assertEquals(places.take(peer, { connections: 1000, perIp }), "share");
  }
});
