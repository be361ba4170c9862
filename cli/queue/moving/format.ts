/**
 * A message of the queue as files: `ID.eml` with its octets as they were received, `ID.body.eml` where other octets go on in
 * their place, and `ID.json` with everything else, written last: what has none is no message. The format is in
 * docs/backup.md. Non-job: files (export.ts, import.ts).
 */
import { z } from "zod";
import { readId } from "../../../core/model/id.ts";
import { CorruptRow, decodeMessage, decodeRecipient, ROW_VERSION } from "../../../core/store/rows.ts";
import { QUEUE_STATES, type WholeItem } from "../../../core/store/store.ts";
import { VERSION } from "../../../core/version.ts";

/** Of `ID.json`. */
export const FORMAT = 1;

/** What a message has ends long before. */
const DEEPEST = 100;

const Count = z.int().min(0);
const Moment = z.int();
/** No store's column holds a NUL. */
const Text = z.string().refine((text) => !text.includes("\0"), "has a NUL");
const Octets = z.strictObject({ size: Count, sha256: z.string().regex(/^[0-9a-f]{64}$/) });
const Recipient = z.strictObject({
  index: Count,
  state: z.enum(QUEUE_STATES),
  address: z.unknown(),
  original: z.unknown(),
  parameters: z.unknown(),
  route: z.unknown(),
  destination: Text,
  deadline: Moment.nullable(),
  nextAttempt: Moment,
  appointed: z.literal(true).optional(),
  lastReply: Text.nullable(),
  attempts: Count,
  told: Moment.nullable(),
  released: z.boolean(),
});
const Item = z.strictObject({
  message: z.literal(FORMAT),
  /** The version of Postern that wrote it. */
  postern: z.string(),
  id: z.string(),
  receivedAt: Moment,
  sender: z.unknown(),
  parameters: z.unknown(),
  origin: z.unknown(),
  edits: z.unknown(),
  summary: z.unknown(),
  recipients: z.array(Recipient).min(1),
  expires: Moment.nullable(),
  /** Of ID.eml. */
  received: Octets,
  /** Of ID.body.eml, or null: what was received goes on. */
  body: Octets.nullable(),
});
export type ExportedItem = z.output<typeof Item>;
export type ExportedOctets = z.output<typeof Octets>;

/** A file that is no such message; the message is one line. */
export class FormatError extends Error {
  override readonly name = "FormatError";
}

/** The text of ID.json. */
export function formatItem(
  { message, recipients, expires }: WholeItem,
  { received, body }: { readonly received: ExportedOctets; readonly body: ExportedOctets | null },
): string {
  const { id, receivedAt, sender, parameters, origin, edits, summary } = message;
  const item: ExportedItem = {
    message: FORMAT,
    postern: VERSION,
    ...{ id, receivedAt, sender, parameters, origin, edits, summary },
    recipients: [...recipients],
    ...{ expires, received, body },
  };
  return `${JSON.stringify(item, null, 2)}\n`;
}

export interface ParsedItem {
  readonly item: WholeItem;
  readonly received: ExportedOctets;
  readonly body: ExportedOctets | null;
}

/** Reads one; everything in it is looked at as a store looks at its own rows. @throws {FormatError} */
export function parseItem(text: string, name: string): ParsedItem {
  if (isDeep(text)) throw new FormatError("is too deep");
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new FormatError("is no JSON");
  }
  const read = Item.safeParse(value);
  if (!read.success) throw new FormatError(faultOf(value, read.error));
  const { id, receivedAt, recipients, expires, received, body, message: _, postern: __, ...envelope } = read.data;
  if (readId(id) !== id || name !== `${id}.json`) {
    throw new FormatError(`has the id ${JSON.stringify(id)} of another file`);
  }
  if (new Set(recipients.map(({ index }) => index)).size < recipients.length) {
    throw new FormatError("has a recipient twice");
  }
  if (recipients.some(({ address }) => (address as { domain?: unknown } | null)?.domain?.toString().includes("\0"))) {
    throw new FormatError("has a domain with a NUL");
  }
  const size = (body ?? received).size;
  try {
    const message = decodeMessage({
      id,
      version: ROW_VERSION,
      received_at: receivedAt,
      size,
      envelope: JSON.stringify(envelope),
      file: null,
      stored: size,
    });
    const whole = recipients.map((each) => ({
      ...decodeRecipient({
        idx: each.index,
        state: each.state,
        domain: "", // the address has it
        destination: each.destination,
        next_attempt: each.nextAttempt,
        attempts: each.attempts,
        last_reply: each.lastReply,
        facts: JSON.stringify(factsOf(each)),
        deadline: each.deadline,
        told: each.told,
        released: Number(each.released),
      }),
      ...each.appointed && { appointed: true as const },
    }));
    const item = { message, recipients: whole, expires, receivedSize: body === null ? null : received.size };
    return { item, received, body };
  } catch (error) {
    if (error instanceof CorruptRow) throw new FormatError(error.message);
    throw error;
  }
}

/** Brackets in brackets without end cost minutes wherever they are walked through. */
function isDeep(text: string): boolean {
  let depth = 0, quoted = false;
  for (let at = 0; at < text.length; at++) {
    const char = text.charCodeAt(at);
    if (char === 0x22) quoted = !quoted;
    else if (quoted) at += Number(char === 0x5c);
    else if (char === 0x5b || char === 0x7b) {
      if (++depth > DEEPEST) return true;
    } else if (char === 0x5d || char === 0x7d) depth--;
  }
  return false;
}

function factsOf({ address, original, parameters, route }: ExportedItem["recipients"][number]): object {
  return { address, original, parameters, route };
}

function faultOf(value: unknown, error: z.ZodError): string {
  const format = (value as { message?: unknown } | null)?.message;
  if (typeof format === "number" && format > FORMAT) {
    return `has format ${format} of a newer version of Postern; this one knows ${FORMAT}`;
  }
  const [issue] = error.issues;
  const where = issue?.path.join(".") ?? "";
  return `${where === "" ? "" : `${where}: `}${issue?.message ?? "not understood"}`;
}
