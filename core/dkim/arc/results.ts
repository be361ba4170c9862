/**
 * What this site found, out of its own Authentication-Results (RFC 8601 2.2), word by word, as an
 * ARC-Authentication-Results repeats it (RFC 8617 4.1.1, 5.1). Non-job: what the words mean.
 */
import type { SignedHeader } from "../signed_header.ts";

/** Fields and results that are looked at: a site writes one field. */
const MOST = 100;

/**
 * Each result in the fields of that host, in their order; what others say counts for nothing.
 *
 * @example
 * ```ts
 * import { ownResults } from "./results.ts";
 * import { SignedHeader } from "../signed_header.ts";
 * import { assertEquals } from "@std/assert";
 * const field = "Authentication-Results: mx.example.org; spf=pass (a; b) smtp.mailfrom=a@b; dkim=none\r\n\r\n";
 * const header = new SignedHeader(new TextEncoder().encode(field));
 * assertEquals(ownResults(header, "mx.example.org"), ["spf=pass (a; b) smtp.mailfrom=a@b", "dkim=none"]);
 * ```
 */
export function ownResults(header: SignedHeader, host: string): string[] {
  const out: string[] = [];
  for (const field of header.named("authentication-results").slice(0, MOST)) {
    const [who, ...results] = statements(header.section.value(field));
    if (/^\S{1,255}/.exec(who!)?.[0].toLowerCase() !== host.toLowerCase()) continue; // its version may follow
    out.push(...results.filter((each) => each !== "" && each.toLowerCase() !== "none"));
  }
  return out.slice(0, MOST);
}

/** What `arc=` says among results; undefined when nobody looked. */
export function arcResult(results: readonly string[]): string | undefined {
  for (const each of results) {
    const found = /^arc[ \t]{0,20}=[ \t]{0,20}([a-z]{1,20})\b/i.exec(each);
    if (found !== null) return found[1]!.toLowerCase();
  }
  return undefined;
}

/** Split at semicolons, but for those in quotes and comments (RFC 5322 3.2.2, 3.2.4). */
function statements(value: string): string[] {
  const out: string[] = [];
  let from = 0, depth = 0, quoted = false;
  for (let at = 0; at < value.length; at++) {
    const char = value[at];
    if (char === "\\" && (quoted || depth > 0)) at++;
    else if (char === '"' && depth === 0) quoted = !quoted;
    else if (quoted) continue;
    else if (char === "(") depth++;
    else if (char === ")" && depth > 0) depth--;
    else if (char === ";" && depth === 0) {
      out.push(value.slice(from, at).trim());
      from = at + 1;
    }
  }
  out.push(value.slice(from).trim());
  return out;
}
