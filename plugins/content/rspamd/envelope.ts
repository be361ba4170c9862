/**
 * The envelope as rspamd wants to hear it: header fields of the HTTP request (https://docs.rspamd.com/developers/protocol).
 * Nothing that a peer said can make a field of its own, or one so long that rspamd refuses the request.
 * Non-job: the request itself (checkv2.ts).
 */
import { type DataContext, formatAddress } from "../../../core/pipeline/mod.ts";

/** What is told of the transaction. */
export type Envelope = Pick<DataContext, "id" | "helo" | "sender" | "recipients" | "host" | "client">;

/** Octets that the names of recipients may take: more are not told. */
const RECIPIENTS = 16 * 1024;
const VALUE = 512;

const encoder = new TextEncoder();

/** The fields. `name`: the client's, when one is known that points back. */
export function envelopeHeaders(
  ctx: Envelope,
  options: { name: string | null; password?: string | undefined },
): Headers {
  const { client, recipients } = ctx, headers = new Headers();
  const set = (name: string, value: string | null) => {
    if (value !== null && value !== "") headers.set(name, value);
  };
  set("IP", client.ip);
  set("Helo", octets(ctx.helo).slice(0, VALUE));
  set("Hostname", options.name ?? "unknown");
  set("From", `<${octets(formatAddress(ctx.sender))}>`);
  set("Rcpt", list(recipients.map(({ address }) => `<${octets(formatAddress(address))}>`)));
  if (recipients.length === 1) set("Deliver-To", octets(formatAddress(recipients[0]!.address)));
  set("User", client.identity === null ? null : octets(client.identity).slice(0, VALUE));
  set("Queue-Id", ctx.id);
  set("MTA-Name", ctx.host.name);
  if (client.tls !== null) {
    set("TLS-Cipher", octets(client.tls.cipher));
    set("TLS-Version", octets(client.tls.version));
  }
  set("Password", options.password === undefined ? null : octets(options.password));
  return headers;
}

function list(addresses: readonly string[]): string {
  let text = "";
  for (const each of addresses) {
    if (text.length + each.length > RECIPIENTS) break;
    text += text === "" ? each : `, ${each}`;
  }
  return text;
}

/** Octets of UTF-8, one character each, as fields of HTTP are made of; no controls, no space at either end. */
function octets(text: string): string {
  return Array.from(encoder.encode(text.replace(/\p{Cc}/gu, "").trim()), (octet) => String.fromCharCode(octet)).join(
    "",
  );
}
