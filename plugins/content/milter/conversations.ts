/**
 * The conversations with a milter, one for each session that is open. A call may go on when its client has left, and what
 * it needs then is kept by nobody. Non-job: what is said (conversation.ts).
 */
import type { ConnectContext } from "../../../core/pipeline/mod.ts";
import { Conversation } from "./conversation.ts";
import type { Server } from "./server.ts";

export class Conversations {
  readonly #server: Server;
  readonly #open = new Map<string, Conversation>();

  constructor(server: Server) {
    this.#server = server;
  }

  /** Sessions that are remembered. */
  get size(): number {
    return this.#open.size;
  }

  /** That of a session; a new one where there was none. */
  of({ session, signal }: Pick<ConnectContext, "session" | "signal">): Conversation {
    const known = this.#open.get(session);
    if (known !== undefined) return known;
    const conversation = new Conversation(this.#server);
    if (!signal.aborted) this.#open.set(session, conversation); // else nobody tells of its end any more
    return conversation;
  }

  /** The session is over. */
  end(session: string): void {
    this.#open.get(session)?.end();
    this.#open.delete(session);
  }
}
