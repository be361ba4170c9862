/** What stands around every page, in a real browser: the bar, its menu, the keys, and what axe-core says of all pages. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Page } from "playwright-core";
import { assertAccessible, pageTest } from "../support/site_page.ts";
import { ORDER, type TestStore } from "../unit/admin/fixture.ts";

/** What runs in the page sees its globals, of which these are looked at. */
declare const document: { readonly documentElement: { readonly scrollWidth: number; readonly clientWidth: number } };

const focused = (page: Page) => page.evaluate<string>("document.activeElement.textContent.trim()");
const tab = async (page: Page) => {
  await page.keyboard.press("Tab");
  return await focused(page);
};

pageTest("the bar by keyboard alone: skip link, pages in order, the menu and back", async ({ page, url, shot }) => {
  await page.goto(`${url}/plugins`);
  assertEquals(await tab(page), "Skip to content");
  await shot("frame-skip");
  assertEquals(await tab(page), "postern");
  const bar: string[] = [];
  for (let word = await tab(page); word !== "More"; word = await tab(page)) bar.push(word);
  assertEquals(bar, (await page.locator(".nav > ul > li > a").allTextContents()).map((text) => text.trim()));
  await page.keyboard.press("Enter");
  await page.getByRole("link", { name: "Quarantine" }).waitFor();
  await shot("frame-menu");
  await page.keyboard.press("Escape");
  assertEquals([await page.locator("details[open]").count(), await focused(page)], [0, "More"]);
  await page.keyboard.press("Enter");
  assertEquals(await tab(page), "Quarantine");
  await page.keyboard.press("Enter");
  await page.waitForURL(`${url}/quarantine`);
  assertEquals(await page.locator(".nav summary").innerText(), "Quarantine"); // the menu says where one is
  await page.locator(".nav summary").press("Enter");
  assertEquals(await page.locator(".nav [aria-current=page]").innerText(), "Quarantine");
  await page.locator(".nav summary").focus();
  while (await page.locator(".nav details[open]").count() > 0) await page.keyboard.press("Tab"); // who leaves it closes it
});

pageTest("the theme is switched, kept, and follows the system until then", async ({ page, url }) => {
  await page.goto(`${url}/plugins`);
  const ground = () => page.evaluate<string>("getComputedStyle(document.body).backgroundColor");
  const light = await ground();
  await page.emulateMedia({ colorScheme: "dark" });
  const dark = await ground();
  assert(light !== dark);
  await page.getByRole("button", { name: "Switch between light and dark" }).press("Enter");
  assertEquals(await ground(), light);
  await page.reload();
  assertEquals(await ground(), light);
});

pageTest("assertAccessible sees what is wrong, in the dark too", async ({ page, url }) => {
  await page.goto(`${url}/plugins`);
  for (const bad of ["<button></button>", "<p style='color:#333;background:#222'>unreadable</p>"]) {
    await page.evaluate(`document.querySelector("#main").insertAdjacentHTML("beforeend", ${JSON.stringify(bad)})`);
    await assertRejects(
      () => assertAccessible(page),
      Error,
      bad.startsWith("<button") ? "button-name" : "color-contrast",
    );
    await page.evaluate("document.querySelector('#main').lastElementChild.remove()");
  }
}, { context: { bypassCSP: true } });

const fill = async (store: TestStore) => {
  await store.deliver(ORDER);
  await store.queueUp([{ address: "a@example.net", state: "held", reply: "spam_score: 7.2 of 6 points" }]);
  await store.queueUp([{ address: "b@example.net", state: "deferred", reply: "421 4.7.0 Too many connections" }]);
};

for (const [width, height] of [[1440, 900], [900, 900], [390, 844]] as const) {
  pageTest(`${width} px: every page in the bar and its menu is accessible and as wide as the window`, async (site) => {
    const { page, url, shot } = site;
    await page.goto(`${url}/plugins`);
    const paths = await page.locator(".nav a").evaluateAll((links) => links.map((link) => link.getAttribute("href")!));
    assert(paths.includes("/queue") && paths.includes("/quarantine"));
    for (const path of paths) {
      await page.goto(url + path);
      await assertAccessible(page);
      if (width === 390) await page.locator(".nav summary").click();
      const wide = () =>
        page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      assertEquals(await wide(), 0, path);
      await shot(`frame-${width}${path.replaceAll("/", "-")}`);
    }
  }, { fill, context: { viewport: { width, height } } });
}
