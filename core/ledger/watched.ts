/**
 * What plugins in mode observe would have done, in words for people: the same on the page of a story and in its text.
 * Nothing is made safe to print here: who prints it does that. Pure. Non-job: the rest of a story (telling.ts).
 */
import type { Entry, Step } from "./story.ts";

/** The worst that a plugin in mode observe would have brought about, and who. */
export interface Watched {
  readonly what: NonNullable<Entry["observed"]>;
  readonly plugin: string;
  /** Why, without what it would have said; may be empty. */
  readonly reason: string;
  /** The names of others that would have done the same. */
  readonly others: readonly string[];
}

const WORST = ["refused", "deferred", "held"] as const;

/** What this step would have brought about; null when it would have gone on. */
export function wouldHave({ observed, verdict, held }: Pick<Step, "observed" | "verdict" | "held">) {
  if (!observed) return null;
  if (verdict === "reject") return "refused";
  if (verdict === "defer") return "deferred";
  return held.some(isHold) ? "held" : null;
}

/** Null when nothing would have come of it. */
export function watchedOf(steps: readonly Step[]): Watched | null {
  for (const what of WORST) {
    const found = steps.filter((each) => wouldHave(each) === what), [first] = found;
    if (first === undefined) continue;
    const others = new Set(found.map(({ plugin }) => plugin).filter((each) => each !== first.plugin));
    const hold = first.held.find(isHold) as { reason?: unknown } | undefined;
    const words = what === "held" && typeof hold?.reason === "string" ? hold.reason : first.reason;
    return { what, plugin: first.plugin, reason: withoutSaid(words), others: [...others] };
  }
  return null;
}

/** What nobody was told stands behind the reason (core/pipeline/calls/call.ts); alone it is all that is known. */
function withoutSaid(reason: string): string {
  const at = reason.indexOf(". It would have said ");
  return at < 0 ? reason : reason.slice(0, at);
}

/** True of a change that would have held the message for a person. */
export function isHold(change: unknown): boolean {
  return fieldsOf(change)["do"] === "hold";
}

/**
 * A change that was held back, as what follows "It would have ". What is not known here stands there as it is.
 *
 * @example
 * ```ts
 * import { changeWords } from "./watched.ts";
 * import { assertEquals } from "@std/assert";
 * assertEquals(changeWords({ do: "score", points: 4, reason: "listed" }), "given +4 points: listed");
 * assertEquals(changeWords({ do: "header", name: "Bcc", value: null }), "removed Bcc");
 * ```
 */
export function changeWords(change: unknown): string {
  const { do: what, name, value, points, reason, recipient, address, cut } = fieldsOf(change);
  if (cut !== undefined) return `made a change too long to keep (${String(what)})`;
  const whose = typeof recipient === "number" ? ` for recipient ${recipient + 1}` : "";
  switch (what) {
    case "header":
    case "replace":
      return value === null ? `removed ${name}` : `${what === "replace" ? "replaced" : "written"} ${name}: ${value}`;
    case "fields": {
      const { changes } = fieldsOf(change);
      const n = Array.isArray(changes) ? changes.length : 0;
      return `changed ${n} header ${n === 1 ? "field" : "fields"}`;
    }
    case "score":
      return `given ${typeof points === "number" && points > 0 ? "+" : ""}${points} points: ${reason}`;
    case "hold":
      return `held it: ${reason}`;
    case "rewrite":
      return `rewritten the body: ${reason}`;
    case "identify":
      return `signed the client in as ${fieldsOf(change)["user"]}`;
    case "route":
      return `sent it ${routeWords(fieldsOf(change)["route"])}`;
    case "expand": {
      const { members } = fieldsOf(change);
      return `put ${addresses(members)} in its place`;
    }
    case "copy":
      return `sent a copy to ${addressWords(address)}`;
    case "suppress":
      return `put ${addressWords(address)} on the suppression list: ${reason}`;
    case "refuse": {
      const { code, status, text } = fieldsOf(fieldsOf(change)["reply"]);
      return `told ${code} ${status} ${text}${whose}`;
    }
    case "drop":
      return `dropped the copy${whose}`;
    case "settle":
      return `${fieldsOf(change)["result"]} the copy${whose}`;
    case "deposit":
      return `put it into the inbox ${fieldsOf(change)["inbox"]}${whose}`;
    case "reversePath":
      return `made ${addressWords(address)} the sender${whose}`;
    case "forwardPath":
      return `made ${addressWords(address)} the recipient${whose}`;
    case "postpone":
      return "put its delivery off";
    case "sign":
      return "signed it";
    default:
      return `done ${JSON.stringify(change) ?? "something"}`;
  }
}

function routeWords(route: unknown): string {
  const { to, plugin, via } = fieldsOf(route);
  return to === "local" ? `to ${plugin}` : via === undefined ? "to other hosts" : `by way of ${via}`;
}
function addressWords(address: unknown): string {
  if (typeof address === "string") return address;
  const { local, domain } = fieldsOf(address);
  return `${local}@${domain}`;
}
const NAMED = 3;
function addresses(list: unknown): string {
  if (!Array.isArray(list)) return "others";
  const named = list.slice(0, NAMED).map(addressWords).join(", ");
  return list.length > NAMED ? `${named} and ${list.length - NAMED} more` : named;
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? value as Readonly<Record<string, unknown>> : {};
}
