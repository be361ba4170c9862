/**
 * One request to rspamd: the message as the body of POST /checkv2, passed on as it is read, and a bounded answer. No
 * redirect is followed: mail goes where the operator said. Non-job: what the fields (envelope.ts) and the answer
 * (verdict.ts) mean.
 */
import { EngineError } from "../engine_error.ts";

/** Octets of the longest answer. */
const LONGEST_ANSWER = 1024 * 1024;

/** A request. */
export interface CheckRequest {
  readonly headers: Headers;
  /** The message. */
  readonly message: ReadableStream<Uint8Array<ArrayBuffer>>;
  /** Ends it. */
  readonly signal: AbortSignal;
}

/**
 * The text of a 200.
 *
 * @throws {EngineError} when there is none; the signal's reason when that ends it; what reading the message throws.
 */
export async function check(server: URL, { headers, message, signal }: CheckRequest): Promise<string> {
  let unreadable: { readonly why: unknown } | null = null;
  async function* read() {
    try {
      yield* message;
    } catch (why) {
      unreadable = { why };
      throw why;
    }
  }
  try {
    const init = {
      method: "POST",
      headers,
      body: ReadableStream.from(read()),
      duplex: "half",
      redirect: "manual",
      signal,
    };
    const response = await fetch(new URL("checkv2", server), init as RequestInit);
    if (response.status !== 200) {
      await response.body?.cancel();
      throw new EngineError(`it answered with HTTP status ${response.status}`);
    }
    return await textOf(response);
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    if (unreadable !== null) throw (unreadable as { why: unknown }).why;
    throw error instanceof EngineError ? error : new EngineError(wording(error));
  }
}

async function textOf(response: Response): Promise<string> {
  const decoder = new TextDecoder();
  let text = "", size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.length;
    if (size > LONGEST_ANSWER) throw new EngineError(`its answer has more than ${LONGEST_ANSWER} octets`); // hangs up
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

/** The innermost of what fetch says, which has no URL in it. */
function wording(error: unknown): string {
  let innermost = error;
  while (innermost instanceof Error && innermost.cause instanceof Error) innermost = innermost.cause;
  const text = innermost instanceof Error ? innermost.message : "";
  return text.replace(/^.*\bfor url \([^)]*\):? ?/, "").slice(0, 200) || "the request failed";
}
