/**
 * What a question about the queue is in SQL: conditions on rows of `recipient`, and orders of its messages.
 * Non-job: asking (sqlite_reader.ts), changing (operations.ts).
 */
import { idHead } from "../model/id.ts";
import { folded } from "./rows.ts";
import { Filter } from "./schema.ts";
import type { QueueOrder, QueueQuery } from "./store.ts";

/** `order by` of messages, over rows grouped by `message`. */
export const ORDERS: Readonly<Record<QueueOrder, string>> = {
  newest: "message desc",
  oldest: "message",
  next: "min(iif(state in ('ready', 'active', 'deferred'), next_attempt, 9e18)), message",
};

export function queueFilter({ state, domain, ids, q, from, to, receivedBefore }: QueueQuery): Filter {
  return new Filter().equal("state", state).equal("domain", domain)
    .add("message in (select value from json_each(?))", ids && JSON.stringify(ids))
    .add("message < ?", receivedBefore === undefined ? null : idHead(receivedBefore))
    .add(says("?"), ...Array<string | undefined>(SAID).fill(q === undefined ? q : folded(q)))
    .add(isFrom("?"), ...Array<string | undefined>(NAMED + 1).fill(named(from)))
    .add(isTo("?"), ...Array<string | undefined>(2 * NAMED).fill(named(to)));
}

/** How often the parameter of `isNamed` stands in it. */
const NAMED = 2;
/** An address or `@domain` as it is compared; the null sender is empty. */
export function named<T extends string | undefined | null>(text: T): T | string {
  return text === undefined || text === null ? text : text === "<>" ? "" : folded(text.trim());
}
/** That is the address, or `@` and its domain. */
function isNamed(json: string, path: string, name: string): string {
  const domain = `lower('@' || (${json} ->> '${path}.domain'))`;
  return `(${domain} = ${name} or lower(${json} ->> '${path}.local') || ${domain} = ${name})`;
}
/** `name`: the parameter. The sender `<>` is null in the envelope. */
function isFrom(name: string): string {
  return `exists (select 1 from message as its where its.id = recipient.message and iif(json_valid(envelope),
    iif((envelope ->> '$.sender') is null, ${name} = '', ${isNamed("envelope", "$.sender", name)}), false))`;
}
export function isTo(name: string): string {
  return `iif(json_valid(facts), ${isNamed("facts", "$.address", name)} or ${
    isNamed("facts", "$.original", name)
  }, false)`;
}

/** How often the parameter of `says` stands in it. */
const SAID = 4;
/** Text in an address of the recipient or the sender, or the id of the message; `q` is the folded text's parameter. */
export function says(q: string): string {
  const address = (json: string, path: string) =>
    `instr(lower((${json} ->> '${path}.local') || '@' || (${json} ->> '${path}.domain')), ${q}) > 0`;
  return `(iif(json_valid(facts), ${address("facts", "$.address")} or ${address("facts", "$.original")}, false)
    or exists (select 1 from message as its where its.id = recipient.message
      and iif(json_valid(envelope), ${address("envelope", "$.sender")}, false))
    or upper(${q}) in (message, substr(message, -8)))`;
}
