import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import fc from "fast-check";
import { OptionsError, runPhase, simulate, type Simulated } from "../../../../../core/pipeline/mod.ts";
import { sender_login } from "../../../../../plugins/access/sender_login/mod.ts";
import { parseAddressPattern } from "../../../../../core/model/address_pattern.ts";
import { ACCOUNT } from "../../../../../plugins/auth/accounts/key.ts";
import { inbox } from "../../../../../plugins/storage/inbox/mod.ts";

type Options = Parameters<typeof sender_login>[0];
const host = { name: "mx.example.org", domains: ["example.org", "*.lists.example.org"], postmaster: null };
const mail = async (from: string | null, facts: Simulated, options: Options = {}) =>
  String((await runPhase(sender_login(options), "mail", { host, from, ...facts })).reply).slice(0, 9);
const data = async (head: string, facts: Simulated = {}, options: Options = {}) =>
  String(
    (await runPhase(sender_login(options), "data", {
      host,
      identity: "bob",
      message: `${head}\nSubject: x\n\nhello\n`,
      ...facts,
    })).reply,
  ).slice(0, 9);
const OK = "250 2.0.0", NOT_AT_MAIL = "553 5.7.1", NOT_IN_HEADER = "550 5.7.1", UNREADABLE = "550 5.6.0";

Deno.test("case 41: MAIL FROM must be the login's own address, or one that it was given", async () => {
  const table: [identity: string, from: string, answer: string][] = [
    ["bob", "bob@example.org", OK],
    ["bob", "BOB@Example.ORG", OK],
    ["Bob", "bob@example.org", OK],
    ["bob", "bob+news@example.org", OK],
    ["bob", "bob@a.lists.example.org", OK],
    ["bob", "bobby@example.org", NOT_AT_MAIL],
    ["bob", "eve@example.org", NOT_AT_MAIL],
    ["bob", "bob@example.net", NOT_AT_MAIL],
    ["bob", "bob@lists.example.org", NOT_AT_MAIL],
    ["bob@example.org", "bob@example.org", OK],
    ["bob@example.org", "bob+x@example.org", OK],
    ["bob@example.org", "bob@a.lists.example.org", NOT_AT_MAIL], // a name with a domain is one mailbox
    ["bob@example.net", "bob@example.net", OK],
    ["bob@example.net", "bob@example.org", NOT_AT_MAIL],
    ["bob@", "bob@example.org", NOT_AT_MAIL],
    ["@example.org", "bob@example.org", NOT_AT_MAIL],
  ];
  for (const [identity, from, answer] of table) {
    assertEquals(await mail(from, { identity }), answer, `${identity} ${from}`);
  }
});

Deno.test("case 41: the map, the account and the list of those who may be anybody add to it, and separator takes away", async () => {
  const options = {
    map: { Bob: ["info@example.com", "*@shop.example", "news-*@example.org"] },
    anyone: ["Robot"],
  };
  const table: [identity: string, from: string, answer: string][] = [
    ["bob", "info@example.com", OK],
    ["bob", "info+x@example.com", OK],
    ["bob", "infos@example.com", NOT_AT_MAIL],
    ["bob", "anything@shop.example", OK],
    ["bob", "x@a.shop.example", NOT_AT_MAIL],
    ["bob", "NEWS-1@example.org", OK],
    ["bob", "news@example.org", NOT_AT_MAIL],
    ["eve", "info@example.com", NOT_AT_MAIL],
    ["robot", "ceo@bank.example", OK],
  ];
  for (const [identity, from, answer] of table) {
    assertEquals(await mail(from, { identity }, options), answer, `${identity} ${from}`);
  }
  const senders = ["sales@example.com", "@branch.example", "no pattern at all"];
  const facts: Simulated = { identity: "bob", keys: [[ACCOUNT, { name: "bob", senders }]] };
  for (const from of ["sales@example.com", "x@branch.example", "bob@example.org"]) {
    assertEquals(await mail(from, facts), OK);
  }
  assertEquals(await mail("x@example.com", facts), NOT_AT_MAIL);
  const all: Simulated = { identity: "bob", keys: [[ACCOUNT, { name: "bob", senders: ["*"] }]] };
  assertEquals(await mail("x@example.com", all), OK);
  assertEquals(await mail("bob+x@example.org", { identity: "bob" }, { separator: "" }), NOT_AT_MAIL);
  assertEquals(await mail("bob-x@example.org", { identity: "bob" }, { separator: "-" }), OK);
});

Deno.test("the null sender is for notifications of mail programs, unless the operator says otherwise; no login, no say", async () => {
  assertEquals(await mail(null, { identity: "bob" }), OK); // RFC 8098 3: an MDN has it
  assertEquals(await mail(null, { identity: "bob" }, { nullSender: "reject" }), NOT_AT_MAIL);
  assertEquals(await mail("anybody@example.org", {}), OK);
  assertEquals(await data("From: anybody@example.org", { identity: null }), OK);
});

Deno.test("case 41: From and Sender must be the login's, every one of them", async () => {
  const table: [head: string, answer: string][] = [
    ["From: Bob <bob@example.org>", OK],
    ["from: bob+x@EXAMPLE.org (me)", OK],
    ["From: Bob <bob@example.org>\nSender: bob@example.org", OK],
    ["From: CEO <ceo@example.org>", NOT_IN_HEADER],
    ["From: bob@example.org\nSender: ceo@example.org", NOT_IN_HEADER],
    ["From: ceo@example.org\nSender: bob@example.org", NOT_IN_HEADER],
    ["From: bob@example.org, ceo@example.org", NOT_IN_HEADER],
    ["From: team: bob@example.org, ceo@example.org;", NOT_IN_HEADER],
    ["From: bob@example.org\nFrom: ceo@example.org", NOT_IN_HEADER],
    ["From: ceo@example.org\nFrom: bob@example.org", NOT_IN_HEADER],
    ["From: bob@example.org\nFROM : ceo@example.org", NOT_IN_HEADER],
    ["From:\n ceo@example.org", NOT_IN_HEADER],
    ["From: bob@example.org <ceo@example.org>", NOT_IN_HEADER],
    ["From: (bob@example.org) ceo@example.org", NOT_IN_HEADER],
    ["From: ceo@example.org\nResent-From: bob@example.org", NOT_IN_HEADER],
    // What nobody can read cannot be allowed.
    ["To: x@example.net", UNREADABLE],
    ["From:", UNREADABLE],
    ["From: undisclosed:;", UNREADABLE],
    ["From: Bob", UNREADABLE],
    ["From: bob@example.org <", UNREADABLE],
    ["From: <bob@example.org> <ceo@example.org>", UNREADABLE],
    ["From: =?utf-8?q?ceo=40example.org?=", UNREADABLE],
    ["From: bob@example.org\nSender: nobody", UNREADABLE],
    ["From: bob@example.org\nno field\nFrom: ceo@example.org", UNREADABLE],
    ["From: bob@example.org\nFrom\x01: ceo@example.org", UNREADABLE],
  ];
  for (const [head, answer] of table) assertEquals(await data(head), answer, head);
  assertEquals(await data("From: ceo@example.org", {}, { header: "off" }), OK);
  assertEquals(await data("From: ceo@example.org", {}, { anyone: ["bob"] }), OK);
});

Deno.test("case 41: a refusal at MAIL is said at once, and names the address but not what else is allowed", async () => {
  const plugins = [sender_login(), inbox({ everything: true })];
  const facts = { host, role: "submission", identity: "bob", to: "x@example.org" } as const;
  const { reply, replies } = await simulate(plugins, { ...facts, from: "ceo@example.org" });
  assertEquals([String(reply), replies.at(-1)?.phase], [
    "553 5.7.1 The sender address ceo@example.org is not yours",
    "mail",
  ]);
  assertEquals(reply.options.reason, "bob may not send as ceo@example.org");
  const late = await simulate(plugins, { ...facts, from: "bob@example.org", message: "From: ceo@example.org\n\nx\n" });
  assertMatch(String(late.reply), /^550 5\.7\.1 The address in From ceo@example\.org is not yours$/);
  const mx = await simulate(plugins, { ...facts, role: "mx", from: "ceo@example.org" });
  assertEquals(mx.reply.verdict, "accept"); // strangers are for spf and its like
});

Deno.test("patterns that are none are told at the start", () => {
  for (const bad of ["", "bob", "@", "*@", "bob@", "**@x.example", "a*b*@x.example", "bob@*", "*@-x", "a b@c"]) {
    assertEquals(parseAddressPattern(bad, "+"), null, bad);
    assertThrows(() => sender_login({ map: { bob: [bad] } }), OptionsError);
  }
});

Deno.test("property: a pattern allows nothing outside its domain, and an address itself", () => {
  const local = fc.stringMatching(/^[a-z]{1,8}$/), domain = fc.constantFrom("a.example", "b.example", "x.a.example");
  fc.assert(fc.property(local, local, domain, domain, (one, other, here, there) => {
    for (const text of [`${one}@${here}`, `*@${here}`, `${one}*@${here}`]) {
      const may = parseAddressPattern(text, "+")!;
      assertEquals(may({ local: one, domain: here }), true);
      if (here !== there) assertEquals(may({ local: one, domain: there }), false);
      if (!text.includes("*")) assertEquals(may({ local: other, domain: here }), one === other);
    }
  }));
});
