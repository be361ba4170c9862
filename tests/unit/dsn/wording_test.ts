/** What people read: each kind of report says what happened, to whom and what to do, and quotes servers without believing them. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { DeliveryEvent } from "../../../core/dsn/event.ts";
import { address, aMessage, anEvent, HOUR, NOW, OPTIONS, read, RECEIVED, unicode, valueOf, write } from "./sample.ts";

type Changes = Parameters<typeof anEvent>[0];

/** Subject and text, on one line where paragraphs were. */
async function told(events: readonly DeliveryEvent[], message = aMessage()): Promise<string> {
  const { fields, parts } = read((await write(events, { message })).content);
  return `${valueOf(fields, "Subject")}. ${unicode(parts[0]!.text).replace(/\s+/g, " ")}`;
}

Deno.test("each reason that people meet has its sentence, and another advice", async () => {
  const rows: [status: string, changes: Changes, happened: string, todo: string][] = [
    ["5.1.1", {}, "There is no mailbox with this address.", "Check the address"],
    ["5.1.2", {}, "behind the @ does not exist", "Check the address"],
    ["5.1.10", {}, "takes no mail at all", "Check the address"],
    ["5.2.2", {}, "The mailbox is full.", "when there is space"],
    ["5.3.4", {}, "too large for the recipient's mail server", "without large attachments"],
    ["5.2.3", {}, "too large for this mailbox", "without large attachments"],
    ["5.7.1", {}, "does not take messages from you", "Ask the recipient"],
    ["5.7.23", {}, "Your server is not among those", "your mail administrator"],
    ["5.7.22", {}, "signature on the message was not accepted", "your mail administrator"],
    ["5.7.30", {}, "may only travel encrypted", "Ask the recipient"],
    ["5.6.7", {}, "letters beyond A to Z", "Use an address without"],
    [
      "4.4.1",
      { cause: "expired" },
      "gave up on Mon, 1 Jan 2024 15:00:00 +0000. The recipient's mail server does not answer.",
      "Send it again later",
    ],
    ["5.4.6", {}, "went around in a circle", "forwarding is wrong"],
    ["5.7.99", {}, "refused the message by its rules", "Ask the recipient"],
    ["5.3.99", {}, "has a fault of its own", "Send it again later"],
    ["5.9.9", {}, "gave no reason that is known here", "Send it again later"],
    ["5.0.0", {}, "gave no reason that is known here", "Send it again later"],
    ["5.0.0", { remote: null, words: "the project has ended" }, "for the reason below", "your mail administrator"],
    ["5.7.1", { remote: null, words: "on our list" }, "This server did not deliver it", "your mail administrator"],
  ];
  for (const [status, changes, happened, todo] of rows) {
    const text = await told([anEvent({ status, ...changes })]);
    assertStringIncludes(text, "Your message could not be delivered. ");
    assertStringIncludes(text, `bob@example.com `);
    assertStringIncludes(text, happened, status);
    const advice = text.slice(text.indexOf("What to do: "));
    assertStringIncludes(advice.slice(0, advice.indexOf("The mail server")), todo, status);
  }
});

Deno.test("a report has no words of the trade outside of quotes", async () => {
  const trade =
    /\b(?:SMTP|MTA|DSN|DNS|MX|relay(?:ed)?|envelope|queue|postmaster|null|status|code|bounce|NOTIFY|RFC)\b/i;
  const statuses = [0, 1, 2, 3, 4, 5, 6, 7].flatMap((a) => Array.from({ length: 31 }, (_, b) => `5.${a}.${b}`));
  const without = { words: null, remote: null, notify: ["SUCCESS", "FAILURE", "DELAY"] } as const;
  const events = [
    ...statuses.map((status) => anEvent({ ...without, status })),
    anEvent({ ...without, cause: "overdue" }),
    anEvent({ ...without, action: "delayed", retryUntil: NOW }),
    ...(["delivered", "relayed", "expanded"] as const).map((action) => anEvent({ ...without, action })),
  ];
  for (const event of events) {
    const { parts } = read((await write([event], { options: { contact: null } })).content);
    assertEquals(trade.exec(parts[0]!.text), null, event.status);
  }
});

Deno.test("the server's words are quoted with its name; ours are ours", async () => {
  assertStringIncludes(
    await told([anEvent({ words: "550-5.7.1 go\r\n550 5.7.1 away" })]),
    "The mail server mx.example.com (192.0.2.25) said: 550-5.7.1 go 550 5.7.1 away",
  );
  assertStringIncludes(await told([anEvent({ remote: null, words: "no answer" })]), "This server noted: no answer");
  const silent = await told([anEvent({ words: "\r\n\0" })]);
  assert(!silent.includes("said:"), silent);
});

Deno.test("delay: until when, and no need to do anything", async () => {
  const text = await told([anEvent({ action: "delayed", status: "4.4.1", retryUntil: NOW + 24 * HOUR })]);
  assertStringIncludes(text, "Your message is delayed.");
  assertStringIncludes(text, "You need not do anything; please do not send it again.");
  assertStringIncludes(text, "until Tue, 2 Jan 2024 15:00:00 +0000; if it has not arrived by then, you are told.");
  assert(!text.includes("What to do"), text);
  const silent = await told([anEvent({ action: "delayed", retryUntil: NOW, notify: ["DELAY"] })]);
  assert(!silent.includes("you are told"), "a promise that NOTIFY forbids to keep");
  const deliverBy = { at: RECEIVED + HOUR, mode: "N", trace: false } as const;
  const late = await told([anEvent({ action: "delayed", cause: "overdue" })], aMessage({ parameters: { deliverBy } }));
  assertStringIncludes(late, "You wanted it delivered by Mon, 1 Jan 2024 11:00:00 +0000.");
});

Deno.test("overdue: the moment that the sender named", async () => {
  const deliverBy = { at: RECEIVED + HOUR, mode: "R", trace: false } as const;
  const text = await told([anEvent({ status: "5.4.7", cause: "overdue" })], aMessage({ parameters: { deliverBy } }));
  assertStringIncludes(text, "You wanted it delivered by Mon, 1 Jan 2024 11:00:00 +0000, and that was not possible.");
});

Deno.test("success: delivered, passed on, expanded", async () => {
  const of = (action: DeliveryEvent["action"], changes: Changes = {}) =>
    told([anEvent({ action, status: "2.1.5", words: null, remote: null, notify: ["SUCCESS"], ...changes })]);
  assertStringIncludes(
    await of("delivered"),
    "Your message was delivered. Your message was delivered to the recipient",
  );
  const relayed = await of("relayed", { peer: { dsn: false, deliverBy: false } });
  assertStringIncludes(relayed, "Your message was passed on. ");
  assertStringIncludes(relayed, "Expect no report of its arrival.");
  const expanded = await of("expanded");
  assertStringIncludes(expanded, "stands for several recipients");
  assert(!expanded.includes("You are told"), "NOTIFY=SUCCESS alone");
  assertStringIncludes(await of("expanded", { notify: ["SUCCESS", "FAILURE"] }), "You are told if one of them");
});

Deno.test("whom it is about: the address that the sender wrote, and where its mail goes", async () => {
  const alias = anEvent({ to: address("carol@elsewhere.example"), original: address("info@example.org") });
  assertStringIncludes(await told([alias]), "info@example.org (passed on to carol@elsewhere.example)");
  const both = await told([
    anEvent({ words: "550 no" }),
    anEvent({ to: address("dora@example.com"), words: "550 no" }),
  ]);
  assertStringIncludes(both, "to the 2 recipients below");
  assertStringIncludes(both, "bob@example.com dora@example.com There is no mailbox");
});

Deno.test("to the postmaster: why, and no advice for writers of letters", async () => {
  const text = await told([anEvent()], aMessage({ sender: null }));
  assertStringIncludes(text, "Mail from nobody could not be delivered.");
  assertStringIncludes(text, "There is nobody else who could be told.");
  assertStringIncludes(text, "From: Alice <alice@example.org>");
  assert(!text.includes("What to do"), text);
});

Deno.test("whom to ask, and what is attached", async () => {
  const text = await told([anEvent()]);
  assertStringIncludes(text, `for help write to postmaster@example.net and give the reference ${aMessage().id}.`);
  assertStringIncludes(text, "and so is the message as it came.");
  const header = await told([anEvent()], aMessage({ parameters: { ret: "HDRS" } }));
  assertStringIncludes(header, "and so is the head of the message, without its text.");
  const { parts } = read((await write([anEvent()], { original: null, options: { contact: null } })).content);
  assertStringIncludes(parts[0]!.text, "The details for administrators are attached.");
  assertStringIncludes(parts[0]!.text.replace(/\s+/g, " "), `Its reference is ${aMessage().id}.`);
  assert(parts[0]!.text.includes(OPTIONS.host));
});
