/**
 * From the addresses of a host to a connection that is ready for mail: races to connect (RFC 8305), greets, and goes on
 * to the next address when a peer is none (RFC 5321 5.1, case 64); once more without TLS where that is allowed.
 * Non-job: which hosts there are (core/dns), the conversation (outbound.ts).
 */
import type { Socket } from "node:net";
import { type Family, familyOf } from "../dns/host_addresses.ts";
import { raceConnect } from "../dns/race_connect.ts";
import { found, type Outcome } from "../smtp/client/mod.ts";
import { dial, type Endpoint } from "./dial.ts";
import { OutboundConnection } from "./outbound.ts";
import type { OutboundSettings } from "./outbound_settings.ts";

/** A host by its addresses, in the order of preference, or a socket file. */
export type OutboundPlace =
  | { readonly addresses: readonly string[]; readonly port: number }
  | { readonly path: string };

export interface OpenOptions extends Omit<OutboundSettings, "address"> {
  readonly to: OutboundPlace;
  /** Addresses of ours that connections come from, by family; else the system's choice. */
  readonly source?: Readonly<Partial<Record<Family, string>>>;
  /** Milliseconds for a connection (default 30 s). */
  readonly connectTimeout?: number;
  /** Milliseconds from one address to the next (default 250, RFC 8305 8). */
  readonly raceDelay?: number;
  readonly signal?: AbortSignal;
}

/** An address, or a path, and why it is not ready for mail. */
export interface OpenFailure {
  readonly address: string;
  readonly outcome: Outcome;
}
/** `failures`: in the order of their ends, also when one of the addresses was ready. */
export interface Opened {
  readonly connection: OutboundConnection | null;
  /** Where it leads to; null without. */
  readonly address: string | null;
  readonly failures: readonly OpenFailure[];
}

const CONNECT_TIMEOUT = 30_000;

/** Never rejects, but for a host name of ours that is none. @throws {TypeError} */
export async function openOutbound(options: OpenOptions): Promise<Opened> {
  const { to, signal } = options, failures: OpenFailure[] = [];
  let left: readonly string[] = "path" in to ? [to.path] : to.addresses;
  while (left.length > 0 && !signal?.aborted) {
    const race = await raceConnect(left, (address, lost) => connectTo(address, options, lost), {
      close: (socket) => socket.destroy(),
      ...options.raceDelay !== undefined && { delay: options.raceDelay },
      ...signal && { signal },
    });
    for (const { address, error } of race.failures) failures.push({ address, outcome: unreachable(error) });
    const { connection: socket, address } = race;
    if (socket === null) break;
    const settings = { ...options, address };
    let begun = await OutboundConnection.begin(socket, settings, signal);
    if (begun.connection === null && begun.clear && !signal?.aborted) {
      const { session } = options;
      try {
        const again = await connectTo(address, options, signal);
        begun = await OutboundConnection.begin(
          again,
          { ...settings, session: { ...session, tls: "never" }, tls: null },
          signal,
        );
      } catch (error) {
        begun = { connection: null, failure: unreachable(error), clear: false };
      }
    }
    if (begun.connection !== null) return { connection: begun.connection, address, failures };
    failures.push({ address, outcome: begun.failure });
    // A password that one address does not take is not tried at all the others
    if (begun.failure.phase === "auth" && begun.failure.reply !== null) break;
    left = left.filter((each) => !failures.some((failure) => failure.address === each));
  }
  return { connection: null, address: null, failures };
}

function connectTo(address: string, options: OpenOptions, signal: AbortSignal | undefined): Promise<Socket> {
  const { to, source, connectTimeout = CONNECT_TIMEOUT, deadlines } = options;
  const endpoint: Endpoint = "path" in to ? to : { ip: address, port: to.port };
  return dial(endpoint, {
    source: "path" in to ? undefined : source?.[familyOf(address)],
    timeout: connectTimeout,
    deadlines,
    ...signal && { signal },
  });
}

function unreachable(error: unknown): Outcome {
  const { code, message } = error as Error & { code?: string };
  return found("defer", "4.4.1", `No connection: ${code ?? message}`, "greeting");
}
