/**
 * Inside the Worker of a child, before anything else: messages of this thread go as text and octets, by the codec, so
 * that nothing which code in here posts is ever deserialised by V8 in the server. What it prints goes to standard error,
 * since standard output is the channel.
 * Non-job: what the messages say (the shim, which knows nothing of this).
 */
import { pack, unpack } from "./codec.ts";
import { frameOf } from "./frames.ts";
import { writeAll } from "./output.ts";

interface Scope {
  postMessage(message: unknown, transfer?: readonly Transferable[] | { transfer?: readonly Transferable[] }): void;
  addEventListener(type: "message", listener: (event: MessageEvent) => void): void;
  dispatchEvent(event: Event): boolean;
  gc?: () => void;
}

const scope = globalThis as unknown as Scope;
const collect = scope.gc ?? (() => {});
/** Tells the main thread once. */
let loaded: (() => void) | null = scope.postMessage.bind(scope, null);
/** Events made here: they are for the shim. */
const own = new WeakSet<Event>();

scope.addEventListener("message", (event) => {
  if (own.has(event)) return;
  event.stopImmediatePropagation();
  const { data } = event;
  if (data === null) return collect();
  const message = typeof data === "string" ? { text: data, parts: [] } : { text: data[0], parts: data.slice(1) };
  const made = new MessageEvent("message", { data: unpack(message) });
  own.add(made);
  scope.dispatchEvent(made);
});
scope.postMessage = (message) => {
  const pieces = frameOf({ kind: "message", ...pack(message) });
  loaded?.();
  loaded = null;
  for (const each of pieces) writeAll(each);
};

for (const word of ["log", "info", "debug", "dir", "table"] as const) console[word] = console.error;
Object.defineProperty(Deno, "stdout", { value: Deno.stderr });
