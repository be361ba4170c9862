/**
 * The XML of aggregate reports in whatever they come in: plain, packed by gzip or zip, or as a mail around one of these.
 * What a thing is its first octets say, not its name. A package that grows beyond all bounds is refused before it does
 * (RFC 9990 8.1). Non-job: what the XML says (report_reader.ts), files.
 */
import { MimeReader } from "../../../core/pipeline/mod.ts";

/** Why there is no XML in it: a sentence without a full stop. */
export class UnpackError extends Error {
  override readonly name = "UnpackError";
}

/** Octets of one document, unpacked; of a mail; files in a zip, and parts of a mail that are looked into. */
const MAX_DOCUMENT = 64 * 1024 * 1024, MAX_PACKED = 32 * 1024 * 1024, MAX_FILES = 20;
/** Octets given to the decompressor at once: deflate makes at most 1,032 of each. */
const SLICE = 4096;
const REPORT_TYPES = /^(?:application\/(?:x-)?(?:gzip|zip|zip-compressed|xml|octet-stream)|text\/xml)$/;

/**
 * The documents in some octets, one at least.
 *
 * @throws {UnpackError} as a rejection.
 */
export async function unpack(octets: Uint8Array<ArrayBuffer>): Promise<readonly string[]> {
  if (octets.length > MAX_PACKED && !isXml(octets)) throw new UnpackError(`it is larger than ${MAX_PACKED} octets`);
  const whole = await unpackOne(octets);
  if (whole !== null) return whole;
  const documents: string[] = [];
  let total = 0; // of all parts: twenty of the largest would be more than a process has
  for (const part of partsOf(octets)) {
    for (const document of await unpackOne(part) ?? []) {
      if ((total += document.length) > MAX_DOCUMENT) throw tooLarge();
      documents.push(document);
    }
  }
  if (documents.length === 0) throw new UnpackError("it is no XML, no gzip, no zip, and no mail that has one of these");
  return documents;
}

/** Null when it is nothing of that kind. */
async function unpackOne(octets: Uint8Array<ArrayBuffer>): Promise<readonly string[] | null> {
  if (isXml(octets)) return [textOf(octets)];
  if (octets[0] === 0x1f && octets[1] === 0x8b) return [textOf(await inflate(withoutLineEnds(octets), "gzip"))];
  return octets[0] === 0x50 && octets[1] === 0x4b && octets[2] === 3 && octets[3] === 4 ? await unzip(octets) : null;
}

/**
 * Some reporters put a line end behind the gzip. Its own last octet is the top one of the length (RFC 1952 2.3.1), and a
 * document that we take has less than a line end there.
 */
function withoutLineEnds(octets: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  let end = octets.length;
  while (octets[end - 1] === 13 || octets[end - 1] === 10) end--;
  return octets.subarray(0, end);
}

/** Its first octet that is no mark and no space is `<`; UTF-16 has a mark. */
function isXml(octets: Uint8Array): boolean {
  if (octets[0] === 0xff && octets[1] === 0xfe || octets[0] === 0xfe && octets[1] === 0xff) return true;
  let at = octets[0] === 0xef && octets[1] === 0xbb && octets[2] === 0xbf ? 3 : 0;
  while (at < 1000 && (octets[at] === 32 || octets[at] === 9 || octets[at] === 10 || octets[at] === 13)) at++;
  return octets[at] === 0x3c;
}

function textOf(octets: Uint8Array): string {
  if (octets.length > MAX_DOCUMENT) throw tooLarge();
  const head = String.fromCharCode(...octets.subarray(0, 200));
  const label = octets[0] === 0xff && octets[1] === 0xfe
    ? "utf-16le"
    : octets[0] === 0xfe && octets[1] === 0xff
    ? "utf-16be"
    : /^(?:\xef\xbb\xbf)?\s{0,20}<\?xml\s[^>]*\bencoding=["']([A-Za-z0-9._-]{1,40})/.exec(head)?.[1] ?? "utf-8";
  try {
    return new TextDecoder(label).decode(octets);
  } catch {
    throw new UnpackError("it has an encoding that nobody knows");
  }
}

function tooLarge(): UnpackError {
  return new UnpackError(`it unpacks to more than ${MAX_DOCUMENT} octets`);
}

/** Unpacks in small pieces, and stops where it is too much. */
async function inflate(octets: Uint8Array<ArrayBuffer>, format: "gzip" | "deflate-raw"): Promise<Uint8Array> {
  let at = 0;
  const source = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull(controller) {
      if (at >= octets.length) return controller.close();
      controller.enqueue(octets.subarray(at, at += SLICE));
    },
  }, { highWaterMark: 0 });
  const pieces: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const piece of source.pipeThrough(new DecompressionStream(format))) {
      size += piece.length;
      if (size > MAX_DOCUMENT) throw tooLarge();
      pieces.push(piece);
    }
  } catch (error) {
    throw error instanceof UnpackError ? error : new UnpackError("what it is packed in is broken");
  }
  const out = new Uint8Array(size);
  let to = 0;
  for (const piece of pieces) {
    out.set(piece, to);
    to += piece.length;
  }
  return out;
}

/** The XML files of an archive, by its directory at the end (APPNOTE 4.3.12, 4.3.16). */
async function unzip(octets: Uint8Array<ArrayBuffer>): Promise<readonly string[]> {
  const view = new DataView(octets.buffer, octets.byteOffset, octets.length);
  const broken = () => new UnpackError("the zip is broken, or of a kind that is not read");
  let end = octets.length - 22; // it has a comment of up to 65,535 octets behind it
  while (end >= 0 && end > octets.length - 66_000 && view.getUint32(end, true) !== 0x06054b50) end--;
  if (end < 0 || view.getUint32(end, true) !== 0x06054b50) throw broken();
  const count = view.getUint16(end + 10, true);
  if (count > MAX_FILES) throw new UnpackError(`the zip has more than ${MAX_FILES} files`);
  const documents: string[] = [];
  let at = view.getUint32(end + 16, true), total = 0;
  try {
    for (let file = 0; file < count; file++) {
      if (view.getUint32(at, true) !== 0x02014b50) throw broken();
      const flags = view.getUint16(at + 8, true), method = view.getUint16(at + 10, true);
      const packed = view.getUint32(at + 20, true), local = view.getUint32(at + 42, true);
      at += 46 + view.getUint16(at + 28, true) + view.getUint16(at + 30, true) + view.getUint16(at + 32, true);
      if (packed === 0) continue; // a folder
      if ((flags & 1) !== 0 || method !== 0 && method !== 8 || view.getUint32(local, true) !== 0x04034b50) {
        throw broken();
      }
      const start = local + 30 + view.getUint16(local + 26, true) + view.getUint16(local + 28, true);
      if (start + packed > octets.length) throw broken();
      const piece = octets.subarray(start, start + packed);
      const content = method === 0 ? piece : await inflate(piece, "deflate-raw");
      if ((total += content.length) > MAX_DOCUMENT) throw tooLarge();
      if (isXml(content)) documents.push(textOf(content));
    }
  } catch (error) {
    throw error instanceof RangeError ? broken() : error; // an offset that leads out of it
  }
  if (documents.length === 0) throw new UnpackError("the zip has no XML in it");
  return documents;
}

/** The parts of a mail that may be a report, decoded. */
function partsOf(octets: Uint8Array): readonly Uint8Array<ArrayBuffer>[] {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  const reader = new MimeReader({
    part(head) {
      const named = /\.(?:xml|gz|zip)$/i.test(head.filename ?? "");
      if (head.composite || parts.length >= MAX_FILES || !named && !REPORT_TYPES.test(head.type)) return;
      const pieces: Uint8Array[] = [];
      return {
        write(piece) {
          if ((size += piece.length) > MAX_PACKED) throw new UnpackError(`it is larger than ${MAX_PACKED} octets`);
          pieces.push(piece.slice());
        },
        end() {
          const part = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
          let at = 0;
          for (const piece of pieces) {
            part.set(piece, at);
            at += piece.length;
          }
          parts.push(part);
        },
      };
    },
  });
  reader.write(octets);
  reader.end();
  return parts;
}
