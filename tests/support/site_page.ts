/**
 * The pages in a real browser: Debian's chromium, driven by playwright-core, over a real port. Tests are skipped with one
 * line where there is no chromium, except in CI. SCREENSHOTS=folder keeps a picture of each state for people to look at.
 * SLOW_SITE=300 makes each answer wait so many milliseconds and each page come in halves: a test that looks at a page
 * before it is there then fails always and not once in a hundred times.
 */
import { assertEquals } from "@std/assert";
import axe from "axe-core";
import { chromium } from "playwright-core";
import type { Browser, Page } from "playwright-core";
import { createAdmin } from "../../core/admin/app.ts";
import type { Admin, AdminOptions } from "../../core/admin/app.ts";
import { serveAdmin } from "../../core/admin/serve.ts";
import { adminOptions, TestStore } from "../unit/admin/fixture.ts";

const CHROMIUM = "/usr/bin/chromium";
const ARGUMENTS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
const there = (() => {
  try {
    return Deno.statSync(CHROMIUM).isFile;
  } catch {
    return false;
  }
})();
if (!there && Deno.env.get("CI") !== "true") console.log(`skipped: the page tests need ${CHROMIUM}`);

/** A browser at a site. */
export interface Visit {
  readonly page: Page;
  readonly url: string;
  /** Requests that wanted to leave for another host; none does, they are cut off. */
  readonly left: string[];
  /** Errors that the page reported; a blocked load of a mail is none of ours. */
  readonly errors: string[];
  shot(name: string): Promise<void>;
}
export interface Site extends Visit {
  readonly store: TestStore;
}
type ContextOptions = Parameters<Browser["newContext"]>[0];

/** A test that looks at pages. `missing`: what else it lacks, or null. */
export function browserTest(name: string, fn: () => Promise<void>, missing: string | null = null): void {
  Deno.test({
    name,
    ignore: (!there || missing !== null) && Deno.env.get("CI") !== "true",
    sanitizeOps: false, // the pipe to the browser closes in its own time
    sanitizeResources: false,
    fn,
  });
}

/** A fresh browser profile at `url`; a page that reports an error has failed. */
export async function visit(
  url: string,
  body: (visit: Visit) => Promise<void>,
  options: ContextOptions = {},
): Promise<void> {
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: ARGUMENTS });
  try {
    const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, ...options });
    const page = await context.newPage();
    const left: string[] = [], errors: string[] = [];
    page.on("pageerror", (error) => errors.push(String(error)));
    page.on("console", (message) => {
      if (message.type() === "error" && /main frame|site\.js/.test(message.location().url)) {
        errors.push(message.text());
      }
    });
    await context.route((to) => to.host !== new URL(url).host, (route) => {
      left.push(route.request().url());
      return route.abort();
    });
    const folder = Deno.env.get("SCREENSHOTS");
    const shot = async (file: string) => {
      if (folder !== undefined) await page.screenshot({ path: `${folder}/${file}.png` });
    };
    await body({ page, url, left, errors, shot });
    assertEquals(errors, []);
  } finally {
    await browser.close();
  }
}

interface Violation {
  readonly id: string;
  readonly impact: string | null;
  readonly nodes: readonly { readonly target: readonly unknown[]; readonly failureSummary: string }[];
}

/** Looks at the page as it stands now, in light and in dark: nothing serious or critical in the eyes of axe-core. */
export async function assertAccessible(page: Page): Promise<void> {
  const before = await page.evaluate<boolean>("matchMedia('(prefers-color-scheme: dark)').matches");
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    await page.evaluate(axe.source); // not a script element: the policy of our pages lets none in
    const found = await page.evaluate("axe.run(document, { resultTypes: ['violations'] })") as {
      readonly violations: readonly Violation[];
    };
    const grave = found.violations.filter(({ impact }) => impact === "serious" || impact === "critical");
    assertEquals(
      grave.flatMap(({ id, nodes }) => nodes.map((node) => `${id} ${node.target.join(" ")}: ${node.failureSummary}`)),
      [],
      `${page.url()} in ${colorScheme}`,
    );
  }
  await page.emulateMedia({ colorScheme: before ? "dark" : "light", reducedMotion: null });
}

/** Milliseconds that each answer waits, and each page between its halves; 0: none does. */
const SLOW = Number(Deno.env.get("SLOW_SITE") ?? 0);
const atOnce = (fetch: Admin["fetch"]): Admin["fetch"] => fetch;
const aWhile = () => new Promise((resolve) => setTimeout(resolve, SLOW));

function slowly(fetch: Admin["fetch"]): Admin["fetch"] {
  return async (request, info) => {
    await aWhile();
    const answer = await fetch(request, info);
    if (!answer.headers.get("content-type")?.startsWith("text/html")) return answer;
    const text = await answer.text();
    return inHalves(answer, text, { at: text.length >> 1, pause: aWhile });
  };
}

/** The same answer, whose text comes up to `at`, and from there on after a pause. */
export function inHalves(
  { status, headers }: Response,
  text: string,
  { at, pause }: { readonly at: number; pause(): Promise<unknown> },
): Response {
  const utf8 = new TextEncoder();
  const body = new ReadableStream<Uint8Array>({
    async start(controller) {
      controller.enqueue(utf8.encode(text.slice(0, at)));
      await pause();
      controller.enqueue(utf8.encode(text.slice(at)));
      controller.close();
    },
  });
  return new Response(text === "" ? null : body, { status, headers });
}

/** A page test: the site over a fresh store on a free port. */
export function pageTest(
  name: string,
  body: (site: Site) => Promise<void>,
  options: {
    admin?: Partial<AdminOptions>;
    context?: ContextOptions;
    fill?: (store: TestStore) => Promise<void>;
    /** What stands between the browser and the site: a slow way, as a busy machine is. */
    between?: (fetch: Admin["fetch"]) => Admin["fetch"];
  } = {},
): void {
  browserTest(name, async () => {
    const store = new TestStore();
    await options.fill?.(store);
    const admin = createAdmin(adminOptions(store, options.admin)), { between = SLOW > 0 ? slowly : atOnce } = options;
    const server = await serveAdmin({ ...admin, fetch: between(admin.fetch) }, "127.0.0.1:0");
    try {
      await visit(`http://127.0.0.1:${server.port}`, (each) => body({ ...each, store }), options.context);
    } finally {
      await server.stop(1);
    }
  });
}
