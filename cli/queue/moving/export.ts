/**
 * Writes messages of a queue to files, and takes them out of it where that is wanted: never before all their files are on
 * disk, so a message has two places for a moment and none at no time. Where other nodes share the queue, a message is held
 * first, and what is under attempt is waited for. Non-job: the format (format.ts), which queue (command.ts).
 */
import { createHash } from "node:crypto";
import { durableWrite } from "../../../core/store/durable_write.ts";
import { type Store, StoreError, type WholeItem } from "../../../core/store/store.ts";
import { type ExportedOctets, formatItem } from "./format.ts";

export interface ExportOptions {
  /** Take each out of the queue. */
  readonly remove: boolean;
  /** Nobody else has the queue open. */
  readonly alone: boolean;
  /** How long an attempt that is under way is waited for, milliseconds (default 60 s). */
  readonly patience?: number;
}
/** `left`: why it stays where it is. */
export type Exported = { readonly done: true } | { readonly done: false; readonly left: string };

const HELD = "held while it is moved to another host";
/** Milliseconds between two looks at an attempt. */
const LOOK = 250;
const WAITS = new Set(["ready", "deferred"]);

/** One message into `folder`. @throws what the disk says. */
export async function exportMessage(
  store: Store,
  folder: string,
  { id, ...options }: ExportOptions & { readonly id: string },
): Promise<Exported> {
  try {
    const item = options.remove && !options.alone ? await takeAside(store, id, options) : await store.whole(id);
    if (item === null) return { done: false, left: "is gone: somebody did with it what was to be done" };
    if (typeof item === "string") return { done: false, left: item };
    await write(store, folder, item);
    if (options.remove) await store.change({ id }, { do: "delete" });
    return { done: true };
  } catch (error) {
    if (error instanceof StoreError && error.fault === "io" && /corrupt/.test(error.message)) {
      return { done: false, left: `cannot be read whole: ${error.message}` };
    }
    throw error;
  }
}

/** Holds all of it that waits, and tells it as it was before. A sentence when an attempt takes too long. */
async function takeAside(
  store: Store,
  id: string,
  { patience = 60_000 }: ExportOptions,
): Promise<WholeItem | string | null> {
  const before = new Map<number, WholeItem["recipients"][number]>();
  for (const end = Date.now() + patience;;) {
    const item = await store.whole(id);
    if (item === null) return null;
    for (const each of item.recipients) if (WAITS.has(each.state)) before.set(each.index, each);
    await store.change({ id }, { do: "hold", reason: HELD });
    const now = await store.whole(id);
    if (now === null) return null;
    if (!now.recipients.some(({ state }) => state === "active" || WAITS.has(state))) return asBefore(now, before);
    if (Date.now() > end) return "is under attempt; what else of it waits is held now: release it, or export it again";
    await new Promise((resolve) => setTimeout(resolve, LOOK));
  }
}

/** What we held waits again; what was held before stays so. */
function asBefore(now: WholeItem, before: ReadonlyMap<number, WholeItem["recipients"][number]>): WholeItem {
  const recipients = now.recipients.map((each) => {
    const was = before.get(each.index);
    if (each.state !== "held" || each.lastReply !== HELD) return each;
    if (was === undefined) { // an export that was given up held it
      const state = each.nextAttempt > Date.now() ? "deferred" as const : "ready" as const;
      return { ...each, state, released: false, lastReply: null };
    }
    const { state, nextAttempt, lastReply, released, appointed } = was;
    return { ...each, state, nextAttempt, lastReply, released, ...appointed && { appointed } };
  });
  return { ...now, recipients };
}

async function write(store: Store, folder: string, item: WholeItem): Promise<void> {
  const { message: { id }, receivedSize } = item;
  const put = async (name: string, stream: ReadableStream<Uint8Array> | null): Promise<ExportedOctets> => {
    if (stream === null) throw new StoreError("io", `message ${id} is corrupt: it has no body`);
    const hash = createHash("sha256");
    let size = 0;
    await durableWrite(
      `${folder}/${name}`,
      counted(stream, (octets) => {
        hash.update(octets);
        size += octets.length;
      }),
      { temp: `${folder}/.${name}.partial` },
    );
    return { size, sha256: hash.digest("hex") };
  };
  await Promise.all(
    [`.${id}.eml.partial`, `.${id}.body.eml.partial`, `.${id}.json.partial`].map((name) =>
      Deno.remove(`${folder}/${name}`).catch(() => {}) // of an export that was killed
    ),
  );
  const received = await put(`${id}.eml`, await store.received(id));
  const body = receivedSize === null ? null : await put(`${id}.body.eml`, await store.content(id));
  const text = new TextEncoder().encode(formatItem(item, { received, body }));
  await durableWrite(`${folder}/${id}.json`, counted(new Response(text).body!, () => {}), {
    temp: `${folder}/.${id}.json.partial`,
  });
}

async function* counted(
  stream: ReadableStream<Uint8Array>,
  each: (octets: Uint8Array) => void,
): AsyncGenerator<Uint8Array> {
  for await (const octets of stream) {
    each(octets);
    yield octets;
  }
}
