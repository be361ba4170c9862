/**
 * Macros: what a milter may know beside the steps, by the names that Sendmail gave it and Postfix took over. A milter that
 * chooses gets what it chose and we know; one that does not gets the usual ones. Non-job: sending them (session.ts).
 */
import { type Client, formatAddress, type Recipient, type Reply } from "../../../core/pipeline/mod.ts";
import type { Address } from "../../../core/pipeline/mod.ts";
import type { FcrdnsFinding } from "../../identity/fcrdns/key.ts";
import type { MacroStage } from "./protocol.ts";
import type { Macros } from "./session.ts";

/** What is known at a stage; what is not known yet is null. */
export interface MacroFacts {
  readonly host: string;
  readonly listener: string;
  readonly client: Client;
  /** What is known of the client's name. */
  readonly names: FcrdnsFinding | null;
  /** The SASL mechanism of the login. */
  readonly mechanism: string | null;
  readonly transaction: string | null;
  /** Null for `<>` and before MAIL. */
  readonly sender: Address | null;
  readonly recipient: Recipient | null;
  /** Why the recipient is refused, where a milter wants to hear of such. */
  readonly refused: Reply | null;
  readonly messageId: string | null;
}

/** What is sent where a milter does not choose. */
const USUAL: Readonly<Record<MacroStage, readonly string[]>> = {
  connect: [
    "j",
    "_",
    "v",
    "{daemon_name}",
    "{daemon_addr}",
    "{daemon_port}",
    "{client_addr}",
    "{client_name}",
    "{client_port}",
    "{client_ptr}",
    "{client_resolve}",
  ],
  helo: ["{tls_version}", "{cipher}", "{cert_subject}", "{verify}"],
  mail: ["i", "{auth_type}", "{auth_authen}", "{auth_author}", "{mail_addr}", "{mail_host}", "{mail_mailer}"],
  rcpt: ["i", "{rcpt_addr}", "{rcpt_host}", "{rcpt_mailer}"],
  data: ["i"],
  endOfHeaders: ["i"],
  endOfMessage: ["i", "{msg_id}"],
};
/** Characters of a value. */
const LONGEST = 1000;

/**
 * The macros of a stage. `chosen`: names that the milter wants there, with their braces. `overrides`: values of the
 * operator's, sent with the first stage too when nobody asks for them.
 */
export function macrosOf(
  stage: MacroStage,
  facts: MacroFacts,
  { chosen, overrides }: {
    readonly chosen: readonly string[] | undefined;
    readonly overrides: ReadonlyMap<string, string>;
  },
): Macros {
  const names = new Set(chosen ?? USUAL[stage]);
  if (stage === "connect") { for (const name of overrides.keys()) names.add(name); }
  const out: [string, string][] = [];
  for (const name of names) {
    const value = overrides.get(name) ?? valueOf(name, facts);
    if (value !== null) out.push([name, value.slice(0, LONGEST)]);
  }
  return out;
}

/** How a client is called whose name nobody knows. */
export function clientName({ client, names }: Pick<MacroFacts, "client" | "names">): string {
  if (names?.result === "pass" && names.name !== null) return names.name;
  return client.ip.includes(":") ? `[IPv6:${client.ip}]` : `[${client.ip}]`;
}

function valueOf(name: string, facts: MacroFacts): string | null {
  const { client, sender, recipient, refused } = facts;
  switch (name) {
    case "j":
    case "{if_name}":
      return facts.host;
    case "i":
      return facts.transaction;
    case "v":
      return "Postern";
    case "_":
      return `${clientName(facts)} [${client.ip}]`;
    case "{daemon_name}":
      return facts.listener;
    case "{daemon_addr}":
    case "{if_addr}":
      return /^\[?([0-9A-Fa-f.:]+?)\]?:[0-9]{1,5}$/.exec(facts.listener)?.[1] ?? null;
    case "{daemon_port}":
      return /:([0-9]{1,5})$/.exec(facts.listener)?.[1] ?? null;
    case "{client_addr}":
      return client.ip;
    case "{client_port}":
      return String(client.port);
    case "{client_name}":
      return clientName(facts);
    case "{client_ptr}":
      return facts.names?.name ?? facts.names?.names[0] ?? "unknown";
    case "{client_resolve}":
      return RESOLVED[facts.names?.result ?? "none"];
    case "{tls_version}":
      return client.tls?.version ?? null;
    case "{cipher}":
      return client.tls?.cipher ?? null;
    case "{verify}":
      return client.tls === null ? null : client.tls.certificate === null ? "NO" : "OK";
    case "{cert_subject}":
      return client.tls?.certificate ? `/CN=${client.tls.certificate.commonName}` : null;
    case "{auth_type}":
      return client.identity === null ? null : facts.mechanism;
    case "{auth_authen}":
    case "{auth_author}":
      return client.identity;
    case "{mail_addr}":
      return facts.transaction === null ? null : formatAddress(sender);
    case "{mail_host}":
      return facts.transaction === null ? null : sender?.domain ?? "";
    case "{mail_mailer}":
      return facts.transaction === null ? null : "smtp";
    case "{rcpt_addr}":
      return refused !== null ? refused.text : recipient === null ? null : formatAddress(recipient.address);
    case "{rcpt_host}":
      return refused !== null ? refused.status : recipient === null ? null : hostOf(recipient);
    case "{rcpt_mailer}":
      return refused !== null
        ? "error"
        : recipient === null
        ? null
        : recipient.route?.to === "local"
        ? "local"
        : "smtp";
    case "{msg_id}":
      return facts.messageId;
    default:
      return null;
  }
}

const RESOLVED = { pass: "OK", fail: "FORGED", permerror: "FAIL", temperror: "TEMP", none: "FAIL" } as const;

function hostOf({ address, route }: Recipient): string {
  return route?.to === "remote" && route.via !== undefined ? route.via : address.domain;
}
