/**
 * What went wrong with the database, and what may be done about it: whether a transaction certainly never was, whether the
 * same again may work, whether one of a batch is to blame. Non-job: trying again (pool.ts, writer.ts).
 */
import { CorruptRow } from "../rows.ts";
import { StoreError } from "../store.ts";

/** The connection ended while something was asked. What was not committed by then never was. */
export class ConnectionLost extends Error {
  override readonly name = "ConnectionLost";
}

/** COMMIT was sent, and nobody knows what became of it: not even who asked again for as long as he could. */
export class UnknownOutcome extends Error {
  override readonly name = "UnknownOutcome";
  constructor(readonly transaction: TransactionName, why: string) {
    super(why);
  }
}
/** By which a transaction is found again. */
export interface TransactionName {
  /** `pg_current_xact_id()`. */
  readonly xid: string;
  /** The process of the server that has it. */
  readonly pid: number;
  /**
   * Of the server. After a failover, and after a crash that lost what was not yet written of it, the number is given
   * again to another transaction.
   */
  readonly life: string;
}

/** Of the database, with the SQLSTATE that it gave; 08000 where the connection was lost. */
export class DatabaseError extends StoreError {
  constructor(fault: StoreError["fault"], message: string, readonly state: string) {
    super(fault, message);
  }
}

/** SQLSTATE of an error that the server sent, or "". */
export function sqlState(error: unknown): string {
  if (error instanceof DatabaseError) return error.state;
  const { name, code } = (error ?? {}) as { name?: unknown; code?: unknown };
  return name === "PostgresError" && typeof code === "string" ? code : "";
}

/** The server ended the session with it, or is about to: as good as a lost connection. */
export function endsSession(error: unknown): boolean {
  const { severity } = (error ?? {}) as { severity?: unknown };
  if (error instanceof ConnectionLost || severity === "FATAL" || severity === "PANIC") return true;
  return sqlState(error) === "" && isConnectionError(error);
}

function isConnectionError(error: unknown): boolean {
  const { code, errno } = (error ?? {}) as { code?: unknown; errno?: unknown };
  return errno !== undefined || /^(?:CONNECTION_|CONNECT_|E[A-Z]+$)/.test(String(code ?? ""));
}

/** Others were in the way: the same again may go through. (40: rolled back, 55P03: a lock was not to be had) */
export function mayGoThroughAgain(error: unknown): boolean {
  return /^(?:40001|40P01|55P03)$/.test(sqlState(error));
}

/** The server works, and what was asked of it is at fault: of a batch, one. (XX: a damaged page, which not all are on) */
export function isOfOne(error: unknown): boolean {
  if (error instanceof StoreError && !(error instanceof DatabaseError)) return error.fault === "io";
  return /^(?:2[0-9A-Z]|42|44|54|P0|XX)/.test(sqlState(error)) && sqlState(error) !== "25006";
}

/** Whatever it is, as the store says it. No text of a statement and no value comes along. */
export function storeFault(error: unknown): StoreError {
  if (error instanceof StoreError) return error;
  if (error instanceof CorruptRow) return new StoreError("io", error.message);
  const state = sqlState(error);
  const message = `the database: ${error instanceof Error ? error.message : String(error)}`.slice(0, 300);
  const busy = state === "57014" || state === "53300" || mayGoThroughAgain(error);
  const fault = /^53[12]/.test(state) ? "full" : busy ? "busy" : "io"; // disk_full, out_of_memory
  return new DatabaseError(fault, message, state || "08000");
}
