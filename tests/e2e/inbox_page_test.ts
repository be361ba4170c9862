/** The inbox, the plugins and the sign-in page in a real browser (tests/support/site_page.ts). */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import type { Page } from "playwright-core";
import { pageTest } from "../support/site_page.ts";
import { HOSTILE, NOW, ORDER, PLAIN, type TestStore } from "../unit/admin/fixture.ts";

/** What runs in the page sees its globals, of which these are looked at. */
declare const document: {
  readonly title: string;
  readonly activeElement: { readonly id: string } | null;
  readonly body: unknown;
  readonly documentElement: { readonly scrollWidth: number; readonly clientWidth: number };
  querySelector(selector: string): { hasAttribute(name: string): boolean } | null;
  querySelectorAll(selector: string): { readonly length: number };
};

/** A mailbox as a day of work leaves it. */
async function aDay(store: TestStore): Promise<void> {
  const mails: [string, string, string, string?][] = [
    ["Newsletter <news@example.org>", "November: what is new", "newsletter"],
    ["gtube@example.net", "Test of the spam filter", "default"],
    ["Checkout <shop@example.org>", "Rechnung für Übergröße", "default"],
    ["Checkout <shop@example.org>", "Reset your password", "default"],
    ["CI <ci@example.org>", "Build 892 failed on main", "ci-4711"],
  ];
  for (const [i, [from, subject, inbox]] of mails.entries()) {
    const mail = PLAIN.replace(/^From:.*$/m, `From: ${from}`).replace(/^Subject:.*$/m, `Subject: ${subject}`);
    await store.deliver(mail, { inbox, from, subject, at: NOW - (40 - i * 5) * 60_000 });
  }
  await store.deliver(ORDER, {
    at: NOW - 60_000,
    prepend:
      "Received-SPF: pass (127.0.0.1 may send for shop.example.org)\r\nX-Spam-Status: No, score=1.2 required=6\r\n",
  });
}
const subjects = (page: Page) => page.locator(".msgs b").allTextContents();

pageTest("the list opens messages in place, with tabs, and reads them", async ({ page, store, url, shot, left }) => {
  await page.goto(url);
  assertEquals(new URL(page.url()).pathname, "/inbox");
  assertEquals(await page.title(), "(6) Inbox · Postern");
  assertEquals((await subjects(page))[0], "Your order 4711 is on its way");
  await page.evaluate("globalThis.same = true");
  await shot("list");
  await page.locator(".msgs a").first().click();
  await page.locator("#subject", { hasText: "order 4711" }).waitFor();
  await page.locator(".msgs a.new").nth(4).waitFor(); // five are left unread
  await page.waitForFunction(() => document.title.startsWith("(5) Your order 4711"));
  assertEquals((await store.entries())[0]!.read, true);
  assertEquals(await page.evaluate("globalThis.same"), true); // no reload
  assertMatch(page.url(), /\/inbox\/[0-9A-Z]{26}$/);

  const frame = page.frameLocator("iframe[name=message]");
  await frame.locator("h1", { hasText: "Your order is on its way" }).waitFor();
  assertEquals(
    await frame.locator("img[alt=dot]").evaluate((img) => (img as unknown as { naturalWidth: number }).naturalWidth),
    1,
  ); // cid:
  assertStringIncludes(await page.locator("#html .strip").innerText(), "1 remote image not loaded.");
  await shot("message");
  for (
    const [tab, text] of [["Text", "your parcel left our house"], ["Source", "boundary="], [
      "Parts",
      "invoice-4711.pdf",
    ], [
      "Headers",
      "Message-ID",
    ], ["Checks", "127.0.0.1 may send"]]
  ) {
    await page.getByRole("tab", { name: tab! }).click();
    await page.getByRole("tabpanel").getByText(text!).first().waitFor();
    assertEquals(await page.locator(".panel:visible").count(), 1);
    await shot(`tab-${tab!.toLowerCase()}`);
  }
  await page.getByRole("tab", { name: "Checks" }).press("ArrowRight");
  assertEquals(await page.getByRole("tab", { name: "HTML" }).getAttribute("aria-selected"), "true");
  await page.goBack();
  await page.getByText("Open one to read it").waitFor();
  assertEquals(left, []);
}, { fill: aDay });

pageTest("the keyboard: j, k, slash, Escape, u, Delete", async ({ page, store, url }) => {
  await page.goto(`${url}/inbox`);
  await page.keyboard.press("j");
  await page.locator("#subject", { hasText: "order 4711" }).waitFor();
  await page.keyboard.press("j");
  await page.locator("#subject", { hasText: "Build 892" }).waitFor();
  await page.keyboard.press("k");
  await page.locator("#subject", { hasText: "order 4711" }).waitFor();
  await page.keyboard.press("/");
  assertEquals(await page.evaluate("document.activeElement?.id"), "find");
  await page.keyboard.press("j"); // a letter of the search, not a command
  assertEquals(await page.locator("#find").inputValue(), "j");
  await page.keyboard.press("Backspace");
  await page.keyboard.press("Escape");
  await page.getByText("Open one to read it").waitFor();
  await page.keyboard.press("j");
  await page.locator("#subject", { hasText: "order 4711" }).waitFor();
  await page.getByRole("button", { name: "Mark unread" }).waitFor();
  const id = store.ids[0]!;
  await page.keyboard.press("Delete");
  await page.locator("#subject", { hasText: "Build 892" }).waitFor(); // the next one
  assert(!(await store.entries()).some((entry) => entry.id === id));
}, { fill: aDay });

pageTest("search narrows while typing; a box shows its own", async ({ page, url }) => {
  await page.goto(`${url}/inbox`);
  await page.locator("#find").pressSequentially("übergröße");
  await page.waitForFunction(() => document.querySelectorAll(".msgs li").length === 1);
  assertEquals(await subjects(page), ["Rechnung für Übergröße"]);
  assertEquals(await page.evaluate("document.activeElement?.id"), "find");
  await page.locator("#find").fill("nowhere");
  await page.getByText("Nothing here has").waitFor();
  await page.getByRole("link", { name: "Search no more" }).click();
  await page.waitForFunction(() => document.querySelectorAll(".msgs li").length === 6);
  await page.locator(".boxes a", { hasText: "newsletter" }).click();
  await page.waitForFunction(() => document.querySelectorAll(".msgs li").length === 1);
  assertEquals(
    await page.locator(".boxes a[aria-current]").innerText().then((text) => text.split("\n")[0]),
    "newsletter",
  );
}, { fill: aDay });

pageTest(
  "mail arrives without a reload: first into the empty page, then into the list",
  async ({ page, store, url, shot }) => {
    await page.goto(url);
    await page.getByText("Nobody has knocked yet").waitFor();
    await shot("empty");
    await page.evaluate("globalThis.same = true");
    await store.deliver(PLAIN);
    await page.locator(".msgs b", { hasText: "Build 892" }).waitFor();
    await page.locator(".msgs a").click();
    await page.locator("#subject", { hasText: "Build 892" }).waitFor();
    await page.locator("#find").focus();
    const opened = page.url();
    await store.deliver(ORDER);
    await page.locator(".msgs a.fresh b", { hasText: "order 4711" }).waitFor();
    await page.waitForFunction(() => document.title.startsWith("(1) Build 892"));
    assertEquals(await page.evaluate("document.activeElement?.id"), "find"); // nobody is torn out of what they do
    assertEquals([page.url(), await page.locator("#subject").innerText()], [opened, "Build 892 failed on main"]);
    await store.inboxes.remove({ id: store.ids[0]! });
    await page.waitForFunction(() => document.querySelectorAll(".msgs li").length === 1);
    await store.inboxes.remove({});
    await page.getByText("Nobody has knocked yet").waitFor();
    assertEquals(await page.evaluate("globalThis.same"), true);
  },
);

pageTest("deleting: one by its button, all after asking again", async ({ page, store, url, shot }) => {
  await page.goto(`${url}/inbox/${store.ids[0]!}`);
  await page.getByRole("button", { name: "Delete", exact: true }).click();
  await page.locator("#subject", { hasText: "Build 892" }).waitFor();
  assertEquals((await store.entries()).length, 5);
  await page.getByText("Delete all mail…").click();
  await page.getByText("5 messages are removed for good.").waitFor();
  await shot("delete-all");
  assertEquals((await store.entries()).length, 5);
  await page.getByRole("button", { name: "Delete 5" }).click();
  await page.getByText("Nobody has knocked yet").waitFor();
  assertEquals((await store.entries()).length, 0);
}, { fill: aDay });

pageTest("a live refresh leaves an open question open and the focus where it is", async ({ page, store, url }) => {
  const arrive = async () => {
    const id = await store.deliver(PLAIN);
    await page.locator(`.msgs a.fresh[data-id="${id}"]`).waitFor();
  };
  await page.goto(`${url}/inbox`);
  await page.getByText("Delete all mail…").click();
  await page.getByText("6 messages are removed for good.").waitFor();
  await arrive();
  await page.getByText("7 messages are removed for good.").waitFor(); // open, and true
  const inFocus = () => page.evaluate("document.activeElement.textContent.trim()");
  assertEquals(await inFocus(), "Delete all mail…");
  await page.getByRole("button", { name: "Delete 7" }).focus();
  await arrive();
  assertEquals(await inFocus(), "Delete 8");
  const row = page.locator(".msgs a", { hasText: "Reset your password" });
  await row.focus();
  await arrive();
  assert(
    await row.evaluate((link) =>
      link === (globalThis as { document?: { activeElement: unknown } }).document?.activeElement
    ),
  );
  await page.getByRole("button", { name: "Delete 9" }).click();
  await page.getByText("Nobody has knocked yet").waitFor();
}, { fill: aDay });

pageTest("a hostile mail runs nothing, loads nothing, navigates nothing", async ({ page, store, url, left, shot }) => {
  const id = await store.deliver(HOSTILE);
  const told: string[] = [];
  await page.exposeFunction("told", (text: string) => told.push(text));
  await page.addInitScript('addEventListener("message", (event) => globalThis.told(String(event.data)))');
  await page.goto(`${url}/inbox/${id}`);
  const frame = page.frameLocator("iframe[name=message]");
  await frame.getByText("A hostile message, quite readable.").waitFor();
  await page.waitForFunction(() => document.querySelector("#subject")?.hasAttribute("data-unread") === false);
  await shot("hostile");
  await frame.locator("#go").click();
  const popup = page.context().waitForEvent("page", { timeout: 500 }).catch(() => null);
  await frame.locator("#js").click();
  const opened = await popup;
  if (opened !== null) assertEquals(await opened.title(), ""); // at most an empty page of nobody's
  await page.bringToFront();
  // shown alone, as a top page, it is as harmless
  const alone = await page.context().newPage();
  await alone.goto(`${url}/api/v1/messages/${id}/html`);
  await alone.getByText("A hostile message, quite readable.").waitFor();
  assertEquals(await alone.title(), "Message");
  assertEquals(new URL(alone.url()).pathname, `/api/v1/messages/${id}/html`);
  assertEquals([left, told, store.changes, (await store.entries()).length], [[], [], [], 1]);
  assertMatch(await page.title(), /^<\/title><script>alert\('subject'\)<\/script>/);
  for (const tab of ["Source", "Parts", "Headers"]) await page.getByRole("tab", { name: tab }).click();
  await page.goto(`${url}/inbox`);
  assertEquals((await subjects(page))[0]!.startsWith("</title><script>"), true);
  assertEquals(left, []);
});

pageTest("remote images are loaded only when asked, and then once", async ({ page, store, url, left }) => {
  const id = await store.deliver(ORDER);
  await page.goto(`${url}/inbox/${id}`);
  await page.frameLocator("iframe[name=message]").locator("h1").waitFor();
  assertEquals(left, []);
  const wanted = page.waitForEvent("requestfailed"); // the test cuts it off
  await page.getByRole("link", { name: "Load it once" }).click();
  await wanted;
  assertEquals(left, ["https://img.example.net/banner.png"]);
  await page.reload();
  await page.frameLocator("iframe[name=message]").locator("h1").waitFor();
  assertEquals(left.length, 1);
});

pageTest("the source and the parts can be saved", async ({ page, store, url }) => {
  const id = await store.deliver(ORDER);
  await page.goto(`${url}/inbox/${id}`);
  const saved = async (name: string) => {
    const download = page.waitForEvent("download");
    await page.getByRole("link", { name }).click();
    const file = await download;
    return [file.suggestedFilename(), await Deno.readTextFile(await file.path())];
  };
  assertEquals(await saved("Download"), [
    `${id}.eml`,
    `Return-Path: <shop@example.org>\r\n${ORDER.replaceAll("\n", "\r\n")}`,
  ]);
  await page.getByRole("tab", { name: "Parts" }).click();
  assertEquals((await saved("invoice-4711.pdf"))[0], "invoice-4711.pdf");
});

pageTest("a link in a mail opens a page of its own", async ({ page, store, url }) => {
  const id = await store.deliver(ORDER);
  await page.goto(`${url}/inbox/${id}`);
  const popup = page.context().waitForEvent("page");
  await page.frameLocator("iframe[name=message]").getByRole("link", { name: "Follow the parcel" }).click();
  assertEquals(await (await popup).evaluate("globalThis.opener"), null);
  assertMatch(page.url(), new RegExp(`/inbox/${id}$`));
});

pageTest("dark: follows the system, and a button that is remembered", async ({ page, url, shot }) => {
  await page.goto(`${url}/inbox`);
  const ground = () => page.evaluate("getComputedStyle(document.body).backgroundColor");
  assertEquals(await ground(), "rgb(22, 21, 19)");
  await page.locator(".msgs a").first().click();
  await page.frameLocator("iframe[name=message]").locator("h1").waitFor();
  await shot("dark");
  await page.getByRole("button", { name: "Switch between light and dark" }).click();
  assertEquals(await ground(), "rgb(244, 243, 239)");
  await page.reload();
  assertEquals(await ground(), "rgb(244, 243, 239)");
}, { fill: aDay, context: { colorScheme: "dark" } });

pageTest(
  "390 px: nothing scrolls sideways; a message takes the place of the list",
  async ({ page, url, shot }) => {
    const wide = () => page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth");
    for (const path of ["/inbox", "/plugins"]) {
      await page.goto(url + path);
      assertEquals(await wide(), 0, path);
      await shot(`phone-${path.slice(1)}`);
    }
    await page.goto(`${url}/inbox`);
    await page.locator(".msgs a").first().click();
    await page.frameLocator("iframe[name=message]").locator("h1").waitFor();
    assertEquals(await page.locator(".msgs").isVisible(), false);
    for (const tab of ["Source", "Parts", "Headers", "Checks", "HTML"]) {
      await page.getByRole("tab", { name: tab }).click();
      assertEquals(await wide(), 0, tab);
    }
    await shot("phone-message");
    await page.getByRole("link", { name: "All messages" }).click();
    await page.locator(".msgs").waitFor();
    await page.evaluate(() => fetch("/api/v1/messages", { method: "DELETE" }));
    await page.getByText("Nobody has knocked yet").waitFor();
    assertEquals(await wide(), 0, "empty");
    await shot("phone-empty");
  },
  { fill: aDay, context: { viewport: { width: 390, height: 844 } } },
);

pageTest("signing in with the token, and out again", async ({ page, url, shot }) => {
  await page.goto(`${url}/queue?state=held`);
  await page.getByLabel("Token").fill("wrong");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByText("That is not the token.").waitFor();
  await shot("login");
  await page.getByLabel("Token").fill("open sesame");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.waitForURL(`${url}/queue?state=held`);
  await page.getByRole("link", { name: /Inbox/ }).click();
  await page.locator(".msgs a").first().click();
  await page.frameLocator("iframe[name=message]").locator("h1").waitFor(); // the frame has the session too
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByLabel("Token").waitFor();
  await page.goto(`${url}/inbox`);
  await page.getByLabel("Token").waitFor();
}, { fill: aDay, admin: { token: "open sesame" } });

pageTest("without script all of it still works", async ({ page, store, url, shot }) => {
  await page.goto(`${url}/inbox`);
  await page.locator(".msgs a").first().click();
  await page.getByRole("heading", { name: "Headers" }).waitFor();
  await shot("no-script");
  await page.getByRole("button", { name: "Mark read" }).click();
  await page.getByRole("button", { name: "Mark unread" }).waitFor();
  assertEquals((await store.entries())[0]!.read, true);
  await page.locator("#read").getByRole("button", { name: "Delete", exact: true }).click();
  await page.locator("#subject", { hasText: "Build 892" }).waitFor();
  await page.locator("#find").fill("password");
  await page.keyboard.press("Enter");
  await page.locator(".msgs li").waitFor();
  assertEquals(await subjects(page), ["Reset your password"]);
}, { fill: aDay, context: { javaScriptEnabled: false } });
