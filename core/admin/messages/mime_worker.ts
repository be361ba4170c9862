/**
 * Reads the MIME structure of a message in a thread of its own, which mime.ts ends when a message takes too long or too
 * much (RFC 2045, 2046). Nothing here is trusted to end: limits make the usual bombs cheap, the deadline is the last one.
 */
import { Buffer } from "node:buffer";
import { parentPort } from "node:worker_threads";
import PostalMime, { decodeWords } from "postal-mime";
import { mailHtml } from "./mail_html.ts";
import type { MailPart, MimeAnswer, MimeMail } from "./mime.ts";

const DEPTH = 100; // nesting of multiparts, as Postfix has it
const HEADER = 1024 * 1024; // octets of header fields in all parts together
const LINES = 600_000; // each line costs an object while it is read
const PARTS = 500; // parts that are shown
const FIELDS = 1000; // header fields that are shown
const IMAGE = /^image\/(?:png|jpeg|gif|webp|avif|bmp|svg\+xml)$/;

/** @throws when the message goes past a limit. */
export async function readMime(bytes: Uint8Array<ArrayBuffer>): Promise<MimeMail> {
  let lines = 0;
  for (let at = bytes.indexOf(10); at >= 0; at = bytes.indexOf(10, at + 1)) {
    if (++lines > LINES) throw new Error(`more than ${LINES} lines`);
  }
  const mail = await PostalMime.parse(bytes, {
    maxNestingDepth: DEPTH,
    maxHeadersSize: HEADER,
    forceRfc822Attachments: true, // a message in a message is a part to open, not text of this one
  });
  const parts: MailPart[] = [];
  const images = new Map<string, MailPart>();
  const add = (part: Omit<MailPart, "n" | "size">) => {
    const full = { ...part, n: parts.length + 1, size: part.content.byteLength };
    parts.push(full);
    return full;
  };
  if (mail.text !== undefined) add(textPart("text/plain", mail.text));
  if (mail.html !== undefined) add(textPart("text/html", mail.html));
  for (const attachment of mail.attachments.slice(0, PARTS)) {
    const contentId = attachment.contentId?.replace(/^\s*<|>\s*$/g, "") ?? null;
    const part = add({
      type: attachment.mimeType,
      name: attachment.filename,
      disposition: attachment.disposition === "inline" ? "inline" : "attachment",
      contentId,
      content: octets(attachment.content),
    });
    if (contentId !== null && IMAGE.test(part.type) && !images.has(contentId)) images.set(contentId, part);
  }
  const urls = new Map<string, string | null>(); // made once, however often a mail shows the image
  const dataUrl = (id: string): string | null => {
    const part = images.get(id);
    return part === undefined ? null : `data:${part.type};base64,${Buffer.from(part.content).toString("base64")}`;
  };
  return {
    headers: mail.headers.slice(0, FIELDS).map((field) => ({
      name: field.originalKey,
      value: field.value.length > 8192 ? field.value.slice(0, 8192) + " …" : decodeWords(field.value),
    })),
    headerCount: mail.headers.length,
    text: mail.text ?? null,
    html: mail.html ?? null,
    frame: mail.html === undefined ? null : mailHtml(mail.html, (id) => urls.getOrInsertComputed(id, dataUrl)),
    parts,
    omitted: Math.max(0, mail.attachments.length - PARTS),
  };
}

function textPart(type: string, text: string): Omit<MailPart, "n" | "size"> {
  return { type, name: null, disposition: "inline", contentId: null, content: octets(text) };
}
function octets(content: ArrayBuffer | Uint8Array | string): ArrayBuffer {
  if (content instanceof ArrayBuffer) return content;
  return new Uint8Array(typeof content === "string" ? new TextEncoder().encode(content) : content).buffer;
}

/**
 * Stands in for Blob in this thread. The parser joins the lines of a part through one, and the runtime's own makes an
 * object outside the heap for each: 25 MiB of plain text took 3 s and 900 MB.
 */
class JoinedPieces {
  readonly #pieces: readonly (ArrayBuffer | Uint8Array | "\n")[];
  constructor(pieces: readonly (ArrayBuffer | Uint8Array | "\n")[]) {
    this.#pieces = pieces;
  }
  arrayBuffer(): Promise<ArrayBuffer> {
    let size = 0;
    for (const piece of this.#pieces) size += piece === "\n" ? 1 : piece.byteLength;
    const joined = new Uint8Array(size);
    let at = 0;
    for (const piece of this.#pieces) {
      if (piece === "\n") {
        joined[at++] = 10;
      } else {
        joined.set(piece instanceof ArrayBuffer ? new Uint8Array(piece) : piece, at);
        at += piece.byteLength;
      }
    }
    return Promise.resolve(joined.buffer);
  }
}

if (parentPort !== null) Object.assign(globalThis, { Blob: JoinedPieces });
parentPort?.on("message", async (bytes: ArrayBuffer) => {
  let answer: MimeAnswer;
  try {
    answer = { mail: await readMime(new Uint8Array(bytes)) };
  } catch (error) {
    answer = { fault: String((error as Error)?.message ?? error).slice(0, 200) };
  }
  parentPort!.postMessage(answer, answer.mail?.parts.map((part) => part.content) ?? []);
});
