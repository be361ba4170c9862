/**
 * What names a destination. Everything under one name shares concurrency, rate, rest and suspension, and its rows in the
 * store are leased, postponed and woken together. Pure. Non-job: what a destination bears (core/delivery).
 */
import type { Route } from "../model/envelope.ts";

/** `mx:DOMAIN`, `via:NAME`, `local:PLUGIN` or `report`, for a recipient of that route and domain. */
export function destinationKey(route: Route, domain: string): string {
  if (route.to === "local") return `local:${route.plugin}`;
  if (route.to === "report") return "report";
  return route.via === undefined ? `mx:${domain.toLowerCase()}` : `via:${route.via}`;
}
