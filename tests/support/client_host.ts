/** A host of the client engine over a plain TCP connection: enough to send mails one after the other to a real server. */
import { ClientSession, type ContentSink, type Outcome } from "../../core/smtp/client/mod.ts";
import type { ClientOptions } from "../../core/smtp/client/mod.ts";
import { clientOptions } from "./client_dialogue.ts";
import type { Mail } from "./wire.ts";
import { octets } from "./bytes.ts";

/** Sends them over one connection, then parts. @throws when the session ends in another way. */
export async function sendMails(
  port: number,
  mails: readonly Mail[],
  options: Partial<ClientOptions> = {},
): Promise<Outcome[][]> {
  using connection = await Deno.connect({ hostname: "127.0.0.1", port });
  const session = new ClientSession(clientOptions({ now: Date.now, ...options }));
  const outcomes: Outcome[][] = [], buffer = new Uint8Array(16_384);
  let open = true, left = new Uint8Array(0), sink: ContentSink | null = null;
  while (open) {
    for (let event = session.next(); event !== null; event = session.next()) {
      if (event.type === "ready") {
        const mail = mails[outcomes.length];
        if (mail === undefined) session.quit();
        else session.send(mail.transaction);
      } else if (event.type === "content") {
        if (sink !== event.sink) left = octets(mails[outcomes.length]!.content);
        sink = event.sink;
        for (let more = true; more;) {
          if (left.length === 0) {
            sink.end();
            break;
          }
          more = sink.write(left.subarray(0, 10_000));
          left = left.subarray(10_000);
        }
      } else if (event.type === "done") outcomes.push([...event.outcomes]);
      else if (event.type === "close") {
        open = false;
        if (event.failure !== null) throw new Error(`${event.failure.status} ${event.failure.text}`);
      } else throw new Error(`nobody here does ${event.type}`);
    }
    const output = session.takeOutput();
    for (let at = 0; at < output.length;) at += await connection.write(output.subarray(at));
    if (!open) break;
    const count = await connection.read(buffer);
    if (count === null) session.lost("closed");
    else session.receive(buffer.subarray(0, count));
  }
  return outcomes;
}
