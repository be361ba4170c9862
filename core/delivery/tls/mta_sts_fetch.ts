/**
 * Gets a policy file of MTA-STS over HTTPS (RFC 8461 3.3): one well-known address, no redirect, text/plain, 64 KiB, a
 * minute. Whatever goes wrong is one error that says what, in the words of RFC 8460.
 * Non-job: what is in the file (mta_sts.ts), whether it is time to ask (mta_sts_policies.ts).
 */
import { readStsPolicy, type StsPolicy, StsPolicyError } from "./mta_sts.ts";
import type { TlsFailureType } from "./failure.ts";

/** `fetch`: it must verify the server's certificate for the host of the address (RFC 8461 3.3, RFC 9525). */
export type HttpFetch = (url: string, init: RequestInit) => Promise<Response>;

export class StsFetchError extends Error {
  override readonly name = "StsFetchError";
  constructor(
    readonly type: Extract<TlsFailureType, "sts-policy-fetch-error" | "sts-policy-invalid" | "sts-webpki-invalid">,
    message: string,
  ) {
    super(message);
  }
}

export interface StsFetchOptions {
  readonly fetch: HttpFetch;
  readonly signal?: AbortSignal;
  /** Milliseconds for all of it (default a minute, RFC 8461 3.3). */
  readonly timeout?: number;
}

const LONGEST_FILE = 64 * 1024; // RFC 8461 3.3

/**
 * @param domain canonical
 * @throws {StsFetchError}
 */
export async function fetchStsPolicy(domain: string, options: StsFetchOptions): Promise<StsPolicy> {
  const deadline = AbortSignal.timeout(options.timeout ?? 60_000);
  const signal = options.signal === undefined ? deadline : AbortSignal.any([deadline, options.signal]);
  let text: string;
  try {
    const response = await options.fetch(`https://mta-sts.${domain}/.well-known/mta-sts.txt`, {
      redirect: "manual", //                                                                              RFC 8461 3.3
      cache: "no-store", //                                                                               RFC 8461 3.3
      credentials: "omit",
      headers: { accept: "text/plain" },
      signal,
    });
    try {
      text = await textOf(response);
    } finally {
      await response.body?.cancel().catch(() => {}); // whatever is left of it is nobody's
    }
  } catch (error) {
    if (error instanceof StsFetchError) throw error;
    if (signal.aborted) throw new StsFetchError("sts-policy-fetch-error", "no answer in time");
    const message = causeOf(error);
    const untrusted = /certificate/i.test(message); // only for the report: it is a failure in any case
    throw new StsFetchError(untrusted ? "sts-webpki-invalid" : "sts-policy-fetch-error", message.slice(0, 200));
  }
  try {
    return readStsPolicy(text);
  } catch (error) {
    if (error instanceof StsPolicyError) throw new StsFetchError("sts-policy-invalid", error.message);
    throw error;
  }
}

async function textOf(response: Response): Promise<string> {
  const fail = (message: string) => new StsFetchError("sts-policy-fetch-error", message);
  if (response.status !== 200) throw fail(`status ${response.status}`); // a redirect too                 RFC 8461 3.3
  const type = response.headers.get("content-type") ?? "";
  if (!/^text\/plain[ \t]*(?:;|$)/i.test(type)) throw fail("not text/plain"); //                          RFC 8461 3.3
  const octets = new Uint8Array(LONGEST_FILE);
  let length = 0;
  for await (const chunk of response.body ?? []) { // as it is unpacked: a small file may not become a large one
    if (length + chunk.length > LONGEST_FILE) throw fail(`more than ${LONGEST_FILE} octets`);
    octets.set(chunk, length);
    length += chunk.length;
  }
  return new TextDecoder().decode(octets.subarray(0, length));
}

/** The innermost message: the outer ones say that something failed. */
function causeOf(error: unknown): string {
  let inner = error as Error;
  for (let depth = 0; depth < 5 && inner.cause instanceof Error; depth++) inner = inner.cause;
  return inner.message;
}
