/**
 * Answers about the house that are the same for handlers and for errands: name service and the plugin's own counters.
 * Non-job: questions of one phase (call.ts).
 */
import type { Resolver } from "../../dns/resolver.ts";
import type { Counters } from "../../store/store.ts";
import type { Question } from "../wire.ts";

/** What a call may ask of the house. The counters are the plugin's own part of them. */
export interface House {
  readonly dns: Resolver | null;
  readonly store: Counters;
}

/** @throws {TypeError} for what has no meaning here. */
export function askHouse(about: Question, { dns, store }: House, signal: AbortSignal): unknown {
  switch (about.ask) {
    case "dns":
      if (dns !== null) return dns[about.type](about.name, { signal });
      break;
    case "lookup":
      if (dns !== null) return dns.lookup(about.name, about.type, { signal });
      break;
    case "get":
      return store.get(about.name);
    case "put":
      return store.put(about.name, about.value, about.options);
    case "add":
      return store.add(about.name, about.amount, about.options);
    case "list":
      return store.list(about.query);
  }
  throw new TypeError(`${about.ask} has no meaning here`);
}
