/**
 * What the session thread and the two database threads say to each other: plain values, one message per batch.
 * `sqlite.ts` asks; `sqlite_writer.ts` and `sqlite_reader.ts` answer.
 */
import type { HeaderEdits } from "../model/envelope.ts";
import type { NewEntry, NewRecipientRow } from "./rows.ts";
import type {
  Claim,
  CounterQuery,
  DomainTotals,
  InboxPage,
  InboxQuery,
  Lease,
  QuarantineTotal,
  QueueChange,
  QueueItem,
  QueueListQuery,
  QueuePage,
  QueueQuery,
  QueueTotals,
  RecipientOutcome,
  StoredMessage,
  WholeItem,
} from "./store.ts";

/** What the writer does in a transaction. */
export type Operation =
  | CommitOperation
  | {
    readonly do: "lease";
    readonly owner: string;
    readonly now: number;
    readonly seconds: number;
    readonly limit: number;
    readonly exclude: readonly string[];
    readonly horizon: number;
  }
  | SettleOperation
  | {
    readonly do: "postpone";
    readonly destination: string;
    readonly until: number;
    /** Only rows behind this one: the next piece of it. */
    readonly after: DueRow;
    readonly limit: number;
  }
  | {
    readonly do: "change";
    readonly id: string | null;
    readonly state: string | null;
    readonly domain: string | null;
    /** As in QueueQuery. */
    readonly q: string | null;
    readonly to: string | null;
    /** Only these, which the reader found; null: whatever matches. */
    readonly ids: readonly string[] | null;
    readonly change: QueueChange;
    readonly now: number;
    /** Only messages with a smaller id: the next piece of a long change. */
    readonly before: string | null;
    readonly limit: number;
  }
  | AdoptOperation
  | { readonly do: "mark"; readonly id: string; readonly read: boolean }
  | { readonly do: "remove"; readonly id: string | null; readonly inbox: string | null; readonly limit: number }
  | { readonly do: "expire"; readonly now: number; readonly limit: number }
  | { readonly do: "count"; readonly now: number; readonly rows: readonly CounterRow[] };

export interface CommitOperation {
  readonly do: "commit";
  readonly id: string;
  readonly receivedAt: number;
  readonly size: number;
  readonly envelope: string;
  /** Name of the spool file; null: the octets stand in the batch at `at`. */
  readonly file: string | null;
  at: number;
  /** What was received in the place of this body. In the batch it stands behind the body. */
  readonly original: { readonly size: number; readonly file: string | null } | null;
  /** In quarantine until then. */
  readonly expires: number | null;
  /** Who has what is ready from the start. */
  readonly claim: Claim | null;
  readonly recipients: readonly NewRecipientRow[];
  readonly sender: string;
  readonly subject: string;
  readonly entries: readonly NewEntry[];
}
export interface SettleOperation {
  readonly do: "settle";
  readonly lease: LeaseName;
  readonly outcomes: readonly RecipientOutcome[];
  /** Messages that become durable with the outcomes; their own `at` counts from the operation's. */
  readonly reports: readonly CommitOperation[];
  at: number;
}
/** A message from another store, unless its id is there. */
export interface AdoptOperation {
  readonly do: "adopt";
  readonly message: CommitOperation;
  at: number;
}
/** A recipient's row in the order of one destination's due rows. */
export type DueRow = readonly [due: number, message: string, idx: number];
type LeaseName = Pick<Lease, "owner" | "until"> & { readonly id: string };
export type CounterRow = readonly [name: string, value: string, expires: number];
export interface EntryChange {
  readonly id: string;
  readonly inbox: string;
}
/** A message whose refusal was said while it was not sure that nothing of it is kept. */
export interface Refused {
  readonly id: string;
  readonly file: string | null;
}

/** Results by operation. */
export interface Results {
  commit: null;
  lease: { readonly leases: readonly Lease[]; readonly more: boolean };
  settle: { readonly done: boolean; readonly arrived: readonly EntryChange[] };
  postpone: { readonly changed: number; readonly last: DueRow | null };
  change: { readonly changed: number; readonly last: string | null };
  adopt: boolean;
  mark: boolean;
  remove: readonly EntryChange[];
  expire: readonly string[];
  count: null;
}
export type Outcome<T = unknown> =
  | { readonly value: T; readonly fault?: undefined }
  | { readonly fault: "full" | "io"; readonly message: string };

export type WriterRequest =
  | {
    readonly ask: "open";
    readonly folder: string;
    readonly now: number;
    /** The first time in this process: no lease can be alive. */
    readonly first: boolean;
    readonly refused: readonly Refused[];
  }
  | { readonly ask: "batch"; readonly operations: readonly Operation[]; readonly octets: ArrayBuffer }
  /** Serves the batches of another thread, which come over this port. */
  | { readonly ask: "serve"; readonly port: MessagePort }
  | { readonly ask: "close" };
export interface WriterReply {
  readonly outcomes: readonly Outcome[];
  /** Octets in free pages of the database. */
  readonly free: number;
  /** Sentences for the log. */
  readonly trouble: readonly string[];
  /** Operations of the whole write, those of other threads among them; 0: another thread is told. */
  readonly written: number;
}
/** Commits of another thread; `operations`: JSON of CommitOperation[]. */
export interface LineBatch {
  readonly operations: string;
  readonly octets: ArrayBuffer;
}
/** `outcomes`: null when all are done. */
export type LineReply = Omit<WriterReply, "outcomes"> & { readonly outcomes: readonly Outcome[] | null };

export type ReaderRequest =
  | { readonly ask: "open"; readonly folder: string }
  | { readonly ask: "queue"; readonly query: QueueListQuery }
  | { readonly ask: "domains"; readonly limit: number }
  | {
    readonly ask: "matching";
    readonly query: QueueQuery;
    /** Only messages with a smaller id. */
    readonly before: string | null;
    readonly limit: number;
  }
  | { readonly ask: "totals"; readonly query: Pick<QueueQuery, "domain"> }
  | { readonly ask: "item"; readonly id: string }
  | { readonly ask: "whole"; readonly id: string }
  | { readonly ask: "body"; readonly id: string; readonly original?: boolean }
  | { readonly ask: "due"; readonly after: number }
  | { readonly ask: "oldest" }
  | { readonly ask: "quarantine" }
  | { readonly ask: "names" }
  | { readonly ask: "list"; readonly query: InboxQuery }
  | { readonly ask: "entry"; readonly id: string }
  | { readonly ask: "counter"; readonly name: string }
  | { readonly ask: "counters"; readonly limit: number }
  | { readonly ask: "namedCounters"; readonly query: CounterQuery; readonly now: number }
  | { readonly ask: "close" };
export interface ReaderResults {
  open: null;
  queue: QueuePage;
  domains: readonly DomainTotals[];
  matching: readonly string[];
  totals: QueueTotals;
  item: QueueItem | null;
  whole: WholeItem | null;
  body: StoredBody | null;
  due: number | null;
  oldest: number | null;
  quarantine: QuarantineTotal;
  names: readonly { readonly name: string; readonly total: number; readonly unread: number }[];
  list: InboxPage;
  entry: { readonly entry: InboxPage["messages"][number]; readonly message: StoredMessage } | null;
  counter: CounterRow | null;
  counters: readonly CounterRow[];
  namedCounters: readonly CounterRow[];
  close: null;
}
export interface StoredBody {
  readonly octets: Uint8Array<ArrayBuffer> | null;
  readonly file: string | null;
  readonly size: number;
  /** Null when the row is damaged: the octets can be read, the message as written cannot. */
  readonly edits: HeaderEdits | null;
  readonly why: string;
}
