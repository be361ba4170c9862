/**
 * DNS messages on the wire (RFC 1035 4.1, RFC 6698, RFC 6891): writes a question, reads an answer. Pure; a hostile message costs
 * linear time, and is read as a whole or not at all. Non-job: sockets (exchange.ts), policy (stub.ts).
 */
import ipaddr from "ipaddr.js";
import type { Answer, RecordOf, RecordType } from "./answer.ts";
import { isHostName } from "./name.ts";

const CODES: Readonly<Record<RecordType, number>> = { A: 1, AAAA: 28, CNAME: 5, MX: 15, TXT: 16, PTR: 12, TLSA: 52 };
const SOA = 6, OPT = 41, IN = 1;
const TC = 0x0200, AA = 0x0400, RD = 0x0100, RA = 0x0080, AD = 0x0020;
const MAX_CHAIN = 16; // CNAMEs followed in one answer
/** UDP payload that we take: fits every path without fragments, and fragments are how answers get forged. */
const PAYLOAD = 1232;

export interface Question {
  readonly id: number;
  readonly type: RecordType;
  /** Canonical. */
  readonly name: string;
}

/**
 * The octets of a question that asks for recursion; with `edns` it says what payload it takes (RFC 6891 6.1.2). AD asks
 * a validating resolver to say whether the answer is authentic (RFC 6840 5.7): without DO it leaves the signatures out,
 * which we could not check, and which would make many answers too long for UDP.
 */
export function encodeQuestion(question: Question, edns: boolean): Uint8Array<ArrayBuffer> {
  const { id, name, type } = question;
  const out = new Uint8Array(12 + name.length + 2 + 4 + (edns ? 11 : 0));
  const view = new DataView(out.buffer);
  view.setUint16(0, id);
  view.setUint16(2, RD | AD);
  view.setUint16(4, 1);
  if (edns) view.setUint16(10, 1);
  let at = 12;
  for (const label of name.split(".")) {
    out[at++] = label.length;
    for (let i = 0; i < label.length; i++) out[at++] = label.charCodeAt(i);
  }
  at++; // the root
  view.setUint16(at, CODES[type]);
  view.setUint16(at + 2, IN);
  if (edns) {
    view.setUint16(at + 5, OPT); // after the root as owner
    view.setUint16(at + 7, PAYLOAD);
  }
  return out;
}

/**
 * What a message says to a question. `foreign`: it is not the answer to this question at all, so keep waiting.
 * `truncated`: ask again over TCP. `refused`: this server will not say; `plain` when it may without EDNS.
 */
export type Reading<T extends RecordType = RecordType> =
  | { readonly kind: "answer"; readonly answer: Answer<T> }
  | { readonly kind: "foreign" | "truncated" | "plain" | "refused" };

/** Reads an answer to `question`. Never throws. */
export function readAnswer<T extends RecordType>(octets: Uint8Array, question: Question & { type: T }): Reading<T> {
  try {
    return new Reader(octets).answer(question) as Reading<T>;
  } catch (error) {
    // From the right server with the right id and question, yet no message: it will not make sense the next time.
    if (error instanceof Malformed) return { kind: error.foreign ? "foreign" : "refused" };
    throw error;
  }
}

class Malformed extends Error {
  constructor(readonly foreign: boolean) {
    super();
  }
}
interface Owned {
  readonly owner: string | null;
  readonly ttl: number;
  readonly record: RecordOf[RecordType] | null;
}

class Reader {
  readonly #octets: Uint8Array;
  readonly #view: DataView;
  #at = 12;
  /** Until the question has been seen to be ours, whatever is wrong is somebody else's message. */
  #ours = false;

  constructor(octets: Uint8Array) {
    this.#octets = octets;
    this.#view = new DataView(octets.buffer, octets.byteOffset, octets.byteLength);
  }

  answer(question: Question): Reading {
    if (this.#octets.length < 12) return { kind: "foreign" };
    const flags = this.#view.getUint16(2);
    const isResponse = (flags & 0xf800) === 0x8000; // QR, and the opcode of a query
    if (this.#view.getUint16(0) !== question.id || !isResponse) return { kind: "foreign" };
    const rcode = flags & 15, counted = this.#view.getUint16(4);
    if (counted === 0 && (rcode === 1 || rcode === 4)) return { kind: "plain" }; // FORMERR, NOTIMP may echo nothing
    if (counted !== 1) return { kind: "foreign" };
    const asked = this.#name(), type = this.#u16(), klass = this.#u16();
    if (asked !== question.name || type !== CODES[question.type] || klass !== IN) return { kind: "foreign" };
    this.#ours = true;
    if ((flags & TC) !== 0) return { kind: "truncated" };
    if (rcode === 1 || rcode === 4) return { kind: "plain" };
    if (rcode !== 0 && rcode !== 3) return { kind: "refused" };

    const authentic = (flags & AD) !== 0;
    const aliases = new Map<string, { readonly target: string | null; readonly ttl: number }>();
    const found: Owned[] = [];
    for (let left = this.#view.getUint16(6); left > 0; left--) this.#record(question.type, aliases, found);
    let ttl = Infinity, owner: string | null = question.name;
    for (let hops = 0; owner !== null; hops++) {
      const alias = aliases.get(owner);
      if (alias === undefined) break;
      if (hops === MAX_CHAIN) return { kind: "refused" }; // a loop, or as good as one
      ttl = Math.min(ttl, alias.ttl);
      owner = alias.target;
    }
    const records: RecordOf[RecordType][] = [];
    let screened = 0;
    for (const each of found) {
      if (each.owner !== owner || owner === null) continue;
      ttl = Math.min(ttl, each.ttl);
      if (each.record === null) screened++;
      else records.push(each.record);
    }
    const name = owner ?? "";
    if (records.length > 0) return { kind: "answer", answer: { records, ttl, name, authentic } };
    // MX records that nobody can use are not "no MX": that would send mail to the address record instead.
    if (screened > 0 && question.type === "MX") return { kind: "refused" };
    if (rcode === 0 && found.length + aliases.size === 0 && (flags & (AA | RA)) === 0) return { kind: "refused" };
    const fault = rcode === 3 ? "nxdomain" : "nodata";
    return { kind: "answer", answer: { fault, ttl: Math.min(ttl, this.#negativeTtl()), name, authentic } };
  }

  #record(
    wanted: RecordType,
    aliases: Map<string, { readonly target: string | null; readonly ttl: number }>,
    found: Owned[],
  ): void {
    const owner = this.#name(), type = this.#u16(), klass = this.#u16(), ttl = this.#ttl(), end = this.#dataEnd();
    if (klass === IN && type === CODES.CNAME && wanted !== "CNAME") {
      const target = this.#name();
      if (owner !== null && !aliases.has(owner)) aliases.set(owner, { target, ttl });
    } else if (klass === IN && type === CODES[wanted]) {
      found.push({ owner, ttl, record: this.#data(wanted, end) });
    } else this.#at = end;
    if (this.#at !== end) throw new Malformed(false);
  }

  /** Null for what the screen keeps out: names with anything but letters, digits, hyphens and underscores. */
  #data(type: RecordType, end: number): RecordOf[RecordType] | null {
    switch (type) {
      case "A":
        return this.#take(4, end).join(".");
      case "AAAA":
        return new ipaddr.IPv6([...this.#take(16, end)]).toString();
      case "MX": {
        const preference = this.#u16(), exchange = this.#name();
        if (exchange === null || (exchange !== "" && !isHostName(exchange))) return null;
        return { preference, exchange };
      }
      case "TXT": {
        let text = "";
        if (this.#at === end) throw new Malformed(false); // one string or more: RFC 1035 3.3.14
        while (this.#at < end) {
          const length = this.#octets[this.#at++]!;
          if (this.#at + length > end) throw new Malformed(false);
          text += String.fromCharCode(...this.#octets.subarray(this.#at, this.#at + length));
          this.#at += length;
        }
        return text;
      }
      case "PTR":
      case "CNAME": {
        const name = this.#name();
        return name !== null && isHostName(name) ? name : null;
      }
      case "TLSA": { // three numbers and what is left                                              RFC 6698 2.1
        const at = this.#at;
        if (at + 3 > end) throw new Malformed(false);
        this.#at = end;
        const [usage, selector, matching] = this.#octets.subarray(at, at + 3) as unknown as [number, number, number];
        return { usage, selector, matching, data: new Uint8Array(this.#octets.subarray(at + 3, end)) };
      }
    }
  }

  /** How long a "no" holds: the SOA's own TTL or its minimum field, whichever is less (RFC 2308 5). Without SOA: not. */
  #negativeTtl(): number {
    for (let left = this.#view.getUint16(8); left > 0; left--) {
      this.#name();
      const type = this.#u16();
      this.#u16();
      const ttl = this.#ttl(), end = this.#dataEnd();
      if (type === SOA && end - this.#at >= 22) {
        this.#at = end - 4;
        return Math.min(ttl, this.#ttl());
      }
      this.#at = end;
    }
    return 0;
  }

  #take(count: number, end: number): Uint8Array {
    if (end - this.#at !== count) throw new Malformed(false);
    this.#at = end;
    return this.#octets.subarray(end - count, end);
  }

  #u16(): number {
    if (this.#at + 2 > this.#octets.length) throw new Malformed(!this.#ours);
    this.#at += 2;
    return this.#view.getUint16(this.#at - 2);
  }

  #ttl(): number {
    if (this.#at + 4 > this.#octets.length) throw new Malformed(!this.#ours);
    this.#at += 4;
    const ttl = this.#view.getInt32(this.#at - 4);
    return ttl < 0 ? 0 : ttl; // RFC 2181 8: the most significant bit set means zero
  }

  #dataEnd(): number {
    const length = this.#u16();
    if (this.#at + length > this.#octets.length) throw new Malformed(false);
    return this.#at + length;
  }

  /**
   * A name in lower case, empty for the root; null when a label holds a dot or anything that is not printable ASCII,
   * so that no text of ours can be read in two ways. Pointers must go backwards: no loop, at most 127 of them.
   */
  #name(): string | null {
    const octets = this.#octets;
    let at = this.#at, next = -1, floor = at, length = 0, text = "", clean = true;
    while (true) {
      const size = octets[at];
      if (size === undefined) throw new Malformed(!this.#ours);
      if (size >= 0xc0) {
        const low = octets[at + 1];
        if (low === undefined) throw new Malformed(!this.#ours);
        if (next < 0) next = at + 2;
        at = (size & 0x3f) << 8 | low;
        if (at >= floor) throw new Malformed(!this.#ours);
        floor = at;
        continue;
      }
      at++;
      if (size === 0) break;
      length += size + 1;
      if (size > 63 || length > 254 || at + size > octets.length) throw new Malformed(!this.#ours);
      if (text !== "") text += ".";
      for (const end = at + size; at < end; at++) {
        const code = octets[at]!;
        if (code < 0x20 || code > 0x7e || code === 0x2e) clean = false;
        else text += String.fromCharCode(code);
      }
    }
    this.#at = next < 0 ? at : next;
    return clean ? text.toLowerCase() : null;
  }
}
