import { assertEquals, assertMatch } from "@std/assert";
import { runPhase, simulate, type Simulated } from "../../../../../core/pipeline/mod.ts";
import { submission } from "../../../../../plugins/content/submission/mod.ts";
import { inbox } from "../../../../../plugins/storage/inbox/mod.ts";

const NOW = Date.UTC(2026, 5, 7, 8, 9, 10);
const data = async (message: string, options = {}, facts: Simulated = {}) =>
  await runPhase(submission(options), "data", { message, identity: "bob", now: () => NOW, ...facts });
const names = (output: string) =>
  output.slice(0, output.indexOf("\r\n\r\n")).split(/\r\n(?![ \t])/).map((line) => line.split(":")[0]);

const COMPLETE =
  "From: bob@example.org\nDate: Sun, 07 Jun 2026 10:09:10 +0200\nMessage-ID: <1@laptop.example>\nTo: a@example.net\n\nHi\n";

Deno.test("a message that has what it needs is left as it is, octet for octet", async () => {
  const { output, edits } = await data(COMPLETE);
  assertEquals(output, COMPLETE.replaceAll("\n", "\r\n"));
  assertEquals(edits, { prepend: "", drop: [] });
});

Deno.test("Date and Message-ID are added where they are missing or empty, and nothing else is", async () => {
  const { output } = await data("From: bob@example.org\nTo: a@example.net\n\nHi\n");
  assertMatch(
    output,
    /^Message-ID: <[0-9A-Z]{26}@mx\.example\.org>\r\nDate: Sun, 7 Jun 2026 08:09:10 \+0000\r\nFrom: bob@example\.org\r\n/,
  );
  assertEquals(names(output), ["Message-ID", "Date", "From", "To"]);
  assertEquals(names((await data("From: b@example.org\nDate:\nMessage-Id: \n\nHi\n")).output), [
    "Message-ID",
    "Date",
    "From",
  ]);
  assertEquals(names((await data("DATE: x\nmessage-id: y\nFrom: b@example.org\n\n")).output), [
    "DATE",
    "message-id",
    "From",
  ]);
  assertEquals(names((await data("From: b@example.org\n\n", { date: "keep", messageId: "keep" })).output), ["From"]);
});

Deno.test("every Bcc goes, an empty and a folded one too, and those of a message that is sent on; other fields stay", async () => {
  const head = "Resent-From: bob@example.org\nResent-To: x@example.net\nResent-Bcc: y@example.net,\n z@example.net\n" +
    "BCC: s@example.net\nSubject: about Bcc: s@example.net\n" + COMPLETE.replace("\n\n", "\nBcc:\nX-Bcc: kept\n\n");
  const { output } = await data(head);
  assertEquals(names(output), [
    "Resent-From",
    "Resent-To",
    "Subject",
    "From",
    "Date",
    "Message-ID",
    "To",
    "X-Bcc",
  ]);
  for (const secret of ["y@example.net", "z@example.net"]) assertEquals(output.includes(secret), false, secret);
  assertEquals(names((await data(head, { bcc: "keep" })).output).includes("Resent-Bcc"), true);
});

Deno.test("a message without an author, or whose header cannot be read to its end, is refused and not mended", async () => {
  const verdict = async (message: string) => String((await data(message)).reply);
  assertEquals(await verdict("To: a@example.net\n\nHi\n"), "550 5.6.0 There is no From field (RFC 5322 3.6)");
  assertEquals(
    await verdict("Resent-From: bob@example.org\n\nHi\n"),
    "550 5.6.0 There is no From field (RFC 5322 3.6)",
  );
  assertEquals(
    await verdict("From: bob@example.org\nnot a field\nBcc: s@example.net\n\nHi\n"),
    "550 5.6.0 A line of the header is no field (RFC 5322 2.2)",
  );
});

Deno.test("addresses must be fully qualified, unless the name is one of ours", async () => {
  const answer = async (facts: Simulated) => {
    const plugins = [submission(), inbox({ everything: true })];
    const host = { name: "mx.example.org", domains: ["example.org", "intranet"], postmaster: null };
    const { reply } = await simulate(plugins, { role: "submission", identity: "bob", host, ...facts });
    return String(reply).slice(0, 9);
  };
  assertEquals(await answer({ from: "bob@laptop", to: "a@example.net" }), "554 5.1.7");
  assertEquals(await answer({ from: "bob@example.org", to: "a@printer" }), "554 5.1.2");
  for (const to of ["a@example.net", "a@[192.0.2.1]", "a@intranet"]) {
    assertEquals(await answer({ from: "bob@intranet", to }), "250 2.0.0", to);
  }
  assertEquals(await answer({ from: null, to: "a@example.net" }), "250 2.0.0");
  assertEquals(await answer({ role: "mx", from: "bob@laptop", to: "a@example.org" }), "250 2.0.0");
});
