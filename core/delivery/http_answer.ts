/**
 * What a web hook's answer means for each recipient: the status for all of them, or a word for one in the body of a 2xx.
 * Reads no more of a body than it needs. Non-job: making the request (http_request.ts), when the next one is due.
 */
import { formatAddress } from "../model/address.ts";
import { concat } from "../model/octets.ts";
import { found, type Outcome } from "../smtp/client/outcome.ts";
import type { HttpRecipient } from "./http_request.ts";

/** Of the body of a 2xx that is JSON, octets: a longer one is no answer to us. */
const LONGEST_JSON = 256 * 1024;
/** Of the body of a refusal, octets. */
const LONGEST_LINE = 2048;
const LONGEST_WAIT = 24 * 3600_000;

/** Statuses that say that it is not for ever, beside all of 3xx and 5xx. */
const FOR_NOW: readonly number[] = [408, 425, 429];
/** What a refusal is about, where the status says it (RFC 3463 3). */
const ABOUT: Readonly<Record<number, string>> = {
  401: "5.7.8",
  403: "5.7.1",
  404: "5.1.1",
  410: "5.1.6",
  413: "5.3.4",
  415: "5.6.1",
  422: "5.6.0",
  429: "4.4.5",
  503: "4.4.5",
};
// RFC 5321 4.2.1 Reply-code, RFC 2034 4 status, and words
const REPLY = /^([245])\d\d(?:[ -]([245]\.\d{1,3}\.\d{1,3}))?(?: (.*))?$/s;
const VERDICT: Readonly<Record<string, Outcome["verdict"]>> = { 2: "accept", 4: "defer", 5: "reject" };

/** One outcome for each of `recipients`, in their order. Takes the body, or lets go of it. */
export async function readAnswer(
  response: Response,
  recipients: readonly HttpRecipient[],
): Promise<readonly Outcome[]> {
  try {
    if (response.ok) return await accepted(response, recipients);
    const outcome = await refused(response);
    return recipients.map(() => outcome);
  } finally {
    await response.body?.cancel().catch(() => {}); // whatever is left of it is nobody's
  }
}

/** Retry-After (RFC 9110 10.2.3) in milliseconds from `now`, at most a day; null where there is none. */
export function retryAfter(response: Response, now: number): number | null {
  const text = response.headers.get("retry-after")?.trim() ?? "";
  const wait = /^\d{1,9}$/.test(text) ? Number(text) * 1000 : /^[A-Z]/i.test(text) ? Date.parse(text) - now : NaN;
  return Number.isNaN(wait) ? null : Math.min(Math.max(wait, 0), LONGEST_WAIT);
}

async function accepted(response: Response, recipients: readonly HttpRecipient[]): Promise<readonly Outcome[]> {
  const fine = found("accept", "2.0.0", titleOf(response), "dot");
  const json = /^application\/(?:[\w.+-]{1,100}\+)?json[ \t]*(?:;|$)/i.test(response.headers.get("content-type") ?? "");
  if (!json) return recipients.map(() => fine);
  let octets: Uint8Array | null;
  try {
    octets = await firstOctets(response, LONGEST_JSON);
  } catch { // it may have been about to refuse somebody: asked again, under the same Idempotency-Key
    const lost = found("defer", "4.4.2", `${titleOf(response)}, but the answer broke off`, "dot");
    return recipients.map(() => ({ ...lost, mayHaveArrived: true }));
  }
  const words = octets === null ? {} : wordsOf(octets);
  return recipients.map(({ address }) => {
    const name = formatAddress(address);
    return Object.hasOwn(words, name) ? told(words[name]) : fine;
  });
}

/** What stands under `recipients`. */
function wordsOf(octets: Uint8Array): Readonly<Record<string, unknown>> {
  try {
    const { recipients } = JSON.parse(new TextDecoder().decode(octets)) as { recipients?: unknown };
    return typeof recipients === "object" && recipients !== null ? recipients as Record<string, unknown> : {};
  } catch {
    return {}; // JSON of another kind, or none: the status stands
  }
}

function told(word: unknown): Outcome {
  const status = (word as { status?: unknown } | null)?.status;
  const [, digit, own, text] = (typeof status === "string" ? REPLY.exec(status) : null) ?? [];
  if (digit === undefined) return found("defer", "4.5.0", "the answer for this recipient cannot be understood", "dot");
  const fitting = own?.startsWith(digit) === true ? own : `${digit}.0.0`;
  return found(VERDICT[digit]!, fitting, plain(text ?? ""), "dot");
}

async function refused(response: Response): Promise<Outcome> {
  const { status } = response;
  const forNow = status < 400 || status >= 500 || FOR_NOW.includes(status);
  const line = await firstLine(response);
  const text = line === "" ? titleOf(response) : `HTTP ${status}: ${line}`;
  return found(forNow ? "defer" : "reject", ABOUT[status] ?? (forNow ? "4.4.0" : "5.0.0"), text, "dot");
}

/** "HTTP 404 Not Found". */
function titleOf({ status, statusText }: Response): string {
  return plain(`HTTP ${status} ${statusText}`);
}

/** The first line of the body that says anything; a page has none for us. */
async function firstLine(response: Response): Promise<string> {
  if (/html/i.test(response.headers.get("content-type") ?? "")) return "";
  let text = "";
  const decoder = new TextDecoder();
  try {
    let length = 0;
    for await (const chunk of response.body ?? []) {
      const piece = chunk.subarray(0, LONGEST_LINE - length);
      length += piece.length;
      text = (text + decoder.decode(piece, { stream: true })).trimStart();
      if (length >= LONGEST_LINE || /[\r\n]/.test(text)) break;
    }
  } catch { /* the status has been said */ }
  return plain(/^[^\r\n]*/.exec(text)![0]);
}

/** All octets of a body, as they are unpacked; null where there are more than `most`. */
async function firstOctets(response: Response, most: number): Promise<Uint8Array | null> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body ?? []) {
    length += chunk.length;
    if (length > most) return null;
    pieces.push(chunk);
  }
  return concat(pieces);
}

/** A stranger's words as one line. */
function plain(text: string): string {
  return text.slice(0, LONGEST_LINE).replace(/[\s\p{C}]+/gu, " ").trim();
}
