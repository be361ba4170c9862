/**
 * Who is behind the sessions that events speak of, for observers that count what strangers do: an address, and whether it
 * has logged in. A cache of the connections that are open now; an event of a session that it lost is about nobody.
 * Non-job: what a deed counts (ban, reputation).
 */
import type { Event } from "../../core/pipeline/mod.ts";

/** A session that is open, or was until this event. */
export interface Session {
  /** The peer's address. */
  readonly ip: string;
  /** Somebody has logged in: nothing of it is a stranger's deed. */
  readonly loggedIn: boolean;
  /** What was counted already and counts once. */
  readonly counted: Set<string>;
}

/** More than a server has open at a time. */
const MOST = 20_000;

export class Sessions {
  readonly #open = new Map<string, Session>();

  /** Takes note of an event; returns whose it is, or null where it is no session's. */
  follow(event: Event): Session | null {
    if (!("session" in event) || event.session === "") return null;
    const { session: id, type } = event;
    if (type === "session-opened" || type === "session-proxied") return this.#begin(id, event.ip);
    let session = this.#open.get(id) ?? null;
    if (session === null && (type === "refused" || type === "login" || type === "accepted")) {
      session = this.#begin(id, event.ip);
    }
    if (session === null) return null;
    if (type === "login" && event.ok) this.#open.set(id, session = { ...session, loggedIn: true });
    if (type === "session-closed") this.#open.delete(id);
    return session;
  }

  #begin(id: string, ip: string): Session {
    const session: Session = { ip, loggedIn: false, counted: new Set() };
    this.#open.set(id, session);
    if (this.#open.size > MOST) this.#open.delete(this.#open.keys().next().value!);
    return session;
  }
}
