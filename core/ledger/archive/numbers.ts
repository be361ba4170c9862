/** The numbers of a minute and of a plugin's step, by the names of their columns. Non-job: counting (tally.ts). */
import { COMMIT_BOUNDS, DELAY_BOUNDS } from "../ledger.ts";
import { COUNTS } from "../recording/tally.ts";

export const MINUTE = 60_000;
/** Plugins are counted in steps of this. */
export const PLUGIN_STEP = 5 * MINUTE;

const COMMIT = COMMIT_BOUNDS.map((_, at) => `c${at}`).concat(`c${COMMIT_BOUNDS.length}`);
const DELAY = DELAY_BOUNDS.map((_, at) => `d${at}`).concat(`d${DELAY_BOUNDS.length}`);
/** Columns of a minute, in the order of `Counted`. */
export const NUMBERS: readonly string[] = [...COUNTS, ...COMMIT, ...DELAY];

/** The minute's sums, in the order of `NUMBERS`. */
export interface MinuteRow {
  readonly at: number;
  readonly queue: number | null;
  readonly numbers: readonly number[];
}
