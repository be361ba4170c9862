/**
 * Who is behind the sessions that events speak of, for observers that count what strangers do: an address, and whether it
 * has logged in. Only sessions of listeners that the plugin serves: a list of its own for a listener has an instance of its
 * own, which hears of everything too. Non-job: what a deed counts (ban, reputation).
 */
import { canonicalIp, type ConnectContext, type Event } from "../../core/pipeline/mod.ts";

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
  readonly #listeners = new Set<string>();

  /** For the handler of `connect`: this listener is served, this session is one of it. */
  meet({ session, listener, client: { ip } }: Pick<ConnectContext, "session" | "listener" | "client">): void {
    this.#listeners.add(listener);
    this.#begin(session, ip);
  }

  /** Takes note of an event; returns whose it is, or null where it is no session's that is followed. */
  follow(event: Event): Session | null {
    if (!("session" in event)) return null;
    const { session: id, type } = event;
    if (type === "session-opened") {
      if (this.#listeners.has(event.listener)) this.#begin(id, event.ip); // its `connect` may end before our handler
      return null;
    }
    let session = this.#open.get(id);
    if (session === undefined) return null;
    if (type === "session-proxied") this.#begin(id, event.ip);
    else if (type === "session-closed") this.#open.delete(id);
    else if (type === "login" && event.ok) this.#open.set(id, session = { ...session, loggedIn: true });
    return session;
  }

  #begin(id: string, ip: string): void {
    if (canonicalIp(ip) === null) return; // a socket of this machine
    this.#open.set(id, { ip, loggedIn: false, counted: new Set() });
    if (this.#open.size > MOST) this.#open.delete(this.#open.keys().next().value!);
  }
}
