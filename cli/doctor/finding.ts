/** What a doctor says: how it stands, in words, by which RFC, and what to publish. Values. Non-job: finding it out. */
import { zoneRecord } from "../../core/dkim/mod.ts";
import { DnsError } from "../../core/dns/resolver.ts";

/** `unknown`: name service or a peer did not say; it may be well or wrong. */
export type Level = "well" | "warning" | "wrong" | "unknown";

/** A record as it should stand in the zone. */
export interface WantedRecord {
  /** Without a dot at its end. */
  readonly name: string;
  readonly type: "A" | "AAAA" | "MX" | "TXT" | "PTR" | "TLSA";
  /** As a zone file has it, TXT without quotes. */
  readonly value: string;
}
export interface Finding {
  /** The group that it stands in. */
  readonly topic: string;
  readonly level: Level;
  /** A sentence. */
  readonly says: string;
  /** "RFC 7208 4.6.4"; null where it is custom. */
  readonly rfc: string | null;
  readonly publish: readonly WantedRecord[];
}
export interface About {
  readonly rfc?: string;
  readonly publish?: WantedRecord | readonly WantedRecord[];
}

/** The findings of one topic as they come. */
export class Findings {
  readonly list: Finding[] = [];

  constructor(readonly topic: string) {}

  well(says: string, about: About = {}): void {
    this.#add("well", says, about);
  }
  warning(says: string, about: About = {}): void {
    this.#add("warning", says, about);
  }
  wrong(says: string, about: About = {}): void {
    this.#add("wrong", says, about);
  }
  unknown(says: string, about: About = {}): void {
    this.#add("unknown", says, about);
  }
  /** Name service failed; anything else is not for here. */
  failed(error: unknown): void {
    if (!(error instanceof DnsError)) throw error;
    this.unknown(`Name service does not say: ${error.query}: ${error.fault}`);
  }

  #add(level: Level, says: string, { rfc = undefined, publish = [] }: About): void {
    const given: readonly WantedRecord[] = Array.isArray(publish) ? publish : [publish];
    const records = given.map((each) => ({ ...each, value: each.value.replace(/\p{C}/gu, "?") }));
    this.list.push({ topic: this.topic, level, says: plain(says), rfc: rfc ?? null, publish: records });
  }
}

/** Strangers wrote some of this: no controls, and not without end. */
export function plain(text: string): string {
  const clean = text.replace(/\p{C}/gu, "?");
  return clean.length > 600 ? `${clean.slice(0, 600)}...` : clean;
}

/** The line of a zone file. */
export function zoneLine({ name, type, value }: WantedRecord): string {
  return type === "TXT" ? zoneRecord(name, value) : `${name}. IN ${type} ${value}`;
}
