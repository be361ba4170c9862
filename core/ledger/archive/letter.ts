/** The row of a letter of this site's own, which no session brought: what its deliveries tell of it. */
import { COUNT, type Head, RECIPIENTS } from "../codec.ts";

export interface LetterFacts {
  readonly id: string;
  /** The message that it is about; empty: none. */
  readonly parent: string;
  readonly recipient: string;
  readonly sender: string;
}

/** The row with the recipient in it; null when it was there. */
export function letterHead(known: Head | null, { id, parent, recipient, sender }: LetterFacts): Head | null {
  if (known === null) {
    const about = parent === "" ? null : parent;
    return [
      id,
      id,
      "accepted",
      "",
      "",
      "",
      "",
      null,
      null,
      sender,
      [recipient],
      1,
      null,
      null,
      null,
      null,
      null,
      "",
      0,
      0,
      null,
      [],
      about,
    ];
  }
  if (known[RECIPIENTS].includes(recipient) || known[COUNT] >= 1000) return null;
  const head: Head = [...known];
  head[RECIPIENTS] = [...known[RECIPIENTS], recipient];
  head[COUNT]++;
  return head;
}
