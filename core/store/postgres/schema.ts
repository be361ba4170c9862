/**
 * The tables in the database, and how they are brought up to date: step by step, by one node at a time, while nodes of an
 * older version may run. So a step only adds: tables, indexes, columns with a default. What older nodes still use goes
 * only in a step that stands at least one release behind the one that stopped using it (docs/decisions/postgres.md).
 * Non-job: queries.
 */
import { StoreError } from "../store.ts";
import type { Connection } from "./connection.ts";

/** Everything lies in a schema of this name, so the database may be shared with others. */
export const SCHEMA = "postern";

/** Taken while tables are changed; it ends with the transaction. The octets of "POST". */
const LOCK = 0x504f5354;

/**
 * Step n brings version n to n + 1. A released step is never changed. All text compares by octets, whatever the database's
 * language is: order and equality of names are the protocol's. What the columns mean is said in ../schema.ts; here
 * `message.sender`, `recipient.address` and `.original` are texts for searches in ASCII lower case, `blob` names a body that
 * lies in pieces in `chunk`, and `recipient.owner` begins with the node's id and a slash. A blob without a message belongs
 * to a commit under way, or to nobody: see bodies.ts. `turn` says which node alone may try a destination now.
 */
export const STEPS: readonly string[] = [
  `
  create table node (id text collate "C" primary key, name text not null, seen timestamptz not null default now());
  create table message (
    id text collate "C" primary key, version int not null, received_at bigint not null, size bigint not null,
    envelope text not null, sender text collate "C" not null, blob text collate "C", body bytea
  );
  alter table message alter column body set storage external;
  create table original (
    message text collate "C" primary key, size bigint not null, blob text collate "C", body bytea
  );
  alter table original alter column body set storage external;
  create table blob (
    name text collate "C" primary key, message text collate "C", at timestamptz not null default now()
  );
  create index blob_message on blob (message) where message is not null;
  create index blob_orphan on blob (at) where message is null;
  create table chunk (
    blob text collate "C" not null, n int not null, octets bytea not null, primary key (blob, n)
  );
  alter table chunk alter column octets set storage external;
  create table recipient (
    message text collate "C" not null, idx int not null, state text collate "C" not null,
    domain text collate "C" not null, destination text collate "C" not null, address text collate "C" not null,
    original text collate "C" not null, next_attempt bigint not null, attempts int not null, last_reply text,
    facts text not null, route text not null, deadline bigint, told bigint, released smallint not null default 0,
    due bigint, appointed bigint, owner text collate "C",
    primary key (message, idx)
  );
  create index recipient_destination on recipient (destination, due, message, idx) where due is not null;
  create index recipient_due on recipient (due) where due is not null;
  create index recipient_deadline on recipient (deadline, due) where deadline is not null and due is not null;
  create index recipient_appointed on recipient (appointed) where appointed is not null;
  create index recipient_owner on recipient (owner) where owner is not null;
  create index recipient_list on recipient (message, state, domain);
  create table destination (name text collate "C" primary key, due bigint not null);
  create index destination_due on destination (due);
  create table turn (destination text collate "C" primary key, node text collate "C" not null);
  create index turn_node on turn (node);
  create table inbox (
    message text collate "C" not null, n int not null, name text collate "C" not null, unread smallint not null,
    sender text not null, recipients text not null, subject text not null, size bigint not null,
    received_at bigint not null, search text collate "C" not null,
    primary key (message, n)
  );
  create unique index inbox_name on inbox (name, message);
  create table quarantine (message text collate "C" primary key, expires bigint not null, size bigint not null);
  create index quarantine_expires on quarantine (expires);
  create table corrupt (message text collate "C" primary key, why text not null);
  create table counter (name text collate "C" primary key, value text not null, expires bigint not null);
  create index counter_expires on counter (expires);
  alter table recipient set (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
  alter table message set (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
  alter table destination set (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02);
  alter table counter set (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);
`,
  // How far the node's clock is ahead of the database's, milliseconds
  "alter table node add column skew bigint not null default 0",
];

/**
 * Brings the tables of `part` up to date, in one transaction; others that start at the same moment wait for it. Other parts
 * of the program may keep tables of their own beside the store's, each with its steps.
 *
 * @throws {StoreError} one sentence: the tables are of a newer version, or the database cannot hold every text, or keeps none.
 */
export async function migrate(
  connection: Connection,
  part: string,
  steps: readonly string[] = STEPS,
): Promise<void> {
  const [state] = await connection.query<{ readonly encoding: string; readonly fsync: string }>(
    "select current_setting('server_encoding') as encoding, current_setting('fsync') as fsync",
  );
  const { encoding, fsync } = state!;
  // Another one has no room for some texts, so a message that has one would be refused for ever
  if (encoding !== "UTF8") {
    throw new StoreError("io", `the database was made with the encoding ${encoding}, and must have UTF8`);
  }
  if (fsync === "off") {
    throw new StoreError("io", "its server runs with fsync off: what was answered 250 would be gone when the power is");
  }
  await connection.transaction(async (inside) => {
    await inside.query("select pg_advisory_xact_lock($1::bigint)", [LOCK]);
    // A user who may not make schemas can have been given one
    const [there] = await inside.query("select 1 from pg_namespace where nspname = $1::text", [SCHEMA]);
    if (there === undefined) await inside.query(`create schema ${SCHEMA}`);
    await inside.query(
      `create table if not exists ${SCHEMA}.schema_version (part text primary key, version int not null)`,
    );
    const [row] = await inside.query<{ version: number }>(
      "select version from schema_version where part = $1::text",
      [part],
    );
    const version = row?.version ?? 0;
    if (version > steps.length) {
      throw new StoreError(
        "io",
        `the tables of the database (${part}) are those of a newer version of Postern (format ${version}, this one knows ${steps.length})`,
      );
    }
    if (version === steps.length) return;
    for (const step of steps.slice(version)) await inside.query(step);
    await inside.query(
      `insert into schema_version values ($1::text, $2::int) on conflict (part) do update set version = excluded.version`,
      [part, steps.length],
    );
  });
}
