/** The pages about the server in a real browser: plugins, configuration, certificates, the API. */
import { assert, assertEquals } from "@std/assert";
import type { AdminOptions } from "../../core/admin/app.ts";
import type { CertificateFacts } from "../../core/admin/options.ts";
import { describe } from "../../core/config/describe.ts";
import { loadConfig } from "../../core/config/load.ts";
import type { Ledger } from "../../core/ledger/ledger.ts";
import type { AuditRow } from "../../core/ledger/story.ts";
import { Bus } from "../../core/observe/bus.ts";
import type { Decision } from "../../core/observe/events.ts";
import { Metrics } from "../../core/observe/metrics.ts";
import { assertAccessible, pageTest } from "../support/site_page.ts";
import { NOW } from "../unit/admin/fixture.ts";
import { FakeLedger } from "../unit/admin/stories.ts";

declare const document: { readonly documentElement: { readonly scrollWidth: number; readonly clientWidth: number } };

const DAY = 86_400_000;
const HOSTILE = `</td><script>document.title='ran'</script>"><img src=x onerror=alert(1)>`;

/** More than a page of what people did, the newest first. */
const ACTS: readonly AuditRow[] = Array.from({ length: 230 }, (_, i) => ({
  at: NOW - i * 60_000,
  by: i === 1 ? HOSTILE : "ada",
  ip: "192.0.2.7",
  action: i % 2 === 0 ? "read" : "delete",
  subject: i % 2 === 0 ? "01M819XM9WH6C9QF4M8W3KQ7XN" : `queue domain=example.net note=${HOSTILE}`,
}));

function decision(plugin: string, phase: Decision["phase"], more: Partial<Decision> = {}): Decision {
  return {
    type: "decision",
    session: "s",
    transaction: null,
    plugin,
    phase,
    verdict: "next",
    reason: "",
    ms: 0.4,
    ...more,
  };
}
/** What plugins did. Whoever subscribes is told of what went wrong. */
function atWork(): Pick<AdminOptions, "bus" | "timings" | "plugins" | "ledger"> {
  const metrics = new Metrics(), bus = new Bus(), subscribe = bus.subscribe.bind(bus);
  for (let i = 0; i < 40; i++) {
    metrics.observe(decision("spf", "mail", { ms: 18 }));
    metrics.observe(decision("dnsbl", "connect", { ms: 140 }));
    metrics.observe(decision("recipients", "rcpt"));
    metrics.observe(decision("attachments", "data", { ms: 3.5, observed: true }));
  }
  bus.subscribe = (observer) => {
    const end = subscribe(observer);
    for (let i = 0; i < 3; i++) {
      observer(decision("dnsbl", "connect", { verdict: "error", reason: "ran past its 2 s deadline" }));
    }
    observer(decision("attachments", "data", { verdict: "error", reason: `threw: ${HOSTILE}`, observed: true }));
    return end;
  };
  const plugin = (name: string, phases: string[], more: { mode?: string; note?: string } = {}) => ({
    name,
    mode: "enforce",
    phases,
    ...more,
  });
  const none = { refused: 0, deferred: 0, held: 0, wouldRefuse: 0, wouldDefer: 0, wouldHold: 0, errors: 0 };
  const counts = [
    { plugin: "spf", ...none, refused: 1454 },
    { plugin: "attachments", ...none, wouldRefuse: 82, wouldHold: 3 },
  ];
  return {
    bus,
    timings: () => metrics.timings(),
    ledger: {
      plugins: () => Promise.resolve(counts),
      audits: ({ limit, before = Infinity }) => Promise.resolve(ACTS.filter(({ at }) => at < before).slice(0, limit)),
    } as Partial<Ledger> as Ledger,
    plugins: () => [
      {
        listener: "0.0.0.0:25",
        plugins: [
          plugin("dnsbl", ["connect"]),
          plugin("spf", ["mail", "data"], { note: "unless network 192.0.2.0/24" }),
          plugin("recipients", ["rcpt"]),
          plugin("attachments", ["data"], { mode: "observe" }),
          plugin("maildir", ["queue"]),
        ],
      },
      { listener: "0.0.0.0:587", plugins: [plugin("relay", ["rcpt"])] },
    ],
  };
}
function certificate(name: string, days: number, more: Partial<CertificateFacts> = {}): CertificateFacts {
  return {
    path: `/etc/letsencrypt/live/${name}/fullchain.pem`,
    key: `/etc/letsencrypt/live/${name}/privkey.pem`,
    names: [name, `www.${name}`],
    issuer: "R11, Let's Encrypt",
    selfSigned: false,
    keyType: "EC P-256",
    writtenAt: NOW - 30 * DAY,
    notBefore: NOW - 30 * DAY,
    notAfter: NOW + days * DAY,
    fingerprint: Array.from({ length: 32 }, () => "AB").join(":"),
    listeners: ["0.0.0.0:25", "0.0.0.0:587"],
    ...more,
  };
}
const CERTIFICATES = [
  certificate("mx.example.org", 60),
  certificate("mail.example.net", 12),
  certificate("old.example.com", -2, { names: [HOSTILE], issuer: HOSTILE, selfSigned: true, listeners: [] }),
];
const config = await loadConfig({ file: null, env: { POSTERN_LOG: "debug" } });
const SERVER: Partial<AdminOptions> = {
  ...atWork(),
  certificates: () => CERTIFICATES,
  configuration: () => ({
    file: null,
    readAt: NOW - 3_600_000,
    settings: [...config.settings, { path: "nextHops.x.auth.user", value: HOSTILE, from: "file" }],
    warnings: ["postmaster: nobody gets the mail for postmaster; set postmaster: ADDRESS", HOSTILE],
    summary: describe(config),
  }),
};

pageTest("plugins: order, times, what they did and would have done, errors", async ({ page, url, shot }) => {
  await page.goto(`${url}/plugins`);
  const row = (name: string) => page.locator(".matrix tr", { hasText: name });
  await row("dnsbl").getByText("500").waitFor();
  await row("spf").getByText("refused 1,454").waitFor();
  await row("spf").getByText("unless network 192.0.2.0/24").waitFor();
  await row("attachments").getByText("would have refused 82, held 3").waitFor();
  await page.getByText("ran past its 2 s deadline").waitFor();
  assertEquals(await page.title(), "Plugins · Postern");
  await shot("plugins");
  await assertAccessible(page);
}, { admin: SERVER });

pageTest("plugins: nothing measured, nothing watched, nothing wrong", async ({ page, url, shot }) => {
  await page.goto(`${url}/plugins`);
  await page.getByText("None since the start.").waitFor();
  await shot("plugins-quiet");
  await assertAccessible(page);
});

pageTest("configuration: settings, warnings, what runs; read again with a fault, then without", async (site) => {
  const { page, url, shot } = site;
  await page.goto(`${url}/configuration`);
  await page.locator("tr", { hasText: "log.level" }).getByText("environment").waitFor();
  await page.getByText("nobody gets the mail for postmaster").waitFor();
  assert((await page.locator("pre").innerText()).includes("listener 127.0.0.1:2525"));
  await shot("configuration");
  await assertAccessible(page);
  await page.getByRole("button", { name: "Read it again" }).press("Enter");
  await page.getByText("postern.yaml:3:7: limits.recipients: must be a whole number").waitFor();
  await page.getByRole("alert").getByText("Nothing has changed: the file has 1 fault").waitFor();
  await shot("configuration-fault");
  await assertAccessible(page);
  await page.getByRole("button", { name: "Read it again" }).press("Enter");
  await page.getByText("It was read again, and is in force").waitFor();
  await page.getByText("plugins of 127.0.0.1:2525").waitFor();
  await shot("configuration-read");
}, {
  admin: {
    ...SERVER,
    reload: (() => {
      let times = 0;
      return () =>
        Promise.resolve(
          times++ === 0
            ? { changed: [], faults: ["postern.yaml:3:7: limits.recipients: must be a whole number"] }
            : { changed: ["plugins of 127.0.0.1:2525"], faults: [] },
        );
    })(),
  },
});

pageTest("configuration: nobody told of it, and no button without a way", async ({ page, url, shot }) => {
  await page.goto(`${url}/configuration`);
  await page.getByText("Nothing is known of it here").waitFor();
  assertEquals(await page.getByRole("button", { name: "Read it again" }).count(), 0);
  await shot("configuration-untold");
});

pageTest("certificates: what is left is said in words, shape and colour", async ({ page, url, shot }) => {
  await page.goto(`${url}/certificates`);
  const rows = page.locator("tbody tr");
  assertEquals(await rows.locator("td .v").allInnerTexts(), ["60 d", "12 d", "expired 2 d ago"]);
  assertEquals(await page.title(), "Certificates · Postern");
  await shot("certificates");
  await assertAccessible(page);
}, { admin: SERVER });

pageTest("certificates: there is none", async ({ page, url, shot }) => {
  await page.goto(`${url}/certificates`);
  await page.getByText("No listener speaks TLS").waitFor();
  await shot("certificates-none");
  await assertAccessible(page);
});

pageTest("audit: who did what, page by page by keyboard, and the way to the story", async ({ page, url, shot }) => {
  await page.goto(`${url}/audit`);
  await shot("audit");
  assertEquals(await page.title(), "Audit · Postern");
  const rows = page.locator("tbody tr");
  assertEquals(await rows.count(), 200);
  assertEquals(
    (await rows.first().innerText()).replace(/\s+/g, " "),
    [
      ...["22 Nov 2026 09:41:00 ada 192.0.2.7 read 01M819XM9WH6C9QF4M8W3KQ7XN"],
    ].join(""),
  );
  assertEquals(await rows.getByRole("link").first().getAttribute("href"), "/explain/01M819XM9WH6C9QF4M8W3KQ7XN");
  await assertAccessible(page);
  await page.getByRole("link", { name: "Older" }).press("Enter");
  await page.waitForURL(/before=/);
  assertEquals(await rows.count(), 30);
  await page.getByRole("link", { name: "Newest" }).press("Enter");
  await page.waitForURL(`${url}/audit`);
  assertEquals(await page.locator(`nav a[href="/audit"]`).getAttribute("aria-current"), "page");
}, { admin: SERVER });

pageTest("audit: nobody did anything, and a wrong page of it", async ({ page, url, shot }) => {
  await page.goto(`${url}/audit`);
  await page.getByText("Nobody did anything yet").waitFor();
  await shot("audit-none");
  assertEquals((await fetch(`${url}/audit?before=x`)).status, 400);
}, { admin: { ledger: new FakeLedger() } });

pageTest("the API: every operation of the document is there and opens by keyboard, without script", async (site) => {
  const { page, url, shot } = site;
  const { paths } = await (await fetch(`${url}/openapi.json`)).json() as { paths: Record<string, object> };
  await page.goto(`${url}/api`);
  const wanted = Object.entries(paths).flatMap(([path, item]) =>
    Object.keys(item).filter((each) => each !== "parameters").map((method) => `${method.toUpperCase()} ${path}`)
  );
  const shown = await page.locator(".ops summary").evaluateAll((all) =>
    all.map((each) => [...each.children].slice(0, 2).map((part) => part.textContent).join(" "))
  );
  assertEquals(shown.toSorted(), wanted.toSorted());
  await page.locator("summary", { hasText: "/api/v1/queue/bounce" }).press("Enter");
  await page.getByText(`curl -X POST -H 'Content-Type: application/json' -d '{}' '${url}/api/v1/queue/bounce'`)
    .waitFor();
  await page.locator("summary", { hasText: "GET/api/v1/queue/{id}" }).first().press("Enter");
  await page.locator("summary", { hasText: "/api/v1/queue/bounce" }).scrollIntoViewIfNeeded();
  await shot("api");
}, { context: { javaScriptEnabled: false } });

pageTest("the API is accessible, folded and open", async ({ page, url, shot }) => {
  await page.goto(`${url}/api`);
  await shot("api-folded");
  await assertAccessible(page);
  await page.evaluate("document.querySelectorAll('.ops details').forEach((each, i) => (each.open = i < 12))");
  await assertAccessible(page);
});

for (
  const [name, context] of [
    ["dark", { colorScheme: "dark" }],
    ["phone", { viewport: { width: 390, height: 844 } }],
    ["phone dark", { viewport: { width: 390, height: 844 }, colorScheme: "dark" }],
  ] as const
) {
  pageTest(`${name}: plugins, configuration, certificates, the audit and the API fit`, async ({ page, url, shot }) => {
    for (const path of ["/plugins", "/configuration", "/certificates", "/audit", "/api"]) {
      await page.goto(url + path);
      if (path === "/api") await page.locator("summary", { hasText: "/api/v1/queue/bounce" }).click();
      const wide = () =>
        page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      assertEquals(await wide(), 0, path);
      await shot(`${name.replace(" ", "-")}${path.replace("/", "-")}`);
      await assertAccessible(page);
    }
  }, { admin: { ...SERVER, reload: () => Promise.resolve({ changed: [], faults: [] }) }, context });
}
