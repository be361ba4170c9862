/**
 * /api/v1/events: what happens, as it happens, as server-sent events (HTML Standard 9.2): `arrived` and `removed` of the
 * inbox, `accepted`, `refused` and `session` (it has ended) of the server. An event is a hint to look again, not a record:
 * who reads too slowly is cut off, connects anew and looks again.
 */
import { Hono } from "hono";
import type { Bus } from "../observe/bus.ts";
import type { Event } from "../observe/events.ts";
import type { Store } from "../store/store.ts";
import type { AdminEnv, AdminLimits } from "./options.ts";
import { Problem } from "./problem.ts";

type Controller = ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>;
/** Recipients that one event names: what waits for a client must stay small. */
const MAX_NAMED = 20;
const utf8 = new TextEncoder();

export class EventStreams {
  readonly #limits: AdminLimits;
  readonly #clients = new Set<Controller>();
  readonly #stop: (() => void)[];
  #heartbeat: ReturnType<typeof setInterval> | undefined;

  constructor(store: Store, bus: Bus, limits: AdminLimits) {
    this.#limits = limits;
    this.#stop = [
      store.inboxes.watch(({ type, id, inbox }) => this.#send(type, { id, inbox })),
      bus.subscribe((event) => this.#told(event)),
    ];
  }

  get clients(): number {
    return this.#clients.size;
  }

  open(): Response {
    if (this.#clients.size >= this.#limits.eventClients) {
      throw new Problem(503, `${this.#limits.eventClients} event streams are open.`, { "Retry-After": "10" });
    }
    let mine: Controller;
    const stream = new ReadableStream<Uint8Array<ArrayBuffer>>({
      start: (controller) => {
        mine = controller;
        this.#clients.add(controller);
        this.#heartbeat ??= setInterval(() => this.#write(utf8.encode(":\n\n")), this.#limits.heartbeat);
        controller.enqueue(utf8.encode("retry: 2000\n\n")); // milliseconds until a browser connects anew
      },
      cancel: () => this.#drop(mine),
    }, new CountQueuingStrategy({ highWaterMark: this.#limits.eventBacklog }));
    return new Response(stream, {
      headers: { "Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no" },
    });
  }

  close(): void {
    for (const stop of this.#stop) stop();
    for (const client of this.#clients) this.#cut(client);
  }

  #told(event: Event): void {
    if (this.#clients.size === 0) return;
    if (event.type === "accepted") {
      const { transaction, ip, sender, recipients, size, held } = event;
      this.#send("accepted", { id: transaction, ip, from: sender, to: recipients.slice(0, MAX_NAMED), size, held });
    } else if (event.type === "refused") {
      const { transaction, session, ip, command, reply, sender, recipients } = event;
      this.#send("refused", {
        id: transaction ?? session,
        ip,
        command,
        reply: reply.toString(),
        from: sender,
        to: recipients.slice(0, MAX_NAMED),
      });
    } else if (event.type === "session-closed") {
      const { session, ip, reason, messages } = event;
      this.#send("session", { id: session, ip, reason, messages });
    }
  }

  /** JSON has no raw line ends, so no value can end its line. */
  #send(event: string, data: unknown): void {
    if (this.#clients.size > 0) this.#write(utf8.encode(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`));
  }

  #write(bytes: Uint8Array<ArrayBuffer>): void {
    for (const client of this.#clients) {
      if ((client.desiredSize ?? 0) <= 0) this.#cut(client);
      else client.enqueue(bytes);
    }
  }

  #cut(client: Controller): void {
    this.#drop(client);
    try {
      client.close();
    } catch { /* it was closed by its reader */ }
  }

  #drop(client: Controller): void {
    this.#clients.delete(client);
    if (this.#clients.size > 0) return;
    clearInterval(this.#heartbeat);
    this.#heartbeat = undefined;
  }
}

export function events(streams: EventStreams): Hono<AdminEnv> {
  return new Hono<AdminEnv>().get("/", () => streams.open());
}
