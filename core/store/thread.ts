/**
 * A worker thread that answers each question once, in order. When it dies, every question under way is answered with
 * an error, and so is every later one. Non-job: what is asked (protocol.ts), starting it again (sqlite.ts).
 */
import { StoreError } from "./store.ts";

interface Waiting<Reply> {
  resolve(reply: Reply): void;
  reject(error: StoreError): void;
}

export class DatabaseThread<Request, Reply> {
  readonly #worker: Worker;
  readonly #waiting: Waiting<Reply>[] = [];
  #dead: StoreError | null = null;

  /** `died` is called once, after every question was answered, unless `end` was called before. */
  constructor(worker: Worker, died: (why: string) => void) {
    this.#worker = worker;
    worker.onmessage = ({ data }: MessageEvent<Reply>) => this.#waiting.shift()?.resolve(data);
    worker.onerror = (event) => {
      event.preventDefault();
      if (this.#dead) return;
      this.#stop(new StoreError("io", `the database thread ended: ${event.message}`));
      setTimeout(() => died(event.message)); // whoever asked has heard of it by then, and said what was lost
    };
    worker.onmessageerror = () => worker.onerror?.(new ErrorEvent("error", { message: "unreadable answer" }));
  }

  ask(request: Request, transfer: Transferable[] = []): Promise<Reply> {
    if (this.#dead) return Promise.reject(this.#dead);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#worker.postMessage(request, transfer);
    });
  }

  end(): void {
    this.#stop(new StoreError("closed", "the store is closed"));
  }

  #stop(why: StoreError): void {
    if (this.#dead) return;
    this.#dead = why;
    this.#worker.terminate();
    for (const { reject } of this.#waiting.splice(0)) reject(why);
  }
}
