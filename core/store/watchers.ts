/** Who wants to hear of arrivals and removals. A listener that throws hurts nobody else. */
import type { Inboxes } from "./store.ts";

type Listener = Parameters<Inboxes["watch"]>[0];

export class Watchers {
  readonly #listeners = new Set<{ readonly listener: Listener }>();
  constructor(readonly trouble: (message: string) => void) {}

  add(listener: Listener): () => void {
    const entry = { listener }; // the same function may watch twice
    this.#listeners.add(entry);
    return () => void this.#listeners.delete(entry);
  }

  tell(type: "arrived" | "removed", { id, inbox }: { readonly id: string; readonly inbox: string }): void {
    for (const { listener } of this.#listeners) {
      try {
        listener({ type, id, inbox });
      } catch (error) {
        this.trouble(`a listener of the inboxes threw: ${error}`);
      }
    }
  }
}
