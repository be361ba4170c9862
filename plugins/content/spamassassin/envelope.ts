/**
 * The two fields that SpamAssassin reads the envelope from, as a receiving server would have written them: our own
 * Received is not there yet when the message is judged, and without it the rules about networks would look at the wrong
 * host. Non-job: what is stored or sent.
 */
import { type DataContext, formatAddress, formatDate } from "../../../core/pipeline/mod.ts";

/** What is told of the client. */
export type Envelope = Pick<DataContext, "id" | "helo" | "sender" | "host" | "client" | "now">;

/** Return-Path and Received, each with its CRLF. Nothing that the peer said can end a line or a comment. */
export function envelopeFields(ctx: Envelope): string {
  const { client, host } = ctx;
  const helo = word(ctx.helo) || "unknown";
  const how = client.identity === null ? client.tls === null ? "ESMTP" : "ESMTPS" : "ESMTPSA";
  const tls = client.tls === null ? "" : ` (version=${word(client.tls.version)} cipher=${word(client.tls.cipher)})`;
  return `Return-Path: <${controlless(formatAddress(ctx.sender))}>\r\n` +
    `Received: from ${helo} (${helo} [${client.ip}])${tls}\r\n` +
    `\tby ${host.name} with ${how} id ${ctx.id};\r\n\t${formatDate(ctx.now())}\r\n`;
}

/** What may stand in a host's name, at most 255 of it. */
function word(text: string): string {
  return text.replace(/[^A-Za-z0-9._:[\]-]/g, "").slice(0, 255);
}
function controlless(text: string): string {
  return text.replace(/\p{Cc}/gu, "");
}
