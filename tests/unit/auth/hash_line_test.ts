import { assertEquals, assertRejects } from "@std/assert";
import { HashLine, PasswordsBusy } from "../../../core/auth/hash_line.ts";

/** Work that ends when the test says so. */
class Work {
  readonly started: string[] = [];
  readonly #ends = new Map<string, PromiseWithResolvers<string>>();
  constructor(readonly line: HashLine) {}

  add(name: string, owner = name): Promise<string> {
    const end = Promise.withResolvers<string>();
    this.#ends.set(name, end);
    return this.line.run(owner, () => (this.started.push(name), end.promise));
  }
  async end(name: string, error?: Error): Promise<void> {
    const { promise, resolve, reject } = this.#ends.get(name)!;
    if (error) reject(error);
    else resolve(name);
    await promise.catch(() => {});
    await new Promise((done) => setTimeout(done)); // what follows from it has happened
  }
}

Deno.test("so many run, the others wait and come in their order, and one more is told at once", async () => {
  const work = new Work(new HashLine({ running: 2, waiting: 4 }));
  const all = ["a", "b", "c", "d", "e", "f"].map((name) => work.add(name));
  assertEquals(work.started, ["a", "b"]);
  await assertRejects(() => work.add("g"), PasswordsBusy);
  await work.end("b");
  assertEquals(work.started, ["a", "b", "c"]);
  const late = work.add("h");
  await assertRejects(() => work.add("i"), PasswordsBusy);
  for (const name of ["a", "c", "d", "e", "f", "h"]) await work.end(name);
  assertEquals(work.started, ["a", "b", "c", "d", "e", "f", "h"]);
  assertEquals(await Promise.all([...all, late]), ["a", "b", "c", "d", "e", "f", "h"]);
  const after = ["j", "k", "l"].map((name) => work.add(name));
  assertEquals(work.started.slice(-2), ["j", "k"], "nothing was lost of the places");
  for (const name of ["j", "k", "l"]) await work.end(name);
  await Promise.all(after);
});

Deno.test("work that fails gives its place on, and its error back", async () => {
  const work = new Work(new HashLine({ running: 1, waiting: 4 }));
  const failing = assertRejects(() => work.add("a"), Error, "no memory"), next = work.add("b");
  await work.end("a", new Error("no memory"));
  await failing;
  assertEquals(work.started, ["a", "b"]);
  await work.end("b");
  assertEquals(await next, "b");
});

Deno.test("one account takes a quarter of the line and not the places of the others", async () => {
  const work = new Work(new HashLine({ running: 1, waiting: 8 }));
  const own = ["1", "2", "3"].map((name) => work.add(name, "ann"));
  await assertRejects(() => work.add("4", "ann"), PasswordsBusy);
  const others = ["bob", "eve"].map((name) => work.add(name));
  await work.end("1");
  const again = work.add("5", "ann"); // one of hers has left the line
  await assertRejects(() => work.add("6", "ann"), PasswordsBusy);
  for (const name of ["2", "3", "bob", "eve", "5"]) await work.end(name);
  assertEquals(work.started, ["1", "2", "3", "bob", "eve", "5"]);
  await Promise.all([...own, ...others, again]);
});
