/** Accounts in the store: changed by one, known to every node within seconds, and nobody gets in where it is gone. */
import { assert, assertEquals } from "@std/assert";
import { SimulatedCounters } from "../../../../../core/pipeline/mod.ts";
import { StoreError } from "../../../../../core/store/store.ts";
import { accounts } from "../../../../../plugins/auth/accounts/mod.ts";
import { KeptAccounts } from "../../../../../plugins/auth/accounts/kept.ts";
import { readLine } from "../../../../../plugins/auth/accounts/line.ts";
import { NamespacedCounters } from "../../../../../core/pipeline/contexts/plugin_context.ts";
import { LATER, NO } from "../login.ts";
import { cheapHash } from "./cheap.ts";
import { login } from "./login.ts";

const [secret, other] = [await cheapHash("correct horse"), await cheapHash("battery staple")];

/** Two nodes with one store, which may be gone. */
class Site {
  now = Date.UTC(2026, 10, 30);
  gone = false;
  readonly told: string[] = [];
  readonly #counters = new SimulatedCounters(() => this.now);
  readonly counters = new Proxy(this.#counters, {
    get: (counters, name) => {
      const method = Reflect.get(counters, name).bind(counters);
      return (...args: unknown[]) => {
        if (this.gone) return Promise.reject(new StoreError("io", "the database is gone"));
        return method(...args);
      };
    },
  });
  readonly kept = new KeptAccounts(new NamespacedCounters(this.counters, "plugin:accounts:"), { caseSensitive: false });
  readonly nodes = [1, 2].map(() =>
    accounts.parse({ store: true }, ["accounts"], { trouble: (message) => void this.told.push(message) })
  );

  async enters(node: number, user: string, password: string): Promise<string> {
    const { reply, identity } = await login(this.nodes[node]!, "PLAIN", [user, password], {
      now: () => this.now,
      counters: this.counters,
    });
    return identity === null ? String(reply) : `yes ${identity}`;
  }
  set(text: string): Promise<void> {
    const line = readLine(text)!;
    return this.kept.set(line.name, line);
  }
}

Deno.test("accounts in the store: one is added, changed, taken away, on both nodes within seconds", async () => {
  const site = new Site();
  assertEquals(site.nodes[0]!.mechanisms, ["PLAIN", "LOGIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"]);
  assertEquals(await site.enters(0, "alice", "correct horse"), NO);
  await site.set(`Alice ${secret} sender=alice@example.org`);
  site.now += 2_000;
  for (const node of [0, 1]) assertEquals(await site.enters(node, "ALICE", "correct horse"), "yes Alice");
  await site.set(`alice ${other}`);
  site.now += 2_000;
  for (const node of [0, 1]) {
    assertEquals(await site.enters(node, "alice", "correct horse"), NO);
    assertEquals(await site.enters(node, "alice", "battery staple"), "yes alice");
  }
  await site.kept.set("ALICE", null);
  assertEquals(await site.kept.lines(), [""]);
  site.now += 2_000;
  for (const node of [0, 1]) assertEquals(await site.enters(node, "alice", "battery staple"), NO);
  assertEquals(site.told, []);
});

Deno.test("accounts in the store: the store is gone, and after the seconds that an answer is good for nobody gets in", async () => {
  const site = new Site();
  await site.set(`alice ${secret}`);
  assertEquals(await site.enters(0, "alice", "correct horse"), "yes alice");
  site.gone = true;
  site.now += 1_999;
  assertEquals(await site.enters(0, "alice", "correct horse"), "yes alice");
  assertEquals(await site.enters(1, "alice", "correct horse"), LATER); // it has never known
  site.now += 1;
  assertEquals(await site.enters(0, "alice", "correct horse"), LATER);
  assertEquals(await site.enters(0, "nobody", "correct horse"), LATER);
  site.gone = false;
  assertEquals(await site.enters(0, "alice", "correct horse"), "yes alice");
});

Deno.test("accounts in the store: many, and a line that no version of ours wrote takes no other one along", async () => {
  const site = new Site();
  for (let i = 0; i < 2_500; i++) await site.set(`user${i} ${secret}`);
  await site.counters.put("plugin:accounts:account eve", "eve $odd$words", { seconds: 1000 });
  await site.counters.put("plugin:accounts:account mallory", `user7 ${other}`, { seconds: 1000 });
  assertEquals((await site.kept.lines()).length, 2_503);
  for (const user of ["user0", "user999", "user1000", "user2499"]) {
    assertEquals(await site.enters(0, user, "correct horse"), `yes ${user}`);
  }
  assertEquals(await site.enters(0, "eve", "correct horse"), NO);
  assertEquals(site.told.length, 2, site.told.join("\n"));
  assert(site.told.every((each) => each.startsWith("an account in the store is left out: ")));
});

Deno.test("accounts in the store: a change that was not announced, by a writer that died, is known after a minute", async () => {
  const site = new Site();
  assertEquals(await site.enters(0, "alice", "correct horse"), NO);
  await site.counters.put("plugin:accounts:account alice", `alice ${secret}`, { seconds: 1e6 });
  site.now += 58_000;
  assertEquals(await site.enters(0, "alice", "correct horse"), NO);
  site.now += 2_000;
  assertEquals(await site.enters(0, "alice", "correct horse"), "yes alice");
});
