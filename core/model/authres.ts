/**
 * Authentication-Results (RFC 8601): what a host found out about who sent a message, as values, written and read. What is
 * written holds foreign text in places where it can be nothing but text (case 54). Linear. Non-job: finding out (plugins),
 * removing forged ones (trace.ts).
 */
import { fold } from "./fold.ts";

/** One finding of one method: `spf=pass smtp.mailfrom=example.net`. */
export interface AuthResult {
  /** A keyword: `spf`, `dkim`, `dmarc`, `arc`, `iprev`, `auth`; `x-` before one's own. */
  readonly method: string;
  /** A keyword: `pass`, `fail`, `none`, `neutral`, `policy`, `temperror`, `permerror`, ... (RFC 8601 2.7). */
  readonly result: string;
  /** Why, in words. */
  readonly reason?: string;
  /** What was looked at, `ptype.property` and its value: `["header.d", "example.net"]`. */
  readonly properties?: readonly (readonly [name: string, value: string])[];
}
/** A field read: who says so, and what. */
export interface AuthResults {
  /** The authserv-id, as it was written. */
  readonly host: string;
  /** In their order; empty for `none`. */
  readonly results: readonly AuthResult[];
}

const KEYWORD = /^[A-Za-z0-9](?:[A-Za-z0-9_-]{0,62}[A-Za-z0-9])?$/;
const PROPERTY = /^[A-Za-z0-9-]{1,63}\.[A-Za-z0-9._-]{1,63}$/;
// value = token / quoted-string; tspecials of RFC 2045 5.1 need the quotes
const TOKEN = /^[!#-'*+.0-9A-Z^-~-]+$/;
const DOMAIN = /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,253}[A-Za-z0-9])?$/;
const MAILBOX = /^[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{0,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,253}[A-Za-z0-9])?$/;
const LONGEST = 255; // of a value or a reason, characters
const LINE = 78; //                                                                                     RFC 5322 2.1.1

/**
 * The whole field with its CRLF, a finding on each line; `none` when nothing was found.
 *
 * @throws {TypeError} when a method, a result or a property's name is no keyword: they are a plugin's, never a peer's.
 * @example
 * ```ts
 * import { formatAuthResults } from "postern";
 * import { assertEquals } from "@std/assert";
 * const spf = { method: "spf", result: "pass", properties: [["smtp.mailfrom", "a@b; dkim=pass"]] } as const;
 * assertEquals(
 *   formatAuthResults("mx.example.org", [spf]),
 *   'Authentication-Results: mx.example.org;\r\n\tspf=pass smtp.mailfrom="a@b; dkim=pass"\r\n',
 * );
 * ```
 */
export function formatAuthResults(host: string, results: readonly AuthResult[]): string {
  const front = `Authentication-Results: ${DOMAIN.test(host) ? host : quoted(host)};`;
  if (results.length === 0) return `${front} none\r\n`;
  const lines = results.map((each) => foldLine(`\t${formatResult(each)}`));
  return `${front}\r\n${lines.join(";\r\n")}\r\n`;
}

/** @throws {TypeError} when it could not be written: where it comes into being, not where the message is. */
export function checkAuthResult({ method, result, properties = [] }: AuthResult): void {
  for (const word of [method, result]) {
    if (!KEYWORD.test(word)) throw new TypeError(`${JSON.stringify(word)} is no keyword of Authentication-Results`);
  }
  for (const [name] of properties) {
    if (!PROPERTY.test(name)) throw new TypeError(`${JSON.stringify(name)} is no property like "header.d"`);
  }
}

/**
 * One finding, on one line (RFC 8601 2.2). What a peer has a say in is quoted where it must be.
 *
 * @example
 * ```ts
 * import { formatResult } from "postern";
 * import { assertEquals, assertThrows } from "@std/assert";
 * const found = { method: "iprev", result: "fail", properties: [["policy.iprev", "192.0.2.1"]] } as const;
 * assertEquals(formatResult(found), "iprev=fail policy.iprev=192.0.2.1");
 * assertThrows(() => formatResult({ method: "i prev", result: "fail" }), TypeError);
 * ```
 * @throws {TypeError} when a method, a result or a property's name is no keyword.
 */
export function formatResult(found: AuthResult): string {
  checkAuthResult(found);
  const { method, result, reason, properties = [] } = found;
  let text = `${method}=${result}`;
  if (reason !== undefined && reason !== "") text += ` reason=${quoted(reason)}`;
  for (const [name, value] of properties) text += ` ${name}=${formatValue(value)}`;
  return text;
}

function formatValue(value: string): string {
  return TOKEN.test(value) && value.length <= LONGEST || MAILBOX.test(value) ? value : quoted(value);
}

/** A quoted-string that holds anything and ends where it should. */
function quoted(text: string): string {
  // deno-lint-ignore no-control-regex
  const clean = text.slice(0, LONGEST).replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\ud800-\udfff]+/g, " ");
  return `"${clean.replace(/["\\]/g, "\\$&")}"`;
}

function foldLine(line: string): string {
  return line.length <= LINE ? line : fold(line, { from: 2, line: LINE }).slice(0, -2);
}

/**
 * Reads the value of a field; comments and folding may stand anywhere (RFC 8601 2.2). Null when it is none: then nothing
 * of it counts. At most 200 findings. Believe it only of a host that you trust (RFC 8601 5).
 *
 * @example
 * ```ts
 * import { parseAuthResults } from "postern";
 * import { assertEquals } from "@std/assert";
 * const read = parseAuthResults("mx.example.org; spf=pass (good) smtp.mailfrom=a@example.net");
 * assertEquals([read?.host, read?.results[0]?.method, read?.results[0]?.result], ["mx.example.org", "spf", "pass"]);
 * assertEquals(parseAuthResults("spf = pass"), null);
 * ```
 */
export function parseAuthResults(value: string): AuthResults | null {
  const reader = new Reader(value);
  const host = reader.value();
  if (host === null) return null;
  reader.skip();
  if (reader.digits()) reader.skip(); // the version
  const results: AuthResult[] = [];
  while (!reader.done) {
    if (!reader.take(";")) return null;
    reader.skip();
    if (reader.done) break; // a last semicolon
    const method = reader.keyword();
    if (method === null) return null;
    reader.skip();
    if (method.toLowerCase() === "none" && reader.done) break;
    if (reader.take("/")) { // the method's version
      reader.skip();
      reader.digits();
      reader.skip();
    }
    if (!reader.take("=")) return null;
    reader.skip();
    const result = reader.keyword();
    if (result === null || results.length === 200) return null;
    reader.skip();
    let reason: string | undefined;
    const properties: [string, string][] = [];
    while (!reader.done && !reader.at(";")) {
      const name = reader.keyword();
      if (name === null) return null;
      reader.skip();
      let full = name;
      if (reader.take(".")) {
        reader.skip();
        const property = reader.keyword();
        if (property === null) return null;
        full = `${name}.${property}`;
        reader.skip();
      }
      if (!reader.take("=")) return null;
      reader.skip();
      const text = reader.value();
      if (text === null || properties.length === 100) return null;
      if (full.toLowerCase() === "reason") reason = text;
      else properties.push([full.toLowerCase(), text]);
      reader.skip();
    }
    results.push({
      method: method.toLowerCase(),
      result: result.toLowerCase(),
      ...reason !== undefined && { reason },
      ...properties.length > 0 && { properties },
    });
  }
  return { host, results };
}

class Reader {
  #at = 0;
  constructor(readonly text: string) {
    this.skip();
  }
  get done(): boolean {
    return this.#at >= this.text.length;
  }
  at(char: string): boolean {
    return this.text[this.#at] === char;
  }
  take(char: string): boolean {
    if (!this.at(char)) return false;
    this.#at++;
    return true;
  }
  /** CFWS. */
  skip(): void {
    const { text } = this;
    for (let depth = 0; this.#at < text.length; this.#at++) {
      const char = text[this.#at]!;
      if (char === "\\" && depth > 0) this.#at++;
      else if (char === "(") depth++;
      else if (char === ")" && depth > 0) depth--;
      else if (depth === 0 && char !== " " && char !== "\t" && char !== "\r" && char !== "\n") return;
    }
  }
  digits(): boolean {
    return this.#run(/[0-9]/) !== null;
  }
  /** Letters, digits, dashes. */
  keyword(): string | null {
    return this.#run(/[A-Za-z0-9_-]/);
  }
  /** A token, a mailbox or a quoted-string. */
  value(): string | null {
    if (!this.take('"')) return this.#run(/[^\s;()"]/);
    let out = "";
    for (; !this.done; this.#at++) {
      const char = this.text[this.#at]!;
      if (char === '"') {
        this.#at++;
        return out;
      }
      out += char === "\\" ? this.text[++this.#at] ?? "" : char;
    }
    return null;
  }
  #run(kind: RegExp): string | null {
    const start = this.#at;
    while (!this.done && kind.test(this.text[this.#at]!)) this.#at++;
    return this.#at > start ? this.text.slice(start, this.#at) : null;
  }
}
