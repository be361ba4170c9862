/**
 * A message of the inbox or the queue opened for a person or a program: its entry, the beginning of its source, its MIME structure.
 * The last few that were read are kept, within a budget, because a page asks for a message, its frame and its parts.
 */
import { concat } from "../../model/octets.ts";
import type { InboxMessage, Store, StoredMessage } from "../../store/store.ts";
import { finalCopy } from "../../queue/final_copy.ts";
import { MimeThread } from "./mime.ts";
import type { MimeMail } from "./mime.ts";
import { Problem } from "../problem.ts";

const BUDGET = 64 * 1024 * 1024; // octets of kept messages
const SOURCE = 256 * 1024; // octets of source that a page shows
const WAITING = 32; // messages that may wait for the thread

/** A message as far as it could be read. */
export interface Content {
  /** The first octets of the source as text. */
  readonly source: string;
  readonly sourceCut: boolean;
  /** Null when `fault` says why. */
  readonly mail: MimeMail | null;
  readonly fault: string | null;
}
export interface Opened {
  readonly entry: InboxMessage;
  readonly message: StoredMessage;
  readonly content: Content;
}

export class MailReader {
  readonly #store: Store;
  readonly #size: number;
  readonly #thread: MimeThread;
  readonly #kept = new Map<string, { content: Promise<Content>; weight: number }>();
  #weight = 0;

  constructor(store: Store, options: { readonly mimeSize: number; readonly mimeTime: number }) {
    this.#store = store;
    this.#size = options.mimeSize;
    this.#thread = new MimeThread({ time: options.mimeTime });
  }

  /** Null when the inbox holds no such message. */
  async open(id: string): Promise<Opened | null> {
    const found = await this.#store.inboxes.get(id);
    if (found === null) return null;
    const content = await this.#content(found.message);
    return content === null ? null : { ...found, content };
  }

  /** A message that lies in the queue. Null when its octets are gone. */
  look(message: StoredMessage): Promise<Content | null> {
    return this.#content(message);
  }

  close(): Promise<void> {
    return this.#thread.close();
  }

  async #content(message: StoredMessage): Promise<Content | null> {
    const known = this.#kept.get(message.id);
    if (known !== undefined) {
      this.#kept.delete(message.id); // to the young end
      this.#kept.set(message.id, known);
      return await known.content;
    }
    if (message.size > this.#size) {
      const head = await this.#bytes(message, SOURCE);
      return head && { ...source(head, true), mail: null, fault: "it is too large to take apart" };
    }
    if (this.#thread.waiting >= WAITING) {
      throw new Problem(503, "Too many messages are being opened; try again.", { "Retry-After": "2" });
    }
    const entry = { content: this.#read(message), weight: message.size };
    this.#kept.set(message.id, entry);
    this.#weight += entry.weight;
    try {
      const content = await entry.content;
      if (this.#kept.get(message.id) === entry) { // what it really holds may be far more than was sent
        this.#weight += weightOf(content) - entry.weight;
        entry.weight = weightOf(content);
      }
      return content;
    } catch (error) {
      if (this.#kept.get(message.id) === entry) this.#forget(message.id);
      if (error instanceof Gone) return null;
      throw error;
    } finally {
      for (const id of this.#kept.keys()) { // the oldest go first
        if (this.#weight <= BUDGET) break;
        this.#forget(id);
      }
    }
  }

  #forget(id: string): void {
    this.#weight -= this.#kept.get(id)?.weight ?? 0;
    this.#kept.delete(id);
  }

  /** @throws {Gone} when the message was removed meanwhile. */
  async #read(message: StoredMessage): Promise<Content> {
    let head = { source: "", sourceCut: false };
    const answer = await this.#thread.read(async () => {
      const bytes = await this.#bytes(message, this.#size * 2); // header edits may have made it longer
      if (bytes === null) throw new Gone();
      head = source(bytes.subarray(0, SOURCE), bytes.length > SOURCE);
      return bytes;
    });
    return { ...head, mail: answer.mail ?? null, fault: answer.fault ?? null };
  }

  /** The first `max` octets of the message as its recipient gets it. */
  async #bytes(message: StoredMessage, max: number): Promise<Uint8Array<ArrayBuffer> | null> {
    const stream = await finalCopy(this.#store, message);
    if (stream === null) return null;
    const chunks: Uint8Array<ArrayBuffer>[] = [];
    let size = 0;
    for await (const chunk of stream) { // leaving the loop cancels the stream
      const rest = chunk.subarray(0, max - size);
      chunks.push(rest);
      size += rest.length;
      if (size >= max) break;
    }
    return concat(chunks);
  }
}

class Gone extends Error {}

/** Octets of memory that a message takes, about: two for a character. */
function weightOf({ source, mail }: Content): number {
  let characters = source.length;
  if (mail === null) return 2 * characters;
  for (const { name, value } of mail.headers) characters += name.length + value.length;
  characters += (mail.text?.length ?? 0) + (mail.html?.length ?? 0) + (mail.frame?.body.length ?? 0);
  return mail.parts.reduce((sum, { content }) => sum + content.byteLength, 2 * characters);
}

function source(head: Uint8Array, cut: boolean): { source: string; sourceCut: boolean } {
  return { source: new TextDecoder().decode(head), sourceCut: cut };
}
