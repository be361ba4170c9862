/** A session without a socket whose steps a test takes itself. */
import { parseAddress, type Role } from "postern";
import { NO_MAIL_PARAMETERS, NO_RCPT_PARAMETERS, type RcptParameters } from "../../../core/model/envelope.ts";
import type { Reply } from "../../../core/model/reply.ts";
import type { Event } from "../../../core/observe/events.ts";
import type { Outside } from "../../../core/pipeline/contexts/outside.ts";
import { ReceivedMessage } from "../../../core/pipeline/contexts/received_message.ts";
import { type Services, TransactionContext } from "../../../core/pipeline/contexts/transaction_context.ts";
import { memoryBody, SimulatedCounters } from "../../../core/pipeline/testing/simulation.ts";

export interface Session {
  readonly ctx: TransactionContext;
  readonly events: Event[];
  /** MAIL, RCPT (not run) and the message. */
  message(text: string): void;
  mail(sender?: string | null): void;
  rcpt(address: string, parameters?: RcptParameters): void;
}

export function session(
  options: {
    readonly role?: Role;
    readonly commit?: () => Promise<Reply<"defer"> | null>;
    readonly outside?: Outside;
  } = {},
): Session {
  const events: Event[] = [];
  let count = 0;
  const services: Services = {
    host: { name: "mx.example.org", domains: ["example.org"], postmaster: null },
    dns: undefined as never,
    counters: new SimulatedCounters(),
    now: () => 0,
    emit: (event) => void events.push(event),
    commit: options.commit ?? (() => Promise.resolve(null)),
    ...options.outside && { outside: options.outside },
  };
  const ctx = new TransactionContext(services, {
    session: "s1",
    role: options.role ?? "mx",
    listener: "test",
    client: { ip: "192.0.2.1", port: 4000, tls: null, identity: null },
  });
  const mail = (sender: string | null = "a@example.net") => {
    ctx.begin({
      id: `T${++count}`,
      sender: sender === null ? null : parseAddress(sender),
      parameters: NO_MAIL_PARAMETERS,
    });
  };
  const rcpt = (address: string, parameters = NO_RCPT_PARAMETERS) =>
    ctx.propose({ address: parseAddress(address)!, parameters });
  const message = (text: string) => {
    mail();
    ctx.complete(new ReceivedMessage(memoryBody(text), "7BIT"));
  };
  return { ctx, events, mail, rcpt, message };
}
