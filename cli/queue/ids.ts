/** Ids of messages in the queue as people name them: whole, or their ends. */
import { readId, readShortId, shortId } from "../../core/model/id.ts";
import { plain } from "../screen/text.ts";
import { CommandError, USAGE } from "../terminal.ts";
import type { QueueDoor } from "./door.ts";

/** Messages in one list. */
export const MOST = 1000;

/** An id, or the end of one as refusals, the log and the site show it. */
export function idOf(text: string): string {
  const id = readId(text) ?? readShortId(text);
  if (id === null) {
    throw new CommandError(`"${plain(text)}" is no message id; it has 26 letters and digits, or 8`, USAGE);
  }
  return id;
}

/** The one id in the queue that ends like this; `id` itself where there is none. */
export async function wholeId(door: QueueDoor, id: string): Promise<string> {
  if (readShortId(id) === null) return id;
  const { total, items, corrupt = [] } = await door.list({ limit: MOST });
  const found = [...new Set([...items, ...corrupt].map((each) => each.id))].filter((each) => shortId(each) === id);
  if (found.length > 1) throw new CommandError(`${id} is ${found.join(" and ")}: name one of them`, USAGE);
  if (found.length === 0 && total > items.length) {
    throw new CommandError(`none of the newest ${items.length} messages has the id ${id}: name the whole one`);
  }
  return found[0] ?? id;
}
