/**
 * What a peer replied: a code, the texts of its lines, and what they mean to us. Verdict and status are derived once,
 * here; no text decides anything (RFC 5321 4.2, RFC 2034, RFC 3463). Non-job: reading it (reply_reader.ts).
 */
import type { Verdict } from "../../model/reply.ts";

/** As much of a reply as logs and reports repeat, characters. */
const LONGEST = 1000;
// RFC 2034 4: status-code = class "." subject "." detail, and a space
const STATUS = /^([245]\.\d{1,3}\.\d{1,3})(?: |$)/;

/** Where a code says what it is about and no enhanced status is there. Many say 550 and 554 to anything: X.0.0. */
const USUAL: Readonly<Record<number, string>> = {
  421: "4.3.2",
  450: "4.2.0",
  451: "4.3.0",
  452: "4.3.1",
  454: "4.7.0",
  455: "4.5.4",
  500: "5.5.2",
  501: "5.5.4",
  502: "5.5.1",
  503: "5.5.1",
  504: "5.5.4",
  521: "5.3.2", //                                                                                         RFC 7504 4
  530: "5.7.0", //                                                                                         RFC 4954 6
  534: "5.7.9",
  535: "5.7.8",
  538: "5.7.11",
  551: "5.1.6",
  555: "5.5.4",
  556: "5.1.10", //                                                                                        RFC 7505 4
};

/** One reply, printable. */
export class PeerReply {
  /** Three digits, the first of them 2 to 5. */
  readonly code: number;
  /** The texts behind the codes, a line each: no controls. */
  readonly lines: readonly string[];

  constructor(code: number, lines: readonly string[]) {
    this.code = code;
    this.lines = lines;
  }

  /** What the code means to the transaction. 354 and 334 are accepting too. */
  get verdict(): Verdict {
    return this.code < 400 ? "accept" : this.code < 500 ? "defer" : "reject";
  }

  /** The enhanced status that it has, or null; one of another class than the code is none (RFC 2034 4). */
  get ownStatus(): string | null {
    const status = STATUS.exec(this.lines[0]!)?.[1];
    return status !== undefined && Number(status[0]) === Math.floor(this.code / 100) ? status : null;
  }

  /** The enhanced status that it has, else what its code says. */
  get status(): string {
    return this.ownStatus ?? USUAL[this.code] ?? `${Math.floor(this.code / 100)}.0.0`;
  }

  /** Its words in one line, the status left out, cut. */
  get text(): string {
    const own = this.ownStatus;
    const words = own === null
      ? this.lines
      : this.lines.map((line) => line.startsWith(own) ? line.slice(own.length) : line);
    return joined(words);
  }

  /** As it was said, in one line, cut. */
  toString(): string {
    return joined([String(this.code), ...this.lines]);
  }
}

function joined(lines: readonly string[]): string {
  const whole = lines.length === 1 ? lines[0]!.trim() : lines.map((line) => line.trim()).filter(Boolean).join(" ");
  return whole.length <= LONGEST ? whole : `${whole.slice(0, LONGEST).toWellFormed()}...`;
}
