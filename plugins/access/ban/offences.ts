/** What of that which happens on this server speaks against the client who did it. Values only. */
import type { Event } from "../../../core/pipeline/mod.ts";
import type { Session } from "../sessions.ts";

/** What an offence is called, and what it is by default. */
export const OFFENCES = {
  earlyTalk: { points: 4, text: "talked before its turn" },
  errors: { points: 4, text: "made too many errors" },
  failedLogin: { points: 2, text: "failed to log in" },
  relaying: { points: 4, text: "wanted to relay" },
  unknownRecipient: { points: 1, text: "wrote to a user that is not there" },
  trap: { points: 10, text: "wrote to a trap" },
} as const;
export type Offence = keyof typeof OFFENCES;

export interface OffenceOptions {
  /** Points of each. */
  readonly points: Readonly<Record<Offence, number>>;
  /** Points of a refusal by a plugin, by its name. */
  readonly refusedBy: Readonly<Record<string, number>>;
  /** Names of spam_trap plugins. */
  readonly traps: ReadonlySet<string>;
}

/** Points and words, or null for what is no offence. `session`: whose the event is. */
export function offenceIn(
  event: Event,
  session: Session,
  options: OffenceOptions,
): { readonly points: number; readonly text: string; readonly kind: Offence | null } | null {
  const of = (kind: Offence) => ({ points: options.points[kind], text: OFFENCES[kind].text, kind });
  switch (event.type) {
    case "login":
      return event.ok ? null : of("failedLogin");
    case "session-closed":
      return event.reason === "too many errors" ? of("errors") : null;
    case "decision": {
      const caught = options.traps.has(event.plugin) && event.phase === "rcpt" && !event.observed &&
        (event.verdict === "accept" || event.verdict === "reject"); // for all other recipients it says `next`
      return caught ? of("trap") : null;
    }
    case "refused": {
      const { plugin, command, reply } = event;
      if (reply.verdict !== "reject") return null;
      const points = plugin === null ? undefined : options.refusedBy[plugin];
      if (points !== undefined) {
        // A refusal that was put off is spoken to every recipient
        if (session.counted.has(plugin!)) return null;
        session.counted.add(plugin!);
        return { points, text: `was refused by ${plugin}`, kind: null };
      }
      if (command === "early talk") return of("earlyTalk");
      if (command !== "RCPT" || plugin !== null && options.traps.has(plugin)) return null;
      // Whose server bounces what somebody sends in our name has written to nobody
      if (reply.status === "5.1.1") return event.sender === "" ? null : of("unknownRecipient");
      return reply.status === "5.7.1" && plugin === "core" ? of("relaying") : null;
    }
    default:
      return null;
  }
}
