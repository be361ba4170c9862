/** The queue as scripts that parse `mailq` know it. */
import { assertEquals } from "@std/assert";
import { mailqLines } from "../../../../cli/sendmail/mailq.ts";
import type { QueueRow } from "../../../../cli/queue/door.ts";

const recipient = (address: string, state: string, lastReply: string | null = null) => ({
  address,
  state,
  attempts: 1,
  nextAttempt: null,
  lastReply,
});
const ROW: QueueRow = {
  id: "01M8PN6F7CR0ZMWV5AVCD5F4ST",
  from: "me@example.org",
  size: 1500,
  queuedAt: "not a moment",
  recipients: [
    recipient("a@example.net", "deferred", "451 Later"),
    recipient("b@example.net", "deferred", "451 Later"),
    recipient("c@example.net", "delivered"),
  ],
};

Deno.test("mailq: an empty queue", () => {
  assertEquals(mailqLines({ total: 0, items: [] }, 0), ["Mail queue is empty"]);
});

Deno.test("mailq: what waits, and why", () => {
  assertEquals(mailqLines({ total: 1, items: [ROW] }, 0), [
    "-Queue ID-  --Size-- ----Arrival Time---- -Sender/Recipient-------",
    "VCD5F4ST        1500 not a moment         me@example.org",
    `${" ".repeat(38)}(451 Later)`,
    `${" ".repeat(42)}a@example.net`,
    `${" ".repeat(42)}b@example.net`,
    "",
    "-- 2 Kbytes in 1 Request.",
  ]);
});

Deno.test("mailq: marks, the null sender, what waits in the maildrop", () => {
  const held = { ...ROW, from: "", recipients: [recipient("a@example.net", "held")] };
  const [dropped, , first] = mailqLines({ total: 1, items: [held] }, 2);
  assertEquals(dropped, "2 messages wait in the maildrop");
  assertEquals(first, "VCD5F4ST!       1500 not a moment         MAILER-DAEMON");
  assertEquals(mailqLines({ total: 0, items: [] }, 1), ["1 message waits in the maildrop"]);
});
