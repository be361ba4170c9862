/**
 * What a question about the queue is in SQL: conditions on rows of `recipient` with numbered parameters, and orders of its
 * messages. Non-job: asking (reading.ts), changing (changing.ts).
 */
import { idHead } from "../../model/id.ts";
import { folded } from "../rows.ts";
import type { QueueOrder, QueueQuery } from "../store.ts";
import { rows, type Value } from "./connection.ts";

/** `order by` of messages, over rows grouped by `message`. */
export const ORDERS: Readonly<Record<QueueOrder, string>> = {
  newest: "message desc",
  oldest: "message",
  next:
    "min(case when state in ('ready', 'active', 'deferred') then next_attempt else 9000000000000000000 end), message",
};

/** Conditions that are there only when they have a value, so that the server sees which index serves. */
export class Filter {
  readonly values: Value[] = [];
  readonly #conditions: string[] = [];

  /** `$` in the condition is the value. */
  add(condition: string, value: Value | undefined): this {
    if (value === undefined || value === null) return this;
    const name = this.place(value), placed = () => name;
    this.#conditions.push(condition.replaceAll("$", placed));
    return this;
  }

  /** A condition whose parameters have their places already. */
  and(condition: string): this {
    this.#conditions.push(condition);
    return this;
  }

  /** One more parameter. */
  place(value: Value): string {
    return `$${this.values.push(value)}`;
  }

  /** Begins with `where`. */
  get where(): string {
    return this.#conditions.length === 0 ? "" : `where ${this.#conditions.join(" and ")}`;
  }
}

export function queueFilter({ state, domain, ids, q, from, to, receivedBefore }: QueueQuery): Filter {
  return new Filter().add("state = $::text", state).add("domain = $::text", domain)
    .add("message in (select json_array_elements_text($::text::json))", ids && rows(ids))
    .add("message < $::text", receivedBefore === undefined ? null : idHead(receivedBefore))
    .add(SAYS, q === undefined ? null : folded(q))
    .add(`exists (select 1 from message m where m.id = recipient.message and ${isNamed("m.sender")})`, named(from))
    .add(IS_TO, named(to));
}

/** An address or `@domain` as it is compared; the null sender is empty. */
export function named(text: string | undefined): string | null {
  return text === undefined ? null : text.trim() === "<>" ? "" : folded(text.trim());
}

/** That is the address, or `@` and its domain. */
function isNamed(column: string): string {
  return `case when left($::text, 1) = '@' then right(${column}, length($::text)) = $::text
    and strpos(right($::text, -1), '@') = 0 else ${column} = $::text end`;
}
export const IS_TO = `($::text <> '' and (${isNamed("address")} or ${isNamed("original")}))`;
/** Text in an address of the recipient or the sender, or the id of the message. */
export const SAYS = `(strpos(address, $::text) > 0 or strpos(original, $::text) > 0
  or exists (select 1 from message m where m.id = recipient.message and strpos(m.sender, $::text) > 0)
  or upper($::text) in (message, right(message, 8)))`;
