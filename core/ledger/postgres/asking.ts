/**
 * Statements with their values in place: sql`select ${value}` asks with `$1`. Over a pool, each statement by itself, or all
 * of a transaction by one connection. Non-job: connections (core/store/postgres).
 */
import type { Connection, Rows, Value } from "../../store/postgres/connection.ts";
import type { Pool } from "../../store/postgres/pool.ts";

// deno-lint-ignore no-explicit-any -- a row has what its statement says
type Row = Record<string, any>;

/** Asks within a transaction. */
export interface Transaction {
  (text: TemplateStringsArray, ...values: readonly Value[]): Promise<Rows<Row>>;
  /** The statement as it is, with `$1` in it. */
  unsafe(text: string, values?: readonly Value[]): Promise<Rows<Row>>;
}
/** Asks the pool. @throws {StoreError} of each. */
export interface Sql extends Transaction {
  /** All or nothing. */
  begin<T>(work: (sql: Transaction) => Promise<T>): Promise<T>;
}

export function sqlOf(pool: Pool): Sql {
  const unsafe: Sql["unsafe"] = (text, values = []) => pool.use((connection) => connection.query<Row>(text, values));
  return Object.assign(tagged(unsafe), {
    unsafe,
    begin: <T>(work: (sql: Transaction) => Promise<T>) => pool.transaction((connection) => work(within(connection))),
  });
}

function within(connection: Connection): Transaction {
  const unsafe: Transaction["unsafe"] = (text, values = []) => connection.query<Row>(text, values);
  return Object.assign(tagged(unsafe), { unsafe });
}

function tagged(unsafe: Transaction["unsafe"]) {
  return (text: TemplateStringsArray, ...values: readonly Value[]) =>
    unsafe(text.reduce((all, part, at) => `${all}$${at}${part}`), values);
}
