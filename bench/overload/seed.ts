/** Fills a data folder with a queue, nine tenths of it for one destination: what crowd.ts starts on. */
import { parseArgs } from "node:util";
import { NO_EDITS, NO_MAIL_PARAMETERS, NO_RCPT_PARAMETERS } from "../../core/model/envelope.ts";
import { newId } from "../../core/model/id.ts";
import type { CommitOperation } from "../../core/store/protocol.ts";
import { encodeCommit } from "../../core/store/rows.ts";
import { Writer } from "../../core/store/sqlite_writer.ts";
import type { NewMessage } from "../../core/store/store.ts";

const { values } = parseArgs({ options: { messages: { type: "string" }, folder: { type: "string" } } });
const messages = Number(values.messages), folder = values.folder!;
const BATCH = 1000, SIZE = 1024, HOUR = 3600_000, NOW = Date.now();
const DEAD = "dead.example";

const origin = { session: "s1", ip: "192.0.2.1", helo: "c.example", identity: null, protocol: "ESMTP", listener: "l" };
const prepend =
  "Received: from client.example (localhost [127.0.0.1])\r\n\tby mx.example.org (Postern) with ESMTP\r\n" +
  "\tid 01ARZ3NDEKTSV4RRFFQ69G5FAV for <bob@example.net>;\r\n\tSun, 22 Nov 2026 19:00:00 +0000\r\n";
function message(index: number, receivedAt: number): NewMessage {
  const domain = index % 10 > 0 ? DEAD : `d${Math.floor(index / 10) % 1000}.example`;
  const address = { local: `user${index}`, domain };
  return {
    id: newId(receivedAt),
    sender: { local: "news", domain: "example.org" },
    parameters: NO_MAIL_PARAMETERS,
    origin,
    receivedAt,
    edits: { ...NO_EDITS, prepend },
    summary: { from: "News <news@example.org>", to: `user${index}@${domain}`, subject: `News of today, ${index}` },
    recipients: [{
      address,
      original: address,
      parameters: NO_RCPT_PARAMETERS,
      route: { to: "remote" },
      destination: `mx:${domain}`,
      deadline: NOW + HOUR + index,
      state: "ready",
      nextAttempt: receivedAt,
      lastReply: null,
    }],
    deposits: [],
  };
}

function seed(): void {
  Deno.mkdirSync(`${folder}/spool`, { recursive: true });
  const writer = new Writer({ ask: "open", folder, now: NOW, first: true, refused: [] });
  const octets = new Uint8Array(SIZE).fill(65).buffer;
  for (let index = 0; index < messages; index += BATCH) {
    const operations: CommitOperation[] = [];
    for (let i = index; i < Math.min(messages, index + BATCH); i++) {
      operations.push(encodeCommit(message(i, NOW - HOUR + i), SIZE, null)); // all of them share a body
    }
    const bad = writer.batch(operations, octets).outcomes.find(({ fault }) => fault);
    if (bad) throw new Error(JSON.stringify(bad));
  }
  writer.close();
}

seed();
