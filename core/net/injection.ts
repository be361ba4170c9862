/**
 * A message that a program of this house brings without a socket: the same phases, the same pipeline, the same commit as
 * for a client that has logged in, by a Reception of its own. Non-job: what SMTP says on the wire, who may bring mail.
 */
import { type Address, formatAddress } from "../model/address.ts";
import { NO_MAIL_PARAMETERS, NO_RCPT_PARAMETERS } from "../model/envelope.ts";
import { headerEnd } from "../model/headers.ts";
import { reject, Reply } from "../model/reply.ts";
import type { Event } from "../observe/events.ts";
import type { HostAnswer } from "./inbound.ts";
import { Reception, type ReceptionOptions } from "./reception.ts";

export interface InjectionOptions {
  readonly reception: ReceptionOptions;
  /** Octets of the largest message and of the largest header section. */
  readonly size: number;
  readonly header: number;
}
export interface Injection {
  /** Where the program is. */
  readonly ip: string;
  /** Whose login plugins see. */
  readonly identity: string;
  readonly sender: Address | null;
  readonly recipients: readonly Address[];
  /** CRLF at the ends of its lines. */
  readonly content: Uint8Array<ArrayBuffer>;
}
/** What became of it, in replies as an SMTP client would have read them. */
export interface InjectionResult {
  /** The transaction's; null when there was none. */
  readonly id: string | null;
  readonly accepted: boolean;
  /** To the message, or to what was refused before it. */
  readonly reply: Reply;
  /** Recipients that were refused by themselves. */
  readonly refused: readonly { readonly address: string; readonly reply: Reply }[];
}

/** Octets that the store takes at once. */
const CHUNK = 64 * 1024;

/** Resolves once the message is durable, or refused. */
export async function inject(
  { ip, identity, sender, recipients, content }: Injection,
  { reception: options, size, header }: InjectionOptions,
): Promise<InjectionResult> {
  const { services } = options, refused: { address: string; reply: Reply }[] = [];
  let id: string | null = null, why = "a message was refused";
  const emit = (event: Event) => {
    services.emit(event);
    if (event.type === "session-opened") { // a token was shown already
      services.emit({
        type: "login",
        session: event.session,
        ip,
        mechanism: "TOKEN",
        user: identity,
        ok: true,
        reason: "",
      });
    } else if (event.type === "accepted" || event.type === "refused") id = event.transaction ?? id;
  };
  const reception = new Reception({ ip, port: 0, tls: null, identity }, {
    ...options,
    services: { ...services, emit },
  });
  const over = (reply: Reply): InjectionResult => ({ id, accepted: reply.verdict === "accept", reply, refused });
  try {
    const verb = options.role === "lmtp" ? "LHLO" : "EHLO";
    const name = ip.includes(":") ? `[IPv6:${ip}]` : `[${ip}]`;
    for (const event of [{ type: "connect", asks: true }, { type: "helo", asks: true, verb, name }] as const) {
      const reply = last(await reception.ask(event));
      if (reply.verdict !== "accept") return over(reply);
    }
    const tooBig = tooBigFor(content, { size, header });
    if (tooBig !== null) {
      reception.refused("message", tooBig);
      return over(reception.sign(tooBig));
    }
    const wide = [sender, ...recipients].some((each) => each !== null && /[^\x00-\x7f]/.test(formatAddress(each)));
    const mail = last(
      await reception.ask({
        type: "mail",
        asks: true,
        sender,
        parameters: {
          ...NO_MAIL_PARAMETERS,
          size: content.length,
          body: wide || content.some((octet) => octet > 127) ? "8BITMIME" : "7BIT",
          smtputf8: wide,
        },
      }),
    );
    if (mail.verdict !== "accept") return over(mail);
    let taken = 0;
    for (const address of recipients) {
      const reply = last(await reception.ask({ type: "rcpt", asks: true, address, parameters: NO_RCPT_PARAMETERS }));
      if (reply.verdict === "accept") taken++;
      else refused.push({ address: formatAddress(address), reply });
    }
    if (taken === 0) return over(worst(refused.map(({ reply }) => reply)));
    const room = last(await reception.ask({ type: "content", asks: true }));
    if (room.verdict !== "accept") return over(room);
    for (let at = 0; at < content.length; at += CHUNK) await reception.body(content.subarray(at, at + CHUNK));
    const answer = await reception.ask({ type: "message", asks: true });
    why = "quit";
    return over(last(answer));
  } finally {
    reception.gone(why);
  }
}

/** The engine's bounds, which no engine checks here. */
function tooBigFor(
  content: Uint8Array,
  { size, header }: { readonly size: number; readonly header: number },
): Reply<"reject"> | null {
  if (content.length > size) return reject("5.3.4", `Message too big, the limit is ${size} octets`, { code: 552 });
  const fits = content.length <= header || headerEnd(content.subarray(0, header)) >= 0;
  return fits ? null : reject("5.3.4", `Header too big, the limit is ${header} octets`, { code: 552 });
}

/** Of the replies to recipients the one that tells what became of the message. */
function last(answer: HostAnswer): Reply {
  if (answer instanceof Reply) return answer;
  return Array.isArray(answer) ? answer.find((each) => each.verdict === "accept") ?? worst(answer) : LOCAL_ERROR;
}

/** What may be tried again before what is refused for good. */
function worst(replies: readonly Reply[]): Reply {
  return replies.find(({ verdict }) => verdict === "defer") ?? replies[0] ?? NOBODY;
}

const LOCAL_ERROR = reject("5.3.0", "A message cannot be answered so");
const NOBODY = reject("5.5.1", "No recipients", { code: 554 });
