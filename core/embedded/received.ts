/**
 * A message of the inbox, read for the program around the server: texts decoded, files whole. Linear and without a bound
 * but the message's own size (`limits.messageSize`). Non-job: which message (mailbox.ts), judging what is odd in it.
 */
import { decodeText } from "../mime/charset.ts";
import type { MimeVisitor, PartConsumer, PartHead } from "../mime/entity.ts";
import { MimeReader } from "../mime/reader.ts";
import { formatAddress } from "../model/address.ts";
import { decodeWords } from "../model/encoded_word.ts";
import { HeaderSection } from "../model/headers.ts";
import type { StoredMessage } from "../store/store.ts";
import type { ReceivedAttachment, ReceivedMessage } from "./embedded.ts";

type Octets = Uint8Array<ArrayBuffer>;

const CR = 13, LF = 10, DASH = 45;

/** `recipients`: those that it was kept for. `raw`: as its recipients get it. */
export function readReceived(
  message: StoredMessage,
  { recipients, raw }: { readonly recipients: readonly string[]; readonly raw: Octets },
): ReceivedMessage {
  const section = new HeaderSection(raw);
  const headers = section.fields.map((field) => ({ name: field.name, value: decodeWords(section.value(field)) }));
  const header = (name: string) => {
    const wanted = name.toLowerCase();
    return headers.find((each) => each.name.toLowerCase() === wanted)?.value ?? null;
  };
  const { texts, attachments } = contentOf(raw);
  const { ip, helo, identity, protocol } = message.origin;
  return {
    id: message.id,
    receivedAt: new Date(message.receivedAt),
    envelope: { from: formatAddress(message.sender), to: recipients, ip, helo, identity, protocol },
    headers,
    header,
    subject: header("Subject") ?? "",
    from: header("From") ?? "",
    to: header("To") ?? "",
    text: joined(texts, "text/plain"),
    html: joined(texts, "text/html"),
    attachments,
    raw,
  };
}

interface Leaf {
  readonly head: PartHead;
  readonly octets: Octets;
}

function contentOf(raw: Octets): { readonly texts: readonly Leaf[]; readonly attachments: ReceivedAttachment[] } {
  const gatherer = new Gatherer(raw), reader = new MimeReader(gatherer);
  reader.write(raw);
  reader.end();
  const isText = ({ head: { type, disposition, filename } }: Leaf) =>
    (type === "text/plain" || type === "text/html") && disposition !== "attachment" && filename === null;
  return {
    texts: gatherer.leaves.filter(isText),
    attachments: gatherer.leaves.filter((leaf) => !isText(leaf)).map(({ head, octets }) => ({
      name: head.filename,
      type: head.type,
      disposition: head.disposition,
      contentId: head.contentId,
      content: octets,
    })),
  };
}

/** A text in several parts is one text, as a person reads it. */
function joined(texts: readonly Leaf[], type: string): string | null {
  const found = texts.filter(({ head }) => head.type === type);
  if (found.length === 0) return null;
  return found.map(({ head, octets }) => decodeText(octets, head.charset)).join("\n").replaceAll("\r\n", "\n");
}

/** The parts that hold no others, and messages inside as one file each. */
class Gatherer implements MimeVisitor {
  readonly leaves: Leaf[] = [];
  /** Up to here an attached message goes: what is told of its inside is a part of that file. */
  #inside: string | null = null;

  constructor(readonly raw: Octets) {}

  part(head: PartHead): PartConsumer | void {
    if (this.#inside !== null && head.path.startsWith(this.#inside)) return;
    const whole = head.type === "message/rfc822" && head.depth > 0 && head.bodyStart >= 0;
    if (head.composite && !whole) return;
    if (whole) this.#inside = `${head.path}.`;
    const at = this.leaves.length, pieces: Octets[] = [];
    this.leaves.push({ head, octets: new Uint8Array(0) });
    return {
      write: (octets) => void (whole || pieces.push(octets.slice())),
      end: ({ size, bodyEnd }) => {
        const octets = whole ? this.#file(head.bodyStart, bodyEnd) : together(pieces, size);
        this.leaves[at] = { head, octets };
      },
    };
  }

  /** The line end before a delimiter is the delimiter's (RFC 2046 5.1.1), also where a delimiter of the inside stands before it. */
  #file(start: number, end: number): Octets {
    const { raw } = this, delimited = raw[end] === DASH && raw[end + 1] === DASH;
    return raw.slice(start, delimited && raw[end - 1] === LF ? end - (raw[end - 2] === CR ? 2 : 1) : end);
  }
}

function together(pieces: readonly Octets[], size: number): Octets {
  const all = new Uint8Array(size);
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}
