/**
 * The part of a report that holds the message it is about: whole, or its header section (RFC 3461 4.3, 6.2; RFC 6522 3;
 * RFC 6532 3.7; RFC 6533 5). As it was received, never more than the bounds. Non-job: what happened to it (status.ts).
 */
import { HeaderSection } from "../model/headers.ts";
import { concat, isUtf8 } from "../model/octets.ts";
import type { Body } from "../store/store.ts";
import type { ReportedMessage } from "./event.ts";
import type { Notification } from "./notify.ts";
import { type Form, formOf, quotedPrintable } from "./octets.ts";

type Octets = Uint8Array<ArrayBuffer>;
/** What is read of the message. */
export type Original = Pick<Body, "size" | "memory" | "head" | "stream">;

/** A body part, ready to be written. */
export interface Part {
  readonly type: string;
  /** Content-Transfer-Encoding. */
  readonly coding: "7bit" | "8bit" | "quoted-printable";
  /** Ends with CRLF, unless it is empty. */
  readonly octets: Octets;
}
export interface ReturnOptions {
  /** The largest message that is returned whole, octets. */
  readonly returnSize: number;
  /** The report may have 8-bit content (RFC 6152). */
  readonly eightBit: boolean;
}

/** Of the header section no more than this is returned, octets. */
const MAX_HEADER = 64 * 1024;

/** Null when there is nothing to return. */
export async function returnedPart(
  { kind, double }: Pick<Notification, "kind" | "double">,
  message: ReportedMessage,
  original: Original,
  options: ReturnOptions,
): Promise<Part | null> {
  const fields = headerOf(original.head);
  const wide = message.parameters.smtputf8 && fields.some((octet) => octet > 127);
  if (kind === "failure" && wantsAll(message, double) && original.size <= options.returnSize) {
    const whole = await read(original);
    const part = whole === null ? null : wholePart(whole, wide, options);
    if (part !== null) return part;
  }
  return fields.length === 0 ? null : headerPart(fields, wide, options);
}

/** Who said nothing gets it back when it is known; a stranger's sender may be a forged one, and gets less of it. */
function wantsAll(
  { parameters: { ret, requireTls }, origin: { identity } }: ReportedMessage,
  double: boolean,
): boolean {
  if (requireTls) return false; //                                                                    RFC 8689 5
  return ret === null ? double || identity !== null : ret === "FULL"; //                            RFC 3461 4.3
}

/** All octets, or null when they cannot be read, or are more than was said. */
async function read({ memory, size, stream }: Original): Promise<Octets | null> {
  if (memory !== null) return memory;
  const chunks: Octets[] = [];
  let length = 0;
  try {
    for await (const chunk of stream()) {
      length += chunk.length;
      if (length > size) return null;
      chunks.push(chunk);
    }
  } catch {
    return null; // its header has to do: the sender must be told all the same
  }
  return concat(chunks);
}

/** message/rfc822 takes no other coding than 7bit and 8bit (RFC 2046 5.2.1), message/global takes any (RFC 6532 3.7). */
function wholePart(octets: Octets, wide: boolean, options: ReturnOptions): Part | null {
  const type = wide ? "message/global" : "message/rfc822", form = formOf(octets);
  if (fits(form, options)) return { type, coding: form, octets: ended(octets) };
  return wide ? { type, coding: "quoted-printable", octets: ended(quotedPrintable(octets)) } : null;
}

function headerPart(fields: Octets, wide: boolean, options: ReturnOptions): Part {
  const form = formOf(fields);
  const type = wide
    ? "message/global-headers" //                                                                     RFC 6533 5
    : `text/rfc822-headers${form === "7bit" ? "" : `; charset=${isUtf8(fields) ? "utf-8" : "unknown-8bit"}`}`;
  if (fits(form, options)) return { type, coding: form, octets: ended(fields) };
  return { type, coding: "quoted-printable", octets: ended(quotedPrintable(fields)) };
}

function fits(form: Form, { eightBit }: ReturnOptions): form is "7bit" | "8bit" {
  return form === "7bit" || form === "8bit" && eightBit;
}

/** Whole fields only; what does not fit within the bound is left out. */
function headerOf(head: Octets): Octets {
  const kept: Octets[] = [];
  let length = 0;
  for (const { start, end } of new HeaderSection(head).fields) {
    if (length + end - start > MAX_HEADER) continue;
    kept.push(head.subarray(start, end));
    length += end - start;
  }
  return concat(kept);
}

function ended(octets: Octets): Octets {
  const { length } = octets;
  return length === 0 || octets[length - 1] === 10 && octets[length - 2] === 13
    ? octets
    : concat([octets, Uint8Array.of(13, 10)]);
}
