/**
 * The outbound connection of the server, driven by hand to one place: what a test sends, and what became of it. Non-job:
 * the queue around it (server.ts), the peers.
 */
import type { TlsDemand } from "../../core/delivery/tls/policy.ts";
import { verdictOf } from "../../core/delivery/tls/verdict.ts";
import { Deadlines } from "../../core/net/deadline.ts";
import type { OutboundConnection } from "../../core/net/outbound.ts";
import { openOutbound, type OutboundPlace } from "../../core/net/outbound_open.ts";
import { ClientTls } from "../../core/net/tls/client_tls.ts";
import type { ClientOptions, LoginOptions } from "../../core/smtp/client/mod.ts";
import { clientOptions, described } from "./client_dialogue.ts";

export interface SendingOptions {
  readonly session?: Partial<ClientOptions>;
  /** STARTTLS, or TLS at once, to a host that must show a certificate of this authority for this name. */
  readonly tls?: TlsWanted;
  /** Log in, or say nothing of mail. */
  readonly login?: { readonly user: string; readonly password: string };
}
interface TlsWanted {
  readonly ca: string;
  readonly name: string;
  readonly implicit?: boolean;
  /** Without TLS, or with any certificate, where it cannot be had. */
  readonly opportunistic?: boolean;
}

function demandOf({ name, opportunistic }: TlsWanted): TlsDemand {
  return {
    tls: opportunistic ? "may" : "must",
    serverName: name,
    checks: opportunistic ? [] : [{ kind: "web", names: [name], lenient: false, sts: false }],
    requireTls: false,
    reported: { type: "no-policy-found", domain: name, text: [], mx: [] },
    key: "test",
  };
}

/** A connection that is ready for mail. @throws with the reasons when there is none. */
export async function connectTo(to: OutboundPlace, options: SendingOptions = {}): Promise<OutboundConnection> {
  const { session, tls, login } = options;
  const { connection, failures } = await openOutbound({
    to,
    session: clientOptions({ tls: starttls(tls), now: Date.now, ...login && { login: loginOf(login) }, ...session }),
    tls: tls
      ? {
        client: new ClientTls({ authorities: [tls.ca] }),
        serverName: tls.name,
        implicit: tls.implicit ?? false,
        judge: (reached) => verdictOf(demandOf(tls), reached, { now: Date.now(), host: tls.name }),
      }
      : null,
    deadlines: new Deadlines(100),
    patience: () => 20_000,
  });
  if (connection !== null) return connection;
  throw new Error(failures.map(({ address, outcome }) => `${address}: ${described(outcome)} ${outcome.text}`).join());
}

function loginOf({ user, password }: { readonly user: string; readonly password: string }): LoginOptions {
  return {
    credentials: { user, password },
    server: { host: "mx.peer.example", port: 587 },
    random: (length) => crypto.getRandomValues(new Uint8Array(length)),
  };
}

function starttls(tls: TlsWanted | undefined): ClientOptions["tls"] {
  if (tls === undefined || tls.implicit) return "never";
  return tls.opportunistic ? "if offered" : "required";
}
