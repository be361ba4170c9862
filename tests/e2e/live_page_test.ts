/** Live traffic in a real browser (tests/support/site_page.ts). */
import { assertEquals } from "@std/assert";
import { Bus } from "../../core/observe/bus.ts";
import { assertAccessible, pageTest } from "../support/site_page.ts";
import { aMorning, FakeLedger, hostile, story } from "../unit/admin/stories.ts";

/** What runs in the page sees its globals, of which these are looked at. */
declare const document: { readonly documentElement: { readonly scrollWidth: number; readonly clientWidth: number } };

function house() {
  const ledger = new FakeLedger(aMorning()), bus = new Bus();
  ledger.points = () => ({ sessions: 34 });
  return {
    ledger,
    admin: { ledger, bus },
    /** A session ends, and the ledger knows of it. */
    end(sender: string) {
      const entry = story(0, { sender });
      ledger.add(entry);
      bus.emit({
        type: "session-closed",
        session: entry.session,
        ip: entry.ip,
        reason: "quit",
        messages: 1,
        seconds: 1,
      });
      return entry;
    },
  };
}

const first = house();
pageTest(
  "what ends stands on top without a reload; a pause lasts until it goes on; all by keyboard",
  async ({ page, url, shot }) => {
    await page.goto(`${url}/live`);
    await page.getByText("34 sessions a minute").waitFor();
    await page.evaluate("globalThis.same = true");
    await page.locator("#entries a:visible").first().focus();
    const focused = await page.evaluate("document.activeElement.href");
    first.end("one@example.net");
    await page.locator("tr.fresh", { hasText: "one@example.net" }).waitFor();
    assertEquals(await page.evaluate("document.activeElement.href"), focused); // nobody is torn out of what they do
    await page.locator("#live-said", { hasText: "New: 1 accepted" }).waitFor({ state: "attached" });
    await shot("live");
    await page.getByRole("button", { name: "Pause" }).press("Space");
    await page.getByRole("button", { name: "Go on" }).waitFor();
    await page.clock.install(); // the script's timers go only when they are told to
    await page.evaluate(`new Promise((open) => {
    const source = new EventSource("/api/v1/events?types=session");
    globalThis.heard = new Promise((heard) => source.addEventListener("session", () => heard(source.close())));
    source.onopen = () => open();
  })`);
    const looks: string[] = [];
    page.on("request", (request) => looks.push(request.url()));
    first.end("two@example.net");
    await page.evaluate("heard"); // so has the script
    await page.clock.runFor(10_000);
    assertEquals(looks, []);
    assertEquals(await page.locator("tr", { hasText: "two@example.net" }).count(), 0);
    await page.clock.resume();
    await page.getByRole("button", { name: "Go on" }).press("Enter");
    await page.locator("tr", { hasText: "two@example.net" }).waitFor();
    assertEquals(await page.evaluate("globalThis.same"), true);
  },
  { admin: first.admin },
);

const second = house();
pageTest("without script it loads itself anew, and stands still when paused", async ({ page, url }) => {
  await page.goto(`${url}/live?q=example.net`);
  second.end("one@example.net");
  await page.locator("tr", { hasText: "one@example.net" }).waitFor();
  await page.getByText("Pause").click();
  await page.waitForURL(/paused=1/);
  assertEquals(await page.locator("meta[http-equiv=refresh]").count(), 0);
  await page.getByText("Go on").click();
  await page.waitForURL((to) => !to.search.includes("paused"));
}, { admin: second.admin, context: { javaScriptEnabled: false } });

const third = house();
third.ledger.add(hostile(0));
for (const [width, height] of [[1440, 900], [390, 844]] as const) {
  pageTest(
    `${width} px: accessible, as wide as the window, and nothing of strangers runs`,
    async ({ page, url, left, shot }) => {
      for (const path of ["/live", "/live?verdict=refused&q=x", "/live?q=nowhere", "/live?paused=1"]) {
        await page.goto(url + path);
        await assertAccessible(page);
        assertEquals(await page.locator("main script, main img, main [onclick]").count(), 0);
        assertEquals(
          await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth),
          0,
        );
        await shot(`live-${width}${path.replace(/\W+/g, "-")}`);
      }
      assertEquals(left, []);
    },
    { admin: third.admin, context: { viewport: { width, height } } },
  );
}
