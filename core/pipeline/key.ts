/**
 * Typed names for state that plugins leave for each other.
 * Non-job: where it is kept (contexts/transaction_context.ts).
 */

/**
 * How long a value lasts. RSET, EHLO and the end of a message clear "transaction" and "recipient"; STARTTLS and XCLIENT
 * clear "connection" too.
 *
 * @example
 * ```ts
 * import { key, type Scope } from "postern";
 * import { assertEquals } from "@std/assert";
 * const scopes: Scope[] = [key("seen", "connection").scope, key("seen").scope, key("seen", "recipient").scope];
 * assertEquals(scopes, ["connection", "transaction", "recipient"]);
 * ```
 */
export type Scope = "connection" | "transaction" | "recipient";
/**
 * The name of a value of type T, which must survive structuredClone.
 *
 * @example
 * ```ts
 * import { type Key, key, on, simulate } from "postern";
 * import { assertEquals } from "@std/assert";
 * export const TRUSTED: Key<boolean> = key("mine.trusted"); // from a file of its own, for the plugins that read it
 * const judge = on("mail", (ctx, next) => (ctx.set(TRUSTED, ctx.sender?.local === "ann"), next()));
 * const result = await simulate([judge], { from: "ann@example.net", to: "bob@example.org" });
 * assertEquals(result.get(TRUSTED), true);
 * ```
 */
export interface Key<T, S extends Scope = "transaction"> {
  /** What it is called; two keys of one name and scope are one place. */
  readonly name: string;
  /** How long its value lasts. */
  readonly scope: S;
  /** Puts a value in words, for the ledger; unset: nobody is told of it. */
  readonly tell?: { tell(value: T): string }["tell"] | undefined; // a method's type: a key of few values is one of many
  /** Carries the type, and is never there. */
  readonly "~value"?: T | undefined; // undefined, as above: else every error about a key speaks of exactOptionalPropertyTypes
}

/**
 * A key: what it names, and how long its value lasts ("transaction" unless said otherwise). With `tell` its values stand
 * in the ledger, in the words that it gives: `explain` shows what a plugin found beside what it decided.
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
export function key<T>(name: string, scope?: "transaction", tell?: (value: T) => string): Key<T>;
/** A key whose value lasts until the connection ends, or begins anew with TLS. */
export function key<T>(name: string, scope: "connection", tell?: (value: T) => string): Key<T, "connection">;
/** A key with a value for each recipient. */
export function key<T>(name: string, scope: "recipient", tell?: (value: T) => string): Key<T, "recipient">;
export function key<T>(name: string, scope: Scope = "transaction", tell?: (value: T) => string): Key<T, Scope> {
  return tell === undefined ? { name, scope } : { name, scope, tell };
}
