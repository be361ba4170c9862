/** The store in a process of its own that is killed: what was promised is there, what was not is whole or absent. */
import { assert, assertEquals } from "@std/assert";
import { openSqliteStore } from "../../../core/store/sqlite.ts";
import { octets, read, T0 } from "./messages.ts";

async function killed(folder: string, seed: number, count = "1000000"): Promise<string[]> {
  const script = new URL("../../support/store_child.ts", import.meta.url).pathname;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", script, folder, count, "20", String(seed)],
    stdout: "piped",
  }).spawn();
  let text = "";
  const enough = 10 + seed % 40; // lines after which it is killed, with 20 sessions in some step
  for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    if (text.split("\n").length > enough) break;
  }
  child.kill("SIGKILL");
  await child.status;
  return text.slice(0, text.lastIndexOf("\n")).split("\n").slice(1);
}

Deno.test("case 69: killed at any moment: every promised message is there byte for byte, no other is half there", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const promised: string[] = [];
    for (const seed of [1, 2, 3, 4].map((n) => n * 7919 + Date.now() % 1000)) {
      promised.push(...await killed(folder, seed));
      const store = await openSqliteStore({ folder, now: () => T0 }); // the lock of the dead is no obstacle
      try {
        const page = await store.inboxes.list({ limit: 500 });
        const there = new Map(page.messages.map((entry) => [entry.id, entry]));
        for (const line of promised) {
          const [id = "", size, salt] = line.split(" ");
          assert(there.has(id), `seed ${seed}: ${line} was promised and is not there`);
          assertEquals(
            await read(await store.received(id)),
            octets(Number(size), Number(salt)),
            `seed ${seed}: ${line}`,
          );
        }
        for (const { id, size } of page.messages) assertEquals((await read(await store.received(id)))!.length, size);
        const queue = await store.queue({ limit: 1000 });
        assertEquals([queue.total, queue.corrupt], [page.total, []], `seed ${seed}`);
      } finally {
        await store.close();
      }
    }
    assert(promised.length > 20, `${promised.length} were promised`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("case 69: killed at any moment: a durable counter has at least what was promised of it", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const promised = new Map<string, number>();
    for (const seed of [1, 2, 3].map((n) => n * 7919 + Date.now() % 1000)) {
      for (const line of await killed(folder, seed, "counters")) {
        const [name = "", sum] = line.split(" ");
        promised.set(name, Math.max(promised.get(name) ?? 0, Number(sum)));
      }
      const store = await openSqliteStore({ folder });
      try {
        for (const [name, sum] of promised) {
          const found = Number(await store.counters.get(name.replace("-", " ")));
          assert(found >= sum, `seed ${seed}: ${name} was promised to be ${sum} and is ${found}`);
          assert(found <= sum + 20, `seed ${seed}: ${name} is ${found}, and 20 sessions were told of ${sum}`);
        }
      } finally {
        await store.close();
      }
    }
    assert(promised.size === 7);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
