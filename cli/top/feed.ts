/** What `postern top` asks the running server, once for each picture. Non-job: showing it (frame.ts). */
import type { LedgerPage } from "../../core/ledger/ledger.ts";
import { type AdminApi, ApiError } from "../admin_api.ts";
import type { DestinationList } from "../queue/door.ts";
import type { Look } from "./frame.ts";
import { sampleOf } from "./samples.ts";

/** Rows that are asked for: more than a terminal has lines. */
const ROWS = 100;
/** Milliseconds for one question. */
const PATIENCE = 10_000;

/**
 * The next look, with rates since `before`.
 *
 * @throws {CommandError} with what the server says is wrong, or what fetch throws.
 */
export async function lookAt(api: AdminApi, before: Look | null, stop: AbortSignal): Promise<Look> {
  const signal = AbortSignal.any([stop, AbortSignal.timeout(PATIENCE)]);
  const json = async (path: string) => await (await api.open(path, signal)).json();
  const [text, destinations, refusals] = await Promise.all([
    api.open("/metrics", signal).then((response) => response.text()),
    json(`/api/v1/queue/destinations?limit=${ROWS}`) as Promise<DestinationList>,
    refused(json),
  ]);
  return {
    sample: sampleOf(text, Date.now()),
    earlier: before?.sample ?? null,
    destinations: destinations.items.toSorted((a, b) => b.waiting + b.running - a.waiting - a.running),
    destinationCount: destinations.total,
    refusals,
    server: api.base,
    trouble: null,
  };
}

async function refused(json: (path: string) => Promise<unknown>): Promise<LedgerPage["entries"]> {
  try {
    return (await json(`/api/v1/sessions?verdict=refused&limit=${ROWS}`) as LedgerPage).entries;
  } catch (error) {
    if (error instanceof ApiError && error.status === 409) return []; // it keeps no ledger
    throw error;
  }
}
