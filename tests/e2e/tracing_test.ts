/**
 * OpenTelemetry as an operator switches it on: a server process with Deno's exporter and a collector that takes what it
 * sends. The tree of a message is as it should be, and it says no more of people than it was told to.
 */
import { assert, assertEquals } from "@std/assert";
import { Collector, type ExportedSpan } from "../support/collector.ts";
import { ObservedSite } from "../support/observed_site.ts";
import { waitFor } from "../support/wait.ts";

const DEADLINE = { deadline: 60_000 };

/** Names from a span up to its root. */
function above(span: ExportedSpan, all: readonly ExportedSpan[]): string[] {
  const names: string[] = [];
  for (let each: ExportedSpan | undefined = span; each !== undefined;) {
    names.push(each.name);
    const { parentSpanId }: ExportedSpan = each;
    each = all.find(({ spanId }) => spanId === parentSpanId);
  }
  return names;
}

Deno.test("spans: session > transaction > plugin > question, and transaction > delivery > attempt, without addresses", async () => {
  await using collector = new Collector();
  await using site = await ObservedSite.start({ env: collector.env });
  const began = Date.now();
  const accepted = await site.send("amy@sender.example", ["box@local.example", "bob@away.example", "no@away.example"]);
  const id = /queued as (\w+)/.exec(accepted)![1]!;
  const refused = await site.send("spam@sender.example", ["box@local.example"]);
  assert(refused.startsWith("550 "), refused);
  const ours = () => collector.spans.filter(({ scope }) => scope === "postern");
  const ofMessage = (name: string) => {
    const root = ours().find((each) => each.name === "smtp transaction" && each.attributes["postern.id"] === id);
    return ours().filter((each) => each.traceId === root?.traceId && each.name === name);
  };
  await waitFor(
    "both sessions and deliveries",
    () =>
      ours().filter(({ name }) => name === "smtp session").length >= 3 && // one is the harness's own greeting
      ofMessage("delivery").length === 2 && ofMessage("smtp session").length === 1,
    DEADLINE,
  );

  const [transaction] = ofMessage("smtp transaction"), [session] = ofMessage("smtp session");
  assertEquals(transaction!.parentSpanId, session!.spanId);
  assertEquals(session!.parentSpanId, "");
  assertEquals(transaction!.attributes["postern.verdict"], "accepted");
  assertEquals(transaction!.attributes["postern.recipients"], 3);
  const questions = ofMessage("dns TXT");
  assertEquals(questions.map((each) => above(each, ours())), [
    ["dns TXT", "asks mail", "smtp transaction", "smtp session"],
    ["dns TXT", "asks mail", "smtp transaction", "smtp session"],
  ]);
  assertEquals(questions.map(({ attributes }) => attributes["postern.dns.result"]).toSorted(), ["answer", "nxdomain"]);
  const [asks] = ofMessage("asks mail");
  assertEquals(asks!.attributes["postern.verdict"], "next");
  for (const each of questions) {
    assert(each.start >= asks!.start - 1 && each.end <= asks!.end + 1, "a question lies within who asked it");
  }
  const attempts = ofMessage("attempt");
  for (const each of attempts) {
    assertEquals(above(each, ours()), ["attempt", "delivery", "smtp transaction", "smtp session"]);
  }
  assertEquals(attempts.map(({ attributes }) => attributes["postern.outcome"]).toSorted(), [
    "bounced",
    "delivered", // what the inbox took before the 250 is no delivery
  ]);
  assertEquals(attempts.filter(({ status }) => status === 2).length, 1);
  const all = ours().filter(({ traceId }) => traceId === session!.traceId);
  for (const each of all) {
    assert(each.start >= began - 60_000 && each.start <= each.end && each.end <= Date.now() + 1000, each.name);
  }

  const other = ours().find(({ attributes }) =>
    attributes["postern.verdict"] === "refused" && "postern.id" in attributes
  );
  assertEquals(other?.name, "smtp transaction");
  assertEquals(other?.events.map(({ attributes }) => attributes["postern.reply.status"]), ["5.7.1"]);
  assert(other!.traceId !== session!.traceId, "sessions are traces of their own");

  await site.server.stop(30_000);
  const text = JSON.stringify(ours());
  for (const secret of ["sender.example", "away.example", "box@", "127.0.0.1", "probe.example", "Private matters"]) {
    assert(!text.includes(secret), `${secret} is in a span`);
  }
  const mailLines = collector.logs.filter((each) => each.includes(id) || each.includes("accepted"));
  assertEquals(mailLines, [], "lines of the mail log go to standard output, not to the collector as well");
});

Deno.test("with tracing.addresses spans say who and what; a delivery that waits is told at the end", async () => {
  await using collector = new Collector();
  await using site = await ObservedSite.start({ env: collector.env, more: "tracing: { addresses: true }\n" });
  await site.send("amy@sender.example", ["later@away.example"]);
  const ours = () => collector.spans.filter(({ scope }) => scope === "postern");
  const attempt = await waitFor("the attempt", () => ours().find(({ name }) => name === "attempt"), DEADLINE);
  assertEquals(attempt.attributes["postern.outcome"], "deferred");
  assertEquals(attempt.attributes["postern.reply.text"], "451 4.2.2 Full");
  assertEquals(ours().some(({ name }) => name === "delivery"), false, "it is not over");
  await site.server.stop(30_000);
  const delivery = await waitFor("the delivery", () => ours().find(({ name }) => name === "delivery"), DEADLINE);
  assertEquals(attempt.parentSpanId, delivery.spanId);
  assertEquals(delivery.attributes["postern.recipient"], "later@away.example");
  const transaction = ours().find(({ name }) => name === "smtp transaction")!;
  assertEquals(transaction.attributes["postern.sender"], "amy@sender.example");
  const session = ours().find(({ spanId }) => spanId === transaction.parentSpanId)!;
  assertEquals(session.attributes["network.peer.address"], "127.0.0.1");
  assertEquals(session.attributes["postern.helo"], "client.example");
  const names = ours().filter(({ name }) => name === "dns TXT").map((each) => each.attributes["dns.question.name"]);
  assertEquals(names.toSorted(), ["missing.example", "probe.example"]);
});
