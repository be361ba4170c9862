/**
 * What a person does to the queue: of messages by their ids, or of all that match; shown before it is done where that is
 * wanted, and asked for on a terminal where it is many. Non-job: what each verb changes (core/store).
 */
import { readShortId } from "../../core/model/id.ts";
import { plural } from "../screen/text.ts";
import { Progress } from "../screen/progress.ts";
import { DONE, type ExitCode, NO, type Terminal } from "../terminal.ts";
import type { QueueDoor, QueueFilter, Wanted } from "./door.ts";
import { wholeId } from "./ids.ts";
import { rowLines } from "./listing.ts";

export interface ChangeOptions {
  readonly wanted: Wanted;
  readonly ids: readonly string[];
  /** Where there are no ids. */
  readonly filter: QueueFilter;
  readonly json?: true;
  readonly dryRun?: true;
  readonly yes?: true;
}
/** Messages that a dry run shows. */
const SHOWN = 20;

export async function change(door: QueueDoor, options: ChangeOptions, terminal: Terminal): Promise<ExitCode> {
  const { wanted, ids, filter, json } = options;
  const whole: string[] = [];
  for (const id of ids) whole.push(await wholeId(door, id)); // all are known before one is changed
  if (options.dryRun) return await dryRun(door, { ...options, ids: whole }, terminal);
  if (!options.yes && !await sure(door, options, terminal)) {
    terminal.err("postern: nothing was changed");
    return NO;
  }
  let changed = 0, code: ExitCode = DONE;
  using progress = new Progress({ total: ids.length || null, what: wanted.verb });
  if (ids.length === 0) changed = await progress.during(door.change(filter, wanted)) ?? 0;
  for (const [index, id] of whole.entries()) {
    progress.at(index);
    const count = readShortId(id) === null ? await door.change({ id }, wanted) : null;
    if (count === null) {
      progress.clear();
      terminal.err(`postern: nothing in the queue has the id ${id}`);
      code = NO;
    } else changed += count;
  }
  progress.clear();
  terminal.out(json ? JSON.stringify({ changed }) : `${plural(changed, "recipient")} changed`);
  return code;
}

/** Asks before all that match are changed; who cannot be asked has said what is wanted. */
async function sure(door: QueueDoor, { wanted, ids, filter }: ChangeOptions, terminal: Terminal): Promise<boolean> {
  if (ids.length > 0 || !terminal.interactive) return true;
  const { total: count } = await door.list({ ...filter, limit: 1 });
  if (count <= 1) return true;
  const answer = await terminal.ask(`${wanted.verb} ${count} messages? [y/N] `);
  return answer === null || /^y(?:es)?$/i.test(answer);
}

async function dryRun(door: QueueDoor, { ids, filter, json }: ChangeOptions, terminal: Terminal): Promise<ExitCode> {
  const page = ids.length === 0 ? await door.list({ ...filter, limit: SHOWN }) : null;
  const found = page?.items ?? await Array.fromAsync(ids, (id) => readShortId(id) === null ? door.item(id) : null);
  const items = found.filter((each) => each !== null), total = page?.total ?? items.length;
  if (json) terminal.out(JSON.stringify({ matching: total }));
  else {
    for (const row of items) for (const line of rowLines(row)) terminal.out(line);
    terminal.out(`${plural(total, "message")} would be changed, as far as ${total === 1 ? "it" : "they"} can be`);
  }
  ids.forEach((id, index) => found[index] === null && terminal.err(`postern: nothing in the queue has the id ${id}`));
  return items.length < found.length ? NO : DONE;
}
