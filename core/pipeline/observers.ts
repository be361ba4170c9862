/**
 * Plugins as observers: told of every event, deciding nothing (they hold `observe` beside their handlers). Each has its
 * own part of the counters. Non-job: handing events round (core/observe/bus.ts).
 */
import type { Event, Observer } from "../observe/events.ts";
import type { Counters } from "../store/store.ts";
import { leavesOf } from "./compile.ts";
import { NamespacedCounters } from "./contexts/plugin_context.ts";
import type { Observe, ObserverHouse, Plugin } from "./plugin.ts";

/** What observers need from the house. */
export interface ObserverServices {
  /** All counters: each plugin gets its own part of them. */
  readonly counters: Counters;
  /** Milliseconds since 1970. */
  now(): number;
  /** Where their alerts go, and what is told of their faults. */
  emit(event: Event): void;
}

/**
 * An observer for each plugin that has one, combinations taken apart, each instance once: give it the lists of all
 * listeners together, and subscribe what comes of it.
 *
 * @example
 * ```ts
 * import { definePlugin, observersOf, SimulatedCounters } from "postern";
 * import { z } from "zod";
 * import { assertEquals } from "@std/assert";
 * const counter = definePlugin({
 *   name: "counter",
 *   options: z.strictObject({}),
 *   create: () => ({
 *     async observe(event, { store }) {
 *       if (event.type === "held") await store.add("held", 1, { seconds: 3600 });
 *     },
 *   }),
 * });
 * const counters = new SimulatedCounters();
 * const [observer] = observersOf([counter()], { counters, now: Date.now, emit: () => {} });
 * observer!({ type: "held", transaction: "01K0", recipient: "bob@example.org", reason: "spam" });
 * assertEquals(await counters.get("plugin:counter:held"), "1");
 * ```
 */
export function observersOf(
  plugins: readonly Plugin[],
  services: ObserverServices,
): Observer[] {
  const found = new Map<Observe, Observer>();
  for (const { plugin: { name, observe } } of leavesOf(plugins, undefined)) {
    if (observe !== undefined && !found.has(observe)) found.set(observe, observer(name, observe, services));
  }
  return [...found.values()];
}

/** What a plugin has outside of the phases, under its name. */
export function houseOf(name: string, { counters, now, emit }: ObserverServices): ObserverHouse {
  return {
    store: new NamespacedCounters(counters, `plugin:${name}:`),
    now,
    alert: (subject, message) => emit({ type: "alert", where: name, subject, message }),
  };
}

function observer(name: string, observe: Observe, services: ObserverServices): Observer {
  const { emit } = services;
  const house = houseOf(name, services);
  const failed = (error: unknown) => {
    let why = "something that cannot be read";
    try {
      why = String(error instanceof Error ? error.message : error);
    } catch { /* anything can be thrown */ }
    emit({ type: "trouble", where: name, message: `its observer threw: ${why}` });
  };
  let busy = false;
  return (event: Event) => {
    // What comes of its own words would be told without end.
    if (busy || (event.type === "alert" || event.type === "trouble") && event.where === name) return;
    busy = true;
    try {
      observe(event, house)?.then(undefined, failed);
    } catch (error) {
      failed(error);
    } finally {
      busy = false;
    }
  };
}
