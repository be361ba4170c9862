/** How deliveries to domains fare: counts over time, the last words, and bounds. */
import { assertEquals } from "@std/assert";
import { Destinations } from "../../../core/observe/destinations.ts";
import type { Event } from "../../../core/observe/events.ts";

const MINUTE = 60_000, T0 = Date.UTC(2026, 10, 22, 9, 1);

function attempt(type: "delivered" | "deferred" | "bounced", more: { recipient?: string; delay?: number } = {}): Event {
  const facts = {
    transaction: "t",
    sender: "a@example.org",
    recipient: "b@Example.net",
    identity: null,
    relay: "mx.example.net[192.0.2.1]:25",
    delay: 1000,
    attempts: 1,
    status: "2.0.0",
    reply: "250 2.0.0 ok",
    tls: "TLSv1.3 verified",
    ...more,
  };
  if (type === "deferred") return { ...facts, type, next: T0 };
  return type === "bounced" ? { ...facts, type, expired: false } : { ...facts, type };
}

Deno.test("an hour and a day are counted by quarters of an hour, and what is older is forgotten", () => {
  let now = T0;
  const destinations = new Destinations({ now: () => now });
  destinations.observe(attempt("delivered", { delay: 5000 }));
  destinations.observe(attempt("deferred"));
  now += 50 * MINUTE;
  destinations.observe(attempt("bounced"));
  assertEquals(destinations.get("example.net"), {
    domain: "example.net",
    hour: { delivered: 1, deferred: 1, bounced: 1 },
    day: { delivered: 1, deferred: 1, bounced: 1 },
    last: {
      at: now,
      outcome: "bounced",
      reply: "250 2.0.0 ok",
      relay: "mx.example.net[192.0.2.1]:25",
      tls: "TLSv1.3 verified",
    },
    delay: 5000,
  });
  now += 30 * MINUTE;
  const later = destinations.get("example.net")!;
  assertEquals([later.hour, later.day], [
    { delivered: 0, deferred: 0, bounced: 1 },
    { delivered: 1, deferred: 1, bounced: 1 },
  ]);
  now += 48 * 60 * MINUTE;
  assertEquals(destinations.get("example.net")!.day, { delivered: 0, deferred: 0, bounced: 0 });
  assertEquals(destinations.get("example.net")!.delay, null);
  now -= 49 * 60 * MINUTE; // somebody set the clock back: nothing throws, and what comes is counted
  destinations.observe(attempt("delivered"));
  assertEquals(destinations.get("example.net")!.hour.delivered, 1);
});

Deno.test("the typical delay is the middle of the last ones", () => {
  const destinations = new Destinations({ now: () => T0 });
  for (const delay of [9, 1, 5]) destinations.observe(attempt("delivered", { delay }));
  assertEquals(destinations.get("example.net")!.delay, 5);
  for (let i = 0; i < 100; i++) destinations.observe(attempt("delivered", { delay: 70 }));
  assertEquals(destinations.get("example.net")!.delay, 70);
});

Deno.test("domains are bounded: the one least lately tried goes; other events count for nothing", () => {
  const destinations = new Destinations({ now: () => T0, most: 3 });
  for (const name of ["a", "b", "c", "a", "d"]) {
    destinations.observe(attempt("delivered", { recipient: `x@${name}.example` }));
  }
  destinations.observe({ type: "held", transaction: "t", recipient: "x@e.example", reason: "no" });
  destinations.observe({ type: "trouble", where: "x", message: "y" });
  assertEquals(destinations.list().map(({ domain }) => domain), ["d.example", "a.example", "c.example"]);
  assertEquals(destinations.get("b.example"), null);
});

Deno.test("a quoted local part and a reply without end do no harm", () => {
  const destinations = new Destinations({ now: () => T0 });
  const event = attempt("deferred", { recipient: '"a@b"@Example.org' });
  destinations.observe({ ...event, reply: "x".repeat(1e6) } as Event);
  assertEquals(destinations.list().map(({ domain, last }) => [domain, last.reply.length]), [["example.org", 500]]);
});
