/** What a listener demands before it serves: TLS (RFC 3207 4), a login (RFC 6409 4.3). Non-job: order (state.ts). */
import { reject, type Reply } from "../model/reply.ts";
import type { Dialogue } from "./dialogue.ts";
import type { Verb } from "./state.ts";

export interface Demands {
  /** Everything but a hello waits for TLS. Never on port 25 (RFC 3207 4). */
  readonly tls: boolean;
  /** MAIL waits for a login. */
  readonly auth: boolean;
}

/** Free before TLS. BDAT has octets behind it and is out of order anyway. */
const BEFORE_TLS: readonly Verb[] = ["EHLO", "LHLO", "HELO", "NOOP", "STARTTLS", "QUIT", "BDAT", "XCLIENT"];
const NO_TLS = reject("5.7.0", "Must issue a STARTTLS command first", { code: 530 });
const NO_LOGIN = reject("5.7.0", "Authentication required", { code: 530 });

/** The refusal of a verb that comes too early for this listener, or null. */
export function demanded(verb: Verb, { options: { demands }, secure, identified }: Dialogue): Reply<"reject"> | null {
  if (demands.tls && !secure && !BEFORE_TLS.includes(verb)) return NO_TLS;
  return demands.auth && !identified && verb === "MAIL" ? NO_LOGIN : null;
}
