/** What the client engine tells its host, and what the host is to do then. Values; no I/O. */
import type { ContentSink } from "./content.ts";
import type { Outcome } from "./outcome.ts";

export type ClientEvent =
  /** Write the output, put TLS around the socket, then `secured` (RFC 3207); nothing is read before. */
  | { readonly type: "starttls" }
  /** Await `logIn`, then take the output. */
  | { readonly type: "login" }
  /** Nothing is under way: `send`, `ask`, `probe` or `quit`, now or later. */
  | { readonly type: "ready" }
  /** Content is wanted: write to the sink till it says false, and `end` it; the same sink again when there is more room. */
  | { readonly type: "content"; readonly sink: ContentSink }
  /** The transaction is over: an outcome for each recipient, in their order. The sink takes nothing any more. */
  | { readonly type: "done"; readonly outcomes: readonly Outcome[] }
  /** Write the output, then end the connection. `failure`: why it came to that; null after `quit`. */
  | { readonly type: "close"; readonly failure: Outcome | null };
