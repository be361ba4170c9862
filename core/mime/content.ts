/**
 * What plugins that judge content want of a message: its parts, and its text decoded, read once and kept for all of them.
 * Non-job: reading entities (reader.ts), what HTML shows (html_text.ts).
 */
import type { MimeDefect, PartEnd, PartHead } from "./entity.ts";

/** One entity. */
export interface ContentPart extends PartHead, PartEnd {
  /** Defects of its head and of its octets. */
  readonly defects: readonly MimeDefect[];
  /** Its first decoded octets: 4 KiB at most, and less where a message has many parts. Empty for a composite one. */
  readonly beginning: Uint8Array;
}
/** One text/* entity. */
export interface ContentText {
  /** Where it comes from. */
  readonly part: ContentPart;
  /** It is text/html. */
  readonly html: boolean;
  /** It is there as a file, and not as something to read at once. */
  readonly attached: boolean;
  /** Decoded; line ends as they came. */
  readonly text: string;
  /** Not all of it is there. */
  readonly cut: boolean;
}
/** What a message holds. */
export interface MessageContent {
  /** All entities in their order, the message itself first. 10,000 at most. */
  readonly parts: readonly ContentPart[];
  /** The text/* entities that have text within the bound. */
  readonly texts: readonly ContentText[];
  /** There is more text than was asked for. */
  readonly cut: boolean;
  /** There are more parts than 10,000. */
  readonly tooMany: boolean;
}
