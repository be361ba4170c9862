/** Jobs, once in a period for a whole site; lessons. */
import { assertEquals } from "@std/assert";
import { definePlugin, type Event, type Job, type JobHouse, type Letter, SimulatedCounters, withPolicy } from "postern";
import { z } from "zod";
import { Errands, type ErrandServices, teacherOf } from "../../../core/pipeline/errands.ts";
import { MemoryResolver } from "../../../core/dns/memory_resolver.ts";

const DAY = 86_400_000;

function worker(run: Job["run"], name = "worker") {
  return definePlugin({
    name,
    options: z.strictObject({}),
    create: () => ({ jobs: [{ name: "daily", every: DAY, run }] }),
  })();
}

class Site implements ErrandServices {
  readonly host = { name: "mx.example.org", domains: [], postmaster: null };
  readonly dns = new MemoryResolver({});
  readonly counters = new SimulatedCounters(() => this.time);
  readonly events: Event[] = [];
  readonly letters: Letter[] = [];
  time = 10.5 * DAY;
  now = () => this.time;
  emit = (event: Event) => void this.events.push(event);
  send = (letter: Letter) => Promise.resolve(void this.letters.push(letter));
}

Deno.test("a job runs once in a period, whatever the number of threads, and again in the next", async () => {
  const site = new Site(), ran: number[] = [];
  const job = () => worker((house) => Promise.resolve(void ran.push(house.now() / DAY)));
  const threads = [new Errands([job(), job()].slice(0, 1), site), new Errands([job()], site)];
  await Promise.all(threads.map((each) => each.look()));
  await Promise.all(threads.map((each) => each.look()));
  assertEquals(ran, [10.5]);
  site.time = 11.01 * DAY;
  await Promise.all(threads.map((each) => each.look()));
  assertEquals(ran, [10.5, 11.01]);
});

Deno.test("a job has its plugin's store, and sends letters; its fault is told and costs its turn alone", async () => {
  const site = new Site();
  const content = new TextEncoder().encode("From: a@example.org\r\n\r\nhi\r\n");
  const works = worker(async (house: JobHouse) => {
    await house.store.put("seen", "1", { seconds: 60 });
    await house.send({ from: null, to: [{ local: "b", domain: "example.net" }], content });
  }, "works");
  const fails = worker(() => Promise.reject(new Error("no luck")), "fails");
  const errands = new Errands(
    [works, fails, withPolicy(worker(() => Promise.reject("never")), { mode: "observe" })],
    site,
  );
  await errands.look();
  await errands.look();
  assertEquals(await site.counters.get("plugin:works:seen"), "1");
  assertEquals(site.letters.map(({ to }) => to), [[{ local: "b", domain: "example.net" }]]);
  assertEquals(site.events, [{ type: "trouble", where: "fails", message: "the job daily failed: no luck" }]);
  await errands.stop();
});

Deno.test("a stop is told to a job under way, waits for it, and begins none", async () => {
  const site = new Site();
  let ended = false, started = 0;
  const errands = new Errands([
    worker(({ signal }) => {
      started++;
      return new Promise((resolve) => signal.addEventListener("abort", () => resolve(void (ended = true))));
    }),
  ], site);
  const look = errands.look();
  while (started === 0) await Promise.resolve();
  await errands.stop();
  assertEquals(ended, true);
  await look;
  site.time += DAY;
  await errands.look();
  assertEquals(started, 1);
});

Deno.test("who learns is taught once, under its own name", async () => {
  const site = new Site();
  const pupil = definePlugin({
    name: "pupil",
    options: z.strictObject({}),
    create: () => ({
      learn: async (content, as, { store }) => `${content.length} octets, ${await store.add(as, 1, { seconds: 60 })}`,
    }),
  })();
  const teach = teacherOf([pupil, pupil], site)!;
  assertEquals(await teach(new Uint8Array(3), "spam"), ["pupil: 3 octets, 1"]);
  assertEquals(await site.counters.get("plugin:pupil:spam"), "1");
  assertEquals(teacherOf([worker(() => Promise.resolve())], site), null);
});
