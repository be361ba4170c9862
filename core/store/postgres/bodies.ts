/**
 * Bodies that are too large for a row: pieces of at most 256 KiB, written one by one before the transaction that names
 * them, read one by one as the reader asks for them. Pieces that no message names are taken away an hour later, those of
 * a message that is gone at once. Non-job: small bodies (committing.ts).
 */
import { applyEdits, applyEditsToBytes } from "../../model/edits.ts";
import { CorruptRow, decodeMessage, readEntryId } from "../rows.ts";
import { octetStream } from "../spool_file.ts";
import { type Body, StoreError } from "../store.ts";
import type { HeaderEdits } from "../../model/envelope.ts";
import type { PlacedBody } from "./committing.ts";
import type { Pool } from "./pool.ts";
import { MESSAGE, type MessageRow } from "./stored_rows.ts";

type Octets = ReadableStream<Uint8Array<ArrayBuffer>>;
const PIECE = 256 * 1024;
/** Blobs without a message are somebody's commit under way for so long. */
const UNDER_WAY = "1 hour";
const MOST_REMOVED = 20;

interface Found {
  readonly octets: Uint8Array<ArrayBuffer> | null;
  readonly blob: string | null;
  readonly size: number;
  /** Null when the row is damaged: the octets can be read, the message as written cannot. */
  readonly edits: HeaderEdits | null;
  readonly why: string;
}

export class Bodies {
  readonly #write: Pool;
  readonly #read: Pool;

  constructor({ write, read }: { readonly write: Pool; readonly read: Pool }) {
    this.#write = write;
    this.#read = read;
  }

  /** Brings a body to where the transaction can name it. @throws {StoreError} */
  async place(body: Body): Promise<PlacedBody> {
    if (body.memory !== null) return { size: body.size, octets: body.memory, blob: null };
    const blob = crypto.randomUUID();
    await this.#put("insert into blob (name) values ($1::text)", [blob]);
    let n = 0, size = 0, filled = 0;
    const piece = new Uint8Array(PIECE);
    const flush = async () => {
      await this.#put("insert into chunk values ($1::text, $2::int, $3::bytea)", [
        blob,
        n++,
        piece.subarray(0, filled),
      ]);
      filled = 0;
    };
    for await (const octets of body.stream()) {
      size += octets.length;
      for (let at = 0; at < octets.length;) {
        const part = octets.subarray(at, at + PIECE - filled);
        piece.set(part, filled);
        at += part.length;
        if ((filled += part.length) === PIECE) await flush();
      }
    }
    if (filled > 0) await flush();
    if (size !== body.size) throw new StoreError("io", `the body has ${size} octets instead of ${body.size}`);
    return { size, octets: null, blob };
  }

  /** Not on disk when this resolves: the log is in order, so it is when the transaction that names it is. */
  async #put(text: string, values: readonly (string | number | Uint8Array)[]): Promise<void> {
    await this.#write.use((connection) =>
      connection.transaction((inside) => {
        void inside.query("set local synchronous_commit = off");
        return inside.query(`${text} on conflict do nothing`, values); // nobody knows whether the last try had come in
      })
    );
  }

  /** A blob that no transaction will name. */
  async drop({ blob }: PlacedBody): Promise<void> {
    if (blob === null) return;
    await this.#write.use((connection) =>
      connection.query("update blob set at = 'epoch' where name = $1::text and message is null", [blob])
    );
  }

  /** The message with its edits made. Null: not there. */
  async written(id: string): Promise<Octets | null> {
    const found = await this.#find(id);
    if (found === null) return null;
    if (found.edits === null) throw new StoreError("io", `message ${id} is corrupt: ${found.why}`);
    if (found.octets !== null) return octetStream(applyEditsToBytes(found.octets, found.edits));
    return applyEdits(this.#stream(id, found), found.edits);
  }

  /** Without them. `original`: what was received, where another body goes on. */
  async octets(id: string, original = false): Promise<Octets | null> {
    const found = (original ? await this.#findOriginal(id) : null) ?? await this.#find(id);
    return found === null ? null : found.octets !== null ? octetStream(found.octets) : this.#stream(id, found);
  }

  async #find(id: string): Promise<Found | null> {
    const entry = readEntryId(id);
    const [row] = entry === null
      ? []
      : await this.#read.use((connection) =>
        connection.query<MessageRow & { body: Uint8Array | null }>(
          `select ${MESSAGE}, body from message where id = $1::text`,
          [entry.message],
        )
      );
    if (row === undefined) return null;
    const found = this.#whole(id, { octets: row.body, blob: row.file, size: row.size });
    try {
      return { ...found, edits: decodeMessage(row).edits, why: "" };
    } catch (error) {
      if (!(error instanceof CorruptRow)) throw error;
      return { ...found, edits: null, why: error.message };
    }
  }

  async #findOriginal(id: string): Promise<Found | null> {
    const entry = readEntryId(id);
    const [row] = entry === null
      ? []
      : await this.#read.use((connection) =>
        connection.query<{ octets: Uint8Array | null; blob: string | null; size: number }>(
          "select body as octets, blob, size from original where message = $1::text",
          [entry.message],
        )
      );
    return row === undefined ? null : { ...this.#whole(id, row), edits: null, why: "" };
  }

  #whole(
    id: string,
    { octets, blob, size }: { readonly octets: Uint8Array | null; readonly blob: string | null; readonly size: number },
  ): Pick<Found, "octets" | "blob" | "size"> {
    if (blob === null && (octets?.length ?? 0) !== size) {
      throw new StoreError(
        "io",
        `message ${id} is corrupt: its body has ${octets?.length ?? 0} octets instead of ${size}`,
      );
    }
    return { octets: octets === null ? null : new Uint8Array(octets), blob, size };
  }

  #stream(id: string, { blob, size }: Found): Octets {
    let n = 0, left = size;
    return new ReadableStream({
      pull: async (controller) => {
        if (left === 0) return controller.close();
        const [row] = await this.#read.use((connection) =>
          connection.query<{ octets: Uint8Array }>(
            "select octets from chunk where blob = $1::text and n = $2::int",
            [blob!, n++],
          )
        );
        if (row === undefined || row.octets.length > left || row.octets.length === 0) {
          throw new StoreError("io", `message ${id} is corrupt: its body does not have ${size} octets`);
        }
        left -= row.octets.length;
        controller.enqueue(new Uint8Array(row.octets));
        if (left === 0) controller.close();
      },
    }, { highWaterMark: 0 });
  }

  /** Takes pieces away that no message names. True when there may be more. */
  async clear(): Promise<boolean> {
    const { count } = await this.#write.use((connection) =>
      connection.query(
        `with gone as (
           delete from blob where name in (select name from blob where message is null
             and (at = 'epoch' or at < now() - interval '${UNDER_WAY}') limit ${MOST_REMOVED} for update skip locked)
           returning name
         ), c as (delete from chunk where blob in (select name from gone))
         select name from gone`,
      )
    );
    return count === MOST_REMOVED;
  }
}
