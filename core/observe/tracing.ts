/**
 * Spans of OpenTelemetry from the same events as the log: session > transaction > plugin > question to name service, and
 * transaction > delivery > attempt. An observer with explicit times: the pipeline knows nothing of it.
 * Non-job: exporting (Deno's own exporter, OTEL_DENO), whether it is on (core/server.ts). docs/decisions/telemetry.md.
 */
import {
  type Attributes,
  type Context,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
  type Tracer,
} from "@opentelemetry/api";
import { VERSION } from "../version.ts";
import type { Asked, Bounced, Decision, Deferred, Delivered, Event, Observer } from "./events.ts";

export interface TracingOptions {
  /** Spans hold addresses, names that were asked for and reasons too. */
  readonly addresses: boolean;
  /** Transactions and deliveries that are remembered for what comes of them later (default 10,000). */
  readonly remembered?: number;
}

/** A span under way, and what is below it. */
interface Open {
  readonly span: Span;
  readonly context: Context;
}
interface OpenSession extends Open {
  readonly transactions: Map<string, Open>;
}

const LONGEST = 256; // characters of an attribute

export class Tracing {
  readonly #tracer: Tracer = trace.getTracer("postern", VERSION);
  readonly #addresses: boolean;
  readonly #remembered: number;
  readonly #sessions = new Map<string, OpenSession>();
  /** Where deliveries of a message belong, the oldest first. */
  readonly #accepted = new Map<string, Context>();
  /** By message and recipient, the oldest first. */
  readonly #deliveries = new Map<string, Open>();

  constructor({ addresses, remembered = 10_000 }: TracingOptions) {
    this.#addresses = addresses;
    this.#remembered = remembered;
  }

  /** Subscribe it to the bus. */
  readonly observe: Observer = (event: Event) => {
    switch (event.type) {
      case "session-opened": {
        const open = this.#open("smtp session", ROOT_CONTEXT, {
          kind: SpanKind.SERVER,
          attributes: {
            "network.protocol.name": "smtp",
            "postern.session": event.session,
            "postern.listener": event.listener,
            "postern.role": event.role,
            ...this.#private({ "network.peer.address": event.ip }),
          },
        });
        this.#sessions.set(event.session, { ...open, transactions: new Map() });
        return;
      }
      case "session-greeted":
        return this.#mark(event.session, {
          "postern.verb": event.verb,
          ...this.#private({ "postern.helo": event.helo }),
        });
      case "session-secured":
        return this.#mark(event.session, {
          "tls.protocol.version": event.version.replace(/^TLSv/, ""),
          "tls.cipher": event.cipher,
          "tls.resumed": event.resumed,
        });
      case "login":
        return this.#mark(event.session, {
          "postern.login.mechanism": event.mechanism,
          "postern.login.ok": event.ok,
          ...this.#private({ "enduser.id": event.user }),
        });
      case "decision":
        return this.#decided(event);
      case "accepted": {
        const transaction = this.#transaction(event.session, event.transaction, null);
        if (transaction !== null) {
          remember(this.#accepted, event.transaction, { value: transaction.context, most: this.#remembered });
        }
        return this.#over(event.session, event.transaction, {
          "postern.verdict": event.held === null ? "accepted" : "held",
          "postern.size": event.size,
          "postern.recipients": event.recipients.length,
          ...this.#private({ "postern.sender": event.sender, "postern.to": event.recipients.slice(0, 10).join(", ") }),
        });
      }
      case "abandoned":
        return this.#over(event.session, event.transaction, { "postern.verdict": "abandoned" });
      case "refused":
        return this.#refused(event);
      case "session-closed":
        return this.#closed(event.session, event.reason, event.messages);
      case "delivered":
      case "deferred":
      case "bounced":
        return this.#attempted(event);
    }
  };

  /** Ends what is under way: what is exported at the end of the process. */
  stop(): void {
    for (const session of [...this.#sessions.keys()]) this.#closed(session, "the server stops", 0);
    for (const { span } of this.#deliveries.values()) span.end();
    this.#deliveries.clear();
    this.#accepted.clear();
  }

  #decided(decision: Decision): void {
    const { session, transaction, phase, plugin, verdict, ms, began, observed, asked = [] } = decision;
    // Later than the 250 there is no session any more, but what the message's own span was
    const parent = transaction === null
      ? this.#sessions.get(session)?.context
      : this.#accepted.get(transaction) ?? this.#transaction(session, transaction, began ?? null)?.context;
    if (parent === undefined) return;
    const start = began ?? performance.now() - ms;
    const { span, context } = this.#open(`${plugin} ${phase}`, parent, {
      startTime: wall(start),
      attributes: {
        "postern.plugin": plugin,
        "postern.phase": phase,
        "postern.verdict": verdict,
        ...observed && { "postern.observed": true },
        ...this.#private({ "postern.reason": decision.reason }),
      },
    });
    for (const each of asked) this.#asked(each, context, start);
    if (verdict === "error") span.setStatus({ code: SpanStatusCode.ERROR });
    span.end(wall(start + ms));
  }

  #asked({ type, name, fault, ms, began }: Asked, parent: Context, start: number): void {
    const from = began ?? start;
    const { span } = this.#open(`dns ${type}`, parent, {
      kind: SpanKind.CLIENT,
      startTime: wall(from),
      attributes: {
        "dns.question.type": type,
        "postern.dns.result": fault ?? "answer",
        ...this.#private({ "dns.question.name": name }),
      },
    });
    if (fault === "servfail" || fault === "timeout") span.setStatus({ code: SpanStatusCode.ERROR });
    span.end(wall(from + ms));
  }

  #refused({ session, transaction, command, reply, plugin, reason }: Extract<Event, { type: "refused" }>): void {
    const attributes: Attributes = {
      "postern.command": command,
      "postern.reply.code": reply.code,
      "postern.reply.status": reply.status,
      ...plugin !== null && { "postern.plugin": plugin },
      ...this.#private({ "postern.reply.text": reply.text, "postern.reason": reason ?? "" }),
    };
    const open = transaction === null
      ? this.#sessions.get(session)
      : this.#transaction(session, transaction, null) ?? undefined;
    open?.span.addEvent("refused", attributes);
    if (transaction !== null && command === "message") {
      this.#over(session, transaction, { "postern.verdict": reply.verdict === "defer" ? "deferred" : "refused" });
    }
  }

  /** Of a delivery that is not over there are several; its span begins with the message's 250. */
  #attempted(event: Delivered | Deferred | Bounced): void {
    const { type, transaction, recipient, delay, attempts, status, relay, tls, began, ms } = event;
    const key = `${transaction} ${recipient}`;
    let delivery = this.#deliveries.get(key);
    if (delivery === undefined) {
      delivery = this.#open("delivery", this.#accepted.get(transaction) ?? ROOT_CONTEXT, {
        kind: SpanKind.PRODUCER,
        startTime: Date.now() - delay,
        attributes: { "postern.id": transaction, ...this.#private({ "postern.recipient": recipient }) },
      });
      const lost = remember(this.#deliveries, key, { value: delivery, most: this.#remembered });
      lost?.span.end(); // what comes of it is a span of its own
    }
    const outcome = type === "bounced" && event.expired ? "expired" : type;
    if (began !== undefined && ms !== undefined) {
      const { span } = this.#open("attempt", delivery.context, {
        kind: SpanKind.CLIENT,
        startTime: wall(began),
        attributes: {
          "postern.outcome": outcome,
          "postern.attempt": attempts,
          "postern.reply.status": status,
          ...tls !== null && { "postern.tls": tls },
          ...this.#private({ "server.address": relay ?? "", "postern.reply.text": event.reply }),
        },
      });
      if (type !== "delivered") span.setStatus({ code: SpanStatusCode.ERROR });
      span.end(wall(began + ms));
    }
    if (type === "deferred") return;
    this.#deliveries.delete(key);
    delivery.span.setAttributes({ "postern.outcome": outcome, "postern.attempts": attempts });
    if (type === "bounced") delivery.span.setStatus({ code: SpanStatusCode.ERROR });
    delivery.span.end();
  }

  /** The span of a transaction, begun when it is first heard of; null where nobody knows its session. */
  #transaction(session: string, id: string, began: number | null): Open | null {
    const of = this.#sessions.get(session);
    if (of === undefined) return null;
    let open = of.transactions.get(id);
    if (open === undefined) {
      open = this.#open("smtp transaction", of.context, {
        startTime: began === null ? Date.now() : wall(began),
        attributes: { "postern.id": id },
      });
      of.transactions.set(id, open);
    }
    return open;
  }

  #over(session: string, id: string, attributes: Attributes): void {
    const open = this.#transaction(session, id, null);
    if (open === null) return;
    this.#sessions.get(session)!.transactions.delete(id);
    open.span.setAttributes(cut(attributes)).end();
  }

  #closed(session: string, reason: string, messages: number): void {
    const open = this.#sessions.get(session);
    if (open === undefined) return;
    this.#sessions.delete(session);
    for (const { span } of open.transactions.values()) span.end();
    // An error of TLS or of the socket may name the peer
    open.span.setAttributes(cut({ "postern.messages": messages, ...this.#private({ "postern.ended": reason }) }));
    open.span.end();
  }

  #mark(session: string, attributes: Attributes): void {
    this.#sessions.get(session)?.span.setAttributes(cut(attributes));
  }

  #open(
    name: string,
    parent: Context,
    { attributes = {}, ...options }: { kind?: SpanKind; startTime?: number; attributes?: Attributes },
  ): Open {
    const span = this.#tracer.startSpan(name, { ...options, attributes: cut(attributes) }, parent);
    return { span, context: trace.setSpan(parent, span) };
  }

  #private(attributes: Attributes): Attributes {
    return this.#addresses ? attributes : {};
  }
}

/** Puts it last; returns what had to go for it. */
function remember<T>(
  map: Map<string, T>,
  key: string,
  { value, most }: { readonly value: T; readonly most: number },
): T | undefined {
  map.set(key, value);
  if (map.size <= most) return undefined;
  const [oldest, lost] = map.entries().next().value!;
  map.delete(oldest);
  return lost;
}

/** A moment of the monotonic clock, milliseconds since 1970. */
function wall(moment: number): number {
  return performance.timeOrigin + moment;
}

function cut(attributes: Attributes): Attributes {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "string" && value.length > LONGEST) attributes[name] = value.slice(0, LONGEST).toWellFormed();
  }
  return attributes;
}
