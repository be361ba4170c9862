/**
 * A body on its way to its row: in memory, or in a file of the store's spool folder whose octets are on disk. Non-job: the
 * row (sqlite.ts), the folder's own fsync (sqlite_writer.ts).
 */
import { diskError } from "./durable_write.ts";
import type { Spool } from "./spool.ts";
import { SpoolFile } from "./spool_file.ts";
import type { Body } from "./store.ts";

/** The body in a file of that spool whose octets are durable, or in memory. Takes the given one over. */
export async function durableBody(spool: Spool, id: string, body: Body): Promise<Body> {
  const own = body instanceof SpoolFile ? body : await copied(spool, id, body);
  if (own instanceof SpoolFile) await own.sync();
  return own;
}

/** A body that another implementation made. */
async function copied(spool: Spool, id: string, body: Body): Promise<Body> {
  const writer = spool.receive(id);
  try {
    for await (const chunk of body.stream()) await writer.write(chunk);
    return await writer.finish();
  } catch (error) {
    writer.abort();
    throw diskError(error, "cannot copy the message");
  } finally {
    body.discard();
  }
}

/** The name of its file, or null: it is in memory. */
export function fileOf(body: Body): string | null {
  return body instanceof SpoolFile ? body.name : null;
}
