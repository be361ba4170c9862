/**
 * Where a person may send mail that waits: by the rules of the configuration, through a next hop, to a storage plugin.
 * What is not configured is refused by its name before anything changes. Non-job: what a rule says (core/delivery).
 */
import type { Config } from "../../config/config.ts";
import type { Route } from "../../model/envelope.ts";
import { storesOf } from "../../pipeline/compile.ts";
import { Pipeline } from "../../pipeline/pipeline.ts";
import { destinationKey } from "../../queue/destination.ts";
import type { QueueChange } from "../../store/store.ts";
import { Problem } from "../problem.ts";

/** The ways there are. Names in the order of the configuration. */
export interface Ways {
  /** False: nothing leaves this machine. */
  readonly leaves: boolean;
  readonly nextHops: readonly string[];
  /** Plugins that store mail. */
  readonly storages: readonly string[];
}

export function waysOf({ delivery, nextHops, listeners }: Pick<Config, "delivery" | "nextHops" | "listeners">): Ways {
  const storages = listeners.flatMap(({ plugins, role }) => [...storesOf(new Pipeline(plugins, { role }).matrix)]);
  return {
    leaves: delivery.leaves,
    nextHops: delivery.leaves ? [...nextHops.keys()] : [],
    storages: [...new Set(storages)],
  };
}

/**
 * The change that sends mail the way that a request names: `{ to: "remote" }`, `{ to: "remote", via }`,
 * `{ to: "local", plugin }`.
 *
 * @throws {Problem} 400 where that is no way, or none of ours.
 */
export function routeChange(body: Readonly<Record<string, unknown>>, ways: Ways): QueueChange {
  const route = routeOf(body, ways);
  // By its own domain: each recipient has another destination, and the rules of the configuration say which.
  const destination = route.to === "remote" && route.via === undefined ? null : destinationKey(route, "");
  return { do: "route", route, destination };
}

function routeOf({ to, via, plugin, ...rest }: Readonly<Record<string, unknown>>, ways: Ways): Route {
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined) throw new Problem(400, `There is no ${JSON.stringify(unknown.slice(0, 64))} here.`);
  if (to === "local" && typeof plugin === "string" && via === undefined) {
    return { to, plugin: known("plugin that stores mail", plugin, ways.storages) };
  }
  if (to === "remote" && plugin === undefined && (via === undefined || typeof via === "string")) {
    if (!ways.leaves) throw new Problem(400, "Mail does not leave this machine.");
    return via === undefined ? { to } : { to, via: known("next hop", via, ways.nextHops) };
  }
  throw new Problem(
    400,
    'A route is {"to": "remote"}, {"to": "remote", "via": NAME} or {"to": "local", "plugin": NAME}.',
  );
}

function known(what: string, name: string, names: readonly string[]): string {
  if (names.includes(name)) return name;
  const there = names.length === 0 ? "there is none" : `there is ${names.join(", ")}`;
  throw new Problem(400, `There is no ${what} ${JSON.stringify(name.slice(0, 64))} in the configuration; ${there}.`);
}
