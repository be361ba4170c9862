/**
 * A message as the request that a web hook gets: envelope, content, signature, in the two forms that docs/operations.md
 * promises. The content is never in memory as a whole unless it is small: it is read twice, for the signature and for
 * the wire. Non-job: sending it (http.ts), what the answer means (http_answer.ts).
 */
import { createHash, createHmac } from "node:crypto";
import { type Address, formatAddress } from "../model/address.ts";
import type { MailParameters, Origin } from "../model/envelope.ts";
import { concat } from "../model/octets.ts";

type Octets = Uint8Array<ArrayBuffer>;

/** Where messages go by HTTP. */
export interface HttpHop {
  /** http: or https:. */
  readonly url: string;
  /** `raw`: the message is the body, its envelope a header field. `json`: both are one object. */
  readonly format: "raw" | "json";
  /** Signs each request; null: none is signed. */
  readonly secret: string | null;
  /** Fields of the operator's, such as Authorization; ours go before them. */
  readonly headers: Readonly<Record<string, string>>;
  /** Milliseconds for one request, its answer included. */
  readonly timeout: number;
}

export interface HttpRecipient {
  readonly address: Address;
  readonly original: Address;
}
/** A message that goes to a web hook: its final delivery, so the content has a Return-Path in front. */
export interface HttpMessage {
  readonly id: string;
  readonly sender: Address | null;
  readonly recipients: readonly HttpRecipient[];
  readonly origin: Origin;
  /** Milliseconds since 1970. */
  readonly receivedAt: number;
  readonly parameters: MailParameters;
  /** Attempts before this one. */
  readonly attempts: number;
  /** Octets as they were received. */
  readonly size: number;
  /** The content as it is delivered, the same octets each time. */
  stream(): ReadableStream<Octets>;
}

/** What is sent, ready for `fetch`. */
export interface HttpRequest {
  readonly headers: Headers;
  /** A stream where it is more than fits in memory. */
  readonly body: Octets | ReadableStream<Octets>;
  /** Those whom it names: the first of the message's. */
  readonly recipients: readonly HttpRecipient[];
  /** Whether all of the body was taken. */
  sent(): boolean;
  /** Lets go of the content, wherever its reading is. */
  close(): Promise<unknown>;
}

/** So many recipients are named in one request. */
const MOST_RECIPIENTS = 100;
/** Common servers refuse a header field above 8 KiB. */
const LONGEST_ENVELOPE = 6 * 1024;
/** Names of peers are cut here, characters. */
const LONGEST_NAME = 255;
/** A body that is no larger is sent with its length; others in chunks. */
const IN_MEMORY = 256 * 1024;
/** Octets that become base64 in one piece; a multiple of three. */
const PIECE = 48 * 1024;

const utf8 = new TextEncoder();

/**
 * @throws {TypeError} for header fields that HTTP does not allow, and whatever the content's stream or the signal throws.
 */
export async function httpRequest(
  hop: HttpHop,
  message: HttpMessage,
  options: { readonly now: number; readonly signal?: AbortSignal },
): Promise<HttpRequest> {
  const recipients = nameable(message, hop.format);
  const envelope = ascii(envelopeJson(message, recipients));
  const raw = hop.format === "raw";
  const headers = new Headers(hop.headers);
  headers.set("Content-Type", raw ? "message/rfc822" : "application/json");
  headers.set("User-Agent", "Postern");
  headers.set("Accept", "application/json, text/plain;q=0.9, */*;q=0.1");
  headers.set("Postern-Id", message.id);
  headers.set("Idempotency-Key", `${message.id}.${hashOf(recipients)}`);
  if (raw) headers.set("Postern-Envelope", envelope);

  const pieces = () => raw ? rawPieces(message) : jsonPieces(message, envelope);
  const time = String(Math.floor(options.now / 1000));
  const hmac = hop.secret === null ? null : createHmac("sha256", hop.secret);
  hmac?.update(raw ? `${time}.${envelope}.` : `${time}.`); // an envelope beside the body is signed too
  const small: Octets[] = [];
  let length = 0;
  for await (const piece of pieces()) {
    options.signal?.throwIfAborted();
    hmac?.update(piece);
    length += piece.length;
    if (length <= IN_MEMORY) small.push(piece);
    else {
      small.length = 0;
      if (hmac === null) break; // nobody asks how long it is
    }
  }
  if (hmac !== null) headers.set("Postern-Signature", `t=${time},v1=${hmac.digest("hex")}`);
  if (length <= IN_MEMORY) {
    const close = () => Promise.resolve();
    return { headers, body: concat(small), recipients, sent: () => true, close };
  }
  let sent = false;
  const again = async function* () {
    yield* pieces();
    sent = true;
  }();
  return {
    headers,
    body: ReadableStream.from(again),
    recipients,
    sent: () => sent,
    close: () => again.return().catch(() => {}),
  };
}

/** As many as the form has room for, one at least. */
function nameable(message: HttpMessage, format: HttpHop["format"]): readonly HttpRecipient[] {
  let named = message.recipients.slice(0, MOST_RECIPIENTS);
  while (format === "raw" && named.length > 1 && ascii(envelopeJson(message, named)).length > LONGEST_ENVELOPE) {
    named = named.slice(0, Math.ceil(named.length / 2));
  }
  return named;
}

/** The promised form of the envelope. */
function envelopeJson(message: HttpMessage, recipients: readonly HttpRecipient[]): Record<string, unknown> {
  const { id, sender, receivedAt, attempts, size, origin, parameters } = message;
  const { body, smtputf8, envid } = parameters;
  return {
    id,
    sender: sender === null ? null : formatAddress(sender),
    recipients: recipients.map(({ address, original }) => ({
      address: formatAddress(address),
      original: formatAddress(original),
    })),
    receivedAt: new Date(receivedAt).toISOString(),
    attempts,
    size,
    origin: { ip: origin.ip, helo: cut(origin.helo), identity: origin.identity === null ? null : cut(origin.identity) },
    parameters: { body, smtputf8, envid },
  };
}

function cut(name: string): string {
  return name.slice(0, LONGEST_NAME).toWellFormed();
}

/** JSON in printable ASCII: no value can end a line, and none is read in another character set. */
function ascii(value: unknown): string {
  return JSON.stringify(value).replace(/[\u007f-\uffff]/g, (char) => (
    `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`
  ));
}

/** The same for the same recipients in any order. */
function hashOf(recipients: readonly HttpRecipient[]): string {
  const names = recipients.map(({ address }) => formatAddress(address)).sort();
  return createHash("sha256").update(names.join("\n")).digest("hex").slice(0, 32);
}

async function* rawPieces(message: HttpMessage): AsyncGenerator<Octets> {
  yield* message.stream();
}

/** The envelope's object with one property more, `raw`. */
async function* jsonPieces(message: HttpMessage, envelope: string): AsyncGenerator<Octets> {
  yield utf8.encode(`${envelope.slice(0, -1)},"raw":"`);
  let rest: Octets = new Uint8Array(0); // of a group of three
  for await (const chunk of message.stream()) {
    let from = 0;
    if (rest.length > 0) {
      from = Math.min(3 - rest.length, chunk.length);
      rest = concat([rest, chunk.subarray(0, from)]);
      if (rest.length < 3) continue;
      yield utf8.encode(rest.toBase64());
    }
    const end = chunk.length - (chunk.length - from) % 3;
    for (let at = from; at < end; at += PIECE) {
      yield utf8.encode(chunk.subarray(at, Math.min(end, at + PIECE)).toBase64());
    }
    rest = chunk.slice(end);
  }
  yield utf8.encode(`${rest.toBase64()}"}`);
}
