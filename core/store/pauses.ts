/** Waits of a known length that end early when there is something to do. Non-job: how long, and what for. */
export class Pauses {
  readonly #under = new Set<() => void>();

  /** Resolves after so many milliseconds, or when it is ended. */
  wait(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer);
        this.#under.delete(end);
        resolve();
      };
      const timer = setTimeout(end, milliseconds);
      this.#under.add(end);
    });
  }

  /** Ends the one that began first. */
  endOne(): void {
    const [end] = this.#under;
    end?.();
  }

  endAll(): void {
    for (const end of [...this.#under]) end();
  }
}
