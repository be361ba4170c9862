/** The thread that writes the ledger into a database: parsing and words cost the server's own thread nothing. */
import { codeOf, wordsOf } from "../../store/postgres/connect.ts";
import type { LedgerReply, PostgresSettings } from "../archive/protocol.ts";
import { PostgresArchive } from "./archive.ts";

export type WriterRequest =
  | { readonly ask: "open"; readonly settings: PostgresSettings }
  | { readonly ask: "write"; readonly lines: string; readonly now: number }
  | { readonly ask: "close" };

interface Thread {
  onmessage: ((event: MessageEvent<WriterRequest>) => void) | null;
  postMessage(reply: LedgerReply): void;
}

/** Of a batch, milliseconds: a database that does not answer keeps nobody longer. */
const DEADLINE = 30_000;

export function serve(thread: Thread): void {
  let settings: PostgresSettings | null = null, archive: PostgresArchive | null = null;
  let turn: Promise<void> = Promise.resolve();
  const answer = async (request: WriterRequest): Promise<null> => {
    if (request.ask === "open") settings = request.settings;
    else if (request.ask === "write") {
      archive ??= new PostgresArchive(settings!, { max: 1, idle: null });
      await bounded(archive.write(request.lines, request.now));
    } else await archive?.close();
    return null;
  };
  thread.onmessage = ({ data }) => {
    turn = turn.then(async () => {
      try {
        thread.postMessage({ value: await answer(data), trouble: [] });
      } catch (error) {
        if (codeOf(error) === "" || /^(?:CONN|E|08|57)/.test(codeOf(error))) {
          void archive?.close(0).catch(() => {}); // another connection, maybe to another host
          archive = null;
        }
        thread.postMessage({ fault: codeOf(error) === "53100" ? "full" : "io", message: wordsOf(error), trouble: [] });
      }
    });
  };
}

async function bounded<T>(work: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`the database does not answer within ${DEADLINE / 1000} s`)), DEADLINE);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
    work.catch(() => {}); // nobody waits for it any more
  }
}

if ("WorkerGlobalScope" in globalThis) serve(globalThis as unknown as Thread);
