/**
 * A web address that is asked about logins and answers JSON (RFC 8259): one request, one bounded answer in bounded time,
 * no redirects, connections used again. Its errors name the host and what went wrong, never what was sent.
 * Non-job: what an answer means.
 */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { z } from "zod";
import { isIPv4, isIPv6, isLoopback, Networks } from "../../core/pipeline/mod.ts";

/** The longest answer, unless the asker says otherwise. */
const LONGEST = 64 * 1024;
const PRIVATE = new Networks([
  "127.0.0.0/8",
  "10.0.0.0/8",
  "172.16.0.0/12",
  "192.168.0.0/16",
  "169.254.0.0/16",
  "100.64.0.0/10",
  "::1",
  "fc00::/7",
  "fe80::/10",
]);

/** A URL in options: https, or http where the address is not a public one. Secrets have options of their own. */
export const endpointUrl: z.ZodPipe<z.ZodString, z.ZodTransform<URL, string>> = z.string().transform(
  (text, context) => {
    const url = URL.canParse(text) ? new URL(text) : null;
    const fault = url === null || url.protocol !== "https:" && url.protocol !== "http:"
      ? "must be a URL such as https://auth.example.org/login"
      : url.username !== "" || url.password !== ""
      ? "must not have a user or a password in it"
      : url.protocol === "http:" && isPublicIp(hostOf(url))
      ? "must be https: passwords and tokens cross networks of others on the way there"
      : null;
    if (fault === null) return url!;
    context.addIssue(fault);
    return z.NEVER;
  },
);

/** A warning for http to a name: nobody can know here whether it leads to a network of ours. Null: nothing to say. */
export function exposure(url: URL): string | null {
  const host = hostOf(url);
  if (url.protocol === "https:" || isIPv4(host) || isIPv6(host) || /(?:^|\.)localhost$/.test(host)) return null;
  return `passwords and tokens go to ${url.host} over plain http; use https unless the network there is your own`;
}

function hostOf(url: URL): string {
  return url.hostname.replace(/^\[(.*)\]$/, "$1");
}
function isPublicIp(host: string): boolean {
  return (isIPv4(host) || isIPv6(host)) && !isLoopback(host) && !PRIVATE.has(host);
}

export interface EndpointOptions {
  readonly url: URL;
  /** Milliseconds for the request and its whole answer. */
  readonly timeout: number;
  /** A file with certificates of authorities to trust besides those of the system. */
  readonly ca?: string | undefined;
  /** The folder that `ca` starts from. */
  readonly base?: string;
  /** The longest answer in octets (default 64 KiB). */
  readonly longest?: number;
}
/** An answer: `value` is the JSON of a 200, undefined for any other status. */
export interface EndpointAnswer {
  readonly status: number;
  readonly value: unknown;
}
/** A request: POST when there is a body. */
export interface EndpointRequest {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly signal?: AbortSignal;
}

export class Endpoint {
  readonly #options: EndpointOptions;
  readonly #client: Deno.HttpClient | undefined;

  /** @throws {Error} when the file of authorities cannot be read. */
  constructor(options: EndpointOptions) {
    this.#options = options;
    if (options.ca === undefined) return;
    this.#client = Deno.createHttpClient({ caCerts: [readFileSync(resolve(options.base ?? ".", options.ca), "utf8")] });
  }

  /** @throws {Error} when it cannot be reached, is late, answers too much, or answers a 200 that is no JSON. */
  async ask(request: EndpointRequest): Promise<EndpointAnswer> {
    const { url, timeout } = this.#options, { headers = {}, body, signal } = request;
    const stop = new AbortController();
    const late = setTimeout(() => stop.abort(new Error(`no answer within ${timeout} ms`)), timeout);
    const leave = () => stop.abort(signal!.reason);
    signal?.addEventListener("abort", leave, { once: true });
    try {
      signal?.throwIfAborted();
      const response = await fetch(url, {
        method: body === undefined ? "GET" : "POST",
        headers: { accept: "application/json", ...headers },
        redirect: "manual", // a redirect would carry the password elsewhere
        signal: stop.signal,
        ...(body === undefined ? {} : { body }),
        ...(this.#client === undefined ? {} : { client: this.#client }),
      });
      const text = await this.#read(response);
      return { status: response.status, value: response.status === 200 ? parse(text) : undefined };
    } catch (error) {
      throw new Error(`${url.host}: ${this.#why(stop.signal.aborted ? stop.signal.reason : error)}`);
    } finally {
      clearTimeout(late);
      signal?.removeEventListener("abort", leave);
    }
  }

  /** To the end, so that the connection can be used again. */
  async #read(response: Response): Promise<string> {
    const { longest = LONGEST } = this.#options;
    const chunks: Uint8Array<ArrayBuffer>[] = [];
    let size = 0;
    for await (const chunk of response.body ?? []) {
      size += chunk.length;
      if (size > longest) throw new Error(`its answer has more than ${longest} octets`); // leaving the loop hangs up
      chunks.push(chunk);
    }
    return await new Blob(chunks).text();
  }

  /** What fetch says has the whole URL in it, whose query may be a secret. */
  #why(error: unknown): string {
    const text = error instanceof Error ? error.message : "failed";
    return text.replaceAll(this.#options.url.href, this.#options.url.host);
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error("its answer is no JSON"); // what it is instead may be anything, also a secret
  }
}
