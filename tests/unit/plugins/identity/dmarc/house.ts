/** The house of a job, as literal data: a store, name service, and what was sent. */
import {
  type JobHouse,
  type Letter,
  MemoryResolver,
  type MemoryZone,
  SimulatedCounters,
} from "../../../../../core/pipeline/mod.ts";

export interface TestHouse extends JobHouse {
  readonly sent: Letter[];
}

export function houseAt(
  now: () => number,
  options: { readonly zone?: MemoryZone; readonly store?: SimulatedCounters; readonly send?: () => Promise<void> } = {},
): TestHouse {
  const sent: Letter[] = [];
  return {
    store: options.store ?? new SimulatedCounters(now),
    now,
    alert() {},
    host: { name: "mx.example.org", domains: ["example.org"], postmaster: null },
    dns: new MemoryResolver(options.zone ?? {}),
    signal: new AbortController().signal,
    async send(letter) {
      await options.send?.();
      sent.push(letter);
    },
    sent,
  };
}
