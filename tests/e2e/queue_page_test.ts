/** The queue's pages in a real browser: what waits and why, what is asked again, without script too, on a phone too. */
import { assertEquals } from "@std/assert";
import type { Ledger } from "../../core/ledger/ledger.ts";
import type { Attempt, Story } from "../../core/ledger/story.ts";
import { assertAccessible, pageTest } from "../support/site_page.ts";
import { HOSTILE, NOW, type TestStore } from "../unit/admin/fixture.ts";

/** What runs in the page sees its globals, of which these are looked at. */
declare const document: { readonly documentElement: { readonly scrollWidth: number; readonly clientWidth: number } };

const HOUR = 3_600_000;
const ADMIN = {
  ways: { leaves: true, nextHops: ["upstream", "dovecot"], storages: ["maildir", "inbox"] },
  destinations: () => [
    {
      destination: "mx:example.net",
      waiting: 0,
      running: 0,
      closedUntil: NOW + 3 * HOUR - 60_000,
      reason: "421 4.7.0 Too many connections from 192.0.2.25",
    },
    {
      destination: "via:upstream",
      waiting: 0,
      running: 1,
      closedUntil: NOW + 11 * 60_000,
      reason: "4.4.1 relay.example.org[192.0.2.9]:587 does not answer: connection refused",
    },
    {
      destination: "mx:lists.example.com",
      waiting: 37,
      running: 20,
      closedUntil: null,
      reason: "it has as many deliveries at once as it bears",
    },
  ],
};

/** A queue as a bad day leaves it. Resolves to the id of the message whose sender was told of the delay. */
async function aBadDay(store: TestStore): Promise<string> {
  await store.queueUp([{ address: "knuth@example.com", state: "held", reply: "spam_score: 7.2 of 6 points" }]);
  await store.queueUp([{ address: "lovelace@example.com", state: "ready" }]);
  return await store.queueUp([
    {
      address: "turing@mail.department.example.net",
      state: "deferred",
      reply: "421 4.7.0 Too many connections from 192.0.2.25",
      told: NOW - 20 * 60_000,
      deadline: NOW + 92 * HOUR,
    },
    { address: "hopper@example.net", state: "delivered" },
  ]);
}
const fill = async (store: TestStore) => void await aBadDay(store);

pageTest("what waits, what rests, and what can be done with one message", async ({ page, store, url, shot }) => {
  const id = await aBadDay(store);
  await page.goto(`${url}/queue`);
  await page.getByText("rests until 12:40").waitFor();
  await shot("queue");
  const row = page.locator("tr", { hasText: "turing@" });
  await row.locator("summary").click();
  await row.getByRole("link", { name: "Bounce…" }).waitFor();
  await shot("queue-more");
  await page.mouse.click(700, 860);
  assertEquals(await page.locator("details[open]").count(), 0);
  await row.locator("summary").click();
  await row.getByRole("link", { name: "Bounce…" }).click();
  await page.getByText("Its sender is told, in a report with this reason").waitFor();
  await shot("queue-bounce");
  await page.getByRole("link", { name: "Leave it as it is" }).click();
  await page.waitForURL(`${url}/queue/${id}`);
  await page.getByText("sender told of the delay").waitFor();
  await shot("queue-item");
  await page.getByRole("link", { name: "Send another way…" }).click();
  await page.getByLabel("upstream").check();
  await shot("queue-route");
  await page.getByRole("button", { name: "Send it this way" }).click();
  await page.waitForURL(`${url}/queue/${id}`);
  await page.getByRole("link", { name: "Bounce…" }).click();
  await page.getByLabel("Reason, for the sender").fill("the project has ended");
  await page.getByRole("button", { name: "Bounce it" }).click();
  await page.getByText("its sender is told next").waitFor();
  await shot("queue-bounced");
  await page.getByRole("button", { name: "Hold" }).click();
  await page.getByRole("button", { name: "Release" }).click();
  await page.getByRole("link", { name: "Delete…" }).click();
  await shot("queue-delete");
  await page.getByRole("button", { name: "Delete it" }).click();
  await page.waitForURL(`${url}/queue`);
  assertEquals(store.changes.map(({ change }) => change.do), ["route", "bounce", "hold", "release", "delete"]);
}, { admin: ADMIN });

pageTest("all that match are changed together, and a domain is woken", async ({ page, store, url, shot }) => {
  await page.goto(`${url}/queue?state=held`);
  await page.getByText("1 message matches").waitFor();
  await shot("queue-held");
  await page.getByRole("link", { name: "Bounce…" }).first().click();
  await page.getByText("All with a recipient that is held.").waitFor();
  await page.getByRole("button", { name: "Bounce it" }).click();
  await page.waitForURL(`${url}/queue`);
  await page.locator(".rest").getByRole("button", { name: "Try now" }).first().click();
  await page.waitForURL(`${url}/queue`);
  assertEquals(store.changes, [
    { what: { state: "held" }, change: { do: "bounce", reason: "returned by the postmaster" } },
    { what: { domain: "example.net" }, change: { do: "retry" } },
  ]);
}, { fill, admin: ADMIN });

pageTest("what is chosen is counted, asked about, and changed; the list stays where it was", async (site) => {
  const { page, store, url, shot } = site;
  await page.goto(`${url}/queue?q=%40example.com&order=next`);
  await page.getByText("Choose messages, or all of this page:").waitFor();
  assertEquals(await page.getByRole("button", { name: "Hold" }).last().isEnabled(), true);
  const chosen = page.getByRole("group", { name: "With the chosen messages" });
  assertEquals(await chosen.getByRole("button", { name: "Hold" }).isDisabled(), true);
  await page.locator("tr", { hasText: "lovelace@" }).getByRole("checkbox").check();
  await chosen.getByText("1 message chosen:").waitFor();
  await page.getByRole("checkbox", { name: "Choose all of this page" }).check();
  await chosen.getByText("2 messages chosen:").waitFor();
  await shot("queue-chosen");
  await assertAccessible(page);
  await chosen.getByRole("button", { name: "Bounce…" }).click();
  await page.getByText("Those that you chose.").waitFor();
  await page.getByText("Bounce: 2 messages").waitFor();
  await shot("queue-chosen-bounce");
  await assertAccessible(page);
  await page.goBack();
  await page.locator("tr", { hasText: "knuth@" }).getByRole("checkbox").uncheck();
  await chosen.getByRole("button", { name: "Hold" }).click();
  await page.waitForURL(`${url}/queue?q=%40example.com&order=next`);
  const ids = (await store.queue({ q: "lovelace" })).items.map(({ message }) => message.id);
  assertEquals(store.changes, [{ what: { ids }, change: { do: "hold", reason: "held by hand" } }]);
}, { fill, admin: ADMIN });

pageTest("by keyboard alone: find, choose, ask, delete", async ({ page, store, url }) => {
  await page.goto(`${url}/queue`);
  await page.getByText("Choose messages").waitFor();
  await page.keyboard.press("/");
  await page.keyboard.type("knuth");
  await page.keyboard.press("Enter");
  await page.waitForURL(/q=knuth/);
  await page.getByRole("checkbox", { name: /^Choose [0-9A-Z]{8}$/ }).focus();
  await page.keyboard.press("Space");
  await page.getByText("1 message chosen:").waitFor();
  while (await page.evaluate<string>("document.activeElement.textContent") !== "Delete…") {
    await page.keyboard.press("Shift+Tab");
  }
  await page.keyboard.press("Enter");
  await page.getByText("It is gone for good. Nobody is told.").waitFor();
  await page.getByRole("button", { name: "Delete it" }).focus();
  await page.keyboard.press("Enter");
  await page.waitForURL(`${url}/queue`);
  assertEquals(store.changes.map(({ change }) => change.do), ["delete"]);
  assertEquals((await store.queue({ q: "knuth" })).total, 0);
}, { fill, admin: ADMIN });

pageTest("nothing chosen, without script: it says so", async ({ page, url }) => {
  await page.goto(`${url}/queue`);
  const chosen = page.getByRole("group", { name: "With the chosen messages" });
  await chosen.getByRole("button", { name: "Hold" }).click();
  await page.getByText("No message is chosen").waitFor();
  await page.goBack();
  await page.getByRole("checkbox").first().check();
  await chosen.getByRole("button", { name: "Delete…" }).click();
  await page.getByText("Delete: 1 message").waitFor();
}, { fill, admin: ADMIN, context: { javaScriptEnabled: false } });

pageTest("a message tells its tries, in the remote's words, and its header; nothing of it is markup", async (site) => {
  const { page, store, url, shot } = site;
  const mail = new TextEncoder().encode(HOSTILE.replaceAll("\n", "\r\n"));
  const id = await store.queueUp([{ address: "turing@example.net", state: "deferred", reply: "421 no" }], mail);
  await page.goto(`${url}/queue/${id}`);
  await page.getByText("mx2.example.net[2001:db8::5]:25").waitFor();
  assertEquals(await page.locator("section[aria-label=Tries] tbody tr").count(), 2);
  await page.getByRole("rowheader", { name: "Subject" }).waitFor();
  await page.getByRole("link", { name: "How it came in, and who decided what" }).waitFor();
  assertEquals(await page.title(), `Queue ${id.slice(-8)} · Postern`);
  await shot("queue-item-tries");
  await assertAccessible(page);
}, {
  admin: {
    ...ADMIN,
    ledger: {
      explain: (id: string) => {
        const attempt = {
          recipient: "turing@example.net",
          outcome: "deferred",
          status: "4.7.0",
          tls: "TLSv1.3 verified",
          next: NOW + 600_000,
        } as const;
        const attempts: readonly Attempt[] = [
          {
            ...attempt,
            at: NOW - HOUR,
            attempts: 1,
            relay: "mx1.example.net[198.51.100.5]:25",
            reply: "421 4.7.0 Too many",
          },
          {
            ...attempt,
            at: NOW - 60_000,
            attempts: 2,
            relay: "mx2.example.net[2001:db8::5]:25",
            reply: "</td><script>document.title='ran'</script>",
          },
        ];
        return Promise.resolve({ id, attempts } as Partial<Story> as Story);
      },
    } as Partial<Ledger> as Ledger,
  },
});

pageTest("searched, ordered, page by page", async ({ page, url, shot }) => {
  await page.goto(`${url}/queue?order=oldest`);
  await page.getByText("1 to 100 of 230, oldest first").waitFor();
  await page.getByRole("link", { name: "After" }).click();
  await page.getByRole("link", { name: "After" }).click();
  await page.getByText("201 to 230 of 230").waitFor();
  await shot("queue-last-page");
  assertEquals(await page.getByRole("link", { name: "After" }).count(), 0);
  await page.getByLabel("Sender, recipient or id").fill("u7@");
  await page.getByRole("button", { name: "Show" }).click();
  await page.getByText("1 message matches").waitFor();
  await page.goto(`${url}/queue?page=9`);
  await page.getByText("The list is shorter now").waitFor();
  await page.goto(`${url}/queue?older=3d&q=%3Cscript%3E&domain=example.net`);
  await page.getByRole("link", { name: "the age" }).waitFor();
  await shot("queue-nothing");
}, {
  fill: async (store) => {
    for (let i = 0; i < 230; i++) await store.queueUp([{ address: `u${i}@example.net`, state: "ready" }]);
  },
});

pageTest("without script all of it still works", async ({ page, store, url }) => {
  await page.goto(`${url}/queue?domain=example.com`);
  await page.locator(".bulk").getByRole("link", { name: "Send another way…" }).click();
  await page.getByRole("button", { name: "Send them this way" }).click(); // nothing chosen: the browser asks for it
  await page.getByLabel("As the configuration says").check();
  await page.getByRole("button", { name: "Send them this way" }).click();
  await page.waitForURL(`${url}/queue`);
  const row = page.locator("tr", { hasText: "lovelace@" });
  await row.locator("summary").click();
  await row.getByRole("link", { name: "Delete…" }).click();
  await page.getByRole("button", { name: "Delete it" }).click();
  await page.waitForURL(`${url}/queue`);
  assertEquals(store.changes.map(({ change }) => change.do), ["route", "delete"]);
}, { fill, admin: ADMIN, context: { javaScriptEnabled: false } });

pageTest("dark", async ({ page, store, url, shot }) => {
  const id = await aBadDay(store);
  for (const path of ["/queue", `/queue/${id}`, `/queue/${id}/route`, "/queue/bounce?domain=example.com"]) {
    await page.goto(url + path);
    await page.locator(".card").first().waitFor();
    await shot(`dark-${path.replace(id, "item").replace(/\W+/g, "-").slice(1)}`);
  }
}, { admin: ADMIN, context: { colorScheme: "dark" } });

pageTest("390 px: nothing scrolls sideways", async ({ page, store, url, shot }) => {
  const id = await aBadDay(store);
  const wide = () => page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  const paths = [
    "/queue",
    "/queue?state=held",
    `/queue/${id}`,
    ...["bounce", "route", "delete"].map((verb) => `/queue/${id}/${verb}`),
  ];
  for (const path of [...paths, "/queue/bounce?domain=example.com"]) {
    await page.goto(url + path);
    assertEquals(await wide(), 0, path);
    await shot(`phone-${path.replace(id, "item").replace(/\W+/g, "-").slice(1)}`);
  }
  await page.goto(`${url}/queue`);
  await page.locator("tr", { hasText: "turing@" }).locator("summary").click();
  assertEquals(await wide(), 0, "with the menu open");
  await shot("phone-queue-more");
}, { admin: ADMIN, context: { viewport: { width: 390, height: 844 } } });
