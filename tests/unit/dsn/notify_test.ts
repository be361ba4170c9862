/** Who is told what: the rules of RFC 3461 5.2 and RFC 2852 4.1 as tables, and the cases where nobody may be told. */
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import type { Action, DeliveryEvent } from "../../../core/dsn/event.ts";
import { delayNotice, isKnown, notifications, notifyFor } from "../../../core/dsn/notify.ts";
import type { DeliverBy, Notify } from "../../../core/model/envelope.ts";
import { address, aMessage, anEvent, BOB, HOUR, POSTMASTER, RECEIVED, RULES, SENDER, STRANGER } from "./sample.ts";

type Words = readonly Notify[] | null;
const by = (mode: "R" | "N", trace = false): DeliverBy => ({ at: RECEIVED + HOUR, mode, trace });
const told = (event: DeliveryEvent, message = aMessage(), rules = RULES): boolean =>
  notifications(message, [event], rules).length > 0;

Deno.test("RFC 3461 4.1, 5.2: NOTIFY decides for each recipient; without it the sender hears of failure and delay", () => {
  const none: Words = null;
  const rows: [Action, Words, boolean, string][] = [
    ["failed", none, true, "5.2.6 (c)"],
    ["failed", ["FAILURE"], true, "5.2.6 (a)"],
    ["failed", ["SUCCESS", "FAILURE", "DELAY"], true, "5.2.6 (a)"],
    ["failed", ["SUCCESS", "DELAY"], false, "5.2.6 (b)"],
    ["failed", ["NEVER"], false, "5.2.6 (b)"],
    ["delayed", none, true, "5.2.5 (b)"],
    ["delayed", ["DELAY"], true, "5.2.5 (a)"],
    ["delayed", ["SUCCESS", "FAILURE"], false, "5.2.5 (c)"],
    ["delayed", ["NEVER"], false, "5.2.5 (c)"],
    ["delivered", none, false, "5.2.3 (c)"],
    ["delivered", ["SUCCESS"], true, "5.2.3 (a)"],
    ["delivered", ["FAILURE", "DELAY"], false, "5.2.3 (b)"],
    ["delivered", ["NEVER"], false, "5.2.3 (b)"],
    ["relayed", none, false, "5.2.2 (e)"],
    ["relayed", ["SUCCESS"], true, "5.2.2 (b)"],
    ["relayed", ["FAILURE", "DELAY"], false, "5.2.2"],
    ["relayed", ["NEVER"], false, "5.2.2 (d)"],
    ["expanded", none, false, "5.2.7.3 (c)"],
    ["expanded", ["SUCCESS", "FAILURE"], true, "5.2.7.3 (c)"],
    ["expanded", ["FAILURE"], false, "5.2.7.3 (c)"],
    ["expanded", ["NEVER"], false, "5.2.7.3 (c)"],
  ];
  for (const [action, notify, expected, clause] of rows) {
    const peer = { dsn: false, deliverBy: false };
    assertEquals(told(anEvent({ action, notify, peer })), expected, `${action} ${notify} ${clause}`);
  }
});

Deno.test("relayed: the next hop tells where it can; RFC 2852 4.1.4 wants it told all the same", () => {
  const rows: [
    name: string,
    Words,
    DeliverBy | undefined,
    { dsn: boolean; deliverBy: boolean } | undefined,
    boolean,
  ][] = [
    ["the next hop knows DSN (RFC 3461 5.2.1)", ["SUCCESS"], undefined, { dsn: true, deliverBy: false }, false],
    ["it does not", ["SUCCESS"], undefined, { dsn: false, deliverBy: false }, true],
    ["a web hook (RFC 3461 5.2.4 b)", ["SUCCESS"], undefined, undefined, true],
    ["a web hook, not asked", null, undefined, undefined, false],
    ["BY=;N to who does not know it", null, by("N"), { dsn: true, deliverBy: false }, true],
    ["BY=;N to who does not know it, FAILURE alone", ["FAILURE"], by("N"), { dsn: true, deliverBy: false }, true],
    ["BY=;N to who does not know it, NEVER", ["NEVER"], by("N"), { dsn: true, deliverBy: false }, false],
    ["BY=;N to who knows it", null, by("N"), { dsn: true, deliverBy: true }, false],
    ["BY=;R", null, by("R"), { dsn: true, deliverBy: true }, false],
    ["BY=;NT", null, by("N", true), { dsn: true, deliverBy: true }, true],
    ["BY=;RT", ["FAILURE"], by("R", true), { dsn: true, deliverBy: true }, true],
    ["BY=;RT, NEVER", ["NEVER"], by("R", true), { dsn: true, deliverBy: true }, false],
  ];
  for (const [name, notify, deliverBy, peer, expected] of rows) {
    const message = aMessage({ parameters: deliverBy === undefined ? {} : { deliverBy } });
    const event = anEvent({ action: "relayed", notify, ...peer === undefined ? {} : { peer } });
    assertEquals(told(event, message), expected, name);
  }
});

Deno.test("recipients of one message and one kind of event share a report, and nobody else is in it", () => {
  const events = [
    anEvent({ to: address("a@example.com") }),
    anEvent({ to: address("b@example.com"), notify: ["NEVER"] }),
    anEvent({ to: address("c@example.com"), action: "delayed" }),
    anEvent({ to: address("d@example.com"), action: "delivered", notify: ["SUCCESS"] }),
    anEvent({ to: address("e@example.com"), cause: "expired" }),
    anEvent({ to: address("f@example.com"), action: "expanded", notify: ["SUCCESS"] }),
    anEvent({ to: address("g@example.com"), action: "delivered" }),
  ];
  const found = notifications(aMessage(), events, RULES);
  const summary = found.map(({ kind, to, double, events }) => [
    kind,
    to,
    double,
    events.map(({ recipient }) => recipient.address.local).join(""),
  ]);
  assertEquals(summary, [
    ["failure", SENDER, false, "ae"],
    ["delay", SENDER, false, "c"],
    ["success", SENDER, false, "df"],
  ]);
  assertEquals(notifications(aMessage(), [], RULES), []);
});

Deno.test("case 80: nobody is told of mail from the null sender but the postmaster, of failure, once", () => {
  const message = aMessage({ sender: null, origin: STRANGER });
  for (const action of ["delayed", "delivered", "relayed", "expanded"] as const) {
    assertEquals(told(anEvent({ action, notify: ["SUCCESS", "DELAY"] }), message), false, action);
  }
  const [double, ...more] = notifications(message, [anEvent()], RULES);
  assertEquals([double?.kind, double?.to, double?.double, more.length], ["failure", POSTMASTER, true, 0]);
  assertEquals(told(anEvent({ notify: ["NEVER"] }), message), false, "NOTIFY=NEVER");
  assertEquals(told(anEvent(), message, { ...RULES, doubleBounce: "drop" }), false, "dropped by configuration");
  assertEquals(told(anEvent(), message, { ...RULES, postmaster: null }), false, "no postmaster");
});

Deno.test("case 80: what cannot be delivered to the postmaster ends there, also behind an alias", () => {
  const message = aMessage({ sender: null });
  assertEquals(told(anEvent({ to: POSTMASTER }), message), false);
  assertEquals(told(anEvent({ to: address("Ops@example.net") }), message), false, "written in another case");
  assertEquals(told(anEvent({ to: address("me@elsewhere.example"), original: POSTMASTER }), message), false);
  const [double] = notifications(message, [anEvent({ to: POSTMASTER }), anEvent()], RULES);
  assertEquals(double?.events.map(({ recipient }) => recipient.address), [BOB]);
});

Deno.test("case 80: what was refused behind the 250 is told to a client that is known, never to a stranger's sender", () => {
  const refused = anEvent({ refused: true });
  assertEquals([isKnown(aMessage()), told(refused)], [true, true]);
  const message = aMessage({ origin: STRANGER });
  assertEquals([isKnown(message), told(refused, message)], [false, false]);
  assertEquals(told(anEvent(), message), true, "what another server refused is told to everybody");
});

Deno.test("reports of success to strangers can be off (SEMANTICS 22)", () => {
  const rules = { ...RULES, success: "known" } as const, stranger = aMessage({ origin: STRANGER });
  for (const action of ["delivered", "relayed", "expanded"] as const) {
    const event = anEvent({ action, notify: ["SUCCESS"] });
    assertEquals([told(event, stranger, rules), told(event, stranger), told(event, aMessage(), rules)], [
      false,
      true,
      true,
    ]);
  }
  assertEquals(told(anEvent(), stranger, rules), true, "failures are told");
});

Deno.test("case 80: whatever happens, NEVER is never told, and each recipient stands in one report at most", () => {
  const words = fc.constantFrom<Words>(
    null,
    ["NEVER"],
    ["SUCCESS"],
    ["FAILURE"],
    ["DELAY"],
    ["SUCCESS", "FAILURE"],
    ["SUCCESS", "FAILURE", "DELAY"],
  );
  const events = fc.array(
    fc.record({
      action: fc.constantFrom<Action>("failed", "delayed", "delivered", "relayed", "expanded"),
      notify: words,
    }),
    { maxLength: 8 },
  );
  const mail = fc.record({
    sender: fc.constantFrom(SENDER, null),
    origin: fc.constantFrom(STRANGER, aMessage().origin),
    parameters: fc.constantFrom({}, { deliverBy: by("N") }, { deliverBy: by("R", true) }),
  });
  fc.assert(fc.property(events, mail, (list, changes) => {
    const happened = list.map((each) => anEvent(each));
    const found = notifications(aMessage(changes), happened, RULES);
    const all = found.flatMap((each) => each.events);
    assertEquals(new Set(all).size, all.length);
    assertEquals(all.filter((each) => each.recipient.parameters.notify?.includes("NEVER")), []);
    assertEquals(all.every((each) => happened.includes(each)), true);
    for (const each of found) assertEquals(each.to, changes.sender ?? POSTMASTER);
  }));
});

Deno.test("one notice of delay for each recipient, and one more at the moment that the sender named (RFC 2852 4)", () => {
  const wait = 4 * HOUR, at = RECEIVED + wait;
  const recipient = (notify: Words = null) => ({ parameters: { notify, orcpt: null } });
  const rows: [name: string, Parameters<typeof aMessage>[0], Words, number | null, number | null, unknown][] = [
    ["after a time", {}, null, wait, null, { at, cause: null }],
    ["DELAY", {}, ["DELAY", "FAILURE"], wait, null, { at, cause: null }],
    ["told already", {}, null, wait, at + 5, null],
    ["DELAY is not among the words", {}, ["FAILURE"], wait, null, null],
    ["NEVER", {}, ["NEVER"], wait, null, null],
    ["nobody to tell", { sender: null }, null, wait, null, null],
    ["no notices here", {}, null, null, null, null],
    ["parked mail has not waited yet", { parameters: { holdUntil: RECEIVED + 24 * HOUR } }, null, wait, null, {
      at: RECEIVED + 28 * HOUR,
      cause: null,
    }],
    ["BY=;N is sooner", { parameters: { deliverBy: by("N") } }, null, wait, null, {
      at: RECEIVED + HOUR,
      cause: "overdue",
    }],
    ["BY=;N where there are no notices", { parameters: { deliverBy: by("N") } }, null, null, null, {
      at: RECEIVED + HOUR,
      cause: "overdue",
    }],
    ["BY=;N, told at that moment", { parameters: { deliverBy: by("N") } }, null, wait, RECEIVED + HOUR, null],
    [
      "BY=;N is later than the first notice",
      { parameters: { deliverBy: { ...by("N"), at: at + HOUR } } },
      null,
      wait,
      at,
      {
        at: at + HOUR,
        cause: "overdue",
      },
    ],
    ["BY=;N without DELAY", { parameters: { deliverBy: by("N") } }, ["FAILURE"], wait, null, null],
    ["BY=;R is no notice", { parameters: { deliverBy: by("R") } }, null, null, null, null],
  ];
  for (const [name, changes, notify, every, told, expected] of rows) {
    assertEquals(
      delayNotice(aMessage(changes), recipient(notify), { delayNotice: every, told }),
      expected as never,
      name,
    );
  }
});

Deno.test("RFC 2852 4.1.4.2: a next hop without DELIVERBY is asked to tell of delay", () => {
  const rows: [Words, DeliverBy | undefined, deliverBy: boolean, Words][] = [
    [null, undefined, false, null],
    [["SUCCESS"], undefined, false, ["SUCCESS"]],
    [null, by("N"), true, null],
    [null, by("N"), false, ["FAILURE", "DELAY"]],
    [["SUCCESS"], by("N"), false, ["SUCCESS", "DELAY"]],
    [["DELAY"], by("N"), false, ["DELAY"]],
    [["NEVER"], by("N"), false, ["NEVER"]],
    [null, by("R"), false, null],
  ];
  for (const [notify, deliverBy, peer, expected] of rows) {
    const mail = deliverBy === undefined ? {} : { deliverBy };
    assertEquals(notifyFor({ notify, orcpt: null }, mail, { deliverBy: peer }), expected);
  }
});
