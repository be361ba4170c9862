/**
 * Errors of the API as problem documents (RFC 9457). `type` is left out, which means about:blank: the status says what
 * kind it is, `detail` says what to do about it.
 */
import { StoreError } from "../store/store.ts";

const TITLES: Readonly<Record<number, string>> = {
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  409: "Conflict",
  413: "Content Too Large",
  415: "Unsupported Media Type",
  422: "Unprocessable Content",
  421: "Misdirected Request",
  429: "Too Many Requests",
  500: "Internal Server Error",
  503: "Service Unavailable",
};

/** Thrown by a handler; `app.ts` turns it into the answer. */
export class Problem extends Error {
  override readonly name = "Problem";
  constructor(
    readonly status: number,
    readonly detail: string,
    readonly headers: Readonly<Record<string, string>> = {},
    /** More for programs (RFC 9457 3.2). */
    readonly members: Readonly<Record<string, unknown>> = {},
  ) {
    super(detail);
  }

  get title(): string {
    return TITLES[this.status] ?? "Error";
  }

  toResponse(): Response {
    const body = JSON.stringify({ ...this.members, title: this.title, status: this.status, detail: this.detail });
    return new Response(body, {
      status: this.status,
      headers: { ...this.headers, "Content-Type": "application/problem+json" },
    });
  }
}

/** The problem that stands for any error; what is not ours to tell becomes a plain 500. */
export function problemOf(error: unknown): Problem {
  if (error instanceof Problem) return error;
  if (error instanceof StoreError) return new Problem(503, `The store says: ${error.message}`, { "Retry-After": "5" });
  return new Problem(500, "The server failed; its log says why.");
}
