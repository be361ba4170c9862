/** MAIL parameters that promise something for later: REQUIRETLS, HOLDFOR, HOLDUNTIL, BY, MT-PRIORITY. */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { Reply } from "../../../core/model/reply.ts";
import { NO_MAIL_PARAMETERS } from "../../../core/model/envelope.ts";
import { Extensions, LONGEST_HOLD, Offer } from "../../../core/smtp/extensions.ts";
import { mailParameters, type MailTerms } from "../../../core/smtp/params.ts";
import { converse, NOW } from "../../support/engine.ts";

const TERMS: MailTerms = { size: 1000, now: NOW, identified: true };
const OPTIONS = { size: 1000, recipients: 100, submission: true };
const all = new Extensions(OPTIONS, { secure: true, identified: true, certificate: false });

/** What the parameters say beside the usual, or the refusal. */
function read(text: string, terms: Partial<MailTerms> = {}, extensions = all): unknown {
  const found = mailParameters(text, extensions, { ...TERMS, ...terms });
  if (found instanceof Reply) return found.toString();
  return Object.fromEntries(
    Object.entries(found).filter(([key, value]) => NO_MAIL_PARAMETERS[key as "size"] !== value),
  );
}

Deno.test("values come out as moments, flags and numbers", () => {
  const rows: [text: string, expected: unknown][] = [
    ["REQUIRETLS", { requireTls: true }],
    ["requiretls SIZE=3", { requireTls: true, size: 3 }],
    ["HOLDFOR=1", { holdUntil: NOW + 1000 }],
    [`HOLDFOR=${LONGEST_HOLD}`, { holdUntil: NOW + LONGEST_HOLD * 1000 }],
    ["HOLDUNTIL=2026-01-01T00:00:01Z", { holdUntil: NOW + 1000 }],
    ["HOLDUNTIL=2026-01-01T02:00:00+01:00", { holdUntil: NOW + 3600_000 }],
    ["HOLDUNTIL=2026-01-01T00:00:00Z", {}],
    ["HOLDUNTIL=1999-12-31T23:59:59Z", {}],
    ["BY=120;R", { deliverBy: { at: NOW + 120_000, mode: "R", trace: false } }],
    ["BY=+120;rt", { deliverBy: { at: NOW + 120_000, mode: "R", trace: true } }],
    ["BY=-5;N", { deliverBy: { at: NOW - 5000, mode: "N", trace: false } }],
    ["BY=0;NT", { deliverBy: { at: NOW, mode: "N", trace: true } }],
    ["BY=999999999;R", { deliverBy: { at: NOW + 999_999_999_000, mode: "R", trace: false } }],
    ["HOLDFOR=60 BY=61;R", { holdUntil: NOW + 60_000, deliverBy: { at: NOW + 61_000, mode: "R", trace: false } }],
    ["HOLDFOR=60 BY=5;N", { holdUntil: NOW + 60_000, deliverBy: { at: NOW + 5000, mode: "N", trace: false } }],
    ["MT-PRIORITY=0", { priority: 0 }],
    ["MT-PRIORITY=9", { priority: 9 }],
    ["MT-PRIORITY=-9", { priority: -9 }],
  ];
  for (const [text, expected] of rows) assertEquals(read(text), expected, text);
});

Deno.test("what is no value is 501 5.5.4, what cannot be promised too", () => {
  const rows: [text: string, says: string][] = [
    ["REQUIRETLS=YES", "REQUIRETLS takes no value"],
    ["REQUIRETLS REQUIRETLS", "REQUIRETLS stands twice"],
    ...["HOLDFOR", "HOLDFOR=0", "HOLDFOR=-1", "HOLDFOR=01", "HOLDFOR=1234567890", "HOLDFOR=1.5"].map((
      text,
    ): [string, string] => [text, "HOLDFOR takes seconds"]),
    [`HOLDFOR=${LONGEST_HOLD + 1}`, `Messages are held for ${LONGEST_HOLD} seconds at most`],
    ["HOLDUNTIL=2027-01-01T00:00:00Z", `Messages are held for ${LONGEST_HOLD} seconds at most`],
    ["HOLDUNTIL", "HOLDUNTIL takes a moment, such as 2030-12-31T23:59:59Z"],
    ["HOLDUNTIL=tomorrow", "HOLDUNTIL takes a moment, such as 2030-12-31T23:59:59Z"],
    ["HOLDUNTIL=2026-02-30T00:00:00Z", "HOLDUNTIL takes a moment, such as 2030-12-31T23:59:59Z"],
    ["HOLDFOR=1 HOLDUNTIL=2026-01-01T00:00:01Z", "HOLDFOR or HOLDUNTIL, not both"],
    ["HOLDUNTIL=2026-01-01T00:00:01Z HOLDFOR=1", "HOLDFOR or HOLDUNTIL, not both"],
    ...["BY", "BY=120", "BY=120;", "BY=120;X", "BY=120;RR", "BY=120;R;T", "BY=;R", "BY=1234567890;R", "BY=--1;N"].map((
      text,
    ): [string, string] => [text, "BY takes seconds, a semicolon, N or R, and T or nothing"]),
    ["BY=0;R", "BY with R takes a time that is yet to come"],
    ["BY=-1;R", "BY with R takes a time that is yet to come"],
    ["HOLDFOR=60 BY=60;R", "BY ends before the message is released"],
    ["BY=59;R HOLDFOR=60", "BY ends before the message is released"],
    ...["MT-PRIORITY", "MT-PRIORITY=10", "MT-PRIORITY=-10", "MT-PRIORITY=-0", "MT-PRIORITY=+1", "MT-PRIORITY=x"].map((
      text,
    ): [string, string] => [text, "MT-PRIORITY takes -9 to 9"]),
  ];
  for (const [text, says] of rows) assertEquals(read(text), `501 5.5.4 ${says}`, text);
});

Deno.test("SEMANTICS 22: what is not offered to a session is refused to it", () => {
  const strangers = new Extensions(OPTIONS);
  const stranger = { identified: false };
  assertEquals(read("HOLDFOR=1", stranger, strangers), "555 5.5.4 HOLDFOR is no parameter here");
  assertEquals(read("HOLDUNTIL=2026-01-01T00:00:01Z", stranger, strangers), "555 5.5.4 HOLDUNTIL is no parameter here");
  assertEquals(read("REQUIRETLS", stranger, strangers), "555 5.5.4 REQUIRETLS is no parameter here");
  assertEquals(read("BY=9;R", stranger, strangers), "550 5.7.1 BY with R is for those who are logged in");
  assertEquals(read("BY=9;N MT-PRIORITY=-4", stranger, strangers), {
    deliverBy: { at: NOW + 9000, mode: "N", trace: false },
    priority: -4,
  });
  const hidden = new Extensions({ ...OPTIONS, hide: ["DELIVERBY", "MT-PRIORITY", "FUTURERELEASE", "REQUIRETLS"] }, {
    secure: true,
    identified: true,
    certificate: false,
  });
  for (const text of ["BY=9;N", "MT-PRIORITY=0", "HOLDFOR=1", "REQUIRETLS"]) {
    assert(String(read(text, {}, hidden)).startsWith("555 5.5.4 "), text);
  }
});

Deno.test("RFC 4865 3: EHLO says how long and until when, and only after a login", () => {
  assertEquals(all.linesAt(NOW).filter((line) => line.startsWith("FUTURERELEASE")), [
    "FUTURERELEASE 2592000 2026-01-31T00:00:00Z",
  ]);
  assertEquals(read("HOLDUNTIL=2026-01-31T00:00:00Z"), { holdUntil: Date.UTC(2026, 0, 31) }, "what was said holds");
  assert(!new Extensions(OPTIONS).has("FUTURERELEASE"));
  assert(
    !new Extensions({ ...OPTIONS, submission: false }, { secure: true, identified: true, certificate: false }).has(
      "FUTURERELEASE",
    ),
  );
});

Deno.test("RFC 6710: a stranger's higher priority becomes 0, and the answer says so", () => {
  const { output, events } = converse(
    ["EHLO c\r\nMAIL FROM:<> MT-PRIORITY=4\r\nRSET\r\nMAIL FROM:<> MT-PRIORITY=-4\r\n"],
    { offer: new Offer(OPTIONS) },
  );
  const replies = output.split("\r\n").filter((line) => line.startsWith("250 2."));
  assertEquals(replies, ["250 2.3.6 0 is the new priority", "250 2.0.0 Forgotten", "250 2.1.0 Sender OK"]);
  const said = events.filter((event) => event.type === "mail");
  assertEquals(said.map(({ parameters }) => parameters.priority), [0, -4]);
});

Deno.test("whatever stands behind MAIL: parameters or a refusal, and a promise that can be kept", () => {
  const keyword = fc.constantFrom("HOLDFOR", "HOLDUNTIL", "BY", "MT-PRIORITY", "REQUIRETLS", "SIZE");
  const value = fc.oneof(
    fc.integer({ min: -20, max: 5_000_000 }).map(String),
    fc.tuple(fc.integer({ min: -20, max: 100 }), fc.constantFrom("R", "N", "RT")).map((pair) => pair.join(";")),
    fc.date({ min: new Date("2025-06-01"), max: new Date("2026-06-01"), noInvalidDate: true }).map((d) =>
      d.toISOString()
    ),
    fc.string({ maxLength: 30 }),
  );
  const pair = fc.tuple(keyword, value, fc.boolean()).map(([key, text, bare]) => bare ? key : `${key}=${text}`);
  fc.assert(
    fc.property(fc.array(pair, { maxLength: 3 }), fc.boolean(), (pairs, identified) => {
      const found = mailParameters(pairs.join(" "), all, { ...TERMS, identified });
      if (found instanceof Reply) return assertEquals(found.verdict, "reject");
      const { holdUntil, deliverBy, priority } = found;
      if (holdUntil !== undefined) assert(holdUntil > NOW && holdUntil <= NOW + LONGEST_HOLD * 1000);
      if (deliverBy?.mode === "R") assert(identified && deliverBy.at > NOW && deliverBy.at > (holdUntil ?? 0));
      if (priority !== undefined) assert(Number.isInteger(priority) && Math.abs(priority) <= 9);
    }),
    { numRuns: 500 },
  );
});
