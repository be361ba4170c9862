/**
 * One attempt at recipients of a queued message that a storage plugin stores: the `queue` phase once more, and what became
 * of each. (SEMANTICS 2, 3, 16.) Non-job: recipients elsewhere (remote.ts), rows (settlement.ts).
 */
import { Reply } from "../model/reply.ts";
import { ReceivedMessage } from "../pipeline/contexts/received_message.ts";
import { type Services, TransactionContext } from "../pipeline/contexts/transaction_context.ts";
import type { Pipeline } from "../pipeline/pipeline.ts";
import type { Body, StoredMessage, StoredRecipient } from "../store/store.ts";
import { ours, type Result, UNTOUCHED } from "./result.ts";

export interface Stored {
  readonly message: StoredMessage;
  readonly recipients: readonly StoredRecipient[];
  readonly body: Body;
  readonly plugin: string;
}

/** A context for plugins that no client is behind any more. */
export function departedContext(services: Omit<Services, "commit">, { origin }: StoredMessage): TransactionContext {
  const { session, listener, ip, identity } = origin;
  return new TransactionContext({ ...services, commit: () => Promise.resolve(null) }, {
    session,
    role: "mx", // nobody is owed a reply for each recipient any more, as an LMTP client was
    listener,
    client: { ip, port: 0, tls: null, identity },
  });
}

/** May throw: that is a defect of ours, and a reason to try again. An abort of the signal leaves what is not stored untouched. */
export async function storeLocally(
  { message, recipients, body, plugin }: Stored,
  options: { readonly services: Omit<Services, "commit">; readonly pipeline: Pipeline; readonly signal: AbortSignal },
): Promise<readonly Result[]> {
  const { services, pipeline, signal } = options;
  const context = departedContext(services, message);
  const abort = () => context.abort(signal.reason);
  if (signal.aborted) return recipients.map(() => UNTOUCHED);
  signal.addEventListener("abort", abort, { once: true });
  try {
    context.resume({
      id: message.id,
      sender: message.sender,
      parameters: message.parameters,
      // It may be a rule of the configuration that leads there, and plugins look at the route of the row.
      recipients: recipients.map((each) => ({ ...each, route: { to: "local", plugin } })),
      message: new ReceivedMessage(body, message.parameters.body),
      edits: message.edits,
      tries: Math.max(1, ...recipients.map((each) => each.attempts)),
    });
    const reply = await pipeline.run("queue", context);
    return recipients.map((_, place) => resultAt(place, { context, reply, plugin }));
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

function resultAt(
  place: number,
  { context, reply, plugin }: {
    readonly context: TransactionContext;
    readonly reply: Reply;
    readonly plugin: string;
  },
): Result {
  const { address, original, result } = context.recipients[place]!;
  const deposits = context.deposits
    .filter(({ recipient }) => context.placeOf(recipient) === place)
    .map(({ inbox }) => ({ inbox, address, original }));
  const stored = { ...ours("delivered", "2.0.0", "stored"), relay: plugin };
  if (deposits.length > 0) return { ...stored, deposits };
  if (result === "stored") return stored;
  if (result === "discarded") return { ...stored, words: "discarded", silent: true };
  if (result === null && context.gone !== null) return UNTOUCHED;
  const why = result instanceof Reply ? result : reply.verdict === "accept" ? null : reply;
  if (why === null) {
    return { ...ours("deferred", "4.3.5", `no plugin named "${plugin}" stores mail here`), relay: plugin };
  }
  const verdict = result instanceof Reply && result.verdict === "reject" ? "rejected" : "deferred";
  return { ...ours(verdict, why.status, why.toString()), relay: plugin };
}
