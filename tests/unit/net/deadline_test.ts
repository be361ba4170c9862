/** One timer for many: who is asked, how often, and that no timer is left when nobody is there. */
import { assertEquals, assertLess } from "@std/assert";
import { Deadlines, type Timed } from "../../../core/net/deadline.ts";
import { waitFor } from "../../support/wait.ts";

class Ticks implements Timed {
  readonly times: number[] = [];
  constructor(readonly then: () => void = () => {}) {}
  tick(now: number): void {
    this.times.push(now);
    this.then();
  }
}

Deno.test("everybody is asked, with one monotonic time, until it is removed", async () => {
  const deadlines = new Deadlines(5), one = new Ticks(), two = new Ticks();
  deadlines.add(one);
  deadlines.add(two);
  await waitFor("some ticks", () => one.times.length >= 3 && two.times.length >= 3, { every: 1 });
  assertEquals(one.times.slice(0, 3), two.times.slice(0, 3));
  for (let i = 1; i < one.times.length; i++) assertLess(one.times[i - 1]!, one.times[i]!);
  deadlines.remove(one);
  const before = one.times.length, others = two.times.length;
  await waitFor("ticks of the other", () => two.times.length >= others + 2, { every: 1 });
  assertEquals(one.times.length, before);
  deadlines.remove(two); // the last one: the test ends with no timer left, or its sanitizer says so
});

Deno.test("who removes itself or another while it is asked disturbs nobody", async () => {
  const deadlines = new Deadlines(5);
  const second = new Ticks(), third = new Ticks();
  const first: Ticks = new Ticks(() => {
    deadlines.remove(first);
    deadlines.remove(second);
  });
  for (const each of [first, second, third]) deadlines.add(each);
  await waitFor("some ticks", () => third.times.length >= 3, { every: 1 });
  assertEquals([first.times.length, second.times.length], [1, 0]);
  deadlines.remove(third);
  deadlines.remove(third); // twice is once
});

Deno.test("after the last one left, the next one is asked again", async () => {
  const deadlines = new Deadlines(5), one = new Ticks();
  deadlines.add(one);
  deadlines.remove(one);
  deadlines.add(one);
  deadlines.add(one);
  await waitFor("a tick", () => one.times.length >= 2, { every: 1 });
  assertEquals(new Set(one.times).size, one.times.length, "once a tick, though added twice");
  deadlines.remove(one);
});
