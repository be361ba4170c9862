/** The ledger's thread: answers requests in their order; a question waits behind what was written before it. */
import { Archive } from "./archive.ts";
import type { LedgerReply, LedgerRequest, LedgerResults } from "./protocol.ts";
import { faultOf, textOf } from "./slices.ts";

interface Thread {
  onmessage: ((event: MessageEvent<LedgerRequest>) => void) | null;
  postMessage(reply: LedgerReply): void;
}

export function serve(thread: Thread): void {
  let archive: Archive | null = null;
  thread.onmessage = ({ data }) => {
    let reply: LedgerReply;
    try {
      if (data.ask === "open") archive = new Archive(data.settings);
      const value = data.ask === "open" ? null : answer(archive!, data);
      reply = { value, trouble: archive!.takeTrouble() };
    } catch (error) {
      reply = { fault: faultOf(error), message: textOf(error), trouble: archive?.takeTrouble() ?? [] };
    }
    thread.postMessage(reply);
  };
}

function answer(
  archive: Archive,
  request: Exclude<LedgerRequest, { ask: "open" }>,
): LedgerResults[keyof LedgerResults] {
  switch (request.ask) {
    case "write":
      archive.write(request.lines, request.now);
      return null;
    case "search":
      return archive.search(request.query, request.now);
    case "explain":
      return archive.explain(request.id);
    case "rates":
      return archive.rates(request.range);
    case "plugins":
      return archive.plugins(request.since);
    case "audits":
      return archive.audits(request.query);
    case "forget":
      return archive.forget(request.address, request.before);
    case "size":
      return archive.size();
    case "close":
      archive.close();
      return null;
  }
}

if ("WorkerGlobalScope" in globalThis) serve(globalThis as unknown as Thread);
