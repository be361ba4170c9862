/** Name service for keys of DKIM and ARC, within a time for all that a message wants to know. Non-job: what records say. */
import type { KeyDoor, KeyRecords } from "../../core/dkim/mod.ts";
import type { Context, Lasting } from "../../core/pipeline/mod.ts";

/**
 * Runs `use` with a door that answers until the time is over: from then on nobody knows, which is a temporary failure.
 * `timeout`: milliseconds.
 */
export async function withKeyDoor<T>(
  ctx: Context<Lasting>,
  { records, timeout }: { readonly records: KeyRecords; readonly timeout: number },
  use: (door: KeyDoor) => Promise<T>,
): Promise<T> {
  const time = new AbortController(), end = () => time.abort();
  const timer = setTimeout(end, timeout);
  ctx.signal.addEventListener("abort", end, { once: true });
  try {
    return await use({ records, txt: (name) => ctx.dns.txt(name, { signal: time.signal }) });
  } finally {
    clearTimeout(timer);
    ctx.signal.removeEventListener("abort", end);
  }
}
