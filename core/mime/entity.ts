/**
 * What readers of a message's content are told of its entities (RFC 2045, RFC 2046): heads, defects, and who takes the
 * decoded octets. Types only; reader.ts fills them. Non-job: offsets for recoding (part.ts).
 */

/**
 * What is wrong with an entity, or makes two readers see two things in it. At its head:
 * - `badType`: Content-Type says nothing that can be read; taken as text/plain (RFC 2045 5.2).
 * - `badParameters`: parameters of a field could not be read to their end, or one was named twice.
 * - `parameterGap`: pieces of a parameter are missing (RFC 2231 3); those that are there were joined.
 * - `duplicateField`: two of a Content- field that may stand there once; the first counts.
 * - `longField`: a Content- field longer than 16 KiB; its beginning counts.
 * - `malformedHeader`: a line that is no field ended the header section.
 * - `unknownEncoding`: a Content-Transfer-Encoding nobody knows; the octets are as they came.
 * - `codedMultipart`: a multipart with a Content-Transfer-Encoding that it may not have (RFC 2045 6.4); read as it came.
 * - `noBoundary`: a multipart without a boundary that can be used; its octets are given as they came.
 * - `sharedBoundary`: a multipart with the boundary of one around it: its parts are read as parts of that one.
 * - `tooDeep`: levels beyond the bound; the octets are given as they came.
 *
 * At its end:
 * - `missingEnd`: the multipart's last delimiter is missing.
 * - `noParts`: the boundary never came.
 * - `nearBoundary`: a line begins with the boundary and goes on: some readers see a delimiter there (RFC 2046 5.1.1).
 * - `behindEnd`: parts behind the last delimiter. They are read.
 * - `badCoding`: octets that base64, quoted-printable or uuencode have no place for, or something behind the padding.
 */
export type MimeDefect =
  | "badType"
  | "badParameters"
  | "parameterGap"
  | "duplicateField"
  | "longField"
  | "malformedHeader"
  | "unknownEncoding"
  | "codedMultipart"
  | "noBoundary"
  | "sharedBoundary"
  | "tooDeep"
  | "missingEnd"
  | "noParts"
  | "nearBoundary"
  | "behindEnd"
  | "badCoding";

/** How the octets of an entity were coded; `unknown` stands for every name that is none of RFC 2045 6.1. */
export type MimeEncoding = "7bit" | "8bit" | "binary" | "base64" | "quoted-printable" | "uuencode" | "unknown";

/** What the header section of an entity says of it. */
export interface PartHead {
  /** `1` is the message itself, `1.2` the second entity right inside of it, and so on; of a message inside a message `.1`. */
  readonly path: string;
  /** Levels around it: 0 for the message itself. */
  readonly depth: number;
  /** `type/subtype` in lower case; the default of RFC 2045 5.2 or RFC 2046 5.1.5 where it says none. */
  readonly type: string;
  /** Of Content-Type, by their names in lower case, decoded (RFC 2231). */
  readonly parameters: ReadonlyMap<string, string>;
  /** The charset parameter in lower case, or null. */
  readonly charset: string | null;
  /** `attachment`, `inline` or another word in lower case (RFC 2183); null where nothing is said. */
  readonly disposition: string | null;
  /** The name for a person, decoded (RFC 2231, RFC 2047, UTF-8); null where there is none. Of Content-Disposition, else of Content-Type. */
  readonly filename: string | null;
  /** Every name that some reader may take for it, `filename` among them, each once: judge all of them (case 33). */
  readonly filenames: readonly string[];
  /** How its octets are coded. */
  readonly encoding: MimeEncoding;
  /** Without the angle brackets (RFC 2392); null where there is none. */
  readonly contentId: string | null;
  /** It holds entities that are told of one by one; its own octets are not given. */
  readonly composite: boolean;
  /** What its head says of it. */
  readonly defects: readonly MimeDefect[];
  /** Octets of the content before its header section; -1 inside of something that is coded. */
  readonly start: number;
  /** Octets of the content before its body; -1 inside of something that is coded. */
  readonly bodyStart: number;
}

/** What is known of an entity when it is over. */
export interface PartEnd {
  /** Decoded octets. */
  readonly size: number;
  /** Those that its octets showed; the head's are not among them. */
  readonly defects: readonly MimeDefect[];
  /** Octets of the content before the end of its body, the line end before a delimiter not counted; -1 inside of something coded. */
  readonly bodyEnd: number;
}

/** Takes the decoded octets of one entity. */
export interface PartConsumer {
  /** The next octets, in any cut. They are the reader's own: copy what is to stay. */
  write?(octets: Uint8Array): void;
  /** It is over. Comes once for each entity that was told of, of a composite one after those inside of it. */
  end?(end: PartEnd): void;
}

/** Is told of the entities, in the order in which they begin. */
export interface MimeVisitor {
  /** An entity begins. Nothing returned: its octets are not decoded, and nothing more is said of it. */
  part(head: PartHead): PartConsumer | void;
}
