/** The host of a session that is recorded: does what the host does, and tells the tape. Non-job: deciding anything. */
import type { Reply } from "../model/reply.ts";
import type { Host, HostAnswer } from "../net/inbound.ts";
import type { TlsFacts } from "../pipeline/contexts/contexts.ts";
import type { Asking } from "../smtp/events.ts";
import type { SessionTape } from "./session_tape.ts";

export class RecordedHost implements Host {
  readonly #host: Host;
  readonly #tape: SessionTape;

  constructor(host: Host, tape: SessionTape) {
    this.#host = host;
    this.#tape = tape;
  }

  ask(event: Asking): HostAnswer | Promise<HostAnswer> {
    const answer = this.#host.ask(event);
    if (!(answer instanceof Promise)) return answer;
    return answer.then((reply) => {
      this.#tape.answered();
      return reply;
    });
  }
  secured(facts: TlsFacts, bindings: () => ReadonlyMap<string, Uint8Array>): void {
    this.#tape.secured(facts);
    this.#host.secured(facts, bindings);
  }
  body(chunk: Uint8Array): void | Promise<void> {
    return this.#host.body(chunk);
  }
  spoiled(): void {
    this.#host.spoiled();
  }
  reset(): void {
    this.#host.reset();
  }
  refused(command: string, reply: Reply): void {
    this.#host.refused(command, reply);
  }
  talks(): void {
    this.#host.talks?.();
  }
  failed(error: unknown): void {
    this.#host.failed(error);
  }
  gone(reason: string): void {
    this.#host.gone(reason);
    this.#tape.end(reason);
  }
}
