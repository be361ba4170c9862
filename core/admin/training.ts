/**
 * What people teach: POST /api/v1/train takes a message, and the inbox and the queue have one for each of theirs; GET asks
 * what is known. Hands it to what learns (`AdminOptions.teach`). Non-job: learning (plugins), the pages' buttons.
 */
import { Hono } from "hono";
import { concat } from "../model/octets.ts";
import type { Lesson } from "../pipeline/plugin.ts";
import type { Store } from "../store/store.ts";
import type { AdminEnv, AdminOptions } from "./options.ts";
import { jsonBody, readCopyId } from "./parameters.ts";
import { Problem } from "./problem.ts";
import { wholeId } from "./queue/queue.ts";

/** Octets of a message that a lesson looks at, and of one that is taken at all. */
const LESSON = 1024 * 1024, LARGEST = 10 * 1024 * 1024;

type Teach = NonNullable<AdminOptions["teach"]>;

export function training(options: Pick<AdminOptions, "store" | "teach">): Hono<AdminEnv> {
  const app = new Hono<AdminEnv>();
  const { store } = options, teacher = () => options.teach ?? nobody(); // a reload makes another

  app.get("/train", async (c) => c.json({ says: await teacher()(new Uint8Array(), "ham") }));

  app.post("/train", async (c) => {
    const as = lessonOf(c.req.query("as")), { body } = c.req.raw;
    if (body === null) throw new Problem(400, "The body is the message (Content-Type: message/rfc822).");
    return c.json({ says: await teachStream(teacher(), body, as) });
  });

  app.post("/messages/:id/train", async (c) => {
    const as = lessonOf((await jsonBody(c.req.raw) as { as?: unknown } | null)?.as);
    const id = readCopyId(c.req.param("id")), found = id === null ? null : await store.inboxes.get(id);
    if (found === null) throw new Problem(404, "That message is not here; it may have been deleted.");
    return c.json({ says: await teachStored(store, { teach: teacher(), id: found.message.id, as }) });
  });

  app.post("/queue/:id/train", async (c) => {
    const as = lessonOf((await jsonBody(c.req.raw) as { as?: unknown } | null)?.as);
    const id = await wholeId(store, c.req.param("id"));
    if (id === null) throw new Problem(404, "Nothing in the queue has that id.");
    c.set("subject", id);
    return c.json({ says: await teachStored(store, { teach: teacher(), id, as }) });
  });
  return app;
}

/** Teaches a message of the store, as it was received. @throws {Problem} 404, 409 */
export async function teachStored(
  store: Store,
  { teach, id, as }: { readonly teach: Teach | null; readonly id: string; readonly as: Lesson },
): Promise<readonly string[]> {
  const stream = teach === null ? nobody() : await store.received(id);
  if (stream === null) throw new Problem(404, "The message has just left.");
  return await teachStream(teach!, stream, as);
}

/** Of a long message its first MiB. @throws {Problem} 413, 400 without any octet */
async function teachStream(
  teach: Teach,
  stream: ReadableStream<Uint8Array>,
  as: Lesson,
): Promise<readonly string[]> {
  const chunks: Uint8Array[] = [];
  let size = 0, kept = 0;
  for await (const chunk of stream) { // leaving the loop cancels the stream
    size += chunk.length;
    if (size > LARGEST) throw new Problem(413, `A message to learn from has at most ${LARGEST} octets.`);
    if (kept < LESSON) chunks.push(chunk.slice(0, LESSON - kept));
    kept += chunk.length;
  }
  if (size === 0) throw new Problem(400, "The body is the message (Content-Type: message/rfc822).");
  return await teach(concat(chunks), as);
}

function lessonOf(text: unknown): Lesson {
  if (text !== "spam" && text !== "ham") throw new Problem(400, "as is spam or ham.");
  return text;
}
function nobody(): never {
  throw new Problem(409, "No plugin here learns: spam_score does, where it is in the list.");
}
