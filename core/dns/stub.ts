/**
 * A stub resolver (RFC 1034 5.3.1): asks the configured recursive servers over UDP, over TCP when an answer is cut, or over
 * HTTPS. It exists because node:dns of Deno tells neither "no such name" nor "no such record" nor a failed server apart
 * (docs/decisions/dns.md). Non-job: which of them next (rounds.ts), caching (cache.ts), recursion.
 */
import { isLoopback } from "../model/ip.ts";
import type { RecordType } from "./answer.ts";
import { type HttpsServer, isOnThisHost, overHttps } from "./doh.ts";
import { overTcp, overUdp, type Server } from "./exchange.ts";
import { type Exchanged, Rounds } from "./rounds.ts";

/** Whom to ask, and how. */
export interface StubOptions {
  /** Asked in this order, beginning with the one that answered last. At least one. */
  readonly servers: readonly (Server | HttpsServer)[];
  /**
   * The servers check DNSSEC, and nobody between them and us can change what they say. Unless said: true when all of
   * them are on this host.
   */
  readonly validating?: boolean;
  /** Milliseconds for one try at one server (default 3,000). */
  readonly timeout?: number;
  /** Rounds over all servers (default 2). */
  readonly attempts?: number;
  /** Questions on the wire at a time, each holds a socket (default 256); more wait their turn. */
  readonly concurrency?: number;
  /** A number from 0 to 65,535 that nobody can foresee. */
  readonly randomId?: () => number;
}

/** Docker's forwarder in every container: it hands on whatever an unsigned path brought. */
const FORWARDER = "127.0.0.11";

/**
 * Whether the AD bit of these servers means anything (RFC 6840 5.8, RFC 7672 2.2). All or none: were one of them not to
 * be trusted, then it would be asked as soon as one that is refuses what is bogus.
 */
export function isTrusted({ servers, validating }: StubOptions): boolean {
  return validating ??
    servers.every((server) =>
      "url" in server ? isOnThisHost(server.url) : isLoopback(server.address) && server.address !== FORWARDER
    );
}

export class Stub extends Rounds<Server | HttpsServer> {
  constructor(options: StubOptions) {
    const { timeout = 3000, randomId = () => crypto.getRandomValues(new Uint16Array(1))[0]! } = options;
    const plain = new Set<Server>(); // servers that know no EDNS
    super((server, question, signal) => {
      if ("url" in server) return overHttps(server, question, { timeout, signal });
      return exchange(server, question, { timeout, signal, plain, randomId });
    }, { ...options, trusted: isTrusted(options) });
  }
}

async function exchange(
  server: Server,
  { type, name }: { readonly type: RecordType; readonly name: string },
  { timeout, signal, plain, randomId }: {
    readonly timeout: number;
    readonly signal: AbortSignal | undefined;
    readonly plain: Set<Server>;
    readonly randomId: () => number;
  },
): Promise<Exchanged> {
  const ask = (way: typeof overUdp) =>
    way(server, { id: randomId(), type, name }, { edns: !plain.has(server), timeout, signal });
  let outcome = await ask(overUdp);
  if (outcome.kind === "plain" && !plain.has(server)) { // RFC 6891 7: ask again without OPT
    plain.add(server);
    outcome = await ask(overUdp);
  }
  if (outcome.kind === "truncated") outcome = await ask(overTcp); // RFC 7766 5
  return outcome;
}
