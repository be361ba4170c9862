/** Sessions and their stories in a real browser (tests/support/site_page.ts). */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { Page } from "playwright-core";
import { shortId } from "../../core/model/id.ts";
import { assertAccessible, pageTest } from "../support/site_page.ts";
import { aMorning, FakeLedger, hostile, spam } from "../unit/admin/stories.ts";

/** What runs in the page sees its globals, of which these are looked at. */
declare const document: { readonly documentElement: { readonly scrollWidth: number; readonly clientWidth: number } };

const stories = aMorning(), refused = stories.at(-1)!, sent = stories[0]!;
const admin = { ledger: new FakeLedger(stories) };
const verdicts = (page: Page) => page.locator("#entries tbody .v:not(.v-seen)").allInnerTexts();

pageTest("search, filters, and the way to a story and back, by keyboard alone", async ({ page, url, shot }) => {
  await page.goto(`${url}/sessions`);
  assertEquals((await verdicts(page)).map((text) => text.trim()), [
    ...["refused", "no message", "abandoned", "held", "deferred", "refused", "refused", "accepted"],
  ]);
  await shot("sessions");
  await page.locator("#q").focus();
  await page.keyboard.type("promo");
  await page.keyboard.press("Enter");
  await page.waitForURL(`${url}/sessions?q=promo`); // what is empty in the form is not in the address
  assertEquals(await page.locator("#entries tbody tr").count() < 8, true);
  await page.locator("summary", { hasText: "Filter" }).press("Enter");
  await shot("sessions-filter");
  await page.keyboard.press("Tab");
  await page.keyboard.type("held");
  await page.getByLabel("From", { exact: true }).fill("@promo.example.net");
  await page.keyboard.press("Enter");
  await page.waitForURL(/verdict=held/);
  assertEquals((await verdicts(page)).map((text) => text.trim()), ["held"]);
  await shot("sessions-filtered");
  await page.getByLabel("Remove filter: verdict held").press("Enter");
  await page.waitForURL((to) => !to.search.includes("verdict"));
  await page.locator("#entries a:visible").first().press("Enter");
  await page.waitForURL(`${url}/explain/${refused.id}`);
  await page.getByRole("heading", { name: "Refused", exact: false, level: 1 }).waitFor();
  await page.getByRole("link", { name: refused.session }).press("Enter");
  await page.getByText("What this session brought").waitFor();
  await shot("explain-session");
}, { admin });

pageTest("an id leads straight to its story, from any page by the slash key", async ({ page, url }) => {
  for (const text of [shortId(refused.id), `(ref ${shortId(refused.id)})`, refused.id.toLowerCase()]) {
    await page.goto(`${url}/plugins`);
    await page.keyboard.press("/");
    await page.keyboard.type(text);
    await page.keyboard.press("Enter");
    await page.waitForURL(`${url}/explain/${refused.id}`);
  }
  await page.goto(`${url}/explain/${shortId(refused.id)}`);
  assertEquals(page.url(), `${url}/explain/${refused.id}`);
  await page.keyboard.press("/");
  await page.keyboard.type("192.0.2.61");
  await page.keyboard.press("Enter");
  await page.waitForURL(`${url}/sessions?q=192.0.2.61`);
  assertEquals((await verdicts(page)).map((text) => text.trim()), ["deferred"]);
}, { admin });

pageTest("nothing found: the filter that hides most can be taken away", async ({ page, url, shot }) => {
  await page.goto(`${url}/sessions?q=bulk&verdict=deferred&to=%40example.org`);
  await page.getByText("The filter that hides most is").waitFor();
  await shot("sessions-none");
  assertStringIncludes(await page.locator("#none").innerText(), "verdict deferred");
  await page.getByRole("link", { name: /Remove it: 2 match then/ }).press("Enter");
  await page.waitForURL((to) => !to.search.includes("verdict"));
  assertEquals(await page.locator("#entries tbody tr").count(), 2);
}, { admin });

pageTest("pages of fifty, to the end and back", async ({ page, url }) => {
  await page.goto(`${url}/sessions?verdict=refused`);
  const ids = new Set<string>();
  for (;;) {
    for (
      const id of await page.locator("#entries tr[data-id]").evaluateAll((rows) =>
        rows.map((row) => row.getAttribute("data-id")!)
      )
    ) ids.add(id);
    const older = page.getByRole("link", { name: "Older" });
    if (await older.count() === 0) break;
    await older.press("Enter");
    await page.waitForURL(/before=/);
    await page.getByRole("link", { name: "Newest" }).waitFor();
  }
  assertEquals(ids.size, 120);
}, { admin: { ledger: new FakeLedger(Array.from({ length: 120 }, (_, i) => spam(i))) } });

pageTest("a story: who decided, what would have to change, and what became of it", async ({ page, url, shot }) => {
  await page.goto(`${url}/explain/${refused.id}`);
  await shot("explain");
  await page.screenshot({
    path: Deno.env.has("SCREENSHOTS") ? `${Deno.env.get("SCREENSHOTS")}/explain-whole.png` : undefined!,
    fullPage: true,
  });
  const steps = page.locator(".step");
  assertStringIncludes(await steps.filter({ hasText: "dnsbl" }).first().innerText(), "127.0.0.2");
  assertStringIncludes(await page.locator(".step.last").innerText(), "12 is where refusal starts");
  assertEquals(await page.locator(".step.seen").count(), 2);
  assertEquals(
    await page.locator(".phase.off h3").allInnerTexts().then((all) => all.map((text) => text.split("\n")[0])),
    [
      ...["auth", "queue", "deliver"],
    ],
  );
  await page.getByRole("link", { name: "What would have to change?" }).press("Enter");
  const change = await page.locator("#change").innerText();
  for (const words of ["8.5", "held", "4.5", "accepted", "but if you enforce", "refused"]) {
    assertStringIncludes(change, words);
  }
  await page.goto(`${url}/explain/${sent.id}`);
  await shot("explain-sent");
  const deliver = await page.locator(".phase", { hasText: "deliver" }).innerText();
  for (const words of ["team@example.com", "250 2.0.0 ok 1732268500", "TLSv1.3 verified", "421 4.7.0", "attempt 2"]) {
    assertStringIncludes(deliver, words);
  }
  assertEquals(await page.locator("#change").count(), 0);
  await page.getByRole("link", { name: "2001:db8:40::17" }).press("Enter");
  await page.waitForURL(`${url}/sessions?ip=2001%3Adb8%3A40%3A%3A17`);
}, { admin });

pageTest("a story: the dialogue as the ledger has it, and word for word where it was recorded", async (visit) => {
  const { page, url, shot } = visit;
  await page.goto(`${url}/explain/${refused.id}`);
  await page.getByRole("link", { name: "Dialogue" }).press("Enter");
  const talk = page.locator("#talk");
  const said = await talk.innerText();
  for (const words of [`RCPT TO:<${refused.recipients[0]}>`, "connected, 198.51.100.23", "What the ledger keeps"]) {
    assertStringIncludes(said, words);
  }
  await page.goto(`${url}/explain/${sent.id}`);
  await talk.scrollIntoViewIfNeeded();
  await shot("explain-dialogue");
  const lines = await talk.locator("li").allInnerTexts();
  assertEquals(lines.map((each) => each.replace(/\s+/g, " ").trim()), [
    "0 S server: 220 mx ESMTP",
    "7 C client: EHLO <b>x\\u{202e}",
    "ended: quit",
  ]);
  await assertAccessible(page);
  await page.goto(`${url}/explain/${refused.id}`);
  assertStringIncludes(await page.locator("#change").innerText(), "postern replay --config new.yaml");
}, {
  admin: {
    ...admin,
    recorded: (session) =>
      Promise.resolve(
        session !== sent.session ? null : [
          { who: "server", at: 0, text: "220 mx ESMTP", refused: false },
          { who: "client", at: 7, text: "EHLO <b>x\u202e", refused: false },
          { who: "event", at: null, text: "ended: quit", refused: false },
        ],
      ),
  },
});

pageTest("an unknown id says so", async ({ page, url, shot }) => {
  await page.goto(`${url}/explain/01M819XM9WH6C9QF4M8W3KQ7XN`);
  await page.getByText("Nothing is known of that id").waitFor();
  await shot("explain-unknown");
}, { admin });

pageTest("a fresh server says what will be here", async ({ page, url, shot }) => {
  await page.goto(`${url}/sessions`);
  await page.getByText("Nobody has knocked yet").waitFor();
  await shot("sessions-fresh");
  await assertAccessible(page);
}, { admin: { ledger: new FakeLedger() } });

const evil = hostile();
pageTest("strangers' text runs nothing, leads nowhere, and hides nothing", async ({ page, url, left, shot }) => {
  for (
    const path of ["/sessions", `/explain/${evil.id}`, `/explain/${evil.session}`, "/sessions?q=%3Cscript%3E%E2%80%AE"]
  ) {
    await page.goto(url + path);
    assertEquals(await page.locator("main script, main img, main [onclick], main [onerror]").count(), 0, path);
    assert(!/[\u202a-\u202e\u2066-\u2069\u0000\u001b]/.test(await page.locator("main").innerText()), path);
    assertEquals(
      await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth),
      0,
    );
    await shot(`hostile${path.replace(/[^a-z]+/g, "-").slice(0, 12)}`);
    await assertAccessible(page);
  }
  assertEquals(left, []);
}, { admin: { ledger: new FakeLedger([evil]) } });

for (const [width, height] of [[1440, 900], [1000, 900], [390, 844]] as const) {
  pageTest(`${width} px, in light and dark: accessible, and as wide as the window`, async ({ page, url, shot }) => {
    const paths = [
      "/sessions",
      "/sessions?q=promo&verdict=refused&when=24h",
      ...stories.map(({ id }) => `/explain/${id}`),
    ];
    for (const [i, path] of [...paths, `/explain/${refused.session}`].entries()) {
      await page.goto(url + path);
      if (width === 1440 || i % 3 === 0) await assertAccessible(page); // it takes its time
      assertEquals(
        await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth),
        0,
        path,
      );
      await page.emulateMedia({ colorScheme: i % 2 === 0 ? "light" : "dark" });
      await shot(`sessions-${width}-${i}`);
    }
  }, { admin, context: { viewport: { width, height } } });
}

pageTest("without script all of it still works", async ({ page, url }) => {
  await page.goto(`${url}/sessions`);
  await page.locator("summary", { hasText: "Filter" }).click();
  await page.getByLabel("Verdict").selectOption("refused");
  await page.locator(".filters").getByRole("button", { name: "Search" }).click();
  await page.waitForURL(`${url}/sessions?verdict=refused`);
  await page.locator("#entries a:visible").first().click();
  await page.getByText("Who decided what").waitFor();
  await page.locator(".nav summary").click();
  await page.getByRole("link", { name: "Quarantine" }).click();
  await page.waitForURL(`${url}/quarantine`);
}, { admin, context: { javaScriptEnabled: false } });
