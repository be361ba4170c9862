/** Signatures with any tags, good or bad, by a signer that does as it is told; and name service for their keys. */
import type { Canonicalization } from "../../../core/dkim/canonical.ts";
import { type Content, hashBodies } from "../../../core/dkim/content.ts";
import type { PrivateKey } from "../../../core/dkim/private_key.ts";
import { KeyRecords } from "../../../core/dkim/public_key.ts";
import { recordName, recordText } from "../../../core/dkim/record.ts";
import { hashInput, signField, type SigningKey } from "../../../core/dkim/sign.ts";
import { SignedHeader } from "../../../core/dkim/signed_header.ts";
import type { VerifyOptions } from "../../../core/dkim/verify.ts";
import { DnsError } from "../../../core/dns/resolver.ts";
import { join, octets } from "../../support/bytes.ts";
import { RFC_ED25519 } from "./keys.ts";

/** The moment of every test. */
export const NOW = Date.UTC(2026, 0, 2, 3, 4, 5);
export const KEY: SigningKey = { domain: "example.org", selector: "s1", key: RFC_ED25519 };

export function content(message: Uint8Array<ArrayBuffer>, cuts: readonly number[] | null = null): Content {
  const places = [0, ...(cuts ?? []).map((cut) => cut % (message.length + 1)).sort((a, b) => a - b), message.length];
  return {
    head: message,
    memory: cuts === null ? message : null,
    stream: () => ReadableStream.from(places.slice(1).map((to, at) => message.subarray(places[at], to))),
  };
}

/** What a name's records are, or how asking for them fails. */
export type Zone = Readonly<Record<string, readonly string[] | "servfail" | "timeout" | "nxdomain" | "nodata">>;

/** Name service for `verify` and `verifyChain`; `asked`: every question. */
export function door(zone: Zone) {
  const asked: string[] = [];
  const txt = (name: string): Promise<readonly string[]> => {
    asked.push(name);
    const found = zone[name] ?? "nxdomain";
    return typeof found === "string" ? Promise.reject(new DnsError(found, `TXT ${name}`)) : Promise.resolve(found);
  };
  return { txt, records: new KeyRecords(), now: NOW, asked } satisfies VerifyOptions & { asked: string[] };
}

/** The records of these keys. */
export async function zoneOf(...keys: readonly SigningKey[]): Promise<Record<string, readonly string[]>> {
  const records = keys.map(async ({ domain, selector, key }) =>
    [recordName(domain, selector), [await recordText(key)]] as const
  );
  return Object.fromEntries(await Promise.all(records));
}

/** Tags that stand in for the usual ones; null: left out. */
export type Tags = Readonly<Record<string, string | null>>;

/** The message with a DKIM-Signature in front of it that is true to its tags, as far as they make sense. */
export async function crafted(
  message: Uint8Array<ArrayBuffer>,
  tags: Tags = {},
  { key = RFC_ED25519, name = "DKIM-Signature" }: { readonly key?: PrivateKey; readonly name?: string } = {},
): Promise<Uint8Array<ArrayBuffer>> {
  const header = new SignedHeader(message);
  const [form = "simple", bodyForm = "simple"] = (tags["c"] ?? "relaxed/relaxed").split("/") as Canonicalization[];
  const limit = tags["l"] === undefined ? null : Number(tags["l"]);
  const body = await hashBodies(content(message), header.section.bodyStart, [
    { form: bodyForm === "relaxed" ? "relaxed" : "simple", limit: Number.isNaN(limit) ? null : limit },
  ]);
  const all: Tags = {
    v: "1",
    a: key.algorithm,
    c: "relaxed/relaxed",
    d: "example.org",
    s: "s1",
    h: "From:Subject",
    bh: body[0]!.hash.toBase64(),
    ...tags,
  };
  const list = Object.entries(all).filter(([, value]) => value !== null).map(([tag, value]) => `${tag}=${value}; `);
  const left = new Map<string, number>();
  const fields = (all["h"] ?? "").split(":").map((name) => {
    const named = header.named(name.trim().toLowerCase()), at = (left.get(name.trim()) ?? named.length) - 1;
    left.set(name.trim(), Math.max(0, at));
    return { name, range: named[at] ?? null };
  });
  const hashed = hashInput(header.section, fields, form);
  return join(octets(await signField(`${name}: ${list.join("")}b=`, key, { hashed, form })), message);
}
