/** The thread that writes the ledger into a database: parsing and words cost the server's own thread nothing. */
import { StoreError } from "../../store/store.ts";
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

export function serve(thread: Thread): void {
  let archive: PostgresArchive | null = null;
  let turn: Promise<void> = Promise.resolve();
  const answer = async (request: WriterRequest): Promise<null> => {
    if (request.ask === "open") archive = new PostgresArchive(request.settings, { size: 1 });
    else if (request.ask === "write") await archive!.write(request.lines, request.now);
    else await archive?.close();
    return null;
  };
  thread.onmessage = ({ data }) => {
    turn = turn.then(async () => {
      try {
        thread.postMessage({ value: await answer(data), trouble: [] });
      } catch (error) {
        thread.postMessage(faultReply(error));
      }
    });
  };
}

/** An error as an answer. */
export function faultReply(error: unknown): LedgerReply {
  const full = error instanceof StoreError && error.fault === "full";
  const message = error instanceof Error ? error.message : String(error);
  return { fault: full ? "full" : "io", message, trouble: [] };
}

if ("WorkerGlobalScope" in globalThis) serve(globalThis as unknown as Thread);
