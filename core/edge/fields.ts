/**
 * What of a message's header edits a platform's `forward` can carry: fields in front whose names begin with `X-`. The
 * findings about who sent it go as X-Postern-Authentication-Results. Non-job: making edits (core/model).
 */
import { within } from "../model/edits.ts";
import { HeaderSection } from "../model/headers.ts";
import type { EdgeMail } from "./mail.ts";

/** What goes along, and the names of the fields whose change does not. */
export interface CarriedFields {
  readonly fields: Headers;
  /** As they are written, each once: added, replaced or removed in vain. */
  readonly lost: readonly string[];
}

const utf8 = new TextEncoder();
const MOST_LOST = 50;

/** Linear in the size of the header section. */
export function carriedFields({ edits, received }: Pick<EdgeMail, "edits" | "received">): CarriedFields {
  const { prepend, drop, insert = [] } = edits, fields = new Headers(), lost = new Set<string>();
  const added = new HeaderSection(utf8.encode(prepend));
  for (const field of added.fields) {
    const name = field.name.toLowerCase() === "authentication-results" ? `X-Postern-${field.name}` : field.name;
    // Values of fetch's Headers are octets; what is not ASCII would be read in two ways
    if (/^x-/i.test(name)) fields.append(name, added.value(field).replace(/[^\t\x20-\x7e]+/g, "?"));
    else lost.add(field.name);
  }
  for (const [, text] of insert) lost.add(text.slice(0, text.indexOf(":")));
  if (drop.length > 0) {
    for (const { name, start } of new HeaderSection(received).fields) if (within(drop, start)) lost.add(name);
  }
  return { fields, lost: [...lost].slice(0, MOST_LOST) };
}
