/**
 * The routes of the pages about this server: its plugins, its configuration, its certificates, its API. Non-job: how they
 * look (ui/server/), how the configuration is read again (core/reload.ts).
 */
import type { Hono } from "hono";
import type { PluginFaults } from "../observe/plugin_faults.ts";
import { openapi } from "./openapi/openapi.ts";
import type { AdminEnv, Reloaded } from "./options.ts";
import type { PagesContext } from "./pages_context.ts";
import { Problem } from "./problem.ts";
import { apiPage } from "./ui/server/api.ts";
import { auditPage } from "./ui/server/audit.ts";
import { certificatesPage } from "./ui/server/certificates.ts";
import { configurationPage } from "./ui/server/configuration.ts";
import { pluginsPage } from "./ui/server/plugins.ts";

const DAY = 86_400_000;
/** Acts on a page of the audit. */
const ACTS = 200;

export interface ServerPagesOptions extends PagesContext {
  readonly faults: PluginFaults;
}

export function serverPages(app: Hono<AdminEnv>, options: ServerPagesOptions): void {
  const { admin, faults, context, form: formOf, answer } = options, { ledger = null } = admin;

  app.get("/plugins", async (c) => {
    const shell = await context();
    const counts = await ledger?.plugins(shell.now - DAY) ?? null;
    const timings = admin.timings?.() ?? null;
    return answer(c, pluginsPage(shell, { listeners: admin.plugins(), timings, counts, faults: faults.list() }));
  });

  const configuration = async (result: Reloaded | null) =>
    configurationPage(await context(), {
      facts: admin.configuration?.() ?? null,
      reloads: admin.reload !== undefined,
      result,
    });
  app.get("/configuration", async (c) => answer(c, await configuration(null)));
  app.post("/configuration/reload", async (c) => {
    await formOf(c);
    if (admin.reload === undefined) throw new Problem(404, "Nothing here reads the configuration again.");
    return answer(c, await configuration(await admin.reload()));
  });

  if (ledger !== null) {
    app.get("/audit", async (c) => {
      const text = c.req.query("before") ?? "", before = /^\d{1,15}$/.test(text) ? Number(text) : null;
      if (text !== "" && before === null) throw new Problem(400, "before is a time in milliseconds since 1970.");
      const rows = await ledger.audits({ limit: ACTS, ...before !== null && { before } });
      const next = rows.length === ACTS ? rows.at(-1)!.at : null;
      return answer(c, auditPage(await context(), { rows, first: before === null, next }));
    });
  }
  app.get("/certificates", async (c) => answer(c, certificatesPage(await context(), admin.certificates?.() ?? null)));
  app.get("/api", async (c) => {
    const { origin } = new URL(c.req.url);
    return answer(c, apiPage(await context(), { document: openapi(admin.site.version), origin }));
  });
}
