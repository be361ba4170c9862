/** What an attempt over a real connection came to is written, whatever else fails. */
import { assertEquals } from "@std/assert";
import { MemoryResolver } from "../../../core/dns/memory_resolver.ts";
import type { Event } from "../../../core/observe/events.ts";
import { Pipeline } from "../../../core/pipeline/pipeline.ts";
import { Sending } from "../../../core/sending.ts";
import { MemoryStore } from "../../../core/store/memory.ts";
import { StoreError } from "../../../core/store/store.ts";
import { configured } from "../../support/configs.ts";
import { RawSink } from "../../support/raw_sink.ts";
import { waitFor } from "../../support/wait.ts";
import { put, recipient, T0 } from "../store/messages.ts";

Deno.test("a suppression list that cannot be written costs nobody a second copy", async () => {
  await using sink = new RawSink({
    answer: ({ step, argument }) => step === "rcpt" && argument.startsWith("no") ? "550 5.1.1 Unknown" : undefined,
  });
  const config = await configured(`
hostname: mx.example.org
domains: [example.org]
plugins: [discard]
nextHops: { sink: { hosts: ["smtp://127.0.0.1:${sink.port}"] } }
delivery: { routes: [{ to: remote, via: sink }], suppress: { hardBounces: 7d } }
`);
  const store = new MemoryStore({ now: () => T0 }), pipeline = new Pipeline([]), events: Event[] = [];
  const counters = altered(store.counters, {
    put: () => Promise.reject(new StoreError("io", "bad sector")),
  });
  const sending = new Sending({
    config,
    store: altered(store, { counters }),
    services: {
      host: { name: "mx.example.org", domains: ["example.org"], postmaster: null },
      dns: new MemoryResolver(),
      counters: store.counters,
      now: () => T0,
      emit: (event) => void events.push(event),
    },
    pipelineOf: () => pipeline,
  });
  try {
    await put(store, { sender: null, recipients: [recipient("a@far.example"), recipient("no@far.example")] });
    sending.dispatcher.kick();
    await waitFor("the queue to be empty", async () => (await store.queue({})).total === 0);
  } finally {
    await sending.stop(0);
    await store.close();
  }
  assertEquals(sink.taken.map(({ to }) => to), [["a@far.example"]]);
  assertEquals(events.map(({ type }) => type), ["trouble", "delivered", "bounced"]);
});

/** The same with other members. */
function altered<T extends object>(target: T, members: Partial<T>): T {
  return new Proxy(target, {
    get(target, name) {
      const value = Reflect.get(name in members ? members : target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}
