/**
 * Plays scripts against the client engine. A line is one of
 *
 *   S: text            the server sends `text` and CRLF; `S<< text` exactly this, with \r \n \0 \xHH
 *   C: text            the next line that the client wrote; `C<< text` the next octets
 *   E: text            the next event: ready, login, starttls, content, `done OUTCOME; OUTCOME`, `close OUTCOME` or `close`;
 *                      an outcome is `verdict status step`, with `?` behind it when the message may have arrived
 *   > verb [text]      what the host does: send, ask (what `send` would send), write, end, login, secured, probe, quit, lost
 *
 * Before each S, > and the end of the script nothing may be left that the client wrote or told: silence is asserted.
 */
import { assertEquals } from "@std/assert";
import { type Address, parseAddress } from "../../core/model/address.ts";
import { NO_MAIL_PARAMETERS, NO_RCPT_PARAMETERS } from "../../core/model/envelope.ts";
import {
  type ClientEvent,
  type ClientOptions,
  ClientSession,
  type ContentSink,
  type MailTransaction,
  type Outcome,
} from "../../core/smtp/client/mod.ts";
import { latin1, octets } from "./bytes.ts";

export const NOW = Date.UTC(2026, 0, 1);

export function clientOptions(options: Partial<ClientOptions> = {}): ClientOptions {
  return { hostname: "out.example.org", tls: "never", now: () => NOW, ...options };
}

/** A message of `size` octets to these recipients. */
export function transaction(
  to: readonly string[] = ["x@y.example"],
  changes: Partial<MailTransaction> & { readonly body?: MailTransaction["content"]["body"]; readonly size?: number } =
    {},
): MailTransaction {
  const { body = "7BIT", size = 12, ...others } = changes;
  return {
    sender: parseAddress("a@b.example"),
    recipients: to.map((each) => ({ address: parseAddress(each) as Address, parameters: NO_RCPT_PARAMETERS })),
    parameters: NO_MAIL_PARAMETERS,
    content: { size, body, utf8Header: false },
    ...others,
  };
}

export function described({ verdict, status, phase, mayHaveArrived }: Outcome): string {
  return `${verdict} ${status} ${phase}${mayHaveArrived ? "?" : ""}`;
}

function eventText(event: ClientEvent): string {
  if (event.type === "done") return `done ${event.outcomes.map(described).join("; ")}`;
  if (event.type === "close" && event.failure !== null) return `close ${described(event.failure)}`;
  return event.type;
}

const raw = (text: string): string =>
  text.replaceAll(/\\(?:x([0-9a-fA-F]{2})|([rn0\\]))/g, (_, hex, one) => (
    hex !== undefined
      ? String.fromCharCode(parseInt(hex, 16))
      : ({ r: "\r", n: "\n", "0": "\0", "\\": "\\" })[one as "r"]!
  ));

export interface Play {
  readonly options?: Partial<ClientOptions>;
  /** What `> send` sends, one after the other; the last one again and again. */
  readonly send?: readonly MailTransaction[];
  /** Octets of a piece that the server's are cut into. */
  readonly cut?: number;
}

/** @throws at the first line that is not as the script says. */
export async function play(
  script: string,
  { options = {}, send = [transaction()], cut = Infinity }: Play = {},
): Promise<ClientSession> {
  const session = new ClientSession(clientOptions(options));
  const told: ClientEvent[] = [], waiting = [...send];
  let written = "", sink: ContentSink | null = null;
  const pump = () => {
    for (let event = session.next(); event !== null; event = session.next()) {
      told.push(event);
      if (event.type === "content") sink = event.sink;
    }
    written += latin1(session.takeOutput());
  };
  const silent = (where: string) =>
    assertEquals({ written, told: told.map(eventText) }, { written: "", told: [] }, where);
  for (const [index, line] of script.split("\n").map((each) => each.trim()).entries()) {
    const where = `line ${index + 1}: ${line}`;
    if (line === "" || line.startsWith("#")) continue;
    const [, kind, text = ""] = /^(S:|S<<|C:|C<<|E:|>) ?(.*)$/.exec(line) ?? [];
    if (kind === undefined) throw new Error(`no line of a script: ${line}`);
    if (kind.startsWith("S")) {
      silent(`${where}: not silent before it`);
      const all = octets(kind === "S:" ? `${text}\r\n` : raw(text));
      for (let at = 0; at < all.length; at += cut) {
        session.receive(all.slice(at, at + cut));
        pump();
      }
    } else if (kind === "E:") assertEquals(told.length === 0 ? "nothing" : eventText(told.shift()!), text, where);
    else if (kind.startsWith("C")) {
      const wanted = kind === "C:" ? `${text}\r\n` : raw(text);
      assertEquals(written.slice(0, wanted.length), wanted, where);
      written = written.slice(wanted.length);
    } else {
      silent(`${where}: not silent before it`);
      const [verb, ...words] = text.split(" "), rest = raw(words.join(" "));
      if (verb === "send") session.send(waiting.length > 1 ? waiting.shift()! : waiting[0]!);
      else if (verb === "ask") session.ask(waiting.length > 1 ? waiting.shift()! : waiting[0]!);
      else if (verb === "write") sink!.write(octets(rest));
      else if (verb === "end") sink!.end();
      else if (verb === "login") await session.logIn();
      else if (verb === "secured") session.secured({ trusted: true, bindings: new Map(), certificate: false });
      else if (verb === "probe") session.probe();
      else if (verb === "quit") session.quit();
      else if (verb === "lost") session.lost(rest);
      else throw new Error(`the host cannot ${verb}`);
      pump();
    }
  }
  silent("the end of the script");
  return session;
}

/** The beginning of most scripts: greeting and EHLO, with these extensions. */
export function opening(...extensions: readonly string[]): string {
  const lines = ["mx.y.example", ...extensions];
  return [
    "S: 220 mx.y.example ESMTP",
    "C: EHLO out.example.org",
    ...lines.map((line, i) => `S: 250${i === lines.length - 1 ? " " : "-"}${line}`),
    "E: ready",
    "",
  ].join("\n");
}
