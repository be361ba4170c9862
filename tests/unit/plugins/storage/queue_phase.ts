/** The phase `queue` for plugins under test, with what `runPhase` takes for granted: the id, and a second attempt. */
import { parseAddress, type Plugin, type Result, type Route } from "postern";
import { newId } from "../../../../core/model/id.ts";
import { NO_MAIL_PARAMETERS, NO_RCPT_PARAMETERS } from "../../../../core/model/envelope.ts";
import type { Reply } from "../../../../core/model/reply.ts";
import type { Event } from "../../../../core/observe/events.ts";
import { ReceivedMessage } from "../../../../core/pipeline/contexts/received_message.ts";
import { TransactionContext } from "../../../../core/pipeline/contexts/transaction_context.ts";
import { Pipeline } from "../../../../core/pipeline/pipeline.ts";
import { memoryBody, SimulatedCounters } from "../../../../core/pipeline/testing/simulation.ts";

export interface Attempt {
  readonly id?: string;
  readonly tries?: number;
  /** `local@domain`, or with the plugin that its route names and its ORCPT. */
  readonly to: readonly (string | readonly [address: string, plugin: string, orcpt?: string])[];
  readonly message?: string | Uint8Array<ArrayBuffer>;
}
export interface AttemptResult {
  readonly reply: Reply;
  /** One for each recipient: a word, or the refusal's code and status. */
  readonly results: readonly (string | null)[];
  readonly events: readonly Event[];
}

export async function attempt(plugin: Plugin, facts: Attempt): Promise<AttemptResult> {
  const events: Event[] = [];
  const ctx = new TransactionContext({
    host: { name: "mx.example.org", domains: ["example.org"], postmaster: null },
    dns: undefined as never,
    counters: new SimulatedCounters(),
    now: () => 0,
    emit: (event) => void events.push(event),
    commit: () => Promise.resolve(null),
  }, {
    session: "s1",
    role: "mx",
    listener: "test",
    client: { ip: "192.0.2.1", port: 4000, tls: null, identity: null },
  });
  ctx.begin({
    id: facts.id ?? newId(Date.UTC(2026, 0, 1)),
    sender: parseAddress("a@example.net"),
    parameters: NO_MAIL_PARAMETERS,
  });
  for (const each of facts.to) {
    const [text, name, orcpt = null] = typeof each === "string" ? [each, plugin.name] : each;
    const address = parseAddress(text);
    if (address === null) throw new TypeError(`"${text}" is no address`);
    const route: Route = { to: "local", plugin: name };
    ctx.propose({ address, parameters: { ...NO_RCPT_PARAMETERS, orcpt } });
    ctx.recipient = ctx.recipient!.withRoute(route);
    ctx.admit();
    ctx.commands.push(ctx.command);
  }
  ctx.complete(new ReceivedMessage(memoryBody(facts.message ?? "Subject: hi\n\nhello\n"), "8BITMIME"));
  ctx.tries = facts.tries ?? 0;
  const reply = await new Pipeline([plugin]).run("queue", ctx);
  return { reply, results: ctx.recipients.map(({ result }) => inWords(result)), events };
}

function inWords(result: Result | null): string | null {
  return result === null || typeof result === "string" ? result : `${result.code} ${result.status}`;
}
