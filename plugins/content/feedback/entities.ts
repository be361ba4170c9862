/**
 * The parts of a report that programs read: what became of the mail (message/delivery-status) or what somebody says of it
 * (message/feedback-report), and the header of the mail that it is about (RFC 6522 3). Only right below the message itself:
 * a report that somebody forwards is none. Reads the first 256 KiB. Non-job: what the fields say (report.ts, arf.ts).
 */
import { MimeReader, type MimeVisitor, type PartConsumer, type PartHead } from "../../../core/pipeline/mod.ts";

/** Of the message, octets: what a report says stands at its beginning, a returned mail behind it may be as long as it likes. */
const MOST = 256 * 1024;
/** Of each part that is kept, octets. */
const KEPT = 128 * 1024;

/** Octets as they were decoded; null where there is no such part. */
export interface Entities {
  /** The message is a multipart/report. */
  readonly report: boolean;
  readonly status: Uint8Array | null;
  readonly feedback: Uint8Array | null;
  /** The header section of the mail that it is about. */
  readonly returned: Uint8Array | null;
  /** The first text for people. */
  readonly text: Uint8Array | null;
}

type Wanted = "status" | "feedback" | "returned" | "text";
const TYPES: Readonly<Record<string, Wanted>> = {
  "message/delivery-status": "status",
  "message/global-delivery-status": "status", // RFC 6533
  "message/feedback-report": "feedback",
  "text/rfc822-headers": "returned",
  "message/global-headers": "returned",
  "text/plain": "text",
};
const MESSAGES: ReadonlySet<string> = new Set(["message/rfc822", "message/global"]);

/** Reads them from the octets of a message in any cut. */
export async function readEntities(stream: ReadableStream<Uint8Array>): Promise<Entities> {
  const pieces: Uint8Array[] = [];
  let left = MOST;
  for await (const chunk of stream) { // leaving the loop cancels the stream
    const piece = chunk.subarray(0, left);
    pieces.push(piece.slice());
    if ((left -= piece.length) === 0) break;
  }
  const octets = new Uint8Array(MOST - left);
  pieces.reduce((at, piece) => (octets.set(piece, at), at + piece.length), 0);
  const gatherer = new Gatherer(octets), reader = new MimeReader(gatherer);
  reader.write(octets);
  reader.end();
  return gatherer.entities();
}

class Gatherer implements MimeVisitor {
  #report = false;
  readonly #found = new Map<Wanted, Kept>();
  /** The part that is a whole message, whose header section is that of the entity below it. */
  #message: string | null = null;
  #returned: Uint8Array | null = null;

  constructor(readonly octets: Uint8Array) {}

  part({ path, type, composite, bodyStart, start }: PartHead): PartConsumer | void {
    if (path === "1") this.#report = type === "multipart/report";
    if (this.#message !== null && path === `${this.#message}.1` && start >= 0 && bodyStart >= 0) {
      this.#returned ??= this.octets.slice(start, Math.min(bodyStart, start + KEPT));
    }
    const levels = path.split(".").length;
    if (levels !== (this.#report ? 2 : 1)) return;
    if (MESSAGES.has(type)) this.#message ??= path;
    const wanted = TYPES[type];
    if (wanted === undefined || composite || this.#found.has(wanted)) return;
    const kept = new Kept();
    this.#found.set(wanted, kept);
    return kept;
  }

  entities(): Entities {
    const of = (wanted: Wanted) => this.#found.get(wanted)?.octets ?? null;
    return {
      report: this.#report,
      status: of("status"),
      feedback: of("feedback"),
      returned: of("returned") ?? this.#returned,
      text: of("text"),
    };
  }
}

class Kept implements PartConsumer {
  /** Octets may come one by one: what is kept of them is one piece. */
  #octets = new Uint8Array(0);
  #size = 0;

  write(octets: Uint8Array): void {
    const piece = octets.subarray(0, KEPT - this.#size), size = this.#size + piece.length;
    if (size > this.#octets.length) {
      const larger = new Uint8Array(Math.max(size, 2 * this.#size));
      larger.set(this.octets);
      this.#octets = larger;
    }
    this.#octets.set(piece, this.#size);
    this.#size = size;
  }
  get octets(): Uint8Array {
    return this.#octets.subarray(0, this.#size);
  }
}
