/** One login at a plugin, and what came of it; secrets are looked for in everything that anybody was told. */
import { assert, assertEquals } from "@std/assert";
import type { Plugin } from "../../../../core/pipeline/mod.ts";
import { runPhase, type Simulated } from "../../../../core/pipeline/testing/simulation.ts";
import { ACCOUNT } from "../../../../plugins/auth/accounts/key.ts";

export interface Outcome {
  /** Who it is, or the reply that said no. */
  readonly said: string;
  readonly senders: readonly string[];
  /** What the log has of it: reasons of decisions. */
  readonly reasons: readonly string[];
}

/** Nobody vouched. */
export const NO = "535 5.7.8 Authentication failed";
/** The back end failed. */
export const LATER = "454 4.7.0 Temporary authentication failure";

/** Logs in by PLAIN unless `facts` say otherwise. */
export async function login(
  plugin: Plugin | readonly Plugin[],
  user: string,
  password: string,
  facts: Simulated & { readonly mechanism?: string } = {},
): Promise<Outcome> {
  const { mechanism = "PLAIN" } = facts;
  const result = await runPhase(plugin, "auth", { ...facts, login: { user, password, mechanism } });
  if (password.length > 5) {
    assert(!JSON.stringify([result.events, String(result.reply)]).includes(password), "the secret was told");
  }
  const account = result.get(ACCOUNT);
  if (result.reply.verdict === "accept") assertEquals(account?.name, result.identity);
  return {
    said: result.reply.verdict === "accept" ? `yes ${result.identity}` : String(result.reply),
    senders: account?.senders ?? [],
    reasons: result.decisions.filter((each) => each.verdict === "error").map(({ reason }) => reason),
  };
}
