/** What `store` says, and what is odd about it. Non-job: opening it (core/server.ts). */
import { hostname } from "node:os";
import { resolve } from "node:path";
import { isLoopback } from "../model/ip.ts";
import { type DatabaseAddress, isDatabaseUrl, parseDatabaseUrl } from "../store/postgres/url.ts";
import { StoreError } from "../store/store.ts";
import type { StoreConfig } from "./config.ts";
import { type Environment, variable } from "./environment.ts";
import type { Faults } from "./faults.ts";

/** Characters of a node's name. */
const LONGEST_NAME = 64;
const FORM = "postgres://USER:PASSWORD@HOST/DATABASE?sslmode=verify-full";

/** The file of a certificate becomes absolute: `base` is the folder that it starts from. */
export function readStore(
  text: string,
  { base, faults }: { readonly base: string; readonly faults: Faults },
): StoreConfig {
  if (text === "sqlite" || text === "memory") return text;
  if (!isDatabaseUrl(text)) {
    faults.add(["store"], `must be sqlite, memory, or a URL such as ${FORM}`);
    return "sqlite";
  }
  const postgres = text.replace(/([?&]sslrootcert=)([^&]*)/, (_, name: string, path: string) => {
    return name + encodeURIComponent(resolve(base, decodeURIComponent(path.replaceAll(/%(?![0-9A-Fa-f]{2})/g, "%25"))));
  });
  try {
    parseDatabaseUrl(postgres);
    return { postgres };
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    faults.add(["store"], error.message);
    return "sqlite";
  }
}

/** The address that `store` names; null where it is none of PostgreSQL. */
export function databaseOf(store: StoreConfig): DatabaseAddress | null {
  return typeof store === "string" ? null : parseDatabaseUrl(store.postgres);
}

/** What this node is called: as the environment says, else the machine's name. */
export function nodeName(env: Environment): string {
  const given = variable(env, "POSTERN_NODE");
  if (given !== null) return given.replace(/[\p{C}\s]+/gu, " ").slice(0, LONGEST_NAME);
  try {
    return hostname();
  } catch {
    return "a node"; // a program around it may not ask for the machine's name
  }
}

/** A sentence each. */
export function storeWarnings(store: StoreConfig): string[] {
  if (store === "memory") return ["store: memory forgets every message when the server stops"];
  const address = databaseOf(store);
  const far = address?.hosts.find(({ host }) => !host.startsWith("/") && host !== "localhost" && !isLoopback(host));
  if (address === null || far === undefined) return [];
  const { mode } = address.tls;
  if (mode === "disable" || mode === "prefer") {
    const where = mode === "disable" ? "" : " where it offers no TLS, or whoever stands between says so";
    return [`store: mail and passwords go to ${far.host} in clear${where}; set sslmode=verify-full`];
  }
  if (mode === "verify-full") return [];
  return [
    `store: sslmode=${mode} believes whoever answers for ${far.host}; set sslmode=verify-full, with sslrootcert=FILE ` +
    "for an authority of your own",
  ];
}
