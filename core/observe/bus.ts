/** Hands each event to every observer. An observer that throws is dropped after one line; it can hurt nobody else. */
import type { Event, Observer } from "./events.ts";

export class Bus {
  #observers: readonly Observer[] = [];

  /** Returns the function that takes the observer away again. */
  subscribe(observer: Observer): () => void {
    this.#observers = [...this.#observers, observer];
    return () => this.#remove(observer);
  }

  emit(event: Event): void {
    for (const observer of this.#observers) {
      try {
        observer(event);
      } catch (error) {
        this.#remove(observer);
        this.emit({ type: "trouble", where: "observer", message: `dropped after it threw: ${error}` });
      }
    }
  }

  #remove(observer: Observer): void {
    this.#observers = this.#observers.filter((each) => each !== observer);
  }
}
