/**
 * The two fields that SpamAssassin reads the envelope from, as a receiving server would have written them: our own
 * Received is not there yet when the message is judged, and without it the rules about networks would look at the wrong
 * host. Non-job: what is stored or sent.
 */
import { type DataContext, formatAddress, formatDate } from "../../../core/pipeline/mod.ts";

/** What is told of the client. */
export type Envelope = Pick<DataContext, "id" | "helo" | "sender" | "host" | "client" | "now">;

/**
 * Return-Path and Received, each with its CRLF. Nothing that the peer said can end a line or a comment.
 * `name`: the client's, when one is known that points back.
 */
export function envelopeFields(ctx: Envelope, name: string | null): string {
  const { client, host } = ctx;
  const how = client.identity === null ? client.tls === null ? "ESMTP" : "ESMTPS" : "ESMTPSA";
  return `Return-Path: <${formatAddress(ctx.sender).replace(/\p{Cc}/gu, "")}>\r\n` +
    `Received: from ${word(ctx.helo) || "unknown"} (${name ?? "unknown"} [${client.ip}])\r\n` +
    `\tby ${host.name} with ${how} id ${ctx.id};\r\n\t${formatDate(ctx.now())}\r\n`;
}

/** What may stand in a host's name, at most 255 of it. */
function word(text: string): string {
  return text.slice(0, 255).replace(/[^A-Za-z0-9._:[\]-]/g, "");
}
