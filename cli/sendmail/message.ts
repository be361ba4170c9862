/**
 * A message as a program hands it in becomes one as a server takes it: line ends, the header that is missing, addresses
 * without a domain, Bcc taken out (RFC 5322 3.6, RFC 6409 8). Linear in its octets. Pure. Non-job: sending it.
 */
import { canonical } from "../smtp/content.ts";
import { addressesOf, qualified } from "./addresses.ts";

/** What the message may need and does not have. */
export interface Author {
  /** Of an author whom nobody names. */
  readonly from: string;
  /** His name; empty: none. */
  readonly name: string;
  /** What addresses without a domain are of. */
  readonly origin: string;
  /** As RFC 5322 3.3 has it. */
  readonly date: string;
  /** With its angle brackets. */
  readonly messageId: string;
}
export interface Prepared {
  /** With CRLF line ends. */
  readonly content: Uint8Array<ArrayBuffer>;
  /** Whom To, Cc and Bcc name, or their Resent fields where there are any; addresses without a domain have one. */
  readonly recipients: readonly string[];
}

const LF = 10, CR = 13, DOT = 46;
const encoder = new TextEncoder();

/** What stands before the line that is a dot alone; all of it where there is none. */
export function beforeDot(octets: Uint8Array): Uint8Array {
  for (let at = octets.indexOf(DOT); at >= 0; at = octets.indexOf(DOT, at + 1)) {
    if (at > 0 && octets[at - 1] !== LF) continue;
    const next = octets[at + 1];
    if (next === undefined || next === LF || next === CR && octets[at + 2] === LF) return octets.subarray(0, at);
  }
  return octets;
}

interface Field {
  readonly name: string;
  /** With its line ends. */
  text: string;
}
/** Fields with addresses. */
const ADDRESSES = new Set(["from", "sender", "reply-to", "to", "cc", "bcc"]);
const RECIPIENTS = ["to", "cc", "bcc"];
/** Larger headers are looked at so far, octets: no program writes one. */
const MOST_HEADER = 4 * 1024 * 1024;

/** Reads what a program wrote. */
export function prepare(input: Uint8Array, author: Author): Prepared {
  const octets = canonical(input);
  const { fields, body } = split(octets);
  const resent = fields.some(({ name }) => /^resent-(?:to|cc|bcc)$/.test(name));
  const recipients: string[] = [];
  for (const field of fields) {
    const bare = field.name.replace(/^resent-/, "");
    if (!ADDRESSES.has(bare)) continue;
    const prefix = field.text.indexOf(":") + 1, value = field.text.slice(prefix);
    if (RECIPIENTS.includes(bare) && resent === field.name.startsWith("resent-")) {
      for (const each of addressesOf(value, author.origin)) recipients.push(each); // may be more than a call takes
    }
    field.text = field.text.slice(0, prefix) + qualified(value, author.origin);
  }
  const kept = fields.filter(({ name }) => name !== "bcc" && name !== "resent-bcc");
  const has = (name: string) =>
    kept.some((each) => each.name === name && each.text.slice(name.length + 1).trim() !== "");
  const wanted = [["message-id", "Message-ID", author.messageId], ["date", "Date", author.date], [
    "from",
    "From",
    mailbox(author),
  ]] as const;
  const missing = wanted.filter(([name]) => !has(name)), empty = new Set<string>(missing.map(([name]) => name));
  const added = missing.map(([, name, value]) => `${name}: ${value}\r\n`);
  const head = octetsOf([...added, ...kept.filter(({ name }) => !empty.has(name)).map(({ text }) => text)].join(""));
  const content = new Uint8Array(head.length + 2 + body.length);
  content.set(head);
  content.set([CR, LF], head.length);
  content.set(body, head.length + 2);
  return { content, recipients };
}

/** A header ends with an empty line, or with the first line that cannot be in one. */
function split(octets: Uint8Array): { readonly fields: Field[]; readonly body: Uint8Array } {
  const fields: Field[] = [];
  let at = lineAt(octets, 0).startsWith("From ") ? lineAt(octets, 0).length : 0; // the first line of an mbox
  while (at < octets.length && at < MOST_HEADER) {
    const text = lineAt(octets, at);
    if (text === "\r\n") return { fields, body: octets.subarray(at + 2) };
    const name = /^([!-9;-~]{1,200})[ \t]*:/.exec(text)?.[1];
    if (name === undefined) break;
    const lines = [text];
    for (at += text.length; octets[at] === 32 || octets[at] === 9; at += lines.at(-1)!.length) {
      lines.push(lineAt(octets, at));
    }
    fields.push({ name: name.toLowerCase(), text: lines.join("") });
  }
  return { fields, body: octets.subarray(at) };
}

/** With its end; octets as Latin-1. */
function lineAt(octets: Uint8Array, at: number): string {
  const end = octets.indexOf(LF, at) + 1;
  return bytes.decode(octets.subarray(at, end === 0 ? octets.length : end));
}
/** A name of Latin-1 for this decoder would be windows-1252, which is another. */
const bytes = {
  decode(octets: Uint8Array): string {
    let text = "";
    for (let at = 0; at < octets.length; at += 8192) text += String.fromCharCode(...octets.subarray(at, at + 8192));
    return text;
  },
};

function octetsOf(text: string): Uint8Array {
  const octets = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) octets[at] = text.charCodeAt(at);
  return octets;
}

/** `"Root of all" <root@example.org>`: a name beyond ASCII as an encoded word (RFC 2047). */
function mailbox({ from, name }: Author): string {
  const plain = name.replace(/\p{C}/gu, " ").trim().slice(0, 200);
  if (plain === "") return from;
  if (/^[\x20-\x7e]+$/.test(plain)) return `"${plain.replace(/["\\]/g, "\\$&")}" <${from}>`;
  const words = [...plain.matchAll(/.{1,10}/gsu)].map(([part]) => `=?utf-8?B?${encoder.encode(part).toBase64()}?=`);
  return `${words.join(" ")} <${from}>`;
}
