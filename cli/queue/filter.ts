/** Which of the queue a command is about, as the API takes it. Values only. */
import { parseDuration } from "../../core/model/units.ts";
import { CommandError, USAGE } from "../terminal.ts";
import type { QueueFilter } from "./door.ts";

export interface FilterOptions {
  readonly state?: string;
  readonly domain?: string;
  readonly from?: string;
  readonly to?: string;
  /** How long ago it came, at least. */
  readonly older?: string;
}

/** Without what is not asked for. @throws {CommandError} when `older` is no duration. */
export function filterOf({ state, domain, from, to, older }: FilterOptions, now = Date.now()): QueueFilter {
  const age = older === undefined ? null : parseDuration(older);
  if (older !== undefined && (age === null || age > now)) {
    throw new CommandError("--older: must be a duration such as 30m, 12h or 2d", USAGE);
  }
  return {
    ...state !== undefined && { state },
    ...domain !== undefined && { domain },
    ...from !== undefined && { from },
    ...to !== undefined && { to },
    ...age !== null && { before: new Date(now - age).toISOString() },
  };
}
