/**
 * MTA-STS (RFC 8461) as values: the TXT record, the policy file, and which mail hosts a policy names. Both texts come
 * from strangers: reading is linear, and a policy has a bounded number of hosts.
 * Non-job: getting them (mta_sts_fetch.ts), keeping them (mta_sts_policies.ts), obeying them (policy.ts).
 */
import { canonicalDomain } from "../../model/domain.ts";

export interface StsPolicy {
  readonly mode: "enforce" | "testing" | "none";
  /** Hosts, canonical, `*.` in front for any one label. None only where the mode is `none`. */
  readonly mx: readonly string[];
  /** Seconds, at most a year. */
  readonly maxAge: number;
}

/** RFC 8461 3.2: about a year. */
const LONGEST_AGE = 31_557_600;
/** More hosts than any domain has; the rest of a longer list is refused with the policy. */
const MOST_HOSTS = 256;

// sts-id = "id=" 1*32(ALPHA / DIGIT), the extensions and the rest of the record              RFC 8461 3.1
const ID = /^[A-Za-z0-9]{1,32}$/;
const EXTENSION = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,31}=[\x21-\x3a\x3c\x3e-\x7e]+$/;
const VERSION = "v=STSv1";

/**
 * The id of the policy that the TXT records of `_mta-sts.` announce, or null when they announce none: records of other
 * kinds do not count, of our kind there must be exactly one, and it must be right (RFC 8461 3.1).
 */
export function readStsId(records: readonly string[]): string | null {
  const [record, second] = records.filter((each) => /^v=STSv1[ \t]*;/.test(each));
  if (record === undefined || second !== undefined || record.length > 4096) return null;
  const fields = record.slice(VERSION.length).split(";").map((field) => field.replace(/^[ \t]+|[ \t]+$/g, ""));
  fields.shift(); // between the version and its semicolon
  if (fields.at(-1) === "") fields.pop();
  let id: string | null = null;
  for (const field of fields) {
    if (!field.startsWith("id=")) {
      if (!EXTENSION.test(field)) return null;
    } else if (id === null) { // of a field that stands twice the first counts
      id = field.slice(3);
      if (!ID.test(id)) return null;
    }
  }
  return id;
}

/** The file cannot be read; the message says why. */
export class StsPolicyError extends Error {
  override readonly name = "StsPolicyError";
}

/**
 * Reads a policy file (RFC 8461 3.2). Lines end in CRLF or LF, unknown keys are ignored, of a key that stands twice the
 * first counts.
 *
 * @throws {StsPolicyError}
 */
export function readStsPolicy(text: string): StsPolicy {
  const fields = new Map<string, string>(), mx = new Set<string>();
  for (const line of text.split(/\r?\n/)) {
    const colon = line.indexOf(":");
    if (colon < 0) {
      if (/^[ \t]*$/.test(line)) continue;
      throw new StsPolicyError("a line without a colon");
    }
    const key = line.slice(0, colon), value = line.slice(colon + 1).trim();
    if (!/^[A-Za-z0-9][A-Za-z0-9_.-]{0,31}$/.test(key)) throw new StsPolicyError("a key that is none");
    if (key !== "mx") {
      if (!fields.has(key)) fields.set(key, value);
      continue;
    }
    const host = hostOf(value);
    if (host === null) throw new StsPolicyError("an mx that is no host");
    mx.add(host);
    if (mx.size > MOST_HOSTS) throw new StsPolicyError(`more than ${MOST_HOSTS} hosts`);
  }
  const mode = fields.get("mode"), age = fields.get("max_age");
  if (fields.get("version") !== "STSv1") throw new StsPolicyError("no version STSv1");
  if (mode !== "enforce" && mode !== "testing" && mode !== "none") throw new StsPolicyError("no mode that is known");
  if (age === undefined || !/^\d{1,10}$/.test(age)) throw new StsPolicyError("no max_age in seconds");
  if (mx.size === 0 && mode !== "none") throw new StsPolicyError("no mx");
  return { mode, mx: [...mx], maxAge: Math.min(Number(age), LONGEST_AGE) };
}

/** The policy as lines of such a file, the form in which it is kept and reported (RFC 8460 4.4). */
export function formatStsPolicy({ mode, mx, maxAge }: StsPolicy): readonly string[] {
  return ["version: STSv1", `mode: ${mode}`, ...mx.map((host) => `mx: ${host}`), `max_age: ${maxAge}`];
}

/** True when the policy names the host; `host` canonical. A `*` stands for one label (RFC 8461 4.1). */
export function isStsHost({ mx }: StsPolicy, host: string): boolean {
  const dot = host.indexOf(".");
  const starred = dot > 0 ? `*${host.slice(dot)}` : null;
  return mx.some((pattern) => pattern === host || pattern === starred);
}

function hostOf(value: string): string | null {
  const starred = value.startsWith("*.");
  const domain = canonicalDomain((starred ? value.slice(2) : value).replace(/\.$/, ""));
  return domain === null ? null : starred ? `*.${domain}` : domain;
}
