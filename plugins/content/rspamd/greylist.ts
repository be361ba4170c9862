/**
 * Greylisting for rspamd's action `greylist`, which says that the message deserves it and leaves the memory to others: who
 * comes again after the delay gets in. Non-job: greylisting strangers in general (the plugin `greylist`).
 */
import { type DataContext, formatAddress, networkOf } from "../../../core/pipeline/mod.ts";

/** Seconds for which it is remembered when somebody came first. */
const MEMORY = 86_400;

/** What is looked at. */
export type Comer = Pick<DataContext, "client" | "sender" | "recipients" | "store" | "now">;

/** Whether this sender came to these recipients from this network at least `delay` milliseconds ago. */
export async function cameBefore(ctx: Comer, delay: number): Promise<boolean> {
  const who = [
    networkOf(ctx.client.ip, { v4: 24, v6: 64 }),
    formatAddress(ctx.sender),
    ...ctx.recipients.map(({ address }) => formatAddress(address)).sort(),
  ];
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(JSON.stringify(who)));
  const name = `grey ${
    Array.from(new Uint8Array(digest, 0, 16), (each) => each.toString(16).padStart(2, "0")).join("")
  }`;
  const first = Number(await ctx.store.get(name) ?? NaN);
  if (Number.isNaN(first)) await ctx.store.put(name, String(ctx.now()), { seconds: MEMORY });
  return ctx.now() - first >= delay; // false for NaN
}
