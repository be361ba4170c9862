/**
 * A message as its recipient gets it: header edits applied, one Return-Path in front, older ones left out (RFC 5321 4.4).
 * What waits in the queue has none, because a relay must not add one. Non-job: reading the store (stored_body.ts).
 */
import { applyEdits, withReturnPath } from "../model/edits.ts";
import { HeaderSection } from "../model/headers.ts";
import type { Store, StoredMessage } from "../store/store.ts";
import { storedBody } from "./stored_body.ts";

/** Null when the octets are not there any more. */
export async function finalCopy(
  store: Store,
  message: StoredMessage,
): Promise<ReadableStream<Uint8Array<ArrayBuffer>> | null> {
  const body = await storedBody(store, message);
  if (body === null) return null;
  return applyEdits(body.stream(), withReturnPath(message.edits, new HeaderSection(body.head), message.sender));
}
