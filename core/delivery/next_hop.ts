/**
 * Where mail goes that is not sent to the hosts its domain names: hosts of the operator's own, by SMTP, LMTP (RFC 2033) or
 * HTTP, and the URLs that name them. Values only. Non-job: which mail goes there (route_rules.ts), connecting.
 */
import { canonicalDomain } from "../model/domain.ts";
import { canonicalIp, isIPv4 } from "../model/ip.ts";
import type { Rate } from "../model/units.ts";

/** One of them. */
export type HopHost =
  | {
    readonly kind: "smtp";
    /** A name in canonical form, or an IP address without brackets. */
    readonly host: string;
    readonly port: number;
    /** TLS comes first (RFC 8314 3). */
    readonly implicitTls: boolean;
    readonly lmtp: boolean;
  }
  | {
    readonly kind: "unix";
    /** Absolute. */
    readonly path: string;
    readonly lmtp: boolean;
  }
  | { readonly kind: "http"; readonly url: string };

/** How to log in there (RFC 4954). */
export interface HopAuth {
  /** Whose login it is. */
  readonly user: string;
  /** The secret itself. */
  readonly password: string;
  /** `password` is a bearer token, for OAUTHBEARER (RFC 7628) and XOAUTH2. */
  readonly token?: true;
  /** It may be said in clear, or to a host that nobody vouches for. */
  readonly inClear: boolean;
}

/** How to post there. */
export interface HopHttp {
  /** The message as it is, or inside JSON. */
  readonly format: "raw" | "json";
  /** What requests are signed with. */
  readonly secret: string | null;
  /** Fields of the operator's own, names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** Milliseconds for a whole request. */
  readonly timeout: number;
}

/** A named place that mail can be routed to. */
export interface NextHop {
  /** What routes and plugins call it. */
  readonly name: string;
  /** Tried in this order. At least one; all of them are `http`, or none is. */
  readonly hosts: readonly HopHost[];
  /** Null: no login. */
  readonly auth: HopAuth | null;
  /** Each host stands for the hosts that its MX records name (RFC 5321 5.1), and its name for them. */
  readonly mx: boolean;
  /** Null unless the hosts are `http`. */
  readonly http: HopHttp | null;
  /** Deliveries at once; null: as many as to a domain. */
  readonly concurrency: number | null;
  /** How often deliveries may start; null: no bound. */
  readonly rate: Rate | null;
}

const SCHEMES: Readonly<
  Record<string, { readonly port: number; readonly implicitTls: boolean; readonly lmtp: boolean }>
> = {
  smtp: { port: 25, implicitTls: false, lmtp: false },
  smtps: { port: 465, implicitTls: true, lmtp: false },
  lmtp: { port: 24, implicitTls: false, lmtp: true },
};
/** What a URL must be, for a message. */
export const HOP_URL =
  'a URL such as "smtp://relay.example.org:587", "smtps://relay.example.org", "lmtp://127.0.0.1:24", "lmtp+unix:///run/dovecot/lmtp" or "https://app.example.org/mail"';

/** A path of a socket file must fit into the kernel's structure, with its NUL. */
const LONGEST_PATH = 107;

/**
 * The host that a URL names, or the sentence that says why it names none. The sentence never shows the URL: it may hold
 * a password.
 *
 * @example
 * ```ts
 * import { parseHopHost } from "./next_hop.ts";
 * import { assertEquals } from "@std/assert";
 * const host = { kind: "smtp", host: "relay.example.org", port: 25, implicitTls: false, lmtp: false } as const;
 * assertEquals(parseHopHost("smtp://Relay.example.org"), host);
 * assertEquals(parseHopHost("lmtp+unix:///run/lmtp"), { kind: "unix", path: "/run/lmtp", lmtp: true });
 * ```
 */
export function parseHopHost(text: string): HopHost | string {
  const [, scheme = "", rest = ""] = /^([a-z]+(?:\+unix)?):\/\/([^\s\p{Cc}]+)$/iu.exec(text) ?? [];
  const word = scheme.toLowerCase();
  if (word === "http" || word === "https") return parseHttp(text);
  if (word === "smtp+unix" || word === "lmtp+unix") {
    if (!rest.startsWith("/") || rest === "/") {
      return 'a socket file is named by its whole path: "lmtp+unix:///run/lmtp"';
    }
    if (new TextEncoder().encode(rest).length > LONGEST_PATH) return `the path has more than ${LONGEST_PATH} octets`;
    return { kind: "unix", path: rest, lmtp: word === "lmtp+unix" };
  }
  const known = Object.hasOwn(SCHEMES, word) ? SCHEMES[word]! : null;
  if (known === null) return `must be ${HOP_URL}`;
  if (rest.includes("@")) return NO_SECRETS;
  const [, six, plain, digits] = /^(?:\[([^\]]+)\]|([^:[\]/?#]+))(?::(\d{1,5}))?\/?$/.exec(rest) ?? [];
  const host = six !== undefined ? sixOf(six) : plain !== undefined ? nameOf(plain) : null;
  const port = digits === undefined ? known.port : Number(digits);
  if (host === null || port < 1 || port > 65_535) return `must be ${HOP_URL}`;
  if (port === 25 && known.lmtp) return "LMTP must not be used on port 25 (RFC 2033 5)";
  return { kind: "smtp", host, port, implicitTls: known.implicitTls, lmtp: known.lmtp };
}

const NO_SECRETS = "a URL is shown in logs and holds no login: set auth: { user, password } beside hosts";

function parseHttp(text: string): HopHost | string {
  const url = URL.parse(text);
  if (url === null || url.hash !== "") return `must be ${HOP_URL}`;
  if (url.username !== "" || url.password !== "") {
    return "a URL is shown in logs and holds no login: set secret or headers beside hosts";
  }
  return { kind: "http", url: url.href };
}

function sixOf(text: string): string | null {
  const ip = canonicalIp(text);
  return ip === null || isIPv4(text) ? null : ip;
}
/** What ends in a number is an address, or a slip in one. */
function nameOf(text: string): string | null {
  return isIPv4(text) ? text : /(?:^|\.)\d+$/.test(text) ? null : canonicalDomain(text);
}

/** The URL of a host as logs show it: without what stands behind the `?` of a web address. */
export function formatHopHost(host: HopHost): string {
  if (host.kind === "unix") return `${host.lmtp ? "lmtp" : "smtp"}+unix://${host.path}`;
  if (host.kind === "http") return host.url.split("?", 1)[0]!;
  const scheme = host.lmtp ? "lmtp" : host.implicitTls ? "smtps" : "smtp";
  const name = host.host.includes(":") ? `[${host.host}]` : host.host;
  return `${scheme}://${name}${host.port === SCHEMES[scheme]!.port ? "" : `:${host.port}`}`;
}
