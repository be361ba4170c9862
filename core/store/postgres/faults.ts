/**
 * What went wrong with the database, and what may be done about it: whether a transaction certainly never was, whether the
 * same again may work, whether one of a batch is to blame. Non-job: trying again (pool.ts, writer.ts).
 */
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
  /** Timeline of the write-ahead log: after a failover the number may be another transaction's. */
  readonly timeline: string;
}

/** SQLSTATE of an error that the server sent, or "". */
export function sqlState(error: unknown): string {
  const { name, code } = (error ?? {}) as { name?: unknown; code?: unknown };
  return name === "PostgresError" && typeof code === "string" ? code : "";
}

/** The server ended the session with it, or is about to: as good as a lost connection. */
export function endsSession(error: unknown): boolean {
  const { severity } = (error ?? {}) as { severity?: unknown };
  return error instanceof ConnectionLost || severity === "FATAL" || severity === "PANIC" || sqlState(error) === "" &&
      !(error instanceof StoreError) && !(error instanceof UnknownOutcome) && isConnectionError(error);
}

function isConnectionError(error: unknown): boolean {
  const { code, errno } = (error ?? {}) as { code?: unknown; errno?: unknown };
  return errno !== undefined || /^(?:CONNECTION_|CONNECT_|E[A-Z]+$)/.test(String(code ?? ""));
}

/** Others were in the way: the same again may go through. (40: rolled back, 55P03: a lock was not to be had) */
export function mayGoThroughAgain(error: unknown): boolean {
  return /^(?:40001|40P01|55P03)$/.test(sqlState(error));
}

/** The server works, and what was asked of it is at fault: of a batch, one. */
export function isOfOne(error: unknown): boolean {
  return /^(?:2[0-9A-Z]|42|44|54|P0)/.test(sqlState(error)) || error instanceof StoreError && error.fault === "io";
}

/** Whatever it is, as the store says it. No text of a statement and no value comes along. */
export function storeFault(error: unknown): StoreError {
  if (error instanceof StoreError) return error;
  const state = sqlState(error);
  const message = `the database: ${error instanceof Error ? error.message : String(error)}`.slice(0, 300);
  if (/^53[12]/.test(state)) return new StoreError("full", message); // disk_full, out_of_memory
  if (state === "57014" || state === "53300" || mayGoThroughAgain(error)) return new StoreError("busy", message);
  if (state === "25006") return new StoreError("io", `${message} (it is a standby)`);
  return new StoreError("io", message);
}
