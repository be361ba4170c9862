/** The overview in a real browser (tests/support/site_page.ts). */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { assertAccessible, pageTest } from "../support/site_page.ts";
import { adminOptions, NOW, TestStore } from "../unit/admin/fixture.ts";
import { aMorning, FakeLedger } from "../unit/admin/stories.ts";

/** What runs in the page sees its globals, of which these are looked at. */
declare const document: { readonly documentElement: { readonly scrollWidth: number; readonly clientWidth: number } };

const HOUR = 3_600_000;
const site = { ...adminOptions(new TestStore()).site, devInbox: false };

/** A working day, a run of spam at four in the morning, and a queue that grows from then on. */
function aDay(): FakeLedger {
  const ledger = new FakeLedger(aMorning());
  ledger.points = (at) => {
    const hour = (at / HOUR) % 24, day = Math.max(0, Math.sin((hour - 6) / 12 * Math.PI));
    const run = hour >= 3.5 && hour < 5 ? 320 : 0, late = at > NOW - 7 * HOUR;
    const commit = new Array(15).fill(0), delay = new Array(13).fill(0);
    commit[3] = 200, commit[5] = 60, commit[run > 0 ? 9 : 7] = 20;
    delay[2] = 150, delay[3] = 40, delay[late ? 8 : 5] = 12;
    return {
      sessions: 300,
      accepted: Math.round(110 + 310 * day),
      refused: Math.round(130 + 20 * Math.sin(at)) + run,
      deferred: 8 + (late ? 12 : 0),
      held: 2,
      delivered: Math.round(90 + 260 * day),
      postponed: late ? 40 : 4,
      bounced: 3,
      commit,
      delay,
      queue: 600 + (late ? Math.round((at - NOW + 7 * HOUR) / HOUR * 95) : 0),
    };
  };
  const none = { refused: 0, deferred: 0, held: 0, wouldRefuse: 0, wouldDefer: 0, wouldHold: 0, errors: 0 };
  ledger.counts = [
    { ...none, plugin: "recipients", refused: 4628 },
    { ...none, plugin: "spam_score", refused: 3604, held: 246 },
    { ...none, plugin: "greylist", wouldDefer: 871 },
    { ...none, plugin: "dnsbl", refused: 12, deferred: 38, errors: 38 },
  ];
  return ledger;
}
const admin = {
  ledger: aDay(),
  site,
  warnings: () => ["postmaster has no route"],
  destinations: () => [{
    destination: "mx:example.net",
    waiting: 3,
    running: 0,
    closedUntil: NOW + 3 * HOUR,
    reason: "421 4.7.0 Too many connections from 192.0.2.25",
  }],
};
const fill = async (store: TestStore) => {
  await store.queueUp([{ address: "a@example.net", state: "deferred", reply: "421 4.7.0 Too many connections" }]);
  await store.queueUp([{ address: "b@example.net", state: "held", reply: "spam_score: 7.2 of 6 points" }]);
};

pageTest("what to act on, figures, plots and why mail was refused, by keyboard alone", async ({ page, url, shot }) => {
  await page.goto(url);
  assertEquals(page.url(), `${url}/overview`); // the first page
  const acts = await page.locator(".acts").innerText();
  for (const words of ["postmaster has no route", "Mail for example.net waits until 12:41", "dnsbl failed 38 times"]) {
    assertStringIncludes(acts, words);
  }
  assertEquals(await page.locator(".figs dt").allInnerTexts(), [
    "Messages",
    "Accepted",
    "Refused",
    "Deferred",
    "Held",
    "Queue",
  ]);
  const plot = page.getByRole("img", {
    name: /^Stacked bars: [\d,]+ messages, of which .* refused\. The most in one step/,
  });
  await plot.waitFor();
  await page.getByRole("img", { name: /^Two lines: half of all took up to 9 ms, 95 of 100/ }).waitFor();
  await page.getByRole("img", { name: /recipients in the queue now/ }).waitFor();
  await shot("overview");
  if (Deno.env.has("SCREENSHOTS")) {
    await page.screenshot({ path: `${Deno.env.get("SCREENSHOTS")}/overview-whole.png`, fullPage: true });
  }
  await page.getByText("The same as numbers").first().press("Enter");
  assertEquals(await page.locator("figure").first().locator("tbody tr:visible").count(), 6);
  await page.getByRole("link", { name: "7 days" }).press("Enter");
  await page.waitForURL(`${url}/overview?range=7d`);
  assertEquals(await page.locator(".seg [aria-current]").innerText(), "7 days");
  await page.locator("table", { hasText: "Who decided" }).getByRole("link", { name: "3,604" }).press("Enter");
  await page.waitForURL(`${url}/sessions?when=7d&verdict=refused&plugin=spam_score`);
  await page.goBack();
  await page.getByRole("link", { name: "See queue" }).press("Enter");
  await page.waitForURL(`${url}/queue?domain=example.net`);
}, { admin, fill });

pageTest("a fresh server says what comes next; in the dev inbox the inbox is first", async ({ page, url, shot }) => {
  await page.goto(url);
  await page.waitForURL(`${url}/inbox`);
  await page.getByRole("link", { name: "Overview" }).click();
  await page.getByText("Nobody has knocked yet").waitFor();
  await shot("overview-fresh");
  await assertAccessible(page);
}, { admin: { ledger: new FakeLedger() } });

pageTest("without a ledger there is the queue, and a word on how to have more", async ({ page, url, shot }) => {
  await page.goto(`${url}/overview`);
  await page.getByText("Nothing is written down").waitFor();
  assertEquals(await page.locator(".nav a", { hasText: "Sessions" }).count(), 0);
  await shot("overview-off");
  await assertAccessible(page);
}, { admin: { ledger: null, site }, fill });

for (const [width, height] of [[1440, 900], [1000, 900], [390, 844]] as const) {
  pageTest(`${width} px, in light and dark: accessible, and as wide as the window`, async ({ page, url }) => {
    for (const [i, range] of ["1h", "24h", "7d", "30d"].entries()) {
      await page.goto(`${url}/overview?range=${range}`);
      for (const each of await page.getByText("The same as numbers").all()) await each.click();
      await assertAccessible(page);
      assertEquals(
        await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth),
        0,
      );
      await page.emulateMedia({ colorScheme: i % 2 === 0 ? "dark" : "light" });
      for (const each of await page.getByText("The same as numbers").all()) await each.click();
      if (Deno.env.has("SCREENSHOTS")) {
        await page.screenshot({
          path: `${Deno.env.get("SCREENSHOTS")}/overview-${width}-${range}.png`,
          fullPage: true,
        });
      }
    }
  }, { admin, fill, context: { viewport: { width, height } } });
}
