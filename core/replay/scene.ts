/**
 * A session that never was, as a recording to play: one message from a client that a person thinks up. Non-job: playing it
 * (player.ts), what name service and counters say (who asks for it).
 */
import type { Address } from "../model/address.ts";
import { formatAddress } from "../model/address.ts";
import { newId } from "../model/id.ts";
import type { Act, Deed, Recording } from "./recording.ts";

export interface Scene {
  readonly ip: string;
  readonly helo: string;
  /** Null for `<>`. */
  readonly from: Address | null;
  /** At least one. */
  readonly to: readonly Address[];
  /** Header and body, any line ends. */
  readonly content: Uint8Array;
  readonly tls: boolean;
  /** As whom it is logged in, and by which mechanism. */
  readonly login: { readonly user: string; readonly mechanism: string } | null;
  readonly listener: string;
  readonly role: string;
  readonly hostname: string;
  /** When it is, milliseconds since 1970. */
  readonly at: number;
}

/** A port of nobody's in particular (RFC 6335 6). */
const PORT = 49_152;
const TLS = {
  version: "TLSv1.3",
  cipher: "TLS_AES_256_GCM_SHA384",
  serverName: null,
  resumed: false,
  certificate: null,
} as const;

/** What the client says, as far as it is let. */
export function recordingOf(scene: Scene): Recording {
  const { ip, helo, from, to, content, tls, login, listener, role, hostname, at } = scene;
  const acts: Act[] = [];
  // What it hopes to hear: who is refused does not go on
  const act = (deed: Deed, said: string) => void acts.push({ deed, at: 0, early: false, said, blame: null });
  const line = (text: string, said = "250 2.0.0 OK\r\n") => act({ kind: "line", text: `${octetsOf(text)}\r\n` }, said);
  act({ kind: "connect" }, tls ? "" : "220 hello\r\n");
  if (tls) act({ kind: "tls", facts: TLS }, "220 hello\r\n");
  line(`${role === "lmtp" ? "LHLO" : "EHLO"} ${helo}`);
  if (login !== null) act({ kind: "auth", ...login }, "235 2.7.0 OK\r\n");
  const octets = canonical(content), wide = octets.some((octet) => octet > 127);
  const utf8 = [from, ...to].some((each) => /[^\0-\x7f]/.test(formatAddress(each)));
  line(`MAIL FROM:<${formatAddress(from)}>${wide ? " BODY=8BITMIME" : ""}${utf8 ? " SMTPUTF8" : ""}`);
  for (const each of to) line(`RCPT TO:<${formatAddress(each)}>`);
  line("DATA", "354 go on\r\n");
  const stuffed = dotted(octets);
  act({ kind: "content", size: stuffed.length, octets: stuffed }, "250 2.0.0 OK\r\n");
  const session = `s${newId(at)}`;
  return {
    ...{ session, at, listener, role, ip, port: PORT, hostname, bodies: true, acts, ended: "quit" },
    ...{ known: [], heard: [], told: [], counted: [] },
  };
}

/** UTF-8, an octet a character. */
function octetsOf(text: string): string {
  let octets = "";
  for (const octet of new TextEncoder().encode(text)) octets += String.fromCharCode(octet);
  return octets;
}

const CR = 13, LF = 10, DOT = 46;

/** With CRLF at the end of each line, and of the last. */
function canonical(content: Uint8Array): Uint8Array {
  const out = new Uint8Array(2 * content.length + 2);
  let length = 0;
  for (let at = 0; at < content.length; at++) {
    const octet = content[at]!;
    if (octet === CR && content[at + 1] === LF) continue; // with its LF
    if (octet !== LF) out[length++] = octet;
    else {
      out[length++] = CR;
      out[length++] = LF;
    }
  }
  if (length === 0 || out[length - 1] !== LF) {
    out[length++] = CR;
    out[length++] = LF;
  }
  return out.subarray(0, length);
}

/** As DATA carries it (RFC 5321 4.5.2). */
function dotted(content: Uint8Array): Uint8Array {
  const out = new Uint8Array(2 * content.length + 3);
  let length = 0, begins = true;
  for (const octet of content) {
    if (begins && octet === DOT) out[length++] = DOT;
    out[length++] = octet;
    begins = octet === LF;
  }
  out.set([DOT, CR, LF], length);
  return out.slice(0, length + 3);
}
