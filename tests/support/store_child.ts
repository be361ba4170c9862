/**
 * A process that uses a store and may be killed at any moment: commits messages from several sessions, and prints one
 * line for each that was promised, `ID SIZE SEED`, or `refused FAULT ID` for each that was not.
 *
 *     deno run -A tests/support/store_child.ts FOLDER COUNT SESSIONS SEED
 *
 * With COUNT `counters` it counts instead, durably, and prints `NAME SUM` for each addition that was promised.
 */
import { openSqliteStore } from "../../core/store/sqlite.ts";
import { StoreError } from "../../core/store/store.ts";
import { newId } from "../../core/model/id.ts";
import { body, deposit, message, octets, recipient } from "../unit/store/messages.ts";

if (import.meta.main) {
  const [folder = "", count = "1", sessions = "1", seed = "1"] = Deno.args;
  const print = (line: string) => Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
  const store = await openSqliteStore({ folder, observer: (event) => console.error(JSON.stringify(event)) });
  print("open");
  let left = Number(count), random = Number(seed);
  const session = async () => {
    while (left-- > 0) {
      random = (random * 1103515245 + 12345) % 2147483648;
      const size = random % 5 === 0 ? 263_000 + random % 300_000 : 20 + random % 20_000, salt = random % 251;
      const id = newId(Date.now());
      try {
        const made = await body(store, id, octets(size, salt), 65_536);
        const more = { id, recipients: [recipient("a@x.example")], deposits: [deposit("box")] };
        await store.commit(message(more), made);
        print(`${id} ${size} ${salt}`);
      } catch (error) {
        print(`refused ${error instanceof StoreError ? error.fault : error} ${id}`);
      }
    }
  };
  const counting = async (_: unknown, index: number) => {
    const name = `failures ${index % 7}`;
    for (;;) print(`${name.replace(" ", "-")} ${await store.counters.add(name, 1, { seconds: 3600, durable: true })}`);
  };
  await Promise.all(Array.from({ length: Number(sessions) }, count === "counters" ? counting : session));
  await store.close();
  print("closed");
}
