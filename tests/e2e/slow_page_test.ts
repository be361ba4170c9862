/**
 * The site over a slow way: who presses a key before the page is whole, or before the next message has come, gets what he
 * meant; and mail that comes while a page opens is seen. Each answer waits until the test lets it go, so no time decides.
 */
import { assertEquals } from "@std/assert";
import type { Admin } from "../../core/admin/app.ts";
import { inHalves, pageTest } from "../support/site_page.ts";
import { PLAIN, type TestStore } from "../unit/admin/fixture.ts";

/** What runs in the page sees its globals, of which these are looked at. */
declare const document: {
  querySelectorAll(selector: string): { readonly length: number };
};

async function five(store: TestStore): Promise<void> {
  for (let n = 1; n <= 5; n++) await store.deliver(PLAIN.replace("Build 892 failed on main", `Message ${n}`));
}

/** Answers to paths that match stand at the gate until it opens; `halves`: with their first half let through. */
class Gate {
  readonly #match: RegExp;
  readonly #halves: RegExp | null;
  #gate = Promise.withResolvers<void>();
  constructor(match: RegExp, halves: RegExp | null = null) {
    this.#match = match;
    this.#halves = halves;
    this.open();
  }
  shut(): void {
    this.#gate = Promise.withResolvers();
  }
  open(): void {
    this.#gate.resolve();
  }
  readonly between = (fetch: Admin["fetch"]): Admin["fetch"] => async (request, info) => {
    if (!this.#match.test(new URL(request.url).pathname)) return await fetch(request, info);
    const { promise } = this.#gate;
    if (this.#halves === null) {
      await promise;
      return await fetch(request, info);
    }
    const answer = await fetch(request, info), text = await answer.text();
    return inHalves(answer, text, { at: text.search(this.#halves), pause: () => promise });
  };
}

const half = new Gate(/^\/inbox$/, /<article class="read"/);
pageTest("a key pressed while the page still comes is heard when it is whole", async ({ page, url }) => {
  half.shut();
  await page.goto(`${url}/inbox`, { waitUntil: "commit" });
  await page.locator(".msgs a").nth(4).waitFor();
  await page.keyboard.press("j");
  await page.keyboard.press("x");
  half.open();
  await page.locator("#subject", { hasText: "Message 5" }).waitFor();
  assertEquals(await page.getByLabel("Select Message 5").isChecked(), true);
}, { fill: five, between: half.between });

const messages = new Gate(/^\/inbox\/[0-9A-Z]{26}$/);
pageTest("keys pressed faster than the messages come act on those that were meant", async ({ page, store, url }) => {
  await page.goto(`${url}/inbox`);
  messages.shut();
  for (const key of ["j", "j", "x", "j"]) await page.keyboard.press(key);
  assertEquals(await page.getByLabel("Select Message 4").isChecked(), true);
  messages.open();
  await page.locator("#subject", { hasText: "Message 3" }).waitFor();
  await page.getByLabel("Select Message 4").uncheck();

  messages.shut();
  await page.keyboard.press("k");
  await page.keyboard.press("Delete"); // of the one that comes, not of the one that still stands there
  assertEquals(await page.locator("#subject").innerText(), "Message 3");
  messages.open();
  await page.waitForFunction(() => document.querySelectorAll(".msgs li").length === 4);
  assertEquals((await store.entries()).map(({ subject }) => subject), [5, 3, 2, 1].map((n) => `Message ${n}`));
}, { fill: five, between: messages.between });

const events = new Gate(/^\/api\/v1\/events$/);
pageTest("mail that comes between a page and its stream of events is seen", async ({ page, store, url }) => {
  events.shut();
  await page.goto(`${url}/inbox`);
  await store.deliver(PLAIN);
  events.open();
  await page.locator(".msgs a.fresh").waitFor();
}, { fill: five, between: events.between });
