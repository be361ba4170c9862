/**
 * The address of a database, as in `store: postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=verify-full`: one or several
 * hosts, or the folder of a unix socket. What is shown of it never has the password.
 * Non-job: connecting (connection.ts).
 */
import { readFileSync } from "node:fs";
import { StoreError } from "../store.ts";

/** Where a server listens. */
export interface DatabaseHost {
  /** A name, an address, or the folder of a unix socket (it begins with a slash). */
  readonly host: string;
  readonly port: number;
}
export interface DatabaseAddress {
  /** Tried in order until one takes writes. */
  readonly hosts: readonly DatabaseHost[];
  readonly user: string;
  readonly password: string;
  readonly database: string;
  readonly tls: DatabaseTls;
  /** For people: no password. */
  readonly shown: string;
}
/** As libpq has it: `require` encrypts and believes anybody, `verify-full` wants a certificate with the host's name. */
export interface DatabaseTls {
  readonly mode: "disable" | "prefer" | "require" | "verify-full";
  /** Certificates of authorities in PEM instead of the runtime's. */
  readonly ca: string | null;
}

const URL_PARTS = /^postgres(?:ql)?:\/\/(?:([^:@/?#]*)(?::([^@/?#]*))?@)?([^/?#]*)(?:\/([^?#]*))?(?:\?([^#]*))?$/;
const MODES: ReadonlySet<string> = new Set(["disable", "prefer", "require", "verify-full"]);
const SOCKETS = "/var/run/postgresql";

/** Whether a word of the configuration is meant for this store. */
export function isDatabaseUrl(text: string): boolean {
  return /^postgres(?:ql)?:\/\//.test(text);
}

/** Without what its login has behind the colon: as people may see it, whatever else is wrong with it. */
export function shownDatabaseUrl(text: string): string {
  const from = text.indexOf("://") + 3, at = text.lastIndexOf("@"), colon = text.indexOf(":", from);
  return at < 0 || colon < 0 || colon > at ? text : `${text.slice(0, colon + 1)}••••••${text.slice(at)}`;
}

/** @throws {StoreError} what is wrong with it; the text itself is not repeated, for what stands in it. */
export function parseDatabaseUrl(text: string): DatabaseAddress {
  const found = URL_PARTS.exec(text);
  if (found === null) throw wrong("it is not of the form postgres://USER:PASSWORD@HOST:PORT/DATABASE");
  const [user = "", password = "", places = "", name = "", query = ""] = found.slice(1).map((part) =>
    decoded(part ?? "")
  );
  if (name === "") throw wrong("it names no database"); // first: what follows may be half of a password
  const words = new URLSearchParams(found[5] === undefined ? "" : query);
  const { host = "", port = "5432", sslmode, sslrootcert, ...others } = Object.fromEntries(words);
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) throw wrong(`the parameter ${JSON.stringify(unknown.slice(0, 40))} is not known`);
  const hosts = (places || host || SOCKETS).split(",").map((each) => hostOf(each, port));
  const local = hosts.every((each) => each.host.startsWith("/"));
  const mode = sslmode ?? (local ? "disable" : "prefer");
  if (!MODES.has(mode)) throw wrong("sslmode is disable, prefer, require or verify-full");
  if (user === "") throw wrong("it names no user");
  return {
    hosts,
    user,
    password,
    database: name,
    tls: { mode: mode as DatabaseTls["mode"], ca: sslrootcert === undefined ? null : certificates(sslrootcert) },
    shown: `postgres://${user}@${hosts.map((each) => `${each.host}:${each.port}`).join(",")}/${name}`,
  };
}

function hostOf(text: string, standard: string): DatabaseHost {
  if (text.startsWith("/")) return { host: text, port: portOf(standard) };
  const found = /^(?:\[([0-9A-Fa-f:.%]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(text);
  if (found === null) throw wrong("a host is a name, an address, an IPv6 address in brackets, or a folder");
  return { host: (found[1] ?? found[2])!, port: portOf(found[3] ?? standard) };
}

function portOf(text: string): number {
  const port = Number(text);
  if (!Number.isInteger(port) || port < 1 || port > 65535) throw wrong("a port is a number from 1 to 65535");
  return port;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw wrong("a percent sign in it is not followed by two digits");
  }
}

function certificates(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw wrong(`sslrootcert cannot be read: ${(error as Error).message}`);
  }
}

function wrong(why: string): StoreError {
  return new StoreError("io", `the URL of the database cannot be used: ${why}`);
}
