/**
 * Opens connections to the database of a place (place.ts), with bounds in time on everything. Nothing of PG* variables
 * counts: the configuration says it all. Non-job: what is asked.
 */
import postgres from "postgres";
import type { PostgresPlace } from "./place.ts";

/** A pool of connections, as the package `postgres` has it. */
export type Sql = postgres.Sql;
/** The same inside of a transaction. */
export type Transaction = postgres.TransactionSql;

export interface ConnectOptions {
  /** Connections at most. */
  readonly max: number;
  /** What the server's list of activity shows. */
  readonly name: string;
  /** Milliseconds after which the server gives a statement up; null: never. */
  readonly statementTimeout: number | null;
  /** Seconds after which a connection without work is closed; null: never. */
  readonly idle: number | null;
}

/** Seconds for a connection to come about. */
const CONNECT = 10;

/** Connects when the first statement comes. @throws when the file of a certificate cannot be read. */
export function connectPostgres(place: PostgresPlace, options: ConnectOptions): Sql {
  const { hosts, database, user, password, tls, rootCert } = place, [first] = hosts;
  const { max, name, statementTimeout, idle } = options;
  const ca = rootCert === null ? null : Deno.readTextFileSync(rootCert);
  // Its types know one host, its code several
  const way = {
    ...first!.host.startsWith("/")
      ? { path: `${first!.host}/.s.PGSQL.${first!.port}`, host: "localhost", port: first!.port }
      : { host: hosts.map(({ host }) => host), port: hosts.map(({ port }) => port) },
  } as { host: string; port: number };
  return postgres({
    ...way,
    database,
    user,
    password: password ?? "",
    ssl: tls === "disable" ? false : tls === "verify-full" && ca !== null ? { ca, rejectUnauthorized: true } : tls,
    ...hosts.length > 1 && { target_session_attrs: "read-write" as const },
    max,
    connect_timeout: CONNECT,
    idle_timeout: idle ?? undefined,
    max_lifetime: null,
    keep_alive: 15,
    backoff: (tries: number) => Math.min(5, 0.1 * 2 ** Math.min(tries, 10)),
    prepare: false, // a pool of connections between may hand each statement to another server process
    onnotice: () => {},
    connection: {
      application_name: name,
      client_encoding: "UTF8",
      ...statementTimeout !== null && { statement_timeout: statementTimeout },
    },
  });
}

/** What the database calls an error of its own (SQLSTATE), or the way to it; empty for others. */
export function codeOf(error: unknown): string {
  const code = error instanceof Error ? (error as { code?: unknown }).code : undefined;
  return typeof code === "string" ? code : "";
}

/** In words for a person, without what was asked. */
export function wordsOf(error: unknown): string {
  const text = error instanceof Error ? error.message || codeOf(error) || error.name : String(error);
  return text.replace(/[\p{C}\s]+/gu, " ").slice(0, 300);
}
