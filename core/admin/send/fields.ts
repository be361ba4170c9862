/**
 * Header fields of a message that a program describes: names and texts in, whole fields out. What could end a line or begin
 * another field is refused, never mended (header injection). Non-job: the parts behind them (compose.ts).
 */
import { type Address, formatAddress, parseAddress } from "../../model/address.ts";
import { fold } from "../../model/fold.ts";
import { Problem } from "../problem.ts";

/** Somebody in a header field. */
export interface Mailbox {
  readonly name: string;
  readonly address: Address;
}

const LINE = 76, MAX_TEXT = 2000, MAX_NAME = 200;
/** Octets of text in one encoded word: 75 characters with its frame (RFC 2047 2). */
const WORD = 45;
const utf8 = new TextEncoder();

/** Text for people, one line of it. @throws {Problem} 400 */
export function lineOf(name: string, value: unknown, max = MAX_TEXT): string {
  if (typeof value !== "string" || value.length > max) {
    throw new Problem(400, `${name} is a text of ${max} characters.`);
  }
  if (/\p{Cc}|[\u2028\u2029]|\p{Cs}/u.test(value)) throw new Problem(400, `${name} is one line, without controls.`);
  return value;
}

/** `Ada <ada@example.org>`, `ada@example.org` or `{ name, address }`. @throws {Problem} 400 */
export function mailboxOf(what: string, value: unknown): Mailbox {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    const { name = "", address, ...rest } = value as Record<string, unknown>;
    if (Object.keys(rest).length > 0) throw new Problem(400, `${what} has a name and an address, nothing else.`);
    return { name: lineOf(`the name in ${what}`, name, MAX_NAME), address: addressOf(what, address) };
  }
  const text = lineOf(what, value);
  const [, name = "", address] = /^([^<>]*)<([^<>]*)>$/.exec(text.trim()) ?? [];
  if (address === undefined) return { name: "", address: addressOf(what, text.trim()) };
  const plain = name.trim().replace(/^"(.*)"$/, "$1").replaceAll(/\\(.)/g, "$1");
  return { name: lineOf(`the name in ${what}`, plain, MAX_NAME), address: addressOf(what, address) };
}

/** An address that can get mail. @throws {Problem} 400 */
export function addressOf(what: string, value: unknown): Address {
  const address = typeof value === "string" && value.length <= 320 ? parseAddress(value) : null;
  if (address === null || address.domain === "") throw new Problem(400, `${what} is like ada@example.org.`);
  return address;
}

/** A field of text, folded, in encoded words where it is not ASCII. */
export function textField(name: string, text: string): string {
  return fold(`${name}: ${wordsOf(text)}`, { from: name.length + 2, line: LINE });
}

/** A field of mailboxes. */
export function mailboxField(name: string, mailboxes: readonly Mailbox[]): string {
  const text = mailboxes.map((each) => {
    const address = formatAddress(each.address);
    return each.name === "" ? address : `${phraseOf(each.name)} <${address}>`;
  }).join(", ");
  return fold(`${name}: ${text}`, { from: name.length + 2, line: LINE });
}

function phraseOf(name: string): string {
  if (/^[\x20-\x7e]*$/.test(name)) return `"${name.replaceAll(/["\\]/g, "\\$&")}"`;
  return wordsOf(name);
}

/** As it is where it is ASCII and no encoded word by accident; else encoded words (RFC 2047). */
function wordsOf(text: string): string {
  if (/^[\x20-\x7e]*$/.test(text) && !text.includes("=?")) return text;
  const words: string[] = [];
  let octets: number[] = [];
  const flush = () => {
    if (octets.length > 0) words.push(`=?utf-8?B?${btoa(String.fromCharCode(...octets))}?=`);
    octets = [];
  };
  for (const character of text) { // a character is never split between words                      RFC 2047 5 (3)
    const coded = utf8.encode(character);
    if (octets.length + coded.length > WORD) flush();
    octets.push(...coded);
  }
  flush();
  return words.join(" ");
}

/** A parameter of a Content field: quoted where it is ASCII, else by RFC 2231 4. */
export function parameter(name: string, value: string): string {
  if (/^[\x20-\x7e]*$/.test(value)) return `; ${name}="${value.replaceAll(/["\\]/g, "\\$&")}"`;
  const coded = encodeURIComponent(value).replaceAll(
    /['()*!]/g,
    (each) => `%${each.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `; ${name}*=utf-8''${coded}`;
}
