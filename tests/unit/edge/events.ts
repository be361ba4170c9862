/** A platform's email event for tests: what its message is, and what a handler did with it. */
import type { EmailEvent } from "postern/edge";
import { mail } from "../../support/bytes.ts";

/** What was done. */
export interface Done {
  rejected: string | null;
  readonly forwarded: { readonly to: string; readonly fields: Record<string, string> }[];
  readonly replied: unknown[];
}

export interface EventOptions {
  readonly from?: string;
  readonly to?: string;
  /** What the platform says the size is; default: what it is. */
  readonly rawSize?: number;
  /** In the place of the message's octets. */
  readonly raw?: ReadableStream<Uint8Array>;
  /** What `forward` does before it has forwarded. */
  readonly forward?: () => Promise<void>;
}

export function eventOf(
  message: string | Uint8Array<ArrayBuffer>,
  options: EventOptions = {},
): { readonly event: EmailEvent; readonly done: Done } {
  const octets = typeof message === "string" ? mail(message) : message;
  const done: Done = { rejected: null, forwarded: [], replied: [] };
  const event: EmailEvent = {
    from: options.from ?? "amy@example.net",
    to: options.to ?? "ann@example.org",
    raw: options.raw ?? new Blob([octets]).stream(),
    rawSize: options.rawSize ?? octets.length,
    setReject: (reason) => void (done.rejected = reason),
    forward: async (to, fields) => {
      await options.forward?.();
      done.forwarded.push({ to, fields: Object.fromEntries(fields ?? []) });
    },
    reply: (message) => Promise.resolve(void done.replied.push(message)),
  };
  return { event, done };
}
