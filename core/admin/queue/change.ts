/**
 * What a person may do to what is queued: the verbs, and the change that each of them is with what a request says.
 * Values only. Non-job: doing it (the dispatcher where it runs, else the store).
 */
import type { QueueChange, QueueQuery } from "../../store/store.ts";
import { optional } from "../messages/messages.ts";
import { domainOf, stateOf, textOf, timeOf } from "../parameters.ts";
import { Problem } from "../problem.ts";
import { routeChange, type Ways } from "./ways.ts";

export const QUEUE_VERBS = ["retry", "hold", "release", "bounce", "route", "delete"] as const;
export type QueueVerb = typeof QUEUE_VERBS[number];

/** What a sender is told who is told nothing better. */
export const BOUNCE_REASON = "returned by the postmaster";
/** Characters of a reason. */
export const MOST_REASON = 300;
/** Characters of a text that is looked for. */
export const MOST_TEXT = 200;
/** Characters of an address that is looked for. */
const MOST_ADDRESS = 320;

/**
 * The change of a verb. `body` is what came with the request: nothing but for `bounce` and `route`.
 *
 * @throws {Problem} 400 saying what would be right.
 */
export function queueChange(
  verb: QueueVerb,
  { body, ways }: { readonly body: unknown; readonly ways: Ways },
): QueueChange {
  switch (verb) {
    case "hold":
      return { do: "hold", reason: "held by hand" };
    case "bounce":
      return { do: "bounce", reason: reasonOf(objectOf(body)) };
    case "route":
      return routeChange(objectOf(body), ways);
    default:
      return { do: verb };
  }
}

function objectOf(body: unknown): Readonly<Record<string, unknown>> {
  if (typeof body === "object" && body !== null && !Array.isArray(body)) return { ...body };
  throw new Problem(400, "The body is a JSON object.");
}

/** One line: it stands in the report to the sender. */
function reasonOf({ reason = "", ...rest }: Readonly<Record<string, unknown>>): string {
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined) throw new Problem(400, `There is no ${JSON.stringify(unknown.slice(0, 64))} here.`);
  const text = typeof reason === "string" ? reason.trim() : null;
  if (text === null || text.length > MOST_REASON || /\p{Cc}|[\u2028\u2029]/u.test(text)) {
    throw new Problem(400, `reason is one line of ${MOST_REASON} characters at most.`);
  }
  return text === "" ? BOUNCE_REASON : text;
}

/** The filter of a request. */
export function queueFilter(query: Readonly<Record<string, string | undefined>>): QueueQuery {
  return {
    ...optional("state", stateOf(query["state"])),
    ...optional("domain", domainOf(query["domain"])),
    ...optional("q", textOf("q", query["q"]?.trim(), MOST_TEXT)),
    ...optional("from", textOf("from", query["from"]?.trim(), MOST_ADDRESS)),
    ...optional("to", textOf("to", query["to"]?.trim(), MOST_ADDRESS)),
    ...optional("receivedBefore", timeOf("before", query["before"])),
  };
}

/** The filter of a change: it must name something, so that no slip of the hand empties the queue. */
export function changeFilter(query: Readonly<Record<string, string | undefined>>): QueueQuery {
  const filter = queueFilter(query);
  if (Object.keys(filter).length === 0) {
    throw new Problem(400, "Name a state, a domain, a text that addresses have, from, to, or before when it came.");
  }
  return filter;
}
