/**
 * /api/v1/events: what happens, as it happens, as server-sent events (HTML Standard 9.2): of the inbox, of mail, of the
 * server. An event is a hint to look again, not a record: who reads too slowly is cut off, connects anew and is told what
 * it missed as far as that is remembered. Non-job: the record (the ledger), telling others by HTTP (core/webhooks).
 */
import { Hono } from "hono";
import type { Bus } from "../observe/bus.ts";
import type { Event } from "../observe/events.ts";
import type { Store } from "../store/store.ts";
import { HOOK_EVENTS, tidingsOf } from "../webhooks/hook.ts";
import { type Caller, may } from "./access/scope.ts";
import { lacking } from "./guard.ts";
import type { AdminEnv, AdminLimits } from "./options.ts";
import { Problem } from "./problem.ts";

type Controller = ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>;
/** What can be asked for. */
export const EVENT_TYPES: readonly string[] = ["arrived", "removed", "session", ...HOOK_EVENTS];
/** What is told to who asks for nothing else. */
const USUAL: ReadonlySet<string> = new Set(["arrived", "removed", "accepted", "refused"]);
/** Recipients that one event names: what waits for a client must stay small. */
const MAX_NAMED = 20;
/** Events that are remembered for who connects anew, as long as somebody listens or did so lately. */
const REMEMBERED = 512;
const utf8 = new TextEncoder();

interface Happened {
  readonly seq: number;
  readonly type: string;
  /** What is told of it; made when somebody wants it. */
  readonly data: () => Record<string, unknown>;
}
interface Client {
  readonly controller: Controller;
  readonly types: ReadonlySet<string>;
  readonly owner: string;
}
/** What a client wants. */
export interface Wish {
  readonly types: ReadonlySet<string>;
  /** The last event that it has seen, by its id; null: it begins now. */
  readonly after: string | null;
  /** Whose stream it is. */
  readonly owner: string;
}

export class EventStreams {
  readonly #limits: AdminLimits;
  readonly #clients = new Set<Client>();
  readonly #stop: (() => void)[];
  /** Of this process: ids of another one mean nothing. */
  readonly #life = crypto.randomUUID().slice(0, 8);
  #past: Happened[] = [];
  #seq = 0;
  /** Somebody listens, or did so lately. */
  #remembers = false;
  #forgetting: ReturnType<typeof setTimeout> | undefined;
  #heartbeat: ReturnType<typeof setInterval> | undefined;

  constructor(store: Store, bus: Bus, limits: AdminLimits) {
    this.#limits = limits;
    this.#stop = [
      store.inboxes.watch(({ type, id, inbox }) => this.#happened(type, () => ({ id, inbox }))),
      bus.subscribe((event) => this.#told(event)),
    ];
  }

  get clients(): number {
    return this.#clients.size;
  }

  /** @throws {Problem} 503 when too many are open, of all or of this owner. */
  open({ types, after, owner }: Wish): Response {
    const { eventClients } = this.#limits, mine = [...this.#clients].filter((each) => each.owner === owner).length;
    if (this.#clients.size >= eventClients || mine >= Math.max(1, eventClients * 0.75)) { // nobody takes all of them
      throw new Problem(503, `${this.#clients.size} event streams are open.`, { "Retry-After": "10" });
    }
    let client: Client;
    const stream = new ReadableStream<Uint8Array<ArrayBuffer>>({
      start: (controller) => {
        client = { controller, types, owner };
        this.#clients.add(client);
        this.#remembers = true;
        clearTimeout(this.#forgetting);
        this.#heartbeat ??= setInterval(() => this.#write(utf8.encode(":\n\n"), null), this.#limits.heartbeat);
        controller.enqueue(utf8.encode("retry: 2000\n\n")); // milliseconds until a browser connects anew
        if (after !== null) controller.enqueue(utf8.encode(this.#missed(after, types)));
      },
      cancel: () => this.#drop(client),
    }, new CountQueuingStrategy({ highWaterMark: this.#limits.eventBacklog }));
    return new Response(stream, {
      headers: { "Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no" },
    });
  }

  close(): void {
    for (const stop of this.#stop) stop();
    for (const client of this.#clients) this.#cut(client);
    this.#forget();
  }

  /** What nobody is there for is not remembered: that would cost as much as the log does. */
  #forget(): void {
    clearTimeout(this.#forgetting);
    this.#remembers = false;
    this.#past = [];
  }

  #told(event: Event): void {
    if (event.type === "session-closed") {
      const { session, ip, reason, messages, seconds } = event;
      this.#happened("session", () => ({ id: session, ip, reason, messages, seconds }));
    } else if (HOOKED.has(event.type)) {
      this.#happened(event.type, () => {
        const data = tidingsOf(event)?.data ?? {};
        return Array.isArray(data["to"]) ? { ...data, to: data["to"].slice(0, MAX_NAMED) } : data;
      });
    }
  }

  #happened(type: string, data: () => Record<string, unknown>): void {
    this.#seq++;
    if (!this.#remembers) return;
    const event = { seq: this.#seq, type, data };
    this.#past.push(event);
    if (this.#past.length >= 2 * REMEMBERED) this.#past.splice(0, REMEMBERED);
    if (this.#clients.size > 0) this.#write(() => utf8.encode(this.#text(event)), type);
  }

  /** JSON has no raw line ends, so no value can end its line. */
  #text({ seq, type, data }: Happened): string {
    return `id: ${this.#life}-${seq}\nevent: ${type}\ndata: ${JSON.stringify(data())}\n\n`;
  }

  /** What happened since; `missed` when more did than is remembered. */
  #missed(after: string, types: ReadonlySet<string>): string {
    const [life, text] = after.split("-", 2), seq = /^\d{1,15}$/.test(text ?? "") ? Number(text) : -1;
    const first = this.#past[0]?.seq ?? this.#seq + 1;
    const known = life === this.#life && seq >= first - 1 && seq <= this.#seq;
    if (!known) return `id: ${this.#life}-${this.#seq}\nevent: missed\ndata: {}\n\n`;
    return this.#past.filter((each) => each.seq > seq && types.has(each.type)).map((each) => this.#text(each)).join("");
  }

  /** To those who want it; `type` null: to all. */
  #write(bytes: Uint8Array<ArrayBuffer> | (() => Uint8Array<ArrayBuffer>), type: string | null): void {
    let made: Uint8Array<ArrayBuffer> | null = null;
    for (const client of this.#clients) {
      if (type !== null && !client.types.has(type)) continue;
      if ((client.controller.desiredSize ?? 0) <= 0) this.#cut(client);
      else client.controller.enqueue(made ??= typeof bytes === "function" ? bytes() : bytes);
    }
  }

  #cut(client: Client): void {
    this.#drop(client);
    try {
      client.controller.close();
    } catch { /* it was closed by its reader */ }
  }

  #drop(client: Client): void {
    this.#clients.delete(client);
    if (this.#clients.size > 0) return;
    clearInterval(this.#heartbeat);
    this.#heartbeat = undefined;
    clearTimeout(this.#forgetting);
    if (this.#remembers) this.#forgetting = setTimeout(() => this.#forget(), this.#limits.eventReturn);
  }
}
const HOOKED: ReadonlySet<string> = new Set(HOOK_EVENTS);

export function events(streams: EventStreams): Hono<AdminEnv> {
  return new Hono<AdminEnv>().get("/", (c) => {
    const caller = c.get("caller");
    const after = c.req.header("last-event-id") ?? c.req.query("after");
    return streams.open({
      types: typesOf(c.req.query("types"), caller),
      after: after === undefined || after === "" ? null : after.slice(0, 64),
      owner: caller.name,
    });
  });
}

/** Names with commas between them, or `*` for all that the caller may hear. */
function typesOf(text: string | undefined, caller: Caller): ReadonlySet<string> {
  if (text === undefined || text === "") return USUAL;
  if (text === "*") return new Set(EVENT_TYPES.filter((each) => each !== "audit" || may(caller, "admin")));
  const types = text.slice(0, 400).split(",").map((each) => each.trim());
  const unknown = types.find((each) => !EVENT_TYPES.includes(each));
  if (unknown !== undefined) throw new Problem(400, `types are some of ${EVENT_TYPES.join(", ")}, or *.`);
  if (types.includes("audit") && !may(caller, "admin")) throw lacking("admin"); // as /api/v1/audit asks for
  return new Set(types);
}
