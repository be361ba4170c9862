/** What the plugin says for each kind of record, and for name service that fails. */
import { assertEquals } from "@std/assert";
import { MemoryResolver, type MemoryZone, runPhase } from "postern";
import dns_recipients from "./dns_recipients.ts";

const ZONE: MemoryZone = {
  "alice.mailboxes.example.org": { txt: ["a mailbox"] },
  "bob.mailboxes.example.org": { txt: ["store=old"] },
  "cem.mailboxes.example.org": { txt: ["store=elsewhere"] },
  "dora.mailboxes.example.org": { a: ["192.0.2.1"] },
  "slow.mailboxes.example.org": "timeout",
  "broken.mailboxes.example.org": "servfail",
};
const plugin = dns_recipients({ domain: "example.org", zone: "mailboxes.example.org", stores: ["old"] });

async function asked(to: string): Promise<{ answer: string; store: string | undefined; questions: number }> {
  const dns = new MemoryResolver(ZONE);
  const { reply, recipients: [recipient] } = await runPhase(plugin, "rcpt", { to, dns });
  const route = recipient?.route;
  const store = reply.verdict === "accept" && route?.to === "local" ? route.plugin : undefined;
  return { answer: String(reply).slice(0, 9), store, questions: dns.queries.length };
}

for (
  const [to, answer, store, questions] of [
    ["alice@example.org", "250 2.0.0", "maildir", 1],
    ["Alice@EXAMPLE.org", "250 2.0.0", "maildir", 1],
    ["bob@example.org", "250 2.0.0", "old", 1],
    ["cem@example.org", "451 4.3.0", undefined, 1], // a store that nobody named to the plugin
    ["dora@example.org", "550 5.1.1", undefined, 1], // the name is there, the record is not
    ["nobody@example.org", "550 5.1.1", undefined, 1],
    ["slow@example.org", "451 4.4.3", undefined, 1],
    ["broken@example.org", "451 4.4.3", undefined, 1],
    ["alice.mailboxes@example.org", "550 5.1.1", undefined, 0], // no label: nobody is asked about it
    [`${"a".repeat(64)}@example.org`, "550 5.1.1", undefined, 0],
    ["alice@example.com", "550 5.7.1", undefined, 0], // another's domain
  ] as const
) {
  Deno.test(`${to}: ${answer}`, async () => assertEquals(await asked(to), { answer, store, questions }));
}
