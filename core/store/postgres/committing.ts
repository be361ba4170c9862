/**
 * New messages as SQL inside somebody else's transaction: a batch of them in a handful of statements. With a claim, what is
 * ready is leased from the start where its destination's turn is this node's, and stays ready where it is another's.
 * Non-job: bodies in pieces (bodies.ts), transactions (writer.ts).
 */
import { concat } from "../../model/octets.ts";
import type { CommitOperation } from "../protocol.ts";
import { dueAt, encodeAdoption, encodeCommit, entryId, folded, type NewRecipientRow, ROW_VERSION } from "../rows.ts";
import type { Address } from "../../model/address.ts";
import {
  type Claim,
  type CommitOptions,
  type NewMessage,
  type NewRecipient,
  StoreError,
  type WholeItem,
} from "../store.ts";
import { type Connection, rows } from "./connection.ts";

/** A body as it goes into the transaction: in memory, or the name of its pieces, which are there already. */
export interface PlacedBody {
  readonly size: number;
  readonly octets: Uint8Array | null;
  readonly blob: string | null;
}
/** A message, ready to be written. */
export interface Commit {
  readonly operation: CommitOperation;
  /** For searches. */
  readonly sender: string;
  readonly recipients: readonly RecipientColumns[];
  readonly body: PlacedBody;
  readonly received: PlacedBody | null;
}
type RecipientColumns = Omit<NewRecipientRow, "appointed"> & {
  readonly message: string;
  readonly address: string;
  readonly original: string;
  readonly route: string;
  /** Instead of `due`, with a claim. */
  readonly until: number | null;
  readonly owner: string | null;
  /** Where it may be tried by one node at a time only. */
  readonly shared: boolean;
  readonly due: number | null;
  readonly appointed: number | null;
};

/** Destinations with a host behind them: one node at a time tries them. */
export function hasTurn(destination: string): boolean {
  return destination.startsWith("mx:") || destination.startsWith("via:");
}

/** A message that comes from another store, as it was there. */
export function encodeAdopted(
  item: WholeItem,
  body: PlacedBody,
  received: PlacedBody | null,
): Commit {
  const { message } = encodeAdoption(item, body.size, {
    file: body.blob,
    original: received === null ? null : { size: received.size, file: received.blob },
  });
  return columns(message, item, { body, received });
}

export function encode(
  message: NewMessage,
  body: PlacedBody,
  { claim, expires, received = null }: Pick<CommitOptions, "claim" | "expires"> & {
    readonly received?: PlacedBody | null;
  },
  node: string,
): Commit {
  const operation = encodeCommit(message, body.size, body.blob, {
    ...claim && { claim },
    ...expires !== undefined && { expires: Math.round(expires) },
    ...received !== null && { original: { size: received.size, file: received.blob } },
  });
  return columns(operation, { message, recipients: message.recipients }, { body, received, claim, node });
}

function columns(
  operation: CommitOperation,
  { message, recipients }: {
    readonly message: Pick<NewMessage, "sender">;
    readonly recipients: readonly Pick<NewRecipient, "address" | "original" | "route">[];
  },
  { body, received, claim, node = "" }: {
    readonly body: PlacedBody;
    readonly received: PlacedBody | null;
    readonly claim?: Claim | undefined;
    readonly node?: string;
  },
): Commit {
  return {
    operation,
    sender: message.sender === null ? "" : plain(message.sender),
    recipients: operation.recipients.map((row, place) => {
      const { address, original, route } = recipients[place]!, { appointed, ...rest } = row;
      const way = JSON.stringify(route), waits = row.state === "ready" || row.state === "deferred";
      const due = waits ? dueAt(row.next_attempt, row.deadline) : null;
      const taken = row.state === "ready" ? claim : undefined;
      return {
        ...rest,
        message: operation.id,
        facts: `${row.facts.slice(0, -(way.length + `,"route":}`.length))}}`,
        route: way,
        address: plain(address),
        original: plain(original),
        due: appointed ? null : due,
        appointed: appointed ? due : null,
        until: taken?.until ?? null,
        owner: taken ? ownerOf(node, taken.owner) : null,
        shared: hasTurn(row.destination),
      };
    }),
    body,
    received,
  };
}

/** As searches compare it. */
function plain({ local, domain }: Address): string {
  return folded(`${local}@${domain}`);
}

/** Who has a lease, for all nodes. */
export function ownerOf(node: string, owner: string): string {
  return `${node}/${owner}`;
}

/** Copies for inboxes that a commit makes. */
export function arrivals({ operation: { id, entries } }: Commit): { readonly id: string; readonly inbox: string }[] {
  return entries.map(({ name }, place) => ({ id: entryId(id, place + 1), inbox: name }));
}

/**
 * Everything of these messages. Resolves to what their claims have brought: places of recipients by message.
 *
 * @throws {StoreError} the pieces of a body are gone
 */
export async function insert(
  connection: Connection,
  commits: readonly Commit[],
  node: string,
): Promise<ReadonlyMap<string, ReadonlySet<number>>> {
  const taken = new Map<string, Set<number>>();
  if (commits.length === 0) return taken;
  const steps: Promise<unknown>[] = [messages(connection, commits), blobs(connection, commits)];
  const recipients = commits.flatMap((each) => each.recipients);
  if (recipients.length > 0) {
    steps.push(turns(connection, recipients.filter((each) => each.until !== null && each.shared), node));
    steps.push(
      inserted(connection, recipients, node).then((found) => {
        for (const { message, idx } of found) {
          const places = taken.get(message);
          if (places === undefined) taken.set(message, new Set([idx]));
          else places.add(idx);
        }
      }),
    );
  }
  steps.push(entries(connection, commits));
  await Promise.all(steps);
  return taken;
}

function messages(connection: Connection, commits: readonly Commit[]): Promise<unknown> {
  const parts: Uint8Array[] = [];
  let at = 1; // as substring counts
  const place = ({ octets }: PlacedBody) => {
    if (octets === null) return 0;
    parts.push(octets);
    return (at += octets.length) - octets.length;
  };
  const all = commits.map(({ operation: { id, receivedAt: received_at, size, envelope }, sender, body }) => {
    return { id, version: ROW_VERSION, received_at, size, envelope, sender, blob: body.blob, at: place(body) };
  });
  const originals = commits.flatMap(({ operation: { id }, received }) =>
    received === null ? [] : [{ message: id, size: received.size, blob: received.blob, at: place(received) }]
  );
  const kept = commits.flatMap(({ operation: { id, expires }, body, received }) =>
    expires === null ? [] : [{ message: id, expires, size: body.size + (received?.size ?? 0) }]
  );
  const octets = concat(parts);
  const BODY = "case when blob is null then substring($2::bytea from at for size::int) end";
  return Promise.all([
    connection.query(
      `insert into message (id, version, received_at, size, envelope, sender, blob, body)
         select id, version, received_at, size, envelope, sender, blob, ${BODY} from json_to_recordset($1::text::json)
         as g (id text, version int, received_at bigint, size bigint, envelope text, sender text, blob text, at int)`,
      [rows(all), octets],
    ),
    originals.length > 0 && connection.query(
      `insert into original (message, size, blob, body) select message, size, blob, ${BODY}
         from json_to_recordset($1::text::json) as g (message text, size bigint, blob text, at int)`,
      [rows(originals), octets],
    ),
    kept.length > 0 && connection.query(
      `insert into quarantine select message, expires, size
         from json_to_recordset($1::text::json) as g (message text, expires bigint, size bigint)`,
      [rows(kept)],
    ),
  ]);
}

/** From now on the pieces are the message's. */
async function blobs(connection: Connection, commits: readonly Commit[]): Promise<void> {
  const all = commits.flatMap(({ operation: { id: message }, body, received }) =>
    [body.blob, received?.blob ?? null].flatMap((name) => name === null ? [] : [{ name, message }])
  );
  if (all.length === 0) return;
  const { count } = await connection.query(
    `update blob set message = g.message from json_to_recordset($1::text::json) as g (name text, message text)
       where blob.name = g.name and blob.message is null`,
    [rows(all)],
  );
  if (count !== all.length) throw new StoreError("io", "the body was written too long ago");
}

/** The turns at these destinations that are free become this node's, and none of its own is given back meanwhile. */
export function turns(
  connection: Connection,
  wanted: readonly { readonly destination: string }[],
  node: string,
): Promise<readonly { readonly destination: string }[]> {
  const names = [...new Set(wanted.map(({ destination }) => destination))].sort();
  if (names.length === 0) return Promise.resolve([]);
  const given = rows(names);
  void connection.query(
    `insert into turn select name, $2::text from json_array_elements_text($1::text::json) as g (name) order by name
       on conflict do nothing`,
    [given, node],
  );
  return connection.query<{ destination: string }>(
    `select destination from turn where node = $2::text
       and destination in (select json_array_elements_text($1::text::json)) order by destination for key share`,
    [given, node],
  );
}

/** Each destination's row is from now on due no later than these; see destinations.ts. `new` (name, due): a query. */
export const NOTE = (given: string) => `
  given as (select destination as name, min(due) as due from ${given} where due is not null group by destination),
  there as (
    select d.name from destination d join given g on g.name = d.name where d.due <= g.due order by d.name for share of d
  ),
  noted as (
    insert into destination select name, due from given where name not in (select name from there) order by name
      on conflict (name) do update set due = least(destination.due, excluded.due)
  )`;

function inserted(
  connection: Connection,
  recipients: readonly RecipientColumns[],
  node: string,
): Promise<readonly { readonly message: string; readonly idx: number }[]> {
  return connection.query(
    `with new as (
       insert into recipient (message, idx, state, domain, destination, address, original, next_attempt, attempts,
         last_reply, facts, route, deadline, told, released, due, appointed, owner)
       select g.message, idx, case when taken then 'active' else state end, domain, g.destination, address, original,
         next_attempt, attempts, last_reply, facts, route, deadline, told, released, case when taken then until else due end, appointed,
         case when taken then owner end
       from json_to_recordset($1::text::json) as g (message text, idx int, state text, domain text, destination text,
         address text, original text, next_attempt bigint, attempts int, last_reply text, facts text, route text,
         deadline bigint, told bigint, released smallint, due bigint, appointed bigint, until bigint, owner text,
         shared boolean)
       left join turn t on t.destination = g.destination and t.node = $2::text,
       lateral (select until is not null and (not shared or t.destination is not null)) as x (taken)
       returning message, idx, state, destination, due
     ), ${NOTE("new")}
     select message, idx from new where state = 'active'`,
    [rows(recipients), node],
  );
}

function entries(connection: Connection, commits: readonly Commit[]): Promise<unknown> {
  const all = commits.flatMap(({ operation: { id: message, entries, sender, subject, size, receivedAt } }) =>
    entries.map((entry, place) => ({
      ...{ message, n: place + 1, name: entry.name, sender, subject, size, received_at: receivedAt },
      ...{ recipients: JSON.stringify(entry.recipients), search: entry.search },
    }))
  );
  return all.length === 0 ? Promise.resolve() : insertEntries(connection, all);
}

export interface EntryColumns {
  readonly message: string;
  readonly n: number;
  readonly name: string;
  readonly sender: string;
  readonly subject: string;
  readonly size: number;
  readonly received_at: number;
  readonly recipients: string;
  readonly search: string;
}

export function insertEntries(connection: Connection, all: readonly EntryColumns[]): Promise<unknown> {
  return connection.query(
    `insert into inbox (message, n, name, unread, sender, recipients, subject, size, received_at, search)
       select message, n, name, 1, sender, recipients, subject, size, received_at, search
       from json_to_recordset($1::text::json) as g (message text, n int, name text, sender text, recipients text,
         subject text, size bigint, received_at bigint, search text)`,
    [rows(all)],
  );
}
