/**
 * /api/v1/chaos: errors on purpose, as the plugin `chaos` makes them: which are set, how often each was used, and others in
 * their place. Non-job: what a rule means (the plugin), those of the configuration.
 */
import { Hono } from "hono";
import { type ChaosRules, RulesError, type UsedRule } from "../config/chaos.ts";
import type { AdminEnv, AdminOptions } from "./options.ts";
import { jsonBody } from "./parameters.ts";
import { Problem } from "./problem.ts";

export interface ChaosOptions {
  readonly rules: ChaosRules;
  /** Whether the plugin is in a list: rules that nobody reads are told of. */
  isThere(): boolean;
}

export function chaos(options: ChaosOptions): Hono<AdminEnv> {
  const { rules } = options, app = new Hono<AdminEnv>();
  app.get("/", async (c) => c.json({ rules: (await rules.list()).map(usedJson) }));
  app.put("/", async (c) => {
    const { rules: wanted } = (await jsonBody(c.req.raw, undefined, 64 * 1024) ?? {}) as { rules?: unknown };
    c.set("subject", Array.isArray(wanted) ? `${wanted.length} rules` : "rules");
    await setRules(options, wanted);
    return c.json({ rules: (await rules.list()).map(usedJson) });
  });
  app.delete("/", async (c) => {
    c.set("subject", "no rules");
    await setRules(options, []);
    return c.json({ rules: [] });
  });
  return app;
}

/** @throws {Problem} 409 where no plugin asks for them, 400 with what is wrong with them */
export async function setRules({ rules, isThere }: ChaosOptions, wanted: unknown): Promise<void> {
  if (!isThere()) throw new Problem(409, "No plugin here makes errors on purpose: put chaos in the list.");
  try {
    await rules.set(wanted);
  } catch (error) {
    if (error instanceof RulesError) throw new Problem(400, error.message);
    throw error;
  }
}

export function hasPlugin({ plugins }: Pick<AdminOptions, "plugins">, name: string): boolean {
  return plugins().some((each) => each.plugins.some((plugin) => plugin.name === name));
}

function usedJson({ rule, used }: UsedRule): Record<string, unknown> {
  return { ...rule, used };
}
