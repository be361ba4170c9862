/**
 * One login at a directory: a connection of its own, [service account, search,] bind as the user. A connection that
 * another login had would still be bound to its user. Bounded in time and in what is read.
 * Non-job: how many at a time (mod.ts), opening and securing a connection (socket.ts), the encoding of LDAP (ldapts).
 */
import { Buffer } from "node:buffer";
import { randomBytes } from "node:crypto";
import type { Socket } from "node:net";
import { Client, type Entry, ResultCodeError } from "ldapts";
import { fill } from "./escape.ts";
import { openSocket, type SocketOptions } from "./socket.ts";

/** How a name becomes an entry. */
export type Lookup =
  | { readonly dn: string }
  | {
    readonly base: string;
    readonly scope: "sub" | "one";
    readonly filter: string;
    readonly bindDn: string | undefined;
    readonly bindPassword: string | undefined;
  };

export interface DirectoryOptions {
  readonly socket: SocketOptions;
  readonly lookup: Lookup;
  /** The attribute that is the user's one name; null: the name as it was given, in lower case. */
  readonly identity: string | null;
  /** Attributes with addresses that the user may send from. */
  readonly senders: readonly string[];
  /** Milliseconds for all of a login. */
  readonly timeout: number;
  readonly trouble: (message: string) => void;
}
/** Whom a directory vouched for. */
export interface Vouched {
  readonly user: string;
  readonly senders: readonly string[];
}

/** Far more than two entries of a person; a server that sends more is none of ours. */
const LONGEST_SESSION = 2 ** 20;
/** LDAPMessage { 127, UnbindRequest } */
const UNBIND = Buffer.from([0x30, 5, 2, 1, 0x7f, 0x42, 0]);
/**
 * Results of a bind that say no: invalidDNSyntax, noSuchObject, inappropriateAuthentication, invalidCredentials, and
 * what servers say of locked accounts: constraintViolation, insufficientAccessRights, unwillingToPerform (RFC 4511 A.2).
 */
const NO = new Set([19, 32, 34, 48, 49, 50, 53]);

export class Directory {
  readonly #options: DirectoryOptions;
  /** No entry has this name: bound to where a user was not found, so that the answer takes as many steps. */
  readonly #nobody = `cn=${randomBytes(16).toString("hex")}`;

  constructor(options: DirectoryOptions) {
    this.#options = options;
  }

  /** Null: no such user, or not with this password, which is not empty. @throws {Error} when there is no clear answer. */
  async login(user: string, password: string, signal: AbortSignal): Promise<Vouched | null> {
    const { socket: where, lookup, timeout } = this.#options;
    const stop = new AbortController();
    const late = setTimeout(() => stop.abort(new Error(`no answer within ${timeout} ms`)), timeout);
    const leave = () => stop.abort(signal.reason);
    signal.addEventListener("abort", leave, { once: true });
    let socket: Socket | null = null;
    try {
      signal.throwIfAborted();
      const open = socket = await openSocket(where, stop.signal);
      stop.signal.addEventListener("abort", () => open.destroy(stop.signal.reason), { once: true });
      const client = clientOn(open, timeout);
      const vouched = "dn" in lookup
        ? await this.#bindDirectly(client, fill(lookup.dn, user), user, password)
        : await this.#searchAndBind(client, lookup, user, password);
      socket.end(UNBIND);
      return vouched;
    } catch (error) {
      throw new Error(
        `directory ${where.host}:${where.port}: ${why(stop.signal.aborted ? stop.signal.reason : error)}`,
      );
    } finally {
      clearTimeout(late);
      signal.removeEventListener("abort", leave);
      socket?.destroySoon();
    }
  }

  async #bindDirectly(client: Client, dn: string, user: string, password: string): Promise<Vouched | null> {
    if (!await binds(client, dn, password)) return null;
    if (this.#wanted.length === 0) return this.#vouch(undefined, user);
    const { searchEntries } = await client.search(dn, { scope: "base", attributes: this.#wanted, sizeLimit: 1 });
    return this.#vouch(searchEntries[0], user);
  }

  async #searchAndBind(
    client: Client,
    lookup: Exclude<Lookup, { dn: string }>,
    user: string,
    password: string,
  ): Promise<Vouched | null> {
    const { base, scope, filter, bindDn, bindPassword } = lookup;
    if (bindDn !== undefined && !await binds(client, bindDn, bindPassword ?? "")) {
      throw new Error("the service account was refused");
    }
    const { searchEntries } = await client.search(base, {
      scope,
      filter: fill(filter, user),
      attributes: this.#wanted.length === 0 ? ["1.1"] : this.#wanted, // 1.1: none, RFC 4511 4.5.1.8
      sizeLimit: 2,
      timeLimit: Math.ceil(this.#options.timeout / 1000),
    });
    const [entry, second] = searchEntries;
    if (second !== undefined) this.#options.trouble("the filter finds several entries for one name: none is taken");
    if (entry === undefined || second !== undefined) {
      await binds(client, `${this.#nobody},${base}`, password);
      return null;
    }
    return await binds(client, entry.dn, password) ? this.#vouch(entry, user) : null;
  }

  get #wanted(): string[] {
    const { identity, senders } = this.#options;
    return [...new Set([...identity === null ? [] : [identity], ...senders])];
  }

  #vouch(entry: Entry | undefined, user: string): Vouched {
    const { identity, senders } = this.#options;
    // "Alice", "ALICE" and " alice" are one entry to a directory: its spelling counts, lest limits count three users
    const name = identity === null ? user.toLowerCase().trim() : values(entry, identity)[0];
    if (name === undefined) throw new Error(`the user's entry has no ${identity} that may be read`);
    return { user: name, senders: senders.flatMap((each) => values(entry, each)) };
  }
}

/** LDAP over a connection that is open already; a second one is never made. */
function clientOn(socket: Socket, timeout: number): Client {
  let used = false;
  const createConnection = () => {
    if (used) throw new Error("it closed the connection");
    used = true;
    let size = 0;
    socket.on("data", (chunk: Uint8Array) => {
      size += chunk.length;
      if (size > LONGEST_SESSION) socket.destroy(new Error("it sent far too much"));
    });
    return socket;
  };
  return new Client({ url: "ldap://localhost", timeout, connectTimeout: timeout, createConnection });
}

/** Never with an empty password: a server takes that for a bind as nobody, and says yes (RFC 4513 5.1.2). */
async function binds(client: Client, dn: string, password: string): Promise<boolean> {
  if (password === "" || dn === "") throw new Error("an empty name or password is never sent");
  try {
    await client.bind(dn, password);
    return true;
  } catch (error) {
    if (error instanceof ResultCodeError && NO.has(error.code)) return false;
    throw error;
  }
}

/** The values of an attribute that are text, under its name in any case. */
function values(entry: Entry | undefined, attribute: string): string[] {
  const found = Object.entries(entry ?? {}).find(([name]) => name.toLowerCase() === attribute.toLowerCase())?.[1] ?? [];
  return (Array.isArray(found) ? found : [found]).filter((each) => typeof each === "string" && each !== "") as string[];
}

/** A server's own words may hold names of users: its result code does. */
function why(error: unknown): string {
  if (error instanceof ResultCodeError) return `result ${error.code}, ${error.constructor.name.replace(/Error$/, "")}`;
  const text = error instanceof Error ? error.message : "failed";
  return text.replace(/^Socket error\.[^\n]*\n/, "").replace(/\s+/g, " ").slice(0, 200);
}
