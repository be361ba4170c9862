/** Waits for the PROXY header of a connection that a trusted proxy made. Non-job: what it says (proxy.ts). */
import type { Socket } from "node:net";
import { type Proxied, ProxyHeader } from "./proxy.ts";

/** `header`: the socket stands still, what came behind the header is in front again. `gone`: nobody said a word. */
export type ProxyWait = { readonly header: Proxied } | { readonly bad: string } | "gone";

/** Calls `done` once. Whoever sends half of a header has `milliseconds` for the whole of it, as has who sends none. */
export function awaitHeader(socket: Socket, milliseconds: number, done: (found: ProxyWait) => void): void {
  const reader = new ProxyHeader();
  let begun = false;
  const end = (found: ProxyWait) => {
    clearTimeout(timer);
    socket.off("data", read).off("end", left).off("close", left);
    done(found);
  };
  const read = (octets: Uint8Array) => {
    begun = true;
    const answer = reader.add(octets);
    if (answer === "more") return;
    socket.pause();
    if ("bad" in answer) return end(answer);
    if (answer.rest.length > 0) socket.unshift(answer.rest);
    end(answer);
  };
  const left = () => end(begun ? { bad: "it left in the middle of the header" } : "gone");
  const timer = setTimeout(() => end({ bad: `no whole header within ${milliseconds} ms` }), milliseconds);
  socket.on("error", () => {}).on("data", read).on("end", left).on("close", left);
}
