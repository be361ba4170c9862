/**
 * What a thread that talks SMTP runs: what comes from the owner goes to the acceptor, what the acceptor tells goes
 * to the owner with the next message. An error that nobody catches is told and costs nothing (case 77); a plugin that ends
 * the process ends this thread alone. Non-job: everything else (acceptor.ts).
 */
import { hash } from "node:crypto";
import { useSha256 } from "../dkim/mod.ts";
import type { Event } from "../observe/events.ts";
import { Acceptor } from "./acceptor.ts";
import { Exchange, type Port } from "./exchange.ts";
import { type PackedEvent, packEvent } from "./packed_event.ts";
import type { Order, Question, Told } from "./wire.ts";

type ThreadScope = Port & { close(): void };

/** Serves the owner until it ends the thread. */
export function serveOwner(scope: ThreadScope = globalThis as unknown as ThreadScope): void {
  useSha256((octets) => new Uint8Array(hash("sha256", octets, "buffer")));
  let events: PackedEvent[] = [], phases: (string | number)[] = [], questions: (string | number | null)[] = [];
  let writes: number[] = [], arrived: string[] = [];
  let acceptor: Promise<Acceptor> | null = null;

  const exchange = new Exchange<Question, Order, Told, never>(scope, {
    answer(order) {
      if (order.do !== "begin") return acceptor!.then((each) => each.obey(order));
      acceptor = Acceptor.begin(order, {
        ask: (question, ...octets) => exchange.ask(question, ...octets),
        emit,
        metrics,
        wrote({ operations, milliseconds, free }) {
          writes.push(operations, milliseconds, free);
          exchange.nudge();
        },
        arrived: (id, inbox) => void arrived.push(id, inbox),
      });
      return acceptor.then(() => undefined);
    },
    told() {},
    also(): Told | null {
      if (events.length + phases.length + questions.length + writes.length === 0) return null;
      const told = { events, phases, questions, writes, arrived };
      writes = [];
      arrived = [];
      events = [];
      phases = [];
      questions = [];
      return told;
    },
  });
  const emit = (event: Event): void => {
    if ((event.type === "notice" || event.type === "trouble") && OWNERS.has(event.where)) return; // each thread sees it
    events.push(packEvent(event));
    exchange.nudge();
  };
  const metrics = {
    phase: (...each: [string, string, number]) => void phases.push(...each),
    question: (...each: [string, string | null, number | null]) => void questions.push(...each),
    tls: () => {},
  };

  guard((what, error) => {
    let text = "it cannot be read";
    try {
      text = String(error instanceof Error ? error.stack ?? error.message : error);
    } catch { /* a plugin may throw what throws when it is looked at */ }
    emit({ type: "trouble", where: "uncaught", message: `${what}: ${text}` });
  });
  const close = scope.close.bind(scope);
  const end = (): never => {
    exchange.flush(); // who is here, before the word that he is lost
    exchange.tell({ ends: "a plugin ended it", events: [], phases: [], questions: [], writes: [], arrived: [] });
    exchange.flush();
    close();
    throw new Error("a plugin ended its thread");
  };
  Deno.exit = scope.close = end; // they would end the process, or this thread without a word
}

/** Of what happens to the whole process the owner tells. */
const OWNERS: ReadonlySet<string> = new Set(["tls"]);

function guard(tell: (what: string, error: unknown) => void): void {
  addEventListener("error", (event) => {
    event.preventDefault();
    tell("an error that nobody caught", event.error ?? event.message);
  });
  addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    tell("a rejection that nobody handled", event.reason);
  });
}

/** Whether this is a thread, not the process itself. */
export function isThread(): boolean {
  return "WorkerGlobalScope" in globalThis;
}
