/**
 * Events and replies as they cross to another thread, which takes values and no classes. Non-job: when they cross.
 */
import { Reply } from "../model/reply.ts";
import type { Event, Refused } from "../observe/events.ts";

/** A reply's parts. */
export type PackedReply = readonly [code: number, status: string, text: string, options: Reply["options"]];
export type PackedEvent = Exclude<Event, Refused> | Omit<Refused, "reply"> & { readonly reply: PackedReply };

/** What it overrules stays behind: whoever is told of a refusal has heard of that by itself. */
export function packReply({ code, status, text, options }: Reply): PackedReply {
  const { over: _, ...rest } = options;
  return [code, status, text, rest];
}
export function unpackReply([code, status, text, options]: PackedReply): Reply {
  return new Reply(code, status, text, options);
}

export function packEvent(event: Event): PackedEvent {
  return event.type === "refused" ? { ...event, reply: packReply(event.reply) } : event;
}
export function unpackEvent(event: PackedEvent): Event {
  return event.type === "refused" ? { ...event, reply: unpackReply(event.reply) } : event;
}
