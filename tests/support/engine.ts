/** Drives the server engine without a socket: octets in any cut, a host that says yes unless told otherwise. */
import { accept, Reply } from "../../core/model/reply.ts";
import { Offer } from "../../core/smtp/extensions.ts";
import type { Asking, Challenge, ServerEvent } from "../../core/smtp/events.ts";
import { type ServerOptions, ServerSession } from "../../core/smtp/server.ts";

export interface Conversation {
  /** All that the engine wrote. */
  readonly output: string;
  /** The contents of the messages that were accepted, as Latin-1. */
  readonly messages: readonly string[];
  readonly events: readonly ServerEvent[];
  /** Why the engine ended the session, or null. */
  readonly closed: string | null;
}
export type HostAnswer = (event: Asking) => Reply | readonly Reply[] | Challenge | undefined;

export const LIMITS: ServerOptions["limits"] = {
  size: 100_000,
  header: 20_000,
  line: 50_000,
  command: 2048,
  recipients: 100,
  errors: 20,
  junk: 100,
};

/** The moment that every conversation happens at. */
export const NOW = Date.UTC(2026, 0, 1);

export function serverOptions(options: Partial<ServerOptions> = {}): ServerOptions {
  const limits = { ...LIMITS, ...options.limits };
  return {
    hostname: "mx.example.org",
    now: () => NOW,
    lmtp: false,
    offer: new Offer({ size: limits.size, recipients: limits.recipients, binarymime: true }),
    demands: { tls: false, auth: false },
    bareLf: "reject",
    forbidEarlyTalk: false,
    lenientPaths: false,
    vrfy: "neutral",
    speakingFor: () => serverOptions(options),
    ...options,
    limits,
  };
}

export const latin1 = (octets: Uint8Array): string => {
  let text = "";
  for (let i = 0; i < octets.length; i += 8192) text += String.fromCharCode(...octets.subarray(i, i + 8192));
  return text;
};
export const octets = (text: string): Uint8Array<ArrayBuffer> => Uint8Array.from(text, (char) => char.charCodeAt(0));

/** Feeds the pieces one after the other; `answer` may refuse what it is asked. */
export function converse(
  pieces: readonly (string | Uint8Array)[],
  options: Partial<ServerOptions> = {},
  answer: HostAnswer = () => undefined,
  sign?: (reply: Reply) => Reply,
): Conversation {
  const session = new ServerSession(serverOptions(options), sign);
  const events: ServerEvent[] = [], messages: string[] = [];
  let output = "", closed: string | null = null, body = "";
  const pump = () => {
    for (let event = session.next(); event !== null; event = session.next()) {
      if (event.type === "body") body += latin1(event.chunk);
      else events.push(event);
      if (event.type === "reset") body = "";
      if (event.type === "close") closed = event.reason;
      if (!event.asks) continue;
      const reply = answer(event) ?? accept();
      if (event.type === "content") body = "";
      if (event.type === "message" && (Array.isArray(reply) || reply instanceof Reply && reply.verdict === "accept")) {
        messages.push(body);
      }
      session.answer(reply);
    }
    output += session.takeOutput();
  };
  pump();
  for (const piece of pieces) {
    // A fresh copy each time, overwritten afterwards: the engine must not hold on to the host's buffer.
    const buffer = typeof piece === "string" ? octets(piece) : piece.slice();
    session.receive(buffer);
    pump();
    if (session.buffered > 0 || session.waiting) continue;
    buffer.fill(0x21);
  }
  return { output, messages, events, closed };
}

/** The reply codes in order, the last line of each reply. */
export function codes(output: string): string {
  return output.split("\r\n").filter((line) => /^\d{3}( |$)/.test(line)).map((line) => line.slice(0, 3)).join(" ");
}
