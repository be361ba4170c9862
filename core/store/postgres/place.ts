/**
 * Where a PostgreSQL database is and how one gets in, as `store: postgres://...` says it, and what of that may be shown.
 * Hosts may be several, with commas between: the first that takes writes is used (failover).
 * Non-job: connecting (connection.ts), what stands there.
 */

/** How the connection is secured, by libpq's words. `prefer` and `require` believe any certificate. */
export type PostgresTls = "disable" | "prefer" | "require" | "verify-full";
/** A database and the way to it. */
export interface PostgresPlace {
  /** In the order in which they are tried. A host that begins with `/` is the folder of a socket file. */
  readonly hosts: readonly { readonly host: string; readonly port: number }[];
  readonly database: string;
  readonly user: string;
  /** Null: the server asks for none. */
  readonly password: string | null;
  readonly tls: PostgresTls;
  /** PEM file of who vouches for the server's certificate; null: whom the system trusts. */
  readonly rootCert: string | null;
}

/** Text that is no place; its message holds nothing of a password. */
export class PlaceError extends Error {
  override readonly name = "PlaceError";
}

export const POSTGRES_URL = "postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=verify-full";
const TLS: readonly PostgresTls[] = ["disable", "prefer", "require", "verify-full"];
const OPTIONS = ["sslmode", "sslrootcert", "host", "port"];
const PORT = 5432;
/** Characters of a URL, and hosts in it. */
const LONGEST = 4096, HOSTS = 16;
/** Octets of a name in PostgreSQL. */
const NAME = 63;

/** Whether the text wants to be one. */
export function isPostgresUrl(text: string): boolean {
  return /^postgres(?:ql)?:/.test(text);
}

/**
 * Reads a URL as libpq has it: parts are percent-encoded; `?host=/run/postgresql` names a socket's folder.
 *
 * @throws {PlaceError} with one sentence.
 *
 * @example
 * ```ts
 * import { parsePostgresUrl } from "./place.ts";
 * import { assertEquals } from "@std/assert";
 * const { hosts, database, password } = parsePostgresUrl("postgres://postern:p%40ss@db1,db2:5433/mail?sslmode=require");
 * assertEquals(hosts, [{ host: "db1", port: 5432 }, { host: "db2", port: 5433 }]);
 * assertEquals([database, password], ["mail", "p@ss"]);
 * ```
 */
export function parsePostgresUrl(text: string): PostgresPlace {
  const scheme = /^postgres(?:ql)?:\/\//.exec(text)?.[0];
  if (scheme === undefined || text.length > LONGEST) throw new PlaceError(`is no URL such as ${POSTGRES_URL}`);
  const rest = text.slice(scheme.length), mark = rest.indexOf("?");
  const before = mark < 0 ? rest : rest.slice(0, mark);
  const slash = before.indexOf("/", before.lastIndexOf("@") + 1);
  if (slash < 0 || slash === before.length - 1) throw new PlaceError(`names no database: ${POSTGRES_URL}`);
  const authority = before.slice(0, slash), at = authority.lastIndexOf("@");
  if (at <= 0) throw new PlaceError(`names no user: ${POSTGRES_URL}`);
  const login = authority.slice(0, at), colon = login.indexOf(":");
  // A password as it is may hold what ends a part of a URL: then nothing behind it is what it seems
  if (/[/@?#\s]/.test(login)) {
    throw new PlaceError("has a mark in its login that must be percent-encoded: / @ ? # or %");
  }
  const user = decoded(colon < 0 ? login : login.slice(0, colon), "user");
  const database = decoded(before.slice(slash + 1), "database");
  for (const [what, name] of [["user", user], ["database", database]] as const) {
    if (name === "") throw new PlaceError(`names no ${what}: ${POSTGRES_URL}`);
    if (new TextEncoder().encode(name).length > NAME) throw new PlaceError(`has a ${what} of more than ${NAME} octets`);
  }
  const options = readOptions(mark < 0 ? "" : rest.slice(mark + 1)); // last: what is before may be a password's half
  return {
    hosts: hostsOf(options.get("host") ?? authority.slice(at + 1), options.get("port") ?? null),
    database,
    user,
    password: colon < 0 ? null : decoded(login.slice(colon + 1), "password"),
    tls: tlsOf(options.get("sslmode") ?? "prefer"),
    rootCert: options.get("sslrootcert") ?? null,
  };
}

function readOptions(query: string): ReadonlyMap<string, string> {
  const options = new Map<string, string>();
  for (const each of query.split("&")) {
    if (each === "") continue;
    const equals = each.indexOf("="), name = equals < 0 ? each : each.slice(0, equals);
    if (!OPTIONS.includes(name)) {
      const shown = /^\w{1,40}$/.test(name) ? `"${name}"` : "a word";
      throw new PlaceError(`has an option that is unknown, ${shown}; known are ${OPTIONS.join(", ")}`);
    }
    if (options.has(name)) throw new PlaceError(`has ${name} twice`);
    options.set(name, decoded(equals < 0 ? "" : each.slice(equals + 1), name));
  }
  return options;
}

function hostsOf(text: string, common: string | null): PostgresPlace["hosts"] {
  const hosts = text.split(",").map((each) => {
    if (each.startsWith("/") || /^%2f/i.test(each)) return { host: decoded(each, "host"), port: portOf(common) };
    const [, six, name, port] = /^(?:\[([0-9A-Fa-f:.%]+)\]|([^:[\]\s]+))(?::(\d{1,5}))?$/.exec(each) ?? [];
    const host = six ?? name;
    if (host === undefined) throw new PlaceError(`has no host that can be read: ${POSTGRES_URL}`);
    return { host: decoded(host, "host"), port: portOf(port ?? common) };
  });
  if (hosts.length > HOSTS) throw new PlaceError(`names more than ${HOSTS} hosts`);
  return hosts;
}

function portOf(text: string | null): number {
  const port = text === null ? PORT : Number(text);
  if (!Number.isInteger(port) || port < 1 || port > 65535) throw new PlaceError("has a port that is none");
  return port;
}

function tlsOf(word: string): PostgresTls {
  const found = TLS.find((each) => each === word);
  if (found === undefined) throw new PlaceError(`has an sslmode that is none of ${TLS.join(", ")}`);
  return found;
}

function decoded(text: string, what: string): string {
  try {
    const value = decodeURIComponent(text);
    if (!value.includes("\0")) return value;
  } catch { /* what follows is said */ }
  throw new PlaceError(`has a ${what} that is not percent-encoded as a URL's must be`);
}

/** As people may see it: without the password. */
export function shownPostgresUrl(text: string): string {
  const from = text.indexOf("://") + 3, mark = text.indexOf("?", from);
  const at = text.lastIndexOf("@", mark < 0 ? undefined : mark), colon = text.indexOf(":", from);
  return at < 0 || colon < 0 || colon > at ? text : `${text.slice(0, colon + 1)}••••••${text.slice(at)}`;
}

/** The same place by its parts, for a file with another name of its certificate. */
export function formatPostgresUrl({ hosts, database, user, password, tls, rootCert }: PostgresPlace): string {
  const encode = encodeURIComponent, login = password === null ? encode(user) : `${encode(user)}:${encode(password)}`;
  const plain = hosts.every(({ host }) => !host.startsWith("/"));
  const list = plain
    ? hosts.map(({ host, port }) => `${host.includes(":") ? `[${host}]` : host}:${port}`).join(",")
    : "";
  const options = [
    ...plain ? [] : [`host=${encode(hosts.map(({ host }) => host).join(","))}`, `port=${hosts[0]!.port}`],
    `sslmode=${tls}`,
    ...rootCert === null ? [] : [`sslrootcert=${encode(rootCert)}`],
  ];
  return `postgres://${login}@${list}/${encode(database)}?${options.join("&")}`;
}
