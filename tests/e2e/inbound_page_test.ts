/** The quarantine of a running server in a real browser: what is held and why, let go, and in the inbox then. */
import { assert, assertEquals } from "@std/assert";
import { InboundSite } from "../support/inbound_site.ts";
import { browserTest, visit } from "../support/site_page.ts";

/** What runs in the page sees its globals, of which these are looked at. */
declare const document: { readonly documentElement: { readonly scrollWidth: number; readonly clientWidth: number } };

const PLUGINS = `  - relay
  - recipients: { accounts: { me: inbox, you: inbox } }
  - headers
  - spam_score: { quarantine: 6, reject: 2000 }
  - inbox`;
const GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X";
const LONG =
  "An offer that is so good that its subject alone does not fit into a line: 70% off on everything <b>today</b>";

async function send(site: InboundSite, subject: string): Promise<string> {
  return await site.take({
    ip: "192.0.2.66",
    from: "offers@a-long-name-of-a-host.example",
    to: ["me@home.example", "you@home.example"],
    message: `From: "Offers & more" <offers@shop.example>
To: me@home.example
Subject: ${subject}
Date: Mon, 02 Mar 2026 03:04:05 +0000
Message-ID: <${subject.length}@shop.example>

Dear customer,

${GTUBE}
`,
  });
}

browserTest(
  "the quarantine's pages over a running server: held mail is judged by its text, and released it arrives",
  async () => {
    await using site = await InboundSite.start({ plugins: PLUGINS });
    await send(site, LONG);
    const second = await send(site, "Your invoice");
    const { base, token } = site.server.api;
    await visit(base, async ({ page, url, shot }) => {
      const wide = () =>
        page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      /** On a screen and on a phone. */
      const look = async (name: string) => {
        for (const [width, height] of [[1280, 900], [390, 844]] as const) {
          await page.setViewportSize({ width, height });
          assertEquals(await wide(), 0, `${name} at ${width}`);
          await shot(`quarantine-${name}-${width}`);
        }
        await page.setViewportSize({ width: 1280, height: 900 });
      };
      await page.goto(`${url}/quarantine`);
      await page.getByLabel("Token").fill(token);
      await page.getByRole("button").first().click();
      await page.locator(".head", { hasText: "2 messages," }).waitFor();
      await look("list");
      await page.getByRole("link", { name: LONG }).click();
      await page.getByText("GTUBE-STANDARD").waitFor();
      await look("item");
      await page.setViewportSize({ width: 390, height: 844 });
      await page.getByText("Delete…", { exact: true }).first().click();
      const menu = await page.locator(".menu").first().boundingBox();
      assert(menu !== null && menu.x >= 0 && menu.x + menu.width <= 390, JSON.stringify(menu));
      await page.setViewportSize({ width: 1280, height: 900 });
      await page.getByRole("button", { name: "Release", exact: true }).click();
      await page.waitForURL(`${url}/quarantine`);
      await page.locator(".head", { hasText: "1 message," }).waitFor();
      await site.inbox("Subject: An offer");
      await page.goto(`${url}/quarantine/${second}`);
      await page.getByText("Delete…", { exact: true }).first().click();
      await look("delete");
      await page.getByRole("button", { name: "Delete it" }).click();
      await page.getByText("Nothing is held").waitFor();
      await look("empty");
      await page.goto(`${url}/inbox`);
      await page.getByText("An offer that is so good").first().waitFor();
      await shot("quarantine-inbox");
    });
    const [kept, ...others] = await site.server.api.messages();
    assertEquals([kept!.to, others], [["me@home.example", "you@home.example"], []]);
  },
);
