/**
 * Typed names for state that plugins leave for each other. Values must survive structuredClone.
 * RSET, EHLO and the end of a message clear "transaction" and "recipient"; STARTTLS and XCLIENT clear "connection" too.
 */
export type Scope = "connection" | "transaction" | "recipient";
declare const valueOf: unique symbol;

export interface Key<T, S extends Scope = "transaction"> {
  readonly name: string;
  readonly scope: S;
  readonly [valueOf]?: T;
}

/**
 * A key: what it names, and how long its value lasts ("transaction" unless said otherwise).
 *
 * @example
 * ```ts
 * import { key } from "postern";
 * import { assertEquals } from "@std/assert";
 * const COUNTRY = key<string>("country", "connection");
 * assertEquals([COUNTRY.name, COUNTRY.scope], ["country", "connection"]);
 * ```
 */
// Overloads, because TypeScript infers all type arguments or none: key<number>("n", "connection") has to work.
export function key<T>(name: string, scope?: "transaction"): Key<T>;
export function key<T>(name: string, scope: "connection"): Key<T, "connection">;
export function key<T>(name: string, scope: "recipient"): Key<T, "recipient">;
export function key<T>(name: string, scope: Scope = "transaction"): Key<T, Scope> {
  return { name, scope };
}
