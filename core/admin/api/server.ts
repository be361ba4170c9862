/**
 * The API of the server itself: POST /api/v1/reload, and what is there: /server, /certificates, /configuration (secrets masked),
 * /tokens (never a token), /webhooks. Non-job: what a reload does (the composition root), telling hooks (core/webhooks).
 */
import { Hono } from "hono";
import type { AccessToken } from "../access/scope.ts";
import type { AdminEnv, AdminOptions } from "../options.ts";
import { Problem } from "../problem.ts";

/** Faults of a configuration that one answer tells. */
const MOST_FAULTS = 20;

export interface ServerApiOptions {
  readonly admin: Pick<AdminOptions, "site" | "reload" | "webhooks" | "certificates" | "configuration">;
  /** Those that are valid now. */
  tokens(): readonly AccessToken[];
}

export function serverApi({ admin, tokens }: ServerApiOptions): Hono<AdminEnv> {
  const app = new Hono<AdminEnv>();

  app.post("/reload", async (c) => {
    c.set("subject", "configuration");
    if (admin.reload === undefined) throw new Problem(409, "This server has no configuration to read again.");
    const { changed, faults } = await admin.reload();
    if (faults.length > 0) {
      const first = faults.slice(0, MOST_FAULTS);
      throw new Problem(422, `Nothing has changed: ${first.join("; ")}`, {}, { faults: first });
    }
    return c.json({ changed });
  });

  app.get("/server", (c) => {
    const { version, hostname, node = null, startedAt, smtp } = admin.site;
    return c.json({ version, hostname, node, startedAt: new Date(startedAt).toISOString(), smtp });
  });

  app.get("/certificates", (c) => {
    const items = (admin.certificates?.() ?? []).map(({ path, key: _, notBefore, notAfter, writtenAt, ...rest }) => ({
      ...rest,
      notBefore: new Date(notBefore).toISOString(),
      notAfter: new Date(notAfter).toISOString(),
      file: path,
      writtenAt: writtenAt === null ? null : new Date(writtenAt).toISOString(),
    }));
    return c.json({ items });
  });

  app.get("/configuration", (c) => {
    if (admin.configuration === undefined) throw new Problem(409, "This server does not tell its configuration.");
    const { readAt, ...rest } = admin.configuration();
    return c.json({ ...rest, readAt: new Date(readAt).toISOString() });
  });

  app.get("/tokens", (c) =>
    c.json({
      items: tokens().map(({ name, scopes, networks, account }) => ({ name, scopes, networks, account })),
    }));

  app.get("/webhooks", (c) =>
    c.json({
      items: (admin.webhooks?.() ?? []).map(({ delivered, ...rest }) => ({
        ...rest,
        delivered: delivered === null ? null : new Date(delivered).toISOString(),
      })),
    }));
  return app;
}
