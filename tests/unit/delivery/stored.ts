/** Rows of the queue as values, for what is pure in deliveries. */
import type { StoredMessage, StoredRecipient } from "../../../core/store/store.ts";
import { message, recipient, T0 } from "../store/messages.ts";

export const SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, DAY = 24 * HOUR, YEAR = 365 * DAY;

export function storedMessage(more: Partial<StoredMessage> = {}): StoredMessage {
  const { recipients: _, deposits: __, ...facts } = message();
  return { ...facts, receivedAt: T0, size: 100, version: 1, ...more };
}

/** Under way in its first attempt. */
export function storedRecipient(address: string, more: Partial<StoredRecipient> = {}): StoredRecipient {
  const { appointed: _, ...facts } = recipient(address);
  return { ...facts, index: 0, attempts: 0, told: null, released: false, ...more, state: "active" };
}
