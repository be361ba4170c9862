/**
 * What a plugin in a sandbox is asked beside its handlers: to sign what goes out, to do a job, to learn, to hear of an event.
 * Non-job: when (the pipeline and its errands, outside).
 */
import type { Host, Signer } from "../../pipeline/contexts/contexts.ts";
import type { Event } from "../../observe/events.ts";
import type { ObserverHouse, Plugin } from "../../pipeline/plugin.ts";
import { toWireError } from "../values.ts";
import type { Inward } from "../wire.ts";
import { AskedCounters, AskedResolver, HeldBody, type Post, Questions } from "./questions.ts";

type Message = Extract<Inward, { do: "sign" | "job" | "learn" | "observe" }>;

/** One of them at work. */
export class Errand {
  readonly questions: Questions;
  readonly #post: Post;
  readonly #message: Message;
  readonly #stop = new AbortController();
  /** It has said what came of it. */
  done = false;

  constructor(post: Post, message: Message) {
    this.#post = post;
    this.#message = message;
    this.questions = new Questions(post, message.call);
    this.questions.clock = message.now;
  }

  /** Does it, and says what came of it. */
  async run(
    plugin: Plugin,
    { host, signer }: { readonly host: Host | null; signer(number: number): Signer | undefined },
  ): Promise<void> {
    const { call } = this.#message;
    try {
      const value = await this.#run(plugin, host, signer);
      this.#post({ do: "done", call, ...(typeof value === "string" ? { value } : {}) });
    } catch (error) {
      this.#post({ do: "done", call, error: toWireError(error) });
    } finally {
      this.done = true;
    }
  }

  abort(why: Error): void {
    this.#stop.abort(why);
  }

  async #run(plugin: Plugin, host: Host | null, signer: (number: number) => Signer | undefined): Promise<unknown> {
    const message = this.#message;
    switch (message.do) {
      case "sign": {
        const sign = signer(message.signer);
        if (sign === undefined) throw new Error("that signer is gone");
        const body = new HeldBody(message.content, this.questions), { size, head, memory } = body;
        return await sign({ size, head, memory, stream: () => body.stream() });
      }
      case "learn":
        return await plugin.learn!(message.content, message.as, this.#house());
      case "observe":
        return await plugin.observe!(message.event as Event, this.#house());
      case "job":
        return await plugin.jobs![message.job]!.run({
          ...this.#house(),
          host: host!,
          dns: new AskedResolver(this.questions),
          signal: this.#stop.signal,
          send: async (letter) => void await this.questions.ask({ ask: "send", ...letter }),
        });
    }
  }

  #house(): ObserverHouse {
    const { questions } = this;
    return {
      store: new AskedCounters(questions),
      now: () => questions.now(),
      alert: (subject, message) => void questions.ask({ ask: "alert", subject, message }).catch(() => {}),
    };
  }
}
