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
export function askHouse(about: Question, house: House, signal: AbortSignal): unknown {
  if (about.ask === "dns" || about.ask === "lookup") { // looked at only then: the ledger tells who asks
    const { dns } = house;
    if (dns === null) throw new TypeError("dns has no meaning here");
    return about.ask === "dns"
      ? dns[about.type](about.name, { signal })
      : dns.lookup(about.name, about.type, { signal });
  }
  const { store } = house;
  switch (about.ask) {
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
