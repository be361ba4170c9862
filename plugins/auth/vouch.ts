/** Says who a client is, in one way for all back ends: what an earlier try left on the connection must not stay. */
import type { AuthContext } from "../../core/pipeline/mod.ts";
import { ACCOUNT } from "./accounts/key.ts";

/** `senders`: what it may send as, in the forms of ACCOUNT; none where the back end does not say. */
export function vouch(ctx: AuthContext, name: string, senders: readonly string[] = []): void {
  ctx.identify(name);
  ctx.note(`It is ${name}`);
  ctx.set(ACCOUNT, { name, senders });
}
