/**
 * Logins without their secrets: who succeeded then succeeds now, who failed fails with the same words. Plugins are asked
 * with a claim that fits whatever they have stored, and that shows nothing to those who would ask somebody else.
 * Non-job: what is recorded of a login (session_tape.ts).
 */
import { accept, reject, type Reply } from "../model/reply.ts";
import { on, type Plugin } from "../pipeline/plugin.ts";
import { type Claim, type Mechanism, MECHANISMS } from "../smtp/sasl/mod.ts";

/** How a login ended. */
export interface LoginOutcome {
  /** As whom; null: it came to nothing. */
  readonly user: string | null;
  /** What the client was told where it came to nothing. */
  readonly reply: Reply | null;
}
type Ask = () => LoginOutcome;

/** All mechanisms, and none of them talks to the client: `outcome` says how it ends. */
export function recordedMechanisms(outcome: Ask): ReadonlyMap<string, Mechanism> {
  const claim = (): Promise<Claim> => {
    const { user } = outcome();
    return Promise.resolve({
      user: user ?? "",
      authzid: "",
      reveal: () => null,
      verify: () => Promise.resolve(user !== null),
    });
  };
  return new Map(
    [...MECHANISMS].map(([name, { plaintext, needsBinding, needsCertificate }]) => [
      name,
      { name, plaintext, needsBinding, needsCertificate, claim },
    ]),
  );
}

/** Stands first: plugins behind it are asked about a login that succeeded, and have no say in whether it did. */
export function recordedLogin(outcome: Ask): Plugin {
  return on("auth", async (ctx, next) => {
    const { user, reply } = outcome();
    if (user === null) return reply ?? reject("5.7.8", "Authentication failed", { code: 535 });
    const below = await next();
    if (below.verdict === "accept") return below;
    ctx.identify(user);
    return accept("OK", { over: below });
  }, { name: "recorded_login" });
}
