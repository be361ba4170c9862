/** What a result means for the row, the sender and the log, by tables: no clock but a number, no store. */
import { assert, assertEquals } from "@std/assert";
import { ours, type Result, UNTOUCHED } from "../../../core/delivery/result.ts";
import { type Settled, Settlement } from "../../../core/delivery/settlement.ts";
import { deadlineOf, givenUpAt, type Terms } from "../../../core/delivery/terms.ts";
import { type MailParameters, NO_MAIL_PARAMETERS } from "../../../core/model/envelope.ts";
import type { StoredMessage, StoredRecipient } from "../../../core/store/store.ts";
import { T0 } from "../store/messages.ts";
import { DAY, HOUR, MINUTE, SECOND, storedMessage, storedRecipient, YEAR } from "./stored.ts";

const TERMS: Terms = { retry: [MINUTE, 5 * MINUTE, HOUR], expire: 5 * DAY, nullSenderExpire: DAY, delayNotice: null };
/** As many attempts as the schedule makes in five days. */
const OLD = 121;
const TAKEN: Result = { ...ours("delivered", "2.0.0", "250 2.0.0 taken"), remote: { name: "mx.y", ip: "192.0.2.1" } };
const LATER: Result = ours("deferred", "4.2.0", "450 4.2.0 grey");
const NEVER: Result = ours("rejected", "5.1.1", "550 5.1.1 nobody");

interface Case {
  readonly result?: Result;
  readonly at?: number;
  readonly message?: Partial<StoredMessage>;
  readonly recipient?: Partial<StoredRecipient>;
  readonly terms?: Partial<Terms>;
  readonly softBounce?: boolean;
  readonly closedUntil?: number;
}

function settlementOf({ at = T0, terms = {}, softBounce = false }: Case): Settlement {
  return new Settlement({ terms: { ...TERMS, ...terms }, softBounce, now: () => at, random: () => 0.5 });
}
function settled(each: Case): Settled {
  const { message = {}, recipient = {}, result = LATER, closedUntil = null } = each;
  return settlementOf(each).of(storedMessage(message), storedRecipient("x@y.example", recipient), result, {
    destination: "mx:y.example",
    closedUntil,
  });
}
/** Nothing was tried. */
function untried(each: Case): Settled {
  const { message = {}, recipient = {}, closedUntil = null } = each;
  return settlementOf(each).untried(storedMessage(message), storedRecipient("x@y.example", recipient), {
    destination: "mx:y.example",
    closedUntil,
  });
}
const mail = (parameters: Partial<MailParameters>): { message: Partial<StoredMessage> } => ({
  message: { parameters: { ...NO_MAIL_PARAMETERS, ...parameters } },
});

/** "state nextAttempt-T0 attempt / report cause / event". */
function brief({ outcome: { state, nextAttempt, attempt = true }, report, event }: Settled): string {
  const next = nextAttempt === undefined ? "" : ` +${(nextAttempt - T0) / SECOND}s`;
  const told = report === null ? "nothing" : `${report.action}${report.cause === undefined ? "" : ` ${report.cause}`}`;
  return `${state}${next}${attempt ? "" : " free"} / ${told} / ${event?.type ?? "silent"}`;
}

Deno.test("each result: its row, what the sender may be told, what the log says", async (t) => {
  const table: readonly [name: string, each: Case, means: string][] = [
    ["taken", { result: TAKEN }, "delivered / delivered / delivered"],
    ["relayed", { result: { ...TAKEN, relayed: { dsn: true, deliverBy: false } } }, "delivered / relayed / delivered"],
    ["discarded", { result: { ...TAKEN, silent: true } }, "delivered / nothing / delivered"],
    ["an alias", { result: { ...TAKEN, expanded: true } }, "delivered / expanded / silent"],
    ["put off", { result: LATER }, "deferred +60s / nothing / deferred"],
    ["put off again", { recipient: { attempts: 1 } }, "deferred +300s / nothing / deferred"],
    ["put off for the hundredth time", { recipient: { attempts: 99 } }, "deferred +3600s / nothing / deferred"],
    ["refused", { result: NEVER }, "failed / failed / bounced"],
    ["refused, soft bounce", { result: NEVER, softBounce: true }, "deferred +60s / nothing / deferred"],
    [
      "decided before, soft bounce",
      { result: { ...NEVER, decided: true }, softBounce: true },
      "failed / failed / bounced",
    ],
    ["too late", { result: { ...NEVER, expired: true } }, "expired free / failed expired / bounced"],
    [
      "too late, soft bounce",
      { result: { ...NEVER, expired: true }, softBounce: true },
      "expired free / failed expired / bounced",
    ],
    ["held", { result: ours("held", "4.2.0", "odd") }, "held free / nothing / held"],
    ["not tried after all", { result: UNTOUCHED }, "ready free / nothing / silent"],
    ["postponed", { result: { ...LATER, postponed: T0 + 30 * MINUTE } }, "deferred +1800s free / nothing / deferred"],
    [
      "its hour",
      { result: { ...LATER, postponed: T0 + DAY, appointed: true } },
      "deferred +86400s free / nothing / silent",
    ],
    ["its destination rests", { closedUntil: T0 + 10 * MINUTE }, "deferred +600s / nothing / deferred"],
    ["the rest is shorter", { closedUntil: T0 + SECOND }, "deferred +60s / nothing / deferred"],
    ["the time is over", { at: T0 + 5 * DAY, recipient: { attempts: OLD - 1 } }, "expired / failed expired / bounced"],
    ["a day before", { at: T0 + 4 * DAY, recipient: { attempts: OLD - 1 } }, "deferred +349200s / nothing / deferred"],
    [
      "from nobody",
      { at: T0 + DAY, recipient: { attempts: 24 }, message: { sender: null } },
      "expired / failed expired / bounced",
    ],
    [
      "refused softly till its time is over",
      { result: NEVER, softBounce: true, at: T0 + 5 * DAY, recipient: { attempts: OLD - 1 } },
      "expired / failed expired / bounced",
    ],
  ];
  for (const [name, each, means] of table) await t.step(name, () => assertEquals(brief(settled(each)), means));
});

Deno.test("a soft bounce says 4 in its status and keeps the words", () => {
  const { outcome, event } = settled({ result: NEVER, softBounce: true });
  assertEquals(outcome.lastReply, "550 5.1.1 nobody");
  assertEquals(event?.type === "deferred" && event.status, "4.1.1");
});

Deno.test("the log counts attempts that were made", () => {
  const attempts = (each: Settled) => each.event !== null && "attempts" in each.event ? each.event.attempts : null;
  assertEquals(attempts(settled({ recipient: { attempts: 3 } })), 4);
  assertEquals(attempts(settled({ recipient: { attempts: 3 }, result: { ...LATER, postponed: T0 + MINUTE } })), 3);
  assertEquals(attempts(untried({ recipient: { attempts: OLD }, at: T0 + 6 * DAY })), OLD);
});

// ---- Case 74 -------------------------------------------------------------------------------------------------------------

Deno.test("case 74: ten years later: no deferral ends a message, and none tells of a delay", () => {
  for (const delayNotice of [null, 4 * HOUR]) {
    for (let attempts = 0; attempts < 4; attempts++) {
      const each = { at: T0 + 10 * YEAR, recipient: { attempts, deadline: T0 + 4 * HOUR }, terms: { delayNotice } };
      assertEquals(settled(each).report, null);
      assertEquals(untried(each).report, null);
    }
  }
});

Deno.test("case 74: ten years later it gets the time that it is owed, tried or not, and ends then", () => {
  for (const step of [settled, untried]) {
    let at = T0 + 10 * YEAR, hours = 0;
    let recipient: Partial<StoredRecipient> = { attempts: 1, deadline: T0 + 5 * DAY };
    for (;; hours++) {
      const { outcome } = step({ at, recipient });
      if (outcome.state === "expired") break;
      const { attempt = true, deadline, nextAttempt = at } = outcome;
      assert(typeof deadline === "number" && deadline > at, "somebody looks at it again");
      recipient = { attempts: recipient.attempts! + (attempt ? 1 : 0), deadline, nextAttempt: at };
      at = Math.max(nextAttempt, deadline);
      assert(hours < 200);
    }
    assert(hours > 110 && hours < 125, `${step.name}: ${hours}`);
  }
});

Deno.test("case 74: nothing is planned beyond what the store takes for a clock that ran ahead", () => {
  const far = T0 + 7 * DAY;
  for (const each of [{ closedUntil: far }, { result: { ...LATER, postponed: far } }]) {
    const { outcome } = settled(each);
    assert(outcome.nextAttempt! <= T0 + 1.1 * HOUR, `${(outcome.nextAttempt! - T0) / HOUR} h`);
  }
  assertEquals(untried({ closedUntil: far }).outcome.nextAttempt, T0 + 1.1 * HOUR);
});

// ---- Words that are owed -------------------------------------------------------------------------------------------------

Deno.test("a delay is told once, when clock and attempts agree, and the deadline moves on to the end", () => {
  const terms = { delayNotice: 4 * HOUR }, deadline = T0 + 4 * HOUR;
  const at = T0 + 4 * HOUR, four = { at, terms, recipient: { attempts: 5, deadline } };
  const told = settled(four);
  assertEquals(brief(told), "deferred +18000s / delayed / deferred");
  assertEquals([told.outcome.told, told.outcome.deadline], [at, T0 + 5 * DAY]);
  assertEquals(told.report?.retryUntil, T0 + 5 * DAY);
  const again = settled({ ...four, at: at + HOUR, recipient: { ...four.recipient, told: at } });
  assertEquals([again.report, again.outcome.told], [null, undefined]);
  assertEquals(settled({ ...four, at: at - 1 }).report, null);
  assertEquals(settled({ ...four, message: { sender: null } }).report, null);
  const never = { notify: ["NEVER" as const], orcpt: null };
  assertEquals(settled({ ...four, recipient: { ...four.recipient, parameters: never } }).report, null);
});

Deno.test("behind a closed destination what is owed is said at its moment, and that is no attempt", () => {
  const terms = { delayNotice: 4 * HOUR }, closedUntil = T0 + 4 * HOUR + 20 * MINUTE;
  const waiting = { attempts: 5, deadline: T0 + 4 * HOUR, nextAttempt: closedUntil, lastReply: "451 4.4.1 No answer" };
  const word = untried({ at: T0 + 4 * HOUR, terms, recipient: waiting, closedUntil });
  assertEquals(brief(word), "deferred +15600s free / delayed / silent");
  assertEquals([word.report?.status, word.report?.words], ["4.4.1", "451 4.4.1 No answer"]);
  const end = untried({ at: T0 + 5 * DAY, recipient: { ...waiting, nextAttempt: T0 + 6 * DAY, attempts: OLD } });
  assertEquals(brief(end), "expired free / failed expired / bounced");
  assertEquals(end.outcome.told, T0 + 5 * DAY);
});

Deno.test("what is given back with nothing owed stays as it was", () => {
  assertEquals(brief(untried({})), "ready free / nothing / silent");
  assertEquals(brief(untried({ closedUntil: T0 + MINUTE })), "deferred +60s free / nothing / silent");
  assertEquals(brief(untried({ recipient: { nextAttempt: T0 + HOUR } })), "deferred +3600s free / nothing / silent");
});

Deno.test("who is always put off by a plugin, or never has a turn, hears of it too and is returned in the end", () => {
  const terms = { delayNotice: 4 * HOUR };
  for (
    const [name, step] of Object.entries({
      untried,
      postponed: (each: Case) => settled({ ...each, result: { ...LATER, postponed: each.at! + MINUTE } }),
    })
  ) {
    let at = T0, told = 0, ended = 0;
    let recipient: StoredRecipient = storedRecipient("x@y.example", { deadline: T0 + 4 * HOUR });
    for (let turns = 0; turns < 2000 && ended === 0; turns++, at += 20 * MINUTE) {
      const { outcome } = step({ at, terms, recipient });
      if (outcome.state === "expired") ended = at;
      if (told === 0 && outcome.told !== undefined) told = at;
      recipient = {
        ...recipient,
        attempts: recipient.attempts + (outcome.attempt === false ? 0 : 1),
        deadline: outcome.deadline ?? null,
        told: outcome.told ?? recipient.told,
      };
    }
    assert(told >= T0 + 4 * HOUR && told < T0 + 12 * HOUR, `${name}: told after ${(told - T0) / HOUR} h`);
    assert(ended >= T0 + 5 * DAY && ended < T0 + 11 * DAY, `${name}: ended after ${(ended - T0) / DAY} d`);
  }
});

// ---- What the sender asked for -------------------------------------------------------------------------------------------

Deno.test("RFC 2852 4: BY with R: no attempt is planned behind its moment, and then it is returned, tried or not", () => {
  const by = mail({ deliverBy: { at: T0 + 90 * SECOND, mode: "R", trace: false } });
  assertEquals(brief(settled({ ...by, recipient: { attempts: 1 } })), "deferred +90s / nothing / deferred");
  for (const late of [{ ...by, at: T0 + 90 * SECOND }, { ...by, at: T0 + HOUR }]) {
    assertEquals(brief(untried({ ...late, closedUntil: T0 + DAY })), "expired free / failed overdue / bounced");
    const tried = settled(late);
    assertEquals(brief(tried), "expired / failed overdue / bounced");
    assertEquals(tried.report?.status, "5.4.7");
  }
});

Deno.test("RFC 2852 4: BY with N: told at its moment, by the clock that the sender named, and tried on", () => {
  const by = mail({ deliverBy: { at: T0 + 90 * SECOND, mode: "N", trace: false } }), at = T0 + 90 * SECOND;
  assertEquals(brief(settled({ ...by, at })), "deferred +150s / delayed overdue / deferred");
  assertEquals(
    brief(untried({ ...by, at, closedUntil: at + HOUR })),
    "deferred +3690s free / delayed overdue / silent",
  );
  assertEquals(settled({ ...by, at, recipient: { told: at } }).report, null);
});

Deno.test("RFC 4865: what is parked has not waited, and no deadline makes it due before its hour", () => {
  const hour = T0 + 20 * DAY, parked = mail({ holdUntil: hour });
  const message = storedMessage(parked.message), terms = { ...TERMS, delayNotice: 4 * HOUR };
  assertEquals(givenUpAt(message, terms), hour + 5 * DAY);
  const recipient = { ...storedRecipient("x@y.example"), attempts: 0 };
  assertEquals(deadlineOf(message, recipient, { now: T0, terms }), hour + 4 * HOUR);
  const { outcome } = settled({ ...parked, result: { ...LATER, postponed: hour, appointed: true }, at: T0 + DAY });
  assertEquals([outcome.nextAttempt, outcome.appointed, outcome.deadline], [hour, true, hour + 5 * DAY]);
  // An earlier word of the sender's own does not turn round and round on it
  const both = mail({ holdUntil: hour, deliverBy: { at: T0 + HOUR, mode: "N", trace: false } });
  const word = settled({ ...both, result: { ...LATER, postponed: hour, appointed: true }, at: T0 + HOUR });
  assertEquals([word.report?.cause, word.outcome.told, word.outcome.deadline], ["overdue", T0 + HOUR, hour + 5 * DAY]);
});
