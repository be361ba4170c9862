/**
 * How a session is spoken of: the `with` word of Received (RFC 3848, RFC 6531 4.3), and who is there once a trusted proxy
 * has said so (XCLIENT). Pure. Non-job: reading XCLIENT (core/smtp/xclient.ts).
 */
import { canonicalIp } from "../model/ip.ts";
import type { Client } from "../pipeline/contexts/contexts.ts";

type Hello = "HELO" | "EHLO" | "LHLO";

/** SMTP, ESMTP, ESMTPS, ESMTPSA, UTF8SMTPSA, LMTP, LMTPSA ... */
export function receivedProtocol(hello: Hello, smtputf8: boolean, { tls, identity }: Client): string {
  if (hello === "HELO") return "SMTP"; // has no word for TLS or logins
  const base = hello === "LHLO" ? smtputf8 ? "UTF8LMTP" : "LMTP" : smtputf8 ? "UTF8SMTP" : "ESMTP";
  return `${base}${tls === null ? "" : "S"}${identity === null ? "" : "A"}`;
}

/** The client that XCLIENT tells of; what it does not tell stays, what it says is unavailable goes. */
export function proxiedClient(
  client: Client,
  helo: string,
  attributes: ReadonlyMap<string, string | null>,
): { readonly client: Client; readonly helo: string; readonly verb: Hello | null } {
  const told = (name: string) => attributes.get(name) ?? null;
  const protocol = told("PROTO");
  return {
    client: {
      ip: canonicalIp(told("ADDR") ?? "") ?? client.ip,
      port: Number(told("PORT") ?? client.port),
      tls: null, // what the proxy has is the proxy's
      identity: told("LOGIN"),
    },
    helo: told("HELO") ?? helo,
    verb: protocol === null ? null : protocol === "SMTP" ? "HELO" : "EHLO",
  };
}
