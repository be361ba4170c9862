/**
 * Tells who left a message in the maildrop that it was not taken, in a report like that of any other failure (RFC 3464).
 * Non-job: sending it.
 */
import { report } from "../dsn/mod.ts";
import { parseAddress } from "../model/address.ts";
import { NO_MAIL_PARAMETERS } from "../model/envelope.ts";
import { headerEnd } from "../model/headers.ts";
import { newId } from "../model/id.ts";
import type { Outcome } from "../smtp/client/mod.ts";
import type { Drop } from "./drop.ts";
import type { Submission } from "./submit.ts";

/** A recipient who does not get it, and why. */
export interface Failed {
  readonly to: string;
  readonly outcome: Pick<Outcome, "status" | "text" | "reply">;
  /** It was tried for too long. */
  readonly expired: boolean;
}

/** Null where the message has no sender who could be told. */
export async function noticeOf(
  drop: Drop,
  failed: readonly Failed[],
  { hostname, now }: { readonly hostname: string; readonly now: number },
): Promise<Submission | null> {
  const sender = parseAddress(drop.from);
  if (sender === null || drop.notify !== null && !drop.notify.includes("FAILURE")) return null;
  const events = failed.flatMap(({ to, outcome, expired }) => {
    const address = parseAddress(to);
    if (address === null) return [];
    const recipient = { address, original: address, parameters: { notify: drop.notify, orcpt: null } };
    const words = outcome.reply === null ? outcome.text : `${outcome.reply.code} ${outcome.text}`;
    return [{
      action: "failed" as const,
      recipient,
      status: outcome.status,
      words,
      remote: null,
      at: now,
      ...expired && { cause: "expired" as const },
    }];
  });
  if (events.length === 0) return null;
  const { content } = drop, id = newId(now);
  const written = await report({ kind: "failure", to: sender, double: false, events }, {
    id: newId(drop.at),
    sender,
    parameters: { ...NO_MAIL_PARAMETERS, ret: drop.ret, envid: drop.envid },
    origin: { session: "", ip: "", helo: "", identity: null, protocol: "", listener: "" },
    receivedAt: drop.at,
    summary: { from: drop.from, to: drop.to.join(", "), subject: "" },
  }, {
    size: content.length,
    memory: content,
    head: content.subarray(0, Math.max(headerEnd(content), 0)),
    stream: () => new Blob([content]).stream(),
  }, { id, host: hostname, contact: null, now });
  return { from: "", to: [drop.from], notify: ["NEVER"], ret: null, envid: null, content: written.content };
}
