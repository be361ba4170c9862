/**
 * `fetch` for addresses that strangers publish: HTTPS only, the host looked up by our own name service, as their mail
 * hosts are, its certificate verified for that name by the authorities that those are verified by. No redirect is
 * followed, nothing is unpacked, no cache, cookie or proxy has a part in it. Non-job: what the operator himself names, such
 * as web hooks: the runtime's `fetch` knows his hosts file and his proxies. Why: docs/decisions/delivery-tls.md.
 */
import type { IncomingMessage } from "node:http";
import { request } from "node:https";
import type { LookupFunction } from "node:net";
import { familyOf, hostAddresses, orderAddresses } from "../dns/host_addresses.ts";
import type { Resolver } from "../dns/resolver.ts";

export interface HttpsFetchOptions {
  readonly dns: Pick<Resolver, "lookup">;
  /** PEM texts of the authorities that are trusted; default those of the runtime. */
  readonly authorities?: readonly string[];
}

/**
 * Of `init` it knows method, headers, body (text or octets) and signal. The promise rejects with what went wrong; the
 * words of an untrusted certificate have "certificate" in them.
 */
export function httpsFetch(options: HttpsFetchOptions): (url: string, init: RequestInit) => Promise<Response> {
  const { dns, authorities } = options;
  const lookup = lookupBy(dns), ca = authorities && { ca: [...authorities] };
  return (url, { method = "GET", headers, body = null, signal = null }) => {
    const { promise, resolve, reject } = Promise.withResolvers<Response>();
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (!url.startsWith("https://")) return Promise.reject(new TypeError("only https: is fetched here"));
    if (body !== null && typeof body !== "string" && !(body instanceof Uint8Array)) {
      return Promise.reject(new TypeError("a body is text or octets"));
    }
    const octets = typeof body === "string" ? new TextEncoder().encode(body) : body;
    const fields = Object.fromEntries(new Headers(headers));
    if (octets !== null) fields["content-length"] = String(octets.length);
    const asked = request(url, { method, headers: fields, lookup, agent: false, ...ca });
    const cut = () => asked.destroy(signal!.reason);
    const end = () => signal?.removeEventListener("abort", cut);
    signal?.addEventListener("abort", cut, { once: true });
    asked.once("response", (answer) => {
      try {
        resolve(responseOf(answer, end));
      } catch (error) { // a status that is none
        asked.destroy(error as Error);
      }
    });
    asked.on("error", (error) => (end(), reject(error)));
    asked.once("close", () => reject(new Error("the connection was closed without an answer")));
    asked.end(octets ?? undefined);
    return promise;
  };
}

/** All addresses at once: the runtime tries one after the other (RFC 8305). */
function lookupBy(dns: Pick<Resolver, "lookup">): LookupFunction {
  return (host, { all }, callback) => {
    void hostAddresses(host, dns).then((found) => {
      if (found.fault !== undefined) {
        return callback(new Error(`no address of ${host} is known: ${found.fault}`), "", 0);
      }
      const list = orderAddresses(found.addresses).map((address) => ({ address, family: familyOf(address) }));
      if (all === true) callback(null, list);
      else callback(null, list[0]!.address, list[0]!.family);
    });
  };
}

/** Read as fast as it is taken; a cancelled body closes the connection. `end` is called once it is over. */
function responseOf(answer: IncomingMessage, end: () => void): Response {
  const status = answer.statusCode!, headers = new Headers();
  for (const [name, value] of Object.entries(answer.headers)) if (typeof value === "string") headers.set(name, value);
  if (EMPTY.has(status)) {
    answer.destroy();
    return new Response(null, { status, headers });
  }
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    start(controller) {
      const over = (settle: () => void) => {
        end();
        answer.off("end", ended).off("error", broken).off("close", cut).on("error", ignore);
        settle();
      };
      const ended = () => over(() => controller.close());
      const broken = (error: Error) => over(() => controller.error(error));
      const cut = () => broken(new Error("the answer was cut off"));
      answer.on("data", (chunk: Uint8Array) => {
        controller.enqueue(new Uint8Array(chunk));
        if (controller.desiredSize! <= 0) answer.pause();
      });
      answer.once("end", ended).once("error", broken).once("close", cut).pause();
    },
    pull: () => void answer.resume(),
    cancel: () => {
      end();
      answer.removeAllListeners().on("error", ignore).destroy();
    },
  });
  return new Response(body, { status, headers });
}

/** Without a body. */
const EMPTY: ReadonlySet<number> = new Set([204, 205, 304]);

function ignore(): void {}
