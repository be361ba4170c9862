/**
 * A message from the JSON of POST /api/v1/send: header fields, text, HTML, files, in the order that mail programs expect
 * (RFC 2046 5.1, RFC 2387). Everything is 7-bit at its end. Non-job: its fields (fields.ts), taking it in (send.ts).
 */
import { type Address, formatAddress, sameAddress } from "../../model/address.ts";
import { concat } from "../../model/octets.ts";
import { formatDate } from "../../model/trace.ts";
import { coderFor } from "../../mime/coder.ts";
import { Problem } from "../problem.ts";
import { lineOf, type Mailbox, mailboxField, mailboxOf, parameter, textField } from "./fields.ts";

export interface Composed {
  readonly sender: Address;
  readonly recipients: readonly Address[];
  readonly content: Uint8Array<ArrayBuffer>;
}
export interface ComposeOptions {
  readonly now: number;
  /** For Message-ID and boundaries: nobody else has it. */
  readonly unique: string;
  /** The right side of Message-ID. */
  readonly hostname: string;
  readonly recipients: number;
}

const KEYS = new Set(["from", "to", "cc", "bcc", "replyTo", "subject", "text", "html", "headers", "attachments"]);
/** Fields that other keys make, or that say where a message has been: no program writes them by `headers`. */
const KEPT =
  /^(?:from|sender|to|cc|bcc|reply-to|subject|date|message-id|mime-version|content-.*|received|received-.*|return-path|delivered-to|x-original-to|authentication-results|dkim-signature|arc-.*|resent-.*)$/i;
const MAX_FIELDS = 100, MAX_FILES = 100;
const TYPE = /^[a-z0-9!#$&^_.+-]{1,64}\/[a-z0-9!#$&^_.+-]{1,64}$/i;
const CR = 13, LF = 10;
/** Octets of a text that nobody reads as source: base64 takes a tenth of the time, and mail waits meanwhile. */
const LONG_TEXT = 1024 * 1024;
const utf8 = new TextEncoder();

/** @throws {Problem} 400 naming the key that is wrong. */
export function compose(json: unknown, options: ComposeOptions): Composed {
  const message = objectOf("The body", json);
  const unknown = Object.keys(message).find((key) => !KEYS.has(key));
  if (unknown !== undefined) throw new Problem(400, `There is no ${JSON.stringify(unknown.slice(0, 64))} here.`);
  const from = mailboxOf("from", message["from"]);
  const [to, cc, bcc] = ["to", "cc", "bcc"].map((key) => mailboxes(key, message[key])) as [
    Mailbox[],
    Mailbox[],
    Mailbox[],
  ];
  const recipients = distinct([...to, ...cc, ...bcc].map(({ address }) => address));
  if (recipients.length === 0) throw new Problem(400, "to, cc or bcc names at least one address.");
  if (recipients.length > options.recipients) {
    throw new Problem(400, `A message has at most ${options.recipients} recipients.`);
  }
  const replyTo = mailboxes("replyTo", message["replyTo"]);
  const lists: [string, Mailbox[]][] = [["To", to], ["Cc", cc], ["Reply-To", replyTo]];
  const head = [
    `Date: ${formatDate(options.now)}\r\n`,
    mailboxField("From", [from]),
    ...lists.filter(([, list]) => list.length > 0).map(([name, list]) => mailboxField(name, list)),
    ...to.length + cc.length > 0 ? [] : ["To: undisclosed-recipients:;\r\n"],
    textField("Subject", lineOf("subject", message["subject"] ?? "")),
    `Message-ID: <${options.unique}@${options.hostname}>\r\n`,
    ...extraFields(message["headers"]),
    "MIME-Version: 1.0\r\n",
  ].join("");
  const content = concat([utf8.encode(head), ...bodyOf(message, options.unique)]);
  return { sender: from.address, recipients, content };
}

function objectOf(what: string, value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return { ...value };
  throw new Problem(400, `${what} is a JSON object.`);
}

/** One, or a list of them. */
function mailboxes(key: string, value: unknown): Mailbox[] {
  if (value === undefined || value === null) return [];
  return (Array.isArray(value) ? value : [value]).map((each) => mailboxOf(key, each));
}

function distinct(addresses: readonly Address[]): Address[] {
  const known = new Map<string, Address>();
  for (const each of addresses) {
    const key = formatAddress(each).toLowerCase(), other = known.get(key);
    if (other === undefined) known.set(key, each);
    else if (!sameAddress(other, each)) known.set(formatAddress(each), each); // another case of its local part
  }
  return [...known.values()];
}

function extraFields(value: unknown): string[] {
  if (value === undefined || value === null) return [];
  const fields = Object.entries(objectOf("headers", value)).flatMap(([name, value]) =>
    (Array.isArray(value) ? value : [value]).map((each) => [name, each] as const)
  );
  if (fields.length > MAX_FIELDS) throw new Problem(400, `headers are ${MAX_FIELDS} at most.`);
  return fields.map(([name, value]) => {
    if (!/^[!-9;-~]{1,70}$/.test(name)) throw new Problem(400, "The name of a header field is ASCII without a colon.");
    if (KEPT.test(name)) throw new Problem(400, `headers cannot set ${name}.`);
    return textField(name, lineOf(`headers.${name}`, value));
  });
}

// ---- What follows the head --------------------------------------------------------------------------------------------

type Part = readonly Uint8Array[];
interface Attachment {
  readonly part: Part;
  /** It is shown within the HTML. */
  readonly inline: boolean;
}

function bodyOf(message: Readonly<Record<string, unknown>>, unique: string): Part {
  const { text = null, html = null } = message;
  const files = attachments(message["attachments"]);
  const multipart = (kind: string, parts: readonly Part[]): Part =>
    parts.length === 1 ? parts[0]! : joined(kind, {
      parts,
      boundary: `=_${unique}_${kind}`, // no coded octets hold "=_"
    });
  const said: Part[] = [];
  if (text !== null || html === null) said.push(textPart("text/plain", "text", text ?? ""));
  if (html !== null) {
    const inline = files.filter((each) => each.inline).map(({ part }) => part);
    said.push(multipart("related", [textPart("text/html", "html", html), ...inline]));
  }
  const apart = files.filter((each) => html === null || !each.inline).map(({ part }) => part);
  return multipart("mixed", [multipart("alternative", said), ...apart]);
}

function textPart(type: string, key: string, value: unknown): Part {
  if (typeof value !== "string") throw new Problem(400, `${key} is a text.`);
  const lines = crlfLines(utf8.encode(value)); // lone surrogates are U+FFFD there
  const coding = lines.length > LONG_TEXT ? "base64" : "quoted-printable", coder = coderFor(coding);
  const octets = coder.write(lines).slice();
  const head = `Content-Type: ${type}; charset=utf-8\r\nContent-Transfer-Encoding: ${coding}\r\n\r\n`;
  return [utf8.encode(head), octets, coder.end(true)];
}

/** Every line with CR LF at its end, the last one too, whatever it had; by octets, for millions of them are taken. */
function crlfLines(octets: Uint8Array): Uint8Array {
  const ends = octets.at(-1) === LF || octets.at(-1) === CR;
  const lines = new Uint8Array(2 * octets.length + 2);
  let to = 0;
  for (let at = 0; at < octets.length; at++) {
    const octet = octets[at]!;
    if (octet === LF && octets[at - 1] === CR) continue;
    if (octet === LF || octet === CR) lines[to++] = CR;
    lines[to++] = octet === CR ? LF : octet;
  }
  if (!ends) lines.set([CR, LF], to);
  return lines.subarray(0, ends ? to : to + 2);
}

function attachments(value: unknown): Attachment[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value) || value.length > MAX_FILES) {
    throw new Problem(400, `attachments is a list of ${MAX_FILES} at most.`);
  }
  return value.map((each, index) => attachment(`attachments[${index}]`, each));
}

function attachment(what: string, value: unknown): Attachment {
  const { name, type = "application/octet-stream", content, contentId = null, ...rest } = objectOf(what, value);
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined) throw new Problem(400, `There is no ${JSON.stringify(unknown.slice(0, 64))} in ${what}.`);
  const file = lineOf(`${what}.name`, name, 200);
  if (typeof type !== "string" || !TYPE.test(type)) throw new Problem(400, `${what}.type is like application/pdf.`);
  if (contentId !== null && !(typeof contentId === "string" && /^[!#-'*+\--9=?A-Z^-~@]{1,200}$/.test(contentId))) {
    throw new Problem(400, `${what}.contentId is ASCII without spaces and angle brackets.`);
  }
  // What has parts of its own must not be coded                                                    RFC 2045 6.4
  const told = /^(?:multipart|message)\//i.test(type) ? "application/octet-stream" : type.toLowerCase();
  const head = `Content-Type: ${told}${parameter("name", file)}\r\n` +
    `Content-Disposition: ${contentId === null ? "attachment" : "inline"}${parameter("filename", file)}\r\n` +
    (contentId === null ? "" : `Content-ID: <${contentId}>\r\n`) + "Content-Transfer-Encoding: base64\r\n\r\n";
  const coder = coderFor("base64");
  const octets = coder.write(decoded(what, content)).slice();
  return { part: [utf8.encode(head), octets, coder.end(true)], inline: contentId !== null };
}

function decoded(what: string, content: unknown): Uint8Array {
  try {
    if (typeof content === "string") return Uint8Array.fromBase64(content);
  } catch { /* told below */ }
  throw new Problem(400, `${what}.content is base64.`);
}

function joined(
  kind: string,
  { parts, boundary }: { readonly parts: readonly Part[]; readonly boundary: string },
): Part {
  const line = utf8.encode(`--${boundary}\r\n`), end = utf8.encode(`--${boundary}--\r\n`);
  return [
    utf8.encode(`Content-Type: multipart/${kind}; boundary="${boundary}"\r\n\r\n`),
    ...parts.flatMap((part) => [line, ...part, utf8.encode("\r\n")]),
    end,
  ];
}
