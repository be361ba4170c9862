/** Who is remembered, and for how long. */
import { assert, assertEquals } from "@std/assert";
import { Conversations } from "../../../../../plugins/content/milter/conversations.ts";
import { offer } from "../../../../../plugins/content/milter/negotiation.ts";
import { Server } from "../../../../../plugins/content/milter/server.ts";

Deno.test("a call that outlives its session leaves nothing behind", () => {
  const conversations = new Conversations(
    new Server({
      place: { host: "127.0.0.1", port: 1 },
      offered: offer(6, []),
      times: { connect: 1000, answer: 1000, whole: 1000 },
      pause: 1000,
      macros: new Map(),
      trouble: () => {},
    }),
  );
  const gone = new AbortController(), session = "s1", open = conversations.of({ session, signal: gone.signal });
  assertEquals([conversations.of({ session, signal: gone.signal }) === open, conversations.size], [true, 1]);
  gone.abort(); // the client leaves while a plugin behind is at work
  conversations.end(session);
  const late = conversations.of({ session, signal: gone.signal }); // and now that one has answered
  assert(late !== open);
  assertEquals([late.stand("t1"), conversations.size], [null, 0]);
});
