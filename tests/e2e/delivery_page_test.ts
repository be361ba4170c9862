/** The pages about the way out in a real browser: delivery by domain, and the suppression list. */
import { assertEquals } from "@std/assert";
import { Suppression } from "../../core/delivery/suppression.ts";
import { parseAddress } from "../../core/model/address.ts";
import { Bus } from "../../core/observe/bus.ts";
import type { Deferred, Delivered } from "../../core/observe/events.ts";
import { assertAccessible, pageTest } from "../support/site_page.ts";
import { NOW, type TestStore } from "../unit/admin/fixture.ts";

declare const document: { readonly documentElement: { readonly scrollWidth: number; readonly clientWidth: number } };

const HOUR = 3_600_000;
const HOSTILE = `</td><script>document.title='ran'</script>"><img src=x onerror=alert(1)>`;

const facts = {
  transaction: "t",
  sender: "a@example.org",
  identity: null,
  relay: "mx1.example.net[198.51.100.5]:25",
  delay: 4200,
  attempts: 1,
  status: "2.0.0",
  reply: "250 2.0.0 Ok: queued as 4F2C81",
  tls: "TLSv1.3 verified",
};
function delivered(recipient: string, more: Partial<Delivered> = {}): Delivered {
  return { type: "delivered", recipient, ...facts, ...more };
}
function deferred(recipient: string, more: Partial<Deferred> = {}): Deferred {
  return { type: "deferred", recipient, ...facts, next: NOW + HOUR, ...more };
}

/** A bus on which deliveries have happened by the time that the site listens. */
function busy(): Bus {
  const bus = new Bus(), subscribe = bus.subscribe.bind(bus);
  bus.subscribe = (observer) => {
    const end = subscribe(observer);
    for (let i = 0; i < 12; i++) observer(delivered(`u${i}@example.com`));
    observer(deferred("turing@example.net", { reply: "421 4.7.0 Too many connections from 192.0.2.25", tls: null }));
    observer(deferred("x@hostile.example", { reply: HOSTILE, relay: HOSTILE }));
    return end;
  };
  return bus;
}
const ADMIN = () => ({
  bus: busy(),
  destinations: () => [
    {
      destination: "mx:example.net",
      waiting: 0,
      running: 2,
      closedUntil: NOW + 11 * 60_000,
      reason: "421 4.7.0 Too many connections from 192.0.2.25",
    },
    { destination: "via:upstream", waiting: 3, running: 1, closedUntil: null, reason: null },
  ],
});
const fill = async (store: TestStore) => {
  for (let i = 0; i < 3; i++) {
    await store.queueUp([{ address: `turing${i}@example.net`, state: "deferred", reply: "421 4.7.0 Too many" }]);
  }
  await store.queueUp([{ address: "knuth@example.com", state: "held", reply: "spam_score" }]);
  await store.counters.put(
    "tls:sts:example.com",
    JSON.stringify(["1", NOW, "version: STSv1\nmode: enforce\nmx: mx.example.com\nmax_age: 86400"]),
    { seconds: 86_400 },
  );
};

pageTest(
  "delivery by domain: what rests comes first, with its reason, and can be tried, held and let go",
  async (site) => {
    const { page, store, url, shot } = site;
    await page.goto(`${url}/delivery`);
    const rows = page.locator("table.delivery tbody tr");
    assertEquals(await rows.locator("th bdi").allInnerTexts(), ["example.net", "example.com", "hostile.example"]);
    await rows.first().getByText("rests until 09:52").waitFor();
    await rows.nth(1).getByText("TLSv1.3 verified").waitFor();
    await rows.nth(1).getByText("MTA-STS enforce").waitFor();
    assertEquals(await page.title(), "Delivery by domain · Postern");
    await shot("delivery");
    await assertAccessible(page);
    await rows.first().getByRole("button", { name: "Hold example.net" }).press("Enter");
    await page.getByText("3 held").waitFor();
    await page.getByRole("button", { name: "Release example.net" }).press("Enter");
    await page.getByRole("button", { name: "Try now example.net" }).press("Enter");
    await rows.first().getByRole("link", { name: "3", exact: true }).click();
    await page.waitForURL(`${url}/queue?domain=example.net&order=oldest`);
    assertEquals(store.changes, [
      { what: { domain: "example.net" }, change: { do: "hold", reason: "held by hand" } },
      { what: { domain: "example.net" }, change: { do: "release" } },
      { what: { domain: "example.net" }, change: { do: "retry" } },
    ]);
    await page.goto(`${url}/delivery`);
    await page.keyboard.press("/");
    await page.keyboard.type("nowhere");
    await page.keyboard.press("Enter");
    await page.getByText("No such domain").waitFor();
    await shot("delivery-nothing");
  },
  { fill, admin: ADMIN() },
);

pageTest("delivery by domain: nothing was sent yet", async ({ page, url, shot }) => {
  await page.goto(`${url}/delivery`);
  await page.getByText("Nothing was sent yet").waitFor();
  await shot("delivery-empty");
  await assertAccessible(page);
});

pageTest("suppression list: added, found, removed, without script, by keyboard", async ({ page, store, url, shot }) => {
  const list = new Suppression({ counters: store.counters, now: () => NOW });
  await page.goto(`${url}/suppressions`);
  await page.getByText("The list is empty").waitFor();
  await shot("suppressions-empty");
  await page.getByRole("textbox", { name: "Address" }).focus();
  await page.keyboard.type("Ada@example.org");
  await page.keyboard.press("Tab");
  await page.keyboard.type(HOSTILE);
  await page.keyboard.press("Tab");
  await page.keyboard.press("End");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await page.getByText("never").waitFor();
  const entry = await list.get(parseAddress("ada@example.org")!);
  assertEquals([entry?.reason, entry?.until], [HOSTILE, null]);
  await page.getByRole("textbox", { name: "Address" }).fill("nobody");
  await page.getByRole("button", { name: "Add" }).press("Enter");
  await page.getByText("An address is like someone@example.org.").waitFor();
  await page.goto(`${url}/suppressions?q=bob`);
  await page.getByText("No address on the list begins with").waitFor();
  await page.goto(`${url}/suppressions?q=ada`);
  await shot("suppressions");
  await page.getByRole("button", { name: "Remove Ada@example.org" }).press("Enter");
  await page.getByText("The list is empty").waitFor();
  assertEquals(await list.get(parseAddress("ada@example.org")!), null);
}, { context: { javaScriptEnabled: false } });

const some = async (store: TestStore) => {
  await fill(store);
  const list = new Suppression({ counters: store.counters, now: () => NOW - HOUR });
  for (let i = 0; i < 120; i++) {
    await list.add(parseAddress(`user${String(i).padStart(3, "0")}@a-rather-long-domain-name.example.org`)!, {
      reason: "550 5.1.1 User unknown in virtual mailbox table",
      seconds: 30 * 86_400,
    });
  }
};

pageTest("suppression list: page by page", async ({ page, url, shot }) => {
  await page.goto(`${url}/suppressions`);
  await shot("suppressions-many");
  await assertAccessible(page);
  await page.getByRole("link", { name: "After" }).click();
  await page.waitForURL(/[?&]after=/); // and until the page is whole
  assertEquals(await page.locator("tbody tr").count(), 20);
  assertEquals(await page.getByRole("link", { name: "After" }).count(), 0);
}, { fill: some });

for (
  const [name, context] of [
    ["dark", { colorScheme: "dark" }],
    ["phone", { viewport: { width: 390, height: 844 } }],
    ["phone dark", { viewport: { width: 390, height: 844 }, colorScheme: "dark" }],
  ] as const
) {
  pageTest(`${name}: delivery and suppressions fit`, async ({ page, url, shot }) => {
    for (const path of ["/delivery", "/suppressions"]) {
      await page.goto(url + path);
      const wide = () =>
        page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      assertEquals(await wide(), 0, path);
      await shot(`${name.replace(" ", "-")}${path.replace("/", "-")}`);
      await assertAccessible(page);
    }
  }, { fill: some, admin: ADMIN(), context });
}
