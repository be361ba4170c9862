/**
 * What the columns of this database are to the formats of ../rows.ts. Values only. Non-job: SQL.
 */
import type { MessageRow as Row, RecipientRow as StoredRow } from "../rows.ts";

/** Columns of a MessageRow. */
export const MESSAGE = "id, version, received_at, size, envelope, blob as file, octet_length(body)::bigint as stored";
export type MessageRow = Row;

/** Columns of a RecipientRow. */
export const RECIPIENT = `message, idx, state, domain, destination, next_attempt, attempts, last_reply,
  left(facts, -1) || ',"route":' || route || '}' as facts, deadline, told, released`;
export interface RecipientRow extends StoredRow {
  readonly message: string;
}
