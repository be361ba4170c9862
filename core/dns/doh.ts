/**
 * Name service over HTTPS (RFC 8484): the messages of message.ts, carried by `fetch`, for places without UDP and for paths
 * on which nobody is to listen. Web-standard APIs only. An answer has at most 65,535 octets and comes in time, or nobody
 * knows. Non-job: which server next (rounds.ts), caching (cache.ts), finding the server's own address (the runtime's).
 */
import { isIPv4, isIPv6, isLoopback } from "../model/ip.ts";
import { Cache } from "./cache.ts";
import { encodeQuestion, readAnswer } from "./message.ts";
import type { RecordType } from "./answer.ts";
import { NameResolver } from "./name_resolver.ts";
import type { DnsFault, Resolver } from "./resolver.ts";
import { type Exchanged, Rounds } from "./rounds.ts";

/** A name server that answers under a URL. */
export interface HttpsServer {
  /** `https:`, or `http:` on this host. */
  readonly url: string;
}

/** Whom to ask, and how. */
export interface DohOptions {
  /** `https://dns.example/dns-query`, asked in this order, beginning with the one that answered last. At least one. */
  readonly servers: readonly string[];
  /** The servers check DNSSEC: then what they call authentic is. Unless said: when all of them are on this host. */
  readonly validating?: boolean;
  /** Milliseconds for one try at one server (default 3,000). */
  readonly timeout?: number;
  /** Rounds over all servers (default 2). */
  readonly attempts?: number;
  /** In the place of the global one. */
  readonly fetch?: typeof fetch;
  /** Told of every question: its fault or null, and how long the server took, milliseconds; null: the answer was kept. */
  readonly told?: (type: RecordType, fault: DnsFault | null, milliseconds: number | null) => void;
}

const TYPE = "application/dns-message", MOST = 65_535; // RFC 8484 6; a message's length has 16 bits elsewhere

/** The server that a URL names; null when it is none that can be asked: no other scheme, no password in it. */
export function parseHttpsServer(text: string): HttpsServer | null {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    return null;
  }
  const { protocol, username, password, hash } = url;
  if (username !== "" || password !== "" || hash !== "" || text.length > 2048) return null;
  if (protocol !== "https:" && !(protocol === "http:" && isOnThisHost(url.href))) return null;
  return { url: url.href };
}

/** True for a URL whose host is a loopback address. */
export function isOnThisHost(url: string): boolean {
  const host = new URL(url).hostname.replace(/^\[|\]$/g, "");
  return (isIPv4(host) || isIPv6(host)) && isLoopback(host);
}

/** Asks over HTTPS, by POST, which no cache on the way keeps. Never rejects. */
export async function overHttps(
  { url }: HttpsServer,
  { type, name }: { readonly type: RecordType; readonly name: string },
  options: { readonly timeout: number; readonly signal?: AbortSignal | undefined; readonly fetch?: typeof fetch },
): Promise<Exchanged> {
  const question = { id: 0, type, name }; // RFC 8484 4.1: TLS tells answers apart, not a number
  const ended = new AbortController(), end = () => ended.abort();
  const timer = setTimeout(end, options.timeout);
  options.signal?.addEventListener("abort", end, { once: true });
  if (options.signal?.aborted) end();
  const ask = options.fetch ?? fetch;
  try {
    const response = await ask(url, {
      method: "POST",
      headers: { "content-type": TYPE, accept: TYPE },
      body: encodeQuestion(question, true),
      redirect: "manual", // whoever else it may be was not configured
      signal: ended.signal,
    });
    const type = response.headers.get("content-type")?.split(";", 1)[0]?.trim().toLowerCase();
    if (response.status !== 200 || type !== TYPE) {
      await response.body?.cancel();
      return { kind: "refused" };
    }
    const octets = await bounded(response);
    if (octets === null) return { kind: "refused" };
    const reading = readAnswer(octets, question);
    // There is one question in this exchange: a message about anything else, or a part of one, is a broken server.
    if (reading.kind === "foreign" || reading.kind === "truncated") return { kind: "refused" };
    return reading.kind === "answer" ? aged(reading, response.headers.get("age")) : reading;
  } catch {
    return { kind: ended.signal.aborted ? "silence" : "unreachable" };
  } finally {
    clearTimeout(timer);
    options.signal?.removeEventListener("abort", end);
  }
}

/** The body, or null when it is too long to be a message. */
async function bounded(response: Response): Promise<Uint8Array | null> {
  const reader = response.body?.getReader(), pieces: Uint8Array[] = [];
  let size = 0;
  while (reader !== undefined) {
    const { done, value } = await reader.read();
    if (done) break;
    size += value.length;
    if (size > MOST) {
      await reader.cancel();
      return null;
    }
    pieces.push(value);
  }
  const octets = new Uint8Array(size);
  let at = 0;
  for (const piece of pieces) {
    octets.set(piece, at);
    at += piece.length;
  }
  return octets;
}

/** Seconds in a cache of HTTP are seconds of its life (RFC 8484 5.1). */
function aged(reading: Exchanged & { kind: "answer" }, age: string | null): Exchanged {
  const seconds = age !== null && /^\d{1,9}$/.test(age) ? Number(age) : 0;
  if (seconds === 0) return reading;
  return { kind: "answer", answer: { ...reading.answer, ttl: Math.max(0, reading.answer.ttl - seconds) } };
}

/**
 * A resolver over HTTPS with a cache of its own. Nothing that is asked for one event waits for what was asked for another:
 * a platform may end that together with its event.
 *
 * @throws {TypeError} when a server is none.
 * @example
 * ```ts
 * import { dohResolver } from "postern/edge";
 * const dns = dohResolver({ servers: ["https://dns.example/dns-query"], fetch: () => Promise.reject(new Error("away")) });
 * const answer = await dns.lookup("example.org", "MX");
 * console.assert(answer.fault === "servfail");
 * ```
 */
export function dohResolver(options: DohOptions): Resolver {
  const servers = options.servers.map((text) => {
    const server = parseHttpsServer(text);
    if (server === null) throw new TypeError(`${JSON.stringify(text)} is no URL of a name server`);
    return server;
  });
  const trusted = options.validating ?? servers.every(({ url }) => isOnThisHost(url));
  const { timeout = 3000, attempts = 2, told } = options;
  const fetch = options.fetch === undefined ? {} : { fetch: options.fetch };
  const rounds = new Rounds<HttpsServer>(
    (server, question, signal) => overHttps(server, question, { timeout, signal, ...fetch }),
    { servers, trusted, attempts, concurrency: Infinity }, // the platform has a bound of its own
  );
  return new NameResolver(new Cache(rounds, { shared: false, ...told && { told } }));
}
