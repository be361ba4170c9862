/** DKIM: the records of our keys, or of the selectors that somebody names (RFC 6376 3.6.1). Non-job: finding selectors. */
import { type KeyRecord, KeyRecordError, parseKeyRecord, recordName, recordText } from "../../core/dkim/mod.ts";
import { type Findings, plain } from "./finding.ts";
import type { Patient } from "./patient.ts";
import { ask } from "./spf.ts";

/** RFC 8301 3.2. */
const GOOD_BITS = 2048;

export async function examineDkim(patient: Patient, findings: Findings): Promise<void> {
  if (patient.selectors.length === 0) {
    const how = patient.own === null
      ? "name one by --selector, or a configuration by --config"
      : "the configuration signs nothing for this domain: postern dkim keygen makes a key";
    findings.warning(`No selector is known: ${how}`, { rfc: "RFC 6376 3.1" });
  }
  for (const each of patient.selectors) await one(each, patient, findings);
}

async function one({ selector, key }: Patient["selectors"][number], { domain, dns }: Patient, findings: Findings) {
  const name = recordName(domain, selector);
  const publish = key === null ? [] : [{ name, type: "TXT" as const, value: await recordText(key) }];
  let texts: readonly string[];
  try {
    texts = await ask(dns.txt(name)) ?? [];
  } catch (error) {
    return findings.failed(error);
  }
  const [text, second] = texts;
  if (text === undefined) {
    return findings.wrong(`${name} has no record: signatures by ${selector} are void`, {
      rfc: "RFC 6376 3.6.2",
      publish,
    });
  }
  if (second !== undefined) {
    findings.wrong(`${name} has ${texts.length} records: which one counts is chance`, { rfc: "RFC 6376 3.6.2.2" });
  }
  let record: KeyRecord;
  try {
    record = parseKeyRecord(text);
  } catch (error) {
    if (!(error instanceof KeyRecordError)) throw error;
    return findings.wrong(`${selector}: ${plain(error.message)}`, { rfc: "RFC 6376 3.6.1", publish });
  }
  const { algorithm, bits } = record.key;
  if (key !== null && !await belongs(record, key)) {
    findings.wrong(`${selector}: the record has another key than we sign by`, { rfc: "RFC 6376 3.6.1", publish });
  } else {
    const ours = key === null ? "" : ", and it is the key that we sign by";
    findings.well(`${selector}: ${algorithm}, ${bits} bits${ours}`);
  }
  if (algorithm === "rsa-sha256" && bits < GOOD_BITS) {
    findings.warning(`${selector}: the key should have ${GOOD_BITS} bits`, { rfc: "RFC 8301 3.2" });
  }
  if (record.testing) {
    findings.warning(`${selector}: t=y says that you are trying: receivers may take no notice`, {
      rfc: "RFC 6376 3.6.1",
    });
  }
}

/** What the one signs the other verifies. */
async function belongs(record: KeyRecord, key: NonNullable<Patient["selectors"][number]["key"]>): Promise<boolean> {
  if (record.key.algorithm !== key.algorithm) return false;
  const sample = new TextEncoder().encode("whose key is it?");
  const signature = new Uint8Array(await key.sign(sample));
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", sample));
  return await record.key.verify(signature, digest);
}
