/**
 * One message that nobody has sent, taken through a listener: what each plugin says, what the client would be told, and
 * what would be kept. Non-job: words for people (cli/try), making the house (stage.ts).
 */
import { formatAddress } from "../model/address.ts";
import { Reply } from "../model/reply.ts";
import type { Event } from "../observe/events.ts";
import type { Score } from "../pipeline/contexts/contexts.ts";
import type { TransactionContext } from "../pipeline/contexts/transaction_context.ts";
import { rows } from "../pipeline/endings/settlement.ts";
import { OverlayCounters } from "./asking.ts";
import { commandOf } from "./compare.ts";
import type { DryHouse, SessionServices } from "./house.ts";
import { play } from "./player.ts";
import { plainReply } from "./recording.ts";
import { recordingOf, type Scene } from "./scene.ts";

/** What the client said, and what came of it. */
export interface Turn {
  /** "RCPT TO:<b@example.org>", "the message". */
  readonly command: string;
  /** As on the wire, without references; null: it did not come to that. */
  readonly reply: string | null;
  /** What observers would be told, in order. */
  readonly events: readonly Event[];
}
/** Where a recipient's copy would go. */
export interface WouldGo {
  readonly recipient: string;
  readonly state: string;
  /** "local maildir", "remote", "remote via upstream". */
  readonly way: string;
}
/** What the queue would be given. */
export interface WouldKeep {
  readonly recipients: readonly WouldGo[];
  /** Why it would be held; null: it would not. */
  readonly held: string | null;
  readonly scores: readonly Score[];
  /** Fields in front of the message, with CRLF at the end of each. */
  readonly added: string;
}
export interface Attempted {
  readonly turns: readonly Turn[];
  /** Null: it would be refused. */
  readonly kept: WouldKeep | null;
}

export async function attempt(
  scene: Scene,
  house: DryHouse,
  services: Pick<SessionServices, "dns"> & { readonly counters: ConstructorParameters<typeof OverlayCounters>[0] },
): Promise<Attempted> {
  const recording = recordingOf(scene), told: Event[][] = recording.acts.map(() => []);
  let kept: WouldKeep | null = null;
  const { acts } = await play(recording, house, {
    dns: services.dns,
    counters: new OverlayCounters(services.counters, () => scene.at),
    // Another host would learn of a message that there is not
    callAhead: () => Promise.resolve(NOT_ASKED),
    outside: null, // asking is reading
    emit: (event, at) => void told[at]!.push(event),
    taken: (transaction) => void (kept = keptOf(transaction)),
  });
  return {
    kept,
    turns: recording.acts.map((act, at) => ({
      command: commandOf(act),
      reply: acts[at] ? plainReply(acts[at].said) : null,
      events: told[at]!,
    })),
  };
}

function keptOf(transaction: TransactionContext): WouldKeep {
  const { held, scores, edits } = transaction;
  const recipients = rows(transaction).map(({ recipient, state, route: instead }) => {
    const route = instead ?? recipient.route;
    const via = route !== null && "via" in route && route.via ? ` via ${route.via}` : "";
    const way = route === null ? "nowhere" : route.to === "local" ? `local ${route.plugin}` : `${route.to}${via}`;
    return { recipient: formatAddress(recipient.address), state, way };
  });
  return { recipients, held, scores, added: edits.prepend };
}

const NOT_ASKED = new Reply(252, "2.0.0", "No other server is asked by a trial");
