/** The dialogue of a story: in the order of SMTP, with every refusal word for word, and nothing made up. */
import { assertEquals } from "@std/assert";
import { dialogueOf } from "../../../core/ledger/dialogue.ts";
import type { Refusal, Story } from "../../../core/ledger/story.ts";
import { queuedAs } from "../../../core/model/reply.ts";
import { step, story } from "../admin/stories.ts";

function told(story: Story): string[] {
  return dialogueOf(story).map(({ who, text, at, refused }) =>
    `${at ?? "-"} ${who[0]}${refused ? "!" : ":"} ${text}`.replace("e: ", "* ")
  );
}
function refusal(command: string, reply: string, more: Partial<Refusal> = {}): Refusal {
  return { command, reply, recipients: [], plugin: null, reason: null, delayedFrom: null, offset: 0, ...more };
}

Deno.test("a message with a login, a refused recipient and a 250", () => {
  const base = story(3), reply = queuedAs(base.id).toString();
  const lines = told({
    ...base,
    reply,
    ended: "quit",
    seconds: 2,
    recipients: ["ada@example.org", "nobody@example.org"],
    recipientCount: 2,
    logins: [{ mechanism: "PLAIN", user: "ada", ok: true, reason: "", offset: 40 }],
    steps: [
      step("helo", "helo", { offset: 20 }),
      step("mail", "spf", { offset: 50 }),
      step("rcpt", "recipients", { offset: 60, recipient: "ada@example.org" }),
      step("rcpt", "recipients", { offset: 70, recipient: "nobody@example.org", verdict: "reject" }),
      step("data", "dkim", { offset: 90 }),
    ],
    refusals: [refusal("RCPT", "550 5.1.1 No such user", { recipients: ["nobody@example.org"], offset: 71 })],
  });
  assertEquals(lines, [
    "0 * connected, 198.51.100.23",
    "- * greeted by listener 0.0.0.0:25",
    "- * TLSv1.3, TLS_AES_256_GCM_SHA384",
    "20 * it called itself mail7.promo.example.net",
    "40 c: AUTH PLAIN",
    "40 * signed in as ada",
    "50 c: MAIL FROM:<offers@promo.example.net>",
    "- s: 250",
    "60 c: RCPT TO:<ada@example.org>",
    "- s: 250",
    "70 c: RCPT TO:<nobody@example.org>",
    "71 s! 550 5.1.1 No such user",
    "90 * the message, 48,211 octets, not kept here",
    `- s: ${reply}`,
    "2000 * ended: quit",
  ]);
});

Deno.test("who was turned away at once, who guessed passwords, who sent what nobody knows", () => {
  const nobody = { sender: null, recipients: [], recipientCount: 0, size: null, tls: null, cipher: null, helo: "" };
  assertEquals(
    told({
      ...story(1, { verdict: "refused", reply: "554 5.7.1 Go away", ...nobody, seconds: null, ended: null }),
      refusals: [refusal("connect", "554 5.7.1 Go away", { offset: 3 })],
    }),
    ["0 * connected, 198.51.100.23", "3 s! 554 5.7.1 Go away"],
  );
  assertEquals(
    told({
      ...story(1, { verdict: "refused", reply: null, ...nobody, seconds: 1, ended: "too many errors" }),
      logins: [{ mechanism: "LOGIN", user: "h:1", ok: false, reason: "wrong password", offset: 5 }],
      refusals: [
        refusal("AUTH", "535 5.7.8 No", { offset: 6 }),
        refusal("GET", "500 5.5.1 What?", { offset: 8 }),
      ],
    }),
    [
      "0 * connected, 198.51.100.23",
      "- * greeted by listener 0.0.0.0:25",
      "5 c: AUTH LOGIN",
      "6 s! 535 5.7.8 No",
      "8 c: GET",
      "8 s! 500 5.5.1 What?",
      "1000 * ended: too many errors",
    ],
  );
});

Deno.test("a letter of this site's own was spoken by nobody; a thousand recipients are twenty", () => {
  assertEquals(told(story(1, { ip: "" })), []);
  const recipients = Array.from({ length: 1000 }, (_, i) => `u${i}@example.org`);
  const lines = told(story(1, { recipients, recipientCount: 1000 }));
  assertEquals(lines.filter((each) => each.includes("RCPT TO")).length, 20);
  assertEquals(lines.includes("- * and 980 more recipients"), true);
});
