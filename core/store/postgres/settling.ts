/**
 * What became of leased recipients, as SQL inside somebody else's transaction: a batch of outcomes in a handful of
 * statements. The row of the message is locked first, so that of two nodes that settle parts of one message the second sees
 * what the first wrote, and the last takes the message away. Non-job: transactions (writer.ts).
 */
import { column, CorruptRow, decodeMessage, dueAt, entryId, entrySender, newEntries } from "../rows.ts";
import type { EntryChange } from "../protocol.ts";
import type { RecipientOutcome } from "../store.ts";
import { type Commit, insertEntries, NOTE, ownerOf } from "./committing.ts";
import { type Connection, rows } from "./connection.ts";
import { MESSAGE, type MessageRow } from "./stored_rows.ts";

export interface Settle {
  readonly id: string;
  readonly owner: string;
  readonly until: number;
  readonly outcomes: readonly RecipientOutcome[];
  readonly reports: readonly Commit[];
}
export interface Settled {
  readonly done: boolean;
  readonly arrived: readonly EntryChange[];
}
/** What is changed of a recipient is named by that. */
export interface Place {
  readonly message: string;
  readonly idx: number;
}
interface There extends Place {
  readonly state: string;
  readonly owner: string | null;
  readonly due: number | null;
  readonly next_attempt: number;
  readonly last_reply: string | null;
  readonly deadline: number | null;
  readonly destination: string;
}

/** Those that are done; what their reports need the caller writes in the same transaction. */
export async function settle(connection: Connection, all: readonly Settle[], node: string): Promise<Settled[]> {
  const ids = [...new Set(all.map(({ id }) => id))];
  void lockMessages(connection, ids);
  const there = new Map(
    (await connection.query<There>(
      `select r.message, r.idx, r.state, r.owner, r.due, r.next_attempt, r.last_reply, r.deadline, r.destination
         from recipient r join json_to_recordset($1::text::json) as g (message text, idx int)
           on r.message = g.message and r.idx = g.idx
         order by r.message, r.idx for update of r`,
      [rows(all.flatMap(({ id: message, outcomes }) => outcomes.map(({ index: idx }) => ({ message, idx }))))],
    )).map((row) => [`${row.message} ${row.idx}`, row]),
  );
  const changes: object[] = [], results: Settled[] = [];
  for (const { id, owner, until, outcomes } of all) {
    const found = outcomes.map(({ index }) => there.get(`${id} ${index}`));
    const isHeld = (row: There | undefined) =>
      row?.state === "active" && row.owner === ownerOf(node, owner) && row.due === until;
    // What a person deleted meanwhile is left out: else what became of the others would be forgotten, and made again
    const done = found.some(isHeld) && found.every((row) => row === undefined || isHeld(row));
    const arrived: EntryChange[] = [];
    for (const [place, outcome] of done ? outcomes.entries() : []) {
      const row = found[place];
      if (row === undefined) continue;
      changes.push(changeOf(row, outcome));
      if (outcome.deposits && outcome.deposits.length > 0) arrived.push(...await deposit(connection, id, outcome));
    }
    results.push({ done, arrived });
  }
  if (changes.length === 0) return results;
  void connection.query(
    `with changed as (
       update recipient r set state = g.state, owner = null, attempts = r.attempts + g.attempt,
         next_attempt = g.next_attempt, deadline = g.deadline, due = g.due, appointed = g.appointed,
         last_reply = g.last_reply, destination = g.destination, told = coalesce(g.told, r.told),
         released = greatest(r.released, g.held)
       from json_to_recordset($1::text::json) as g (message text, idx int, state text, attempt int, next_attempt bigint,
         deadline bigint, due bigint, appointed bigint, last_reply text, destination text, told bigint, held smallint)
       where r.message = g.message and r.idx = g.idx returning r.destination, r.due
     ), ${NOTE("changed")} select 1`,
    [rows(changes)],
  );
  await tidy(connection, ids);
  return results;
}

/** In the order of ids, so that two who lock several wait for each other in one direction only. */
export function lockMessages(connection: Connection, ids: readonly string[]): Promise<unknown> {
  return connection.query(
    "select 1 from message where id in (select json_array_elements_text($1::text::json)) order by id for update",
    [rows(ids)],
  );
}

function changeOf(row: There, outcome: RecipientOutcome): object {
  const { state, nextAttempt = row.next_attempt, appointed = false, attempt = true } = outcome;
  const { lastReply = row.last_reply, destination = row.destination, deadline = row.deadline, told = null } = outcome;
  const due = state === "ready" || state === "deferred" ? dueAt(nextAttempt, deadline) : null;
  return {
    ...{ message: row.message, idx: row.idx, state, attempt: Number(attempt), next_attempt: nextAttempt, deadline },
    ...{ due: appointed ? null : due, appointed: appointed ? due : null, last_reply: lastReply, destination, told },
    held: Number(state === "held"),
  };
}

/**
 * Delivered recipients go when nothing of the message is under way any more, and so do failed ones whose sender was told;
 * what nobody was told of stays for a person. The message goes when neither a recipient nor an inbox names it.
 */
export function tidy(connection: Connection, ids: readonly string[]): Promise<unknown> {
  const given = rows(ids);
  void connection.query(
    `delete from recipient r where message in (select json_array_elements_text($1::text::json))
       and (state = 'delivered' or state in ('failed', 'expired') and told is not null)
       and not exists (select 1 from recipient o where o.message = r.message
         and o.state not in ('delivered', 'failed', 'expired'))`,
    [given],
  );
  return deleteUnreferenced(connection, given);
}

/** Messages that nobody names any more, with all that belongs to them. The pieces of bodies go a little later. */
export function deleteUnreferenced(connection: Connection, given: string): Promise<unknown> {
  return connection.query(
    `with gone as (
       delete from message m where id in (select json_array_elements_text($1::text::json))
         and not exists (select 1 from recipient where message = m.id)
         and not exists (select 1 from inbox where message = m.id) returning id
     ), o as (delete from original where message in (select id from gone)),
     q as (delete from quarantine where message in (select id from gone)),
     c as (delete from corrupt where message in (select id from gone)),
     b as (update blob set message = null, at = 'epoch' where message in (select id from gone))
     select 1`,
    [given],
  );
}

/** Entries for an outcome's deposits. A copy that is there already is not made twice. */
async function deposit(
  connection: Connection,
  id: string,
  { deposits = [] }: RecipientOutcome,
): Promise<readonly EntryChange[]> {
  const [row] = await connection.query<MessageRow>(`select ${MESSAGE} from message where id = $1::text`, [id]);
  if (row === undefined) throw new CorruptRow("recipients without a message");
  const message = decodeMessage(row), arrived: EntryChange[] = [];
  for (const entry of newEntries(deposits, message)) {
    const [there] = await connection.query<{ n: number; recipients: string; search: string }>(
      "select n, recipients, search from inbox where name = $1::text and message = $2::text",
      [entry.name, id],
    );
    if (there !== undefined) {
      const recipients = [...new Set([...JSON.parse(there.recipients) as string[], ...entry.recipients])];
      await connection.query(
        "update inbox set recipients = $1::text, search = $2::text where message = $3::text and n = $4::int",
        [JSON.stringify(recipients), `${there.search}\n${entry.search}`, id, there.n],
      );
      arrived.push({ id: entryId(id, there.n), inbox: entry.name });
      continue;
    }
    const [{ n }] = await connection.query<{ n: number }>(
      "select coalesce(max(n), 0) + 1 as n from inbox where message = $1::text",
      [id],
    ) as unknown as [{ n: number }];
    await insertEntries(connection, [{
      ...{ message: id, n, name: entry.name, sender: entrySender(message), subject: column(message.summary.subject) },
      ...{ size: message.size, received_at: message.receivedAt },
      ...{ recipients: JSON.stringify(entry.recipients), search: entry.search },
    }]);
    arrived.push({ id: entryId(id, n), inbox: entry.name });
  }
  return arrived;
}
