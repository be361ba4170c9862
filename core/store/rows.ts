/**
 * What stands in the rows of the database, and how it is read back: every row that the present format does not explain
 * is a CorruptRow with a reason, never an exception of some parser deep below. Values only.
 * Non-job: SQL (operations.ts, leasing.ts, sqlite_reader.ts).
 */
import { type Address, formatAddress } from "../model/address.ts";
import type { AdoptOperation, CommitOperation, Refused } from "./protocol.ts";
import type {
  Claim,
  InboxMessage,
  Lease,
  NewDeposit,
  NewMessage,
  NewRecipient,
  QueueState,
  StoredMessage,
  StoredRecipient,
  WholeItem,
} from "./store.ts";

/** Version of the message rows written now; `version` of each row says which it has. */
export const ROW_VERSION = 1;

/** Columns of a MessageRow. */
export const MESSAGE = "id, version, received_at, size, envelope, file, length(body) as stored";
/** Columns of a RecipientRow. */
export const RECIPIENT =
  "idx, state, domain, destination, next_attempt, attempts, last_reply, facts, deadline, told, released";

/** A row that cannot be read; the message is one sentence. */
export class CorruptRow extends Error {
  override readonly name = "CorruptRow";
}

export interface MessageRow {
  readonly id: string;
  readonly version: number;
  readonly received_at: number;
  readonly size: number;
  readonly envelope: string;
  /** Name in the spool folder, or null: the octets are in the row. */
  readonly file: string | null;
  /** Octets of the body in the row. */
  readonly stored: number | null;
}
export interface RecipientRow {
  readonly idx: number;
  readonly state: string;
  readonly domain: string;
  readonly destination: string;
  readonly next_attempt: number;
  readonly attempts: number;
  readonly last_reply: string | null;
  readonly facts: string;
  readonly deadline: number | null;
  readonly told: number | null;
  readonly released: number;
}
/** When a recipient that waits for itself is due: at its next attempt, and no later than its sender is owed a word. */
export function dueAt(nextAttempt: number, deadline: number | null): number {
  return deadline === null ? nextAttempt : Math.min(nextAttempt, deadline);
}

/** A new recipient's row. */
export interface NewRecipientRow extends RecipientRow {
  /** Its next attempt is at a moment that the sender chose. */
  readonly appointed: boolean;
}
export interface InboxRow {
  readonly message: string;
  readonly n: number;
  readonly name: string;
  readonly unread: number;
  readonly sender: string;
  readonly recipients: string;
  readonly subject: string;
  readonly size: number;
  readonly received_at: number;
}
/** A new inbox row, before the message's own columns are added. */
export interface NewEntry {
  readonly name: string;
  readonly recipients: readonly string[];
  readonly search: string;
}

function encodeEnvelope(message: NewMessage): string {
  const { sender, parameters, origin, edits, summary } = message;
  const rest = JSON.stringify({ sender, edits, summary });
  return `{"parameters":${written(parameters)},"origin":${written(origin)},${rest.slice(1)}`;
}

/** What must not be there when a commit was refused that may have been written: its row, and each of its files. */
export function refusedOf({ id, file, original }: CommitOperation): readonly Refused[] {
  const other = original?.file ?? null;
  return other === null ? [{ id, file }] : [{ id, file }, { id, file: other }];
}

/** What the writer makes of a message whose body is in that file of the spool folder, or null: in the batch. */
export function encodeCommit(
  message: NewMessage,
  size: number,
  file: string | null,
  { claim = null, original = null, expires = null }: Partial<Pick<CommitOperation, "claim" | "original" | "expires">> =
    {},
): CommitOperation {
  return {
    do: "commit",
    id: message.id,
    receivedAt: message.receivedAt,
    size,
    envelope: encodeEnvelope(message),
    file,
    at: 0,
    original,
    expires,
    claim,
    recipients: message.recipients.map(encodeRecipient),
    sender: entrySender(message),
    subject: column(message.summary.subject),
    entries: newEntries(message.deposits, message),
  };
}

/** What the writer makes of a message that comes from another store. */
export function encodeAdoption(
  { message, recipients, expires }: WholeItem,
  size: number,
  { file, original }: Pick<CommitOperation, "file" | "original">,
): AdoptOperation {
  const holds = recipients.some(({ state }) => state === "held");
  const bare = encodeCommit({ ...message, recipients: [], deposits: [] }, size, file, {
    original,
    expires: holds ? expires : null,
  });
  const rows = recipients.map((recipient) => {
    const { index, state, attempts, told, released } = recipient;
    const row = encodeRecipient({ ...recipient, state: "ready" }, index);
    return { ...row, state: state === "active" ? "ready" : state, attempts, told, released: Number(released) };
  });
  return { do: "adopt", message: { ...bare, recipients: rows }, at: 0 };
}

/** The leases of a message that was committed with a claim: one for each destination of what was ready. */
export function claimedLeases(message: NewMessage, size: number, { owner, until }: Claim): readonly Lease[] {
  const { recipients, deposits: _, ...facts } = message;
  const stored: StoredMessage = { ...facts, size, version: ROW_VERSION };
  const byDestination = new Map<string, StoredRecipient[]>();
  for (const [index, { appointed: __, ...recipient }] of recipients.entries()) {
    if (recipient.state !== "ready") continue;
    const row: StoredRecipient = { ...recipient, index, state: "active", attempts: 0, told: null, released: false };
    const rows = byDestination.get(recipient.destination);
    if (rows === undefined) byDestination.set(recipient.destination, [row]);
    else rows.push(row);
  }
  return [...byDestination.values()].map((rows) => ({ message: stored, recipients: rows, owner, until }));
}

const shared = new WeakMap<object, string>();

/** What many messages share is written once: those of a session have one origin, most have the same parameters. */
function written(value: object): string {
  let text = shared.get(value);
  if (text === undefined) shared.set(value, text = JSON.stringify(value));
  return text;
}

/** The message of a row whose body is where the row says. */
export function decodeMessage(row: MessageRow): StoredMessage {
  const { id, version, size } = row;
  if (version !== ROW_VERSION) throw new CorruptRow(`row version ${version} is not known`);
  if (row.file === null && row.stored !== size) {
    throw new CorruptRow(`the body has ${row.stored ?? 0} octets instead of ${size}`);
  }
  const envelope = object(parse(row.envelope, "envelope"), "envelope");
  const { sender, parameters, origin, edits, summary } = envelope;
  if (sender !== null) address(sender, "sender");
  const given = object(parameters, "parameters");
  if (typeof given.body !== "string" || typeof given.smtputf8 !== "boolean") throw new CorruptRow("bad parameters");
  promises(given);
  texts(origin, ["session", "ip", "helo", "protocol", "listener"], "origin");
  texts(edits, ["prepend"], "edits");
  const drop = (edits as { drop: unknown }).drop;
  if (!Array.isArray(drop) || !drop.every((range) => Array.isArray(range) && range.every(Number.isSafeInteger))) {
    throw new CorruptRow("bad edits");
  }
  const { insert = [] } = edits as { insert?: unknown }; // not there in rows without one, and in those of old
  if (
    !Array.isArray(insert) || !insert.every((each) => Number.isSafeInteger(each?.[0]) && typeof each[1] === "string")
  ) {
    throw new CorruptRow("bad edits");
  }
  texts(summary, ["from", "to", "subject"], "summary");
  return {
    id,
    sender,
    parameters,
    origin,
    receivedAt: row.received_at,
    edits,
    summary,
    size,
    version,
  } as StoredMessage;
}

function encodeRecipient(recipient: NewRecipient, idx: number): NewRecipientRow {
  const { address, original, parameters, route, destination, deadline } = recipient;
  const { state, nextAttempt, appointed = false, lastReply } = recipient;
  return {
    idx,
    state,
    domain: address.domain,
    destination,
    next_attempt: nextAttempt,
    attempts: 0,
    last_reply: lastReply,
    deadline,
    told: null,
    released: 0,
    appointed,
    facts: JSON.stringify({ address, original, parameters, route }),
  };
}

const STATES: ReadonlySet<string> = new Set<QueueState>(
  ["ready", "active", "deferred", "held", "corrupt", "delivered", "failed", "expired"],
);

export function decodeRecipient(row: RecipientRow): StoredRecipient {
  const where = `recipient ${row.idx}`;
  const facts = object(parse(row.facts, where), where);
  address(facts.address, where);
  address(facts.original, where);
  object(facts.parameters, where);
  const route = object(facts.route, where);
  if (!isRoute(route)) throw new CorruptRow(`${where}: bad route`);
  if (!STATES.has(row.state)) throw new CorruptRow(`${where}: no such state ${JSON.stringify(row.state)}`);
  return {
    address: facts.address,
    original: facts.original,
    parameters: facts.parameters,
    route,
    destination: row.destination,
    deadline: row.deadline,
    nextAttempt: row.next_attempt,
    lastReply: row.last_reply,
    index: row.idx,
    state: row.state,
    attempts: row.attempts,
    told: row.told,
    released: row.released === 1,
  } as StoredRecipient;
}

function isRoute({ to, plugin, via, action, reason }: Record<string, unknown>): boolean {
  if (to === "local") return typeof plugin === "string";
  if (to === "report") return (action === "failed" || action === "expanded") && typeof reason === "string";
  return to === "remote" && (via === undefined || typeof via === "string");
}

/** One entry per inbox: recipients of one message that share an inbox share the copy. */
export function newEntries(
  deposits: readonly NewDeposit[],
  message: Pick<NewMessage, "sender" | "summary">,
): readonly NewEntry[] {
  if (deposits.length === 1) return [entry(deposits[0]!.inbox, deposits, message)]; // the usual case
  const inboxes = new Map<string, NewDeposit[]>();
  for (const deposit of deposits) {
    const same = inboxes.get(deposit.inbox);
    if (same) same.push(deposit);
    else inboxes.set(deposit.inbox, [deposit]);
  }
  return [...inboxes].map(([name, same]) => entry(name, same, message));
}

function entry(
  name: string,
  deposits: readonly NewDeposit[],
  { sender, summary }: Pick<NewMessage, "sender" | "summary">,
): NewEntry {
  const recipients = [...new Set(deposits.map(({ original }) => formatAddress(original)))];
  let search = `${summary.from}\n${summary.to}\n${summary.subject}\n${formatAddress(sender)}\n${recipients.join("\n")}`;
  for (const { address } of deposits) search += `\n${formatAddress(address)}`;
  return { name, recipients, search: searchable(search) };
}

/** The form in which texts are compared. */
export function searchable(text: string): string {
  return column(text.normalize("NFC").toLowerCase());
}

/** The form in which addresses are compared: SQLite's lower() knows the letters of ASCII alone. */
export function folded(text: string): string {
  return text.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
}

/** A text as a column can hold it: SQLite's functions end a text at a NUL. */
export function column(text: string): string {
  return text.includes("\0") ? text.replaceAll("\0", " ") : text;
}

export function entrySender(message: Pick<NewMessage, "sender" | "summary">): string {
  return column(message.summary.from || formatAddress(message.sender));
}

export function entryId(message: string, n: number): string {
  return n === 1 ? message : `${message}.${n}`;
}

/** The message and the number of the copy, or null when it is no such id. */
export function readEntryId(id: string): { readonly message: string; readonly n: number } | null {
  const dot = id.indexOf(".");
  if (dot < 0) return { message: id, n: 1 };
  const number = id.slice(dot + 1);
  return /^[1-9]\d{0,8}$/.test(number) ? { message: id.slice(0, dot), n: Number(number) } : null;
}

export function decodeEntry(row: InboxRow): InboxMessage {
  let to: readonly string[];
  try {
    to = JSON.parse(row.recipients);
  } catch {
    to = [row.recipients]; // for a list a damaged one is better than none
  }
  return {
    id: entryId(row.message, row.n),
    inbox: row.name,
    from: row.sender,
    to,
    subject: row.subject,
    size: row.size,
    receivedAt: row.received_at,
    read: row.unread === 0,
  };
}

function parse(text: unknown, what: string): unknown {
  try {
    return JSON.parse(String(text));
  } catch {
    throw new CorruptRow(`${what}: not JSON`);
  }
}

function object(value: unknown, what: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new CorruptRow(`${what}: no object`);
  return value as Record<string, unknown>;
}

function texts(value: unknown, names: readonly string[], what: string): void {
  const record = object(value, what);
  for (const name of names) if (typeof record[name] !== "string") throw new CorruptRow(`${what}: no ${name}`);
}

/** What MAIL may have asked for later: each is there whole, or not at all. */
function promises({ requireTls, holdUntil, deliverBy, priority }: Record<string, unknown>): void {
  const whole = (requireTls === undefined || requireTls === true) &&
    (holdUntil === undefined || Number.isSafeInteger(holdUntil)) &&
    (priority === undefined || Number.isSafeInteger(priority) && Math.abs(priority as number) <= 9);
  if (!whole) throw new CorruptRow("bad parameters");
  if (deliverBy === undefined) return;
  const { at, mode } = object(deliverBy, "deliverBy");
  if (!Number.isSafeInteger(at) || mode !== "R" && mode !== "N") throw new CorruptRow("bad parameters");
}

function address(value: unknown, what: string): asserts value is Address {
  texts(value, ["local", "domain"], what);
}
