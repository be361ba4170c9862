/**
 * One message through the phase `data` of a pipeline without a session around it: what core itself does for every message
 * (hops, forged results of our name, Received), the plugins, and what their answer comes to. Octets in, a verdict out.
 * Non-job: where it came from (email_event.ts, http_post.ts), where it goes (delivering.ts).
 */
import { type Address, parseAddress } from "../model/address.ts";
import { applyEditsToBytes } from "../model/edits.ts";
import { type HeaderEdits, NO_MAIL_PARAMETERS, NO_RCPT_PARAMETERS } from "../model/envelope.ts";
import { HeaderSection } from "../model/headers.ts";
import { newId, shortId } from "../model/id.ts";
import { reject, Reply } from "../model/reply.ts";
import { forgedResults, formatDate } from "../model/trace.ts";
import type { Decision, Event } from "../observe/events.ts";
import { Deadlines } from "../pipeline/calls/deadlines.ts";
import type { Client, Host } from "../pipeline/contexts/contexts.ts";
import { ReceivedMessage } from "../pipeline/contexts/received_message.ts";
import { TransactionContext } from "../pipeline/contexts/transaction_context.ts";
import { observersOf } from "../pipeline/observers.ts";
import { Pipeline } from "../pipeline/pipeline.ts";
import type { Plugin } from "../pipeline/plugin.ts";
import { memoryBody, MemoryWriter } from "../store/memory_body.ts";
import type { Counters } from "../store/store.ts";
import { IsolateCounters } from "./counters.ts";
import type { EdgeMail, Via } from "./mail.ts";
import type { EdgeHostOptions } from "./options.ts";

/** What a platform gave. */
export interface Arrival {
  readonly via: Via;
  /** As the platform says it; empty for `<>`. */
  readonly from: string;
  readonly to: readonly string[];
  readonly octets: Uint8Array<ArrayBuffer>;
}
/** What came of it. */
export interface Judged {
  readonly id: string;
  /** What the sender is told, before it is signed with the reference. */
  readonly reply: Reply;
  /** Who is behind a refusal. */
  readonly by: string | null;
  readonly reason: string | null;
  readonly decisions: readonly Decision[];
  /** Who holds it for a person. */
  readonly heldBy: string | null;
  /** Null when it was refused. */
  readonly mail: Omit<EdgeMail, "signal"> | null;
  /** Recipients that plugins refused one by one. */
  readonly refused: readonly { readonly address: Address; readonly reply: Reply<"defer" | "reject"> }[];
}

/** Octets of a header section at most: what parsers of headers are held to in every door of this server. */
const MAX_HEADER = 1024 * 1024;
const NOBODY: Client = { ip: "", port: 0, tls: null, identity: null };
/** Nobody was asked what it is: so 8-bit is in order. */
const PARAMETERS = { ...NO_MAIL_PARAMETERS, body: "8BITMIME", smtputf8: true } as const;

export class Judge {
  readonly #options: EdgeHostOptions;
  readonly #host: Host;
  readonly #pipeline: Pipeline;
  readonly #counters: Counters;
  readonly #observers: readonly ((event: Event) => void)[];
  /** The whole message goes on: another body can, and the trace is ours to write. */
  readonly #whole: boolean;

  /** @throws {Error} naming a plugin that would never be asked, or stands in the wrong place. */
  constructor(options: EdgeHostOptions, whole: boolean) {
    const { plugins, budget = 20_000 } = options;
    for (const { name, handlers, roles, policy } of plugins) {
      const wanted = policy?.roles ?? roles;
      if (wanted !== undefined && !wanted.includes("edge")) {
        throw new Error(`plugins: "${name}" is for ${wanted.join(", ")} alone, and would never be asked here`);
      }
      if (handlers.data === undefined) {
        throw new Error(`plugins: "${name}" has nothing to do on an edge host: there is no phase but data`);
      }
    }
    this.#options = options;
    this.#whole = whole;
    this.#host = { domains: [], postmaster: null, ...options.host };
    this.#counters = options.counters ?? new IsolateCounters();
    // A handler that asks less than there is in a session is a handler of a session too
    this.#pipeline = new Pipeline(plugins as readonly Plugin[], { role: "edge", partial: true, budget });
    this.#observers = [
      ...observersOf(plugins as readonly Plugin[], { counters: this.#counters, now: this.now, emit: this.#tell }),
      ...options.observe ? [options.observe] : [],
    ];
  }

  readonly now = (): number => this.#options.now?.() ?? Date.now();

  /** What is refused before it is a message. */
  refused(reply: Reply<"defer" | "reject">): Judged {
    const reason = reply.options.reason ?? null;
    return { id: newId(this.now()), reply, by: "core", reason, decisions: [], heldBy: null, mail: null, refused: [] };
  }

  /** Never rejects. */
  async judge({ via, from, to, octets }: Arrival): Promise<Judged> {
    const id = newId(this.now()), decisions: Decision[] = [];
    const end = (reply: Reply, reason: string | null = null, by: string | null = "core"): Judged => (
      { id, reply, by, reason, decisions, heldBy: null, mail: null, refused: [] }
    );
    const sender = from === "" || from === "<>" ? null : parseAddress(from);
    if (sender === null && from !== "" && from !== "<>") return end(reject("5.1.7", "The sender is no address"));
    const recipients = to.map(parseAddress);
    if (recipients.length === 0 || !recipients.every((each) => each !== null)) {
      return end(reject("5.1.3", "The recipient is no address"));
    }
    const context = new TransactionContext({
      host: this.#host,
      dns: this.#options.dns,
      counters: this.#counters,
      now: this.now,
      emit: (event) => {
        if (event.type === "decision") decisions.push(event);
        this.#tell(event);
      },
      commit: () => Promise.reject(new TypeError("nothing is queued on an edge host")),
      deadlines: new Deadlines(), // a timer of an event ends with it, and another one's must not wait for that
      ...this.#whole ? { receive: () => new MemoryWriter() } : {},
    }, { session: `s${id}`, role: "edge", listener: via, client: NOBODY });
    // Of a header that is too big no more is read than shows it: millions of fields would not fit into an isolate
    const begin = octets.subarray(0, MAX_HEADER + 1);
    if (begin.length > MAX_HEADER && new HeaderSection(begin).bodyStart > MAX_HEADER) {
      return end(reject("5.3.4", "Header too big", { code: 552 }));
    }
    const message = new ReceivedMessage(memoryBody(octets), PARAMETERS.body), { section } = message;
    if (section.named("Received").length >= (this.#options.hops ?? 100)) {
      return end(reject("5.4.6", "The message has gone in circles", { code: 554 })); // RFC 5321 6.3
    }
    context.begin({ id, sender, parameters: PARAMETERS });
    for (const address of recipients) {
      context.propose({ address: address!, parameters: NO_RCPT_PARAMETERS });
      context.admit();
      context.commands.push(context.command);
    }
    const prepend = this.#whole ? receivedField(this.#host.name, id, this.now()) : "";
    context.complete(message, { prepend, drop: forgedResults(section, this.#host.name) });
    const reply = await this.#pipeline.run("data", context);
    if (reply.verdict !== "accept") {
      const blame = context.blameOf(reply);
      return end(reply, reply.options.reason ?? blame?.reason ?? null, blame?.plugin ?? "core");
    }
    const left = context.recipients.filter(({ result }) => result === null);
    return {
      ...end(reply, null, null),
      heldBy: context.heldBy,
      mail: mailOf(context, { via, recipients: left }),
      refused: context.recipients.flatMap(({ address, result }) =>
        result instanceof Reply ? [{ address, reply: result }] : []
      ),
    };
  }

  /** Tells observers what became of it. No mail waits for them, and none is lost by them. */
  conclude({ id, reply, by, reason, mail, heldBy }: Judged, arrival: Arrival, ms: number): void {
    const { from: sender, to: recipients, octets: { length: size } } = arrival;
    const session = `s${id}`, ip = "";
    if (reply.verdict !== "accept" || mail === null) {
      const refused = { plugin: by, reason, delayedFrom: null, command: "message", reply };
      return this.#tell({ type: "refused", session, transaction: id, ip, sender, recipients, ...refused });
    }
    this.#tell({
      ...{ type: "accepted", session, transaction: id, ip, sender, recipients, size, ms, held: mail.held },
      heldBy,
      messageId: mail.message.header("Message-ID")?.slice(0, 998) ?? null,
    });
  }

  readonly #tell = (event: Event): void => {
    for (const observe of this.#observers) {
      try {
        observe(event);
      } catch { /* observers are told, and decide nothing */ }
    }
  };
}

/** The refusal with the reference by which the log has it. */
export function signed({ status, text }: Reply, id: string): string {
  return `${status} ${text} (ref ${shortId(id)})`; // SEMANTICS 5
}

function mailOf(
  context: TransactionContext,
  { via, recipients }: { readonly via: Via; readonly recipients: EdgeMail["recipients"] },
): Omit<EdgeMail, "signal"> {
  const { id, sender, message, held, scores, authResults } = context, received = context.received!.body.memory!;
  const edits: HeaderEdits = context.edits, body = context.rewritten ?? context.received!.body;
  const content = () => applyEditsToBytes(body.memory!, edits);
  return {
    ...{ id, via, sender, recipients, message, edits, received, content, held, scores, authResults },
    get: (key) => context.get(key),
  };
}

/** There is no peer whose name it could tell, nor a registered word for how it came. */
function receivedField(host: string, id: string, now: number): string {
  return `Received: by ${host} (Postern) id ${id};\r\n\t${formatDate(now)}\r\n`;
}
