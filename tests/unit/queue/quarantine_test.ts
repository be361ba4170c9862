/** The quarantine: bounded in size and time. */
import { assertEquals } from "@std/assert";
import type { Event } from "../../../core/observe/events.ts";
import { Quarantine } from "../../../core/queue/quarantine.ts";

class House {
  readonly events: Event[] = [];
  octets = 0;
  time = 1000;
  expired: string[] = [];
  asked: number[] = [];
  readonly quarantine: Quarantine;
  constructor(options: { readonly keep?: number | null; readonly size?: number } = {}) {
    this.quarantine = new Quarantine({
      keep: options.keep === undefined ? 500 : options.keep,
      size: options.size ?? 100,
      now: () => this.time,
      emit: (event) => void this.events.push(event),
      store: {
        quarantine: {
          total: () => Promise.resolve({ messages: 1, octets: this.octets }),
          expire: ({ now }) => Promise.resolve((this.asked.push(now), this.expired)),
        },
      },
    });
  }
}

Deno.test("what fits is taken; what does not is deferred, and a person is told once in an hour", async () => {
  const house = new House({ size: 100 });
  house.octets = 50;
  assertEquals(await house.quarantine.admit(30), null);
  assertEquals(await house.quarantine.admit(20), null, "what came since the last look counts");
  const refusal = await house.quarantine.admit(1);
  assertEquals(refusal?.toString(), "452 4.3.1 No space for messages now");
  await house.quarantine.admit(1);
  assertEquals(house.events.length, 1);
  house.time += 3_600_000;
  await house.quarantine.admit(1);
  assertEquals(house.events.map(({ type }) => type), ["alert", "alert"]);
});

Deno.test("what was held too long goes, each with a line; forever is forever", async () => {
  const house = new House();
  assertEquals(house.quarantine.until(), 1500);
  house.expired = ["01A", "01B"];
  await house.quarantine.expire();
  assertEquals(house.asked, [1000]);
  assertEquals(house.events.map((event) => "message" in event && event.message), [
    "01A was held too long and is gone",
    "01B was held too long and is gone",
  ]);
  const forever = new House({ keep: null });
  assertEquals(new Date(forever.quarantine.until()).getUTCFullYear(), 275_760, "and it counts for the size");
  await forever.quarantine.expire();
  assertEquals(forever.asked, []);
});

Deno.test("a store that cannot expire is trouble, and no more", async () => {
  const events: Event[] = [];
  const quarantine = new Quarantine({
    keep: 1,
    size: 1,
    now: () => 0,
    emit: (event) => void events.push(event),
    store: {
      quarantine: {
        total: () => Promise.resolve({ messages: 0, octets: 0 }),
        expire: () => Promise.reject(new Error("bad sector")),
      },
    },
  });
  await quarantine.expire();
  assertEquals(events, [{ type: "trouble", where: "quarantine", message: "bad sector" }]);
});
