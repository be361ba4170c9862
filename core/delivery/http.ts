/**
 * One attempt to deliver a message by HTTP(S): one POST for all recipients, retried as mail is. No redirect is followed, a
 * certificate is verified by the runtime, everything is bounded. The format is a promise: docs/operations.md.
 * Non-job: which hop, how often (dispatcher.ts).
 */
import { found, type Outcome } from "../smtp/client/outcome.ts";
import { readAnswer, retryAfter } from "./http_answer.ts";
import { type HttpHop, type HttpMessage, type HttpRequest, httpRequest } from "./http_request.ts";
import type { HttpFetch } from "./tls/mta_sts_fetch.ts";

export type { HttpHop, HttpMessage } from "./http_request.ts";

/** What became of an attempt. */
export interface Posted {
  /** One for each recipient of the message, in their order. */
  readonly outcomes: readonly Outcome[];
  /** How long the endpoint wants to be left alone, milliseconds; null when it did not say. */
  readonly retryAfter: number | null;
}

export interface PostOptions {
  readonly fetch: HttpFetch;
  /** Milliseconds since 1970: the moment in the signature. */
  now(): number;
  /** Ends the attempt early. */
  readonly signal?: AbortSignal;
}

/** Never rejects: whatever goes wrong is a reason to try again. */
export async function postMessage(hop: HttpHop, message: HttpMessage, options: PostOptions): Promise<Posted> {
  const all = (outcome: Outcome): Posted => ({ outcomes: message.recipients.map(() => outcome), retryAfter: null });
  if (message.parameters.requireTls === true && !/^https:/i.test(hop.url)) { //                           RFC 8689 4.2.1
    return all(found("reject", "5.7.30", "REQUIRETLS was asked for, and the next hop has no TLS", "envelope"));
  }
  const deadline = AbortSignal.timeout(hop.timeout);
  const signal = options.signal === undefined ? deadline : AbortSignal.any([deadline, options.signal]);
  let request: HttpRequest | null = null;
  try {
    request = await httpRequest(hop, message, { now: options.now(), signal });
    const { headers, body, recipients } = request;
    const response = await options.fetch(hop.url, {
      method: "POST",
      headers,
      body,
      redirect: "manual",
      credentials: "omit",
      cache: "no-store",
      signal,
    });
    const outcomes = await readAnswer(response, recipients);
    const down = outcomes.every(({ verdict }) => verdict === "defer"); // then the next request is not for at once
    const left = message.recipients.slice(recipients.length).map(() => down ? outcomes[0]! : UNTRIED);
    return { outcomes: [...outcomes, ...left], retryAfter: retryAfter(response, options.now()) };
  } catch (error) {
    const connected = !/\(Connect\)/.test(causeOf(error)); // only for the report: it is tried again in any case
    const mayHaveArrived = request !== null && request.sent() && connected;
    return all({ ...failure(error, { request, deadline, stopped: options.signal?.aborted === true }), mayHaveArrived });
  } finally {
    void request?.close();
  }
}

const UNTRIED = found("untried", "4.5.3", "one request names so many recipients", "envelope");

function failure(
  error: unknown,
  { request, deadline, stopped }: { request: HttpRequest | null; deadline: AbortSignal; stopped: boolean },
): Outcome {
  if (stopped) return found("defer", "4.3.2", "the attempt was ended", "envelope");
  if (deadline.aborted) return found("defer", "4.4.2", "no answer in time", "dot");
  if (request === null) return found("defer", "4.3.0", `the request cannot be made: ${causeOf(error)}`, "envelope");
  return found("defer", "4.4.1", causeOf(error), "dot");
}

/** The innermost message, without the address: its path may hold what no sender of mail should read. */
function causeOf(error: unknown): string {
  let inner = error as Error;
  for (let depth = 0; depth < 5 && inner.cause instanceof Error; depth++) inner = inner.cause;
  const at = inner.message.indexOf("client error"); // "error sending request for url (...): client error (Connect): ..."
  const text = at >= 0 ? inner.message.slice(at) : inner.message;
  return /:\/\//.test(text) ? "the request failed" : text.slice(0, 200);
}
