/**
 * Signatures by which a receiver knows that a request is ours and fresh: HMAC-SHA256 over `id.timestamp.body`, as the
 * Standard Webhooks specification says. Non-job: where the keys come from.
 */
import { createHmac } from "node:crypto";

export interface Signed {
  readonly id: string;
  /** Seconds since 1970: of this attempt. */
  readonly timestamp: number;
  readonly body: string;
}

/** The three headers. One signature for each key. */
export function signatureHeaders(
  { id, timestamp, body }: Signed,
  keys: readonly Uint8Array[],
): Readonly<Record<string, string>> {
  const text = `${id}.${timestamp}.${body}`;
  return {
    "webhook-id": id,
    "webhook-timestamp": String(timestamp),
    "webhook-signature": keys.map((key) => `v1,${createHmac("sha256", key).update(text).digest("base64")}`).join(" "),
  };
}

/** The key in a secret as it is written: `whsec_` and base64 of 24 to 64 octets; null when it is none. */
export function keyIn(secret: string): Uint8Array<ArrayBuffer> | null {
  const text = /^whsec_([A-Za-z0-9+/_-]{32,88}={0,2})$/.exec(secret)?.[1];
  if (text === undefined) return null;
  try {
    const key = Uint8Array.fromBase64(text.replaceAll("-", "+").replaceAll("_", "/"));
    return key.length >= 24 && key.length <= 64 ? key : null;
  } catch {
    return null;
  }
}
