/** What `store` says, and what is odd about it. Non-job: opening it (core/server.ts). */
import { isLoopback } from "../model/ip.ts";
import {
  formatPostgresUrl,
  isPostgresUrl,
  parsePostgresUrl,
  PlaceError,
  POSTGRES_URL,
  type PostgresPlace,
} from "../store/postgres/place.ts";
import { resolve } from "node:path";
import type { StoreConfig } from "./config.ts";
import type { Faults } from "./faults.ts";

/** Paths in it become absolute: `base` is the folder that they start from. */
export function readStore(
  text: string,
  { base, faults }: { readonly base: string; readonly faults: Faults },
): StoreConfig {
  if (text === "sqlite" || text === "memory") return text;
  if (!isPostgresUrl(text)) {
    faults.add(["store"], `must be sqlite, memory, or a URL such as ${POSTGRES_URL}`);
    return "sqlite";
  }
  try {
    const place = parsePostgresUrl(text);
    const rootCert = place.rootCert === null ? null : resolve(base, place.rootCert);
    return { postgres: formatPostgresUrl({ ...place, rootCert }) };
  } catch (error) {
    if (!(error instanceof PlaceError)) throw error;
    faults.add(["store"], error.message);
    return "sqlite";
  }
}

/** The place that `store` names; null where it is none of PostgreSQL. */
export function postgresOf(store: StoreConfig): PostgresPlace | null {
  return typeof store === "string" ? null : parsePostgresUrl(store.postgres);
}

/** A sentence each. */
export function storeWarnings(store: StoreConfig): string[] {
  if (store === "memory") return ["store: memory forgets every message when the server stops"];
  const place = postgresOf(store);
  const far = place?.hosts.find(({ host }) => !host.startsWith("/") && host !== "localhost" && !isLoopback(host));
  if (place === null || far === undefined) return [];
  if (place.tls === "disable" || place.tls === "prefer") {
    const why = place.tls === "disable" ? "" : ", where the database has no TLS";
    return [
      `store: mail and passwords' hashes go to ${far.host} in clear${why}, which anybody on the way can read; ` +
      "set sslmode=verify-full",
    ];
  }
  if (place.tls === "verify-full") return [];
  return [
    `store: sslmode=${place.tls} takes whoever answers for ${far.host}; set sslmode=verify-full, and sslrootcert=FILE ` +
    "for an authority of your own",
  ];
}
