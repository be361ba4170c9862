import { assert, assertEquals, assertGreater, assertLess, assertMatch, assertStringIncludes } from "@std/assert";
import fc from "fast-check";
import { defer, reject, Reply } from "../../../core/model/reply.ts";
import { cut, printable, printableJson } from "../../../core/observe/escape.ts";
import type { Event } from "../../../core/observe/events.ts";
import { LineWriter, type Output } from "../../../core/observe/line_writer.ts";
import { type LogOptions, openLog } from "../../../core/observe/log.ts";

const SESSION = "s01K0000000000000000000001", MESSAGE = "01K00000000000000ABCDEFGHJ";

/** Takes everything at once and keeps it. */
class Memory implements Output {
  text = "";
  readonly #decoder = new TextDecoder();
  write(bytes: Uint8Array): Promise<number> {
    this.text += this.#decoder.decode(bytes, { stream: true });
    return Promise.resolve(bytes.length);
  }
  get lines(): string[] {
    return this.text.split("\n").slice(0, -1);
  }
}

async function logged(events: readonly Event[], options: Partial<LogOptions> = {}): Promise<string[]> {
  const output = new Memory();
  const log = openLog({ level: "debug", format: "text", ...options }, output);
  for (const event of events) log.observe(event);
  await log.close();
  return output.lines;
}

const accepted = (changes: Partial<Event & { type: "accepted" }> = {}): Event => ({
  type: "accepted",
  session: SESSION,
  transaction: MESSAGE,
  ip: "192.0.2.1",
  sender: "a@example.net",
  recipients: ["b@example.org"],
  size: 5300,
  ms: 3.21,
  held: null,
  ...changes,
});
const refused = (reply: Reply, changes: Partial<Event & { type: "refused" }> = {}): Event => ({
  type: "refused",
  session: SESSION,
  transaction: MESSAGE,
  ip: "192.0.2.1",
  command: "RCPT",
  reply,
  sender: "a@example.net",
  recipients: ["b@example.org"],
  plugin: null,
  reason: reply.options.reason ?? null,
  delayedFrom: null,
  ...changes,
});
/** A delivery of which `text` is everything that a stranger may say. */
const delivery = (text: string) => ({
  transaction: MESSAGE,
  sender: text,
  recipient: text,
  identity: text,
  relay: text,
  delay: 1234,
  attempts: 2,
  status: text,
  reply: text,
  tls: text,
});
const decided = (plugin: string, verdict: "reject" | "error", reason: string): Event => ({
  type: "decision",
  session: SESSION,
  transaction: MESSAGE,
  phase: "rcpt",
  plugin,
  verdict,
  reason,
  ms: 0.5,
});

/** A peer's text: anything, and what is meant to hurt more often than chance has it. */
const hostile = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.array(
    fc.constantFrom(
      "\r",
      "\n",
      "\x1b[2J",
      "\u2028",
      "\u2029",
      "\u0085",
      "\0",
      "\u202e",
      "\u2066",
      "\ud800",
      '"',
      "\\",
      "a",
      "> to=<",
    ),
  ).map((parts) => parts.join("")),
  fc.integer({ min: 1, max: 40 }).map((n) => "\r\n".repeat(n * 300)),
);
const UNSAFE = /[\p{C}\p{Zl}\p{Zp}]/u;

const hostileEvent: fc.Arbitrary<Event> = hostile.chain((text): fc.Arbitrary<Event> =>
  fc.constantFrom<Event>(
    accepted({ sender: text, recipients: [text, text], held: text }),
    {
      ...refused(reject("5.1.1", text, { reason: text })),
      command: text,
      ip: text,
      sender: text,
      recipients: [text],
    } as Event,
    { type: "session-opened", session: SESSION, ip: text, listener: text, role: text },
    { type: "session-closed", session: SESSION, ip: text, reason: text, messages: 0, seconds: 1 },
    decided(text, "reject", text),
    { type: "bounced", expired: false, ...delivery(text) },
    { type: "held", transaction: MESSAGE, recipient: text, reason: text },
    { type: "trouble", where: text, message: text },
  )
);

Deno.test("case 61: whatever a peer sends, an event is one line of a sane length without controls", async () => {
  for (const format of ["text", "json"] as const) {
    await fc.assert(
      fc.asyncProperty(hostileEvent, async (event) => {
        const lines = await logged([event], { format });
        assertEquals(lines.length, 1);
        assert(!UNSAFE.test(lines[0]!), JSON.stringify(lines[0]));
        assertLess(lines[0]!.length, 16_000);
        if (format === "json") assertEquals((JSON.parse(lines[0]!) as { event: string }).event, event.type);
      }),
      { numRuns: 200 },
    );
  }
});

Deno.test("case 61: a value cannot pass for the next one", () => {
  fc.assert(fc.property(hostile, (text) => {
    const value = printable(text);
    assert(/^[^\s"]+$/.test(value) || /^"(?:[^"\\]|\\.)*"$/.test(value), value);
  }));
  assertEquals(printable('x"@y> to=<z'), '"x\\"@y> to=<z"');
  assertEquals(printable(""), '""');
});

Deno.test("JSON is printable and means what it meant", () => {
  fc.assert(fc.property(fc.jsonValue(), (value) => {
    const text = printableJson(value);
    assert(!UNSAFE.test(text));
    assertEquals(JSON.stringify(JSON.parse(text)), JSON.stringify(value));
  }));
});

Deno.test("long values are cut, between characters, and say how much is missing", () => {
  assertEquals(cut("abcdef", 4), "abcd[+2]");
  assertEquals(cut("abc😀", 4), "abc[+2]");
  assertEquals(printable("x".repeat(10_240)), `"${"x".repeat(256)}[+9984]"`);
});

Deno.test("a delivery is one stable line, whatever the next hop said", async () => {
  const facts = {
    ...delivery(""),
    sender: "a@example.net",
    recipient: "b@example.org",
    relay: "mx.example.org[192.0.2.7]:25",
    status: "2.0.0",
    reply: "250 2.0.0 Ok: queued as 1A2B",
  };
  const refused = { ...facts, status: "5.1.1", reply: 'no "such" user) status=sent (250\r\nok' };
  const lines = await logged([
    { type: "delivered", ...facts },
    { type: "deferred", next: 1, ...facts, sender: "", relay: null, status: "4.4.1", reply: "nobody answers" },
    { type: "bounced", expired: false, ...refused },
    { type: "bounced", expired: true, ...facts, delay: 432_000_000, status: "4.4.7", reply: "given up" },
  ]);
  const to = "to=<b@example.org> relay=mx.example.org[192.0.2.7]:25";
  assertEquals(lines.map((line) => line.slice(33)), [
    `BCDEFGHJ delivered id=${MESSAGE} from=<a@example.net> ${to} delay=1.2 dsn=2.0.0 status=sent (250 2.0.0 Ok: queued as 1A2B)`,
    `BCDEFGHJ deferred  id=${MESSAGE} from=<> to=<b@example.org> relay=none delay=1.2 dsn=4.4.1 status=deferred (nobody answers)`,
    `BCDEFGHJ bounced   id=${MESSAGE} from=<a@example.net> ${to} delay=1.2 dsn=5.1.1 status=bounced (no \\"such\\" user) status=sent (250\\r\\nok)`,
    `BCDEFGHJ bounced   id=${MESSAGE} from=<a@example.net> ${to} delay=432000.0 dsn=4.4.7 status=expired (given up)`,
  ]);
  const [json] = await logged([{ type: "deferred", next: 99, ...facts }], { format: "json" });
  const { attempts, next, identity } = JSON.parse(json!) as Record<string, unknown>;
  assertEquals([attempts, next, identity], [2, 99, ""]);
});

Deno.test("the lines that people read", async () => {
  const lines = await logged([
    accepted(),
    accepted({ sender: "", recipients: ["a", "b", "c", "d", "e", "f", "g"], held: "looks odd" }),
    decided("recipients", "reject", "in no table"),
    refused(reject("5.1.1", "No such user here", { reason: "in no table" }), { plugin: "recipients" }),
    refused(new Reply(503, "5.5.1", "Bad sequence")),
    { type: "held", transaction: MESSAGE, recipient: "b@example.org", reason: "looks odd" },
    {
      type: "session-closed",
      session: SESSION,
      ip: "192.0.2.1",
      reason: "peer left in DATA",
      messages: 1,
      seconds: 2.04,
    },
    { type: "trouble", where: "store", message: "disk is full" },
  ]);
  for (const line of lines) assertMatch(line, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z /);
  assertEquals(lines.map((line) => line.slice(25)), [
    "info    BCDEFGHJ accepted  from=<a@example.net> to=<b@example.org> size=5300 ms=3.2 ip=192.0.2.1",
    'info    BCDEFGHJ held      from=<> to=<a>,<b>,<c>,<d>,<e>,+2 size=5300 ms=3.2 ip=192.0.2.1 reason="looks odd"',
    'debug   BCDEFGHJ decided   rcpt recipients=reject reason="in no table" ms=0.5',
    'info    BCDEFGHJ refused   RCPT 550 5.1.1 "No such user here" by=recipients reason="in no table" from=<a@example.net> to=<b@example.org> ip=192.0.2.1',
    'info    BCDEFGHJ refused   RCPT 503 5.5.1 "Bad sequence" from=<a@example.net> to=<b@example.org> ip=192.0.2.1',
    `info    BCDEFGHJ held      id=${MESSAGE} to=<b@example.org> reason="looks odd"`,
    'info    00000001 closed    ip=192.0.2.1 reason="peer left in DATA" messages=1 seconds=2.0',
    'error   -------- trouble   store "disk is full"',
  ]);
});

Deno.test("a refusal names who gave it, and the phase when it was put off, whatever was decided before it", async () => {
  const events = [
    refused(defer("4.7.1", "Too much mail"), { plugin: "rate_limit", delayedFrom: "mail" }),
    refused(defer("4.3.0", "Local error"), { plugin: "spf", reason: "boom" }),
    decided("spf", "error", "Line too long"),
    refused(reject("5.5.2", "Line too long")),
  ];
  const text = await logged(events, { level: "info" });
  assertStringIncludes(text[0]!, 'RCPT 451 4.7.1 "Too much mail" by=rate_limit phase=mail from=');
  assertStringIncludes(text[1]!, "by=spf reason=boom");
  assert(!text.at(-1)!.includes("by="), text.at(-1));
  const json = (await logged(events, { level: "info", format: "json" })).map((line) => JSON.parse(line));
  assertEquals([json[0].plugin, json[0].delayedFrom, json[1].reason], ["rate_limit", "mail", "boom"]);
  assertEquals(["plugin", "reason", "delayedFrom"].filter((name) => name in json.at(-1)), []);
});

Deno.test("decisions and quiet ends are for debug, the rest is not", async () => {
  const events: Event[] = [
    decided("a", "reject", "no"),
    { type: "session-closed", session: SESSION, ip: "::1", reason: "quit", messages: 1, seconds: 1 },
    accepted(),
    { type: "trouble", where: "x", message: "y" },
  ];
  assertEquals((await logged(events, { level: "debug" })).length, 4);
  assertEquals((await logged(events, { level: "info" })).length, 2);
  assertEquals((await logged(events, { level: "error" })).length, 1);
});

Deno.test("words that are no event, with facts; secrets are not shown", async () => {
  for (const format of ["text", "json"] as const) {
    const output = new Memory();
    const log = openLog({ level: "info", format }, output);
    log.logger.info("listening", { address: "127.0.0.1:25", token: "hunter2hunter2", adminPassword: "hunter2" });
    log.logger.info("two\nlines");
    log.logger.debug("too quiet");
    await log.close();
    assertEquals(output.lines.length, 2);
    assertStringIncludes(output.lines[0]!, "127.0.0.1:25");
    assert(!output.text.includes("hunter2"));
  }
});

Deno.test("everything is written by an orderly end, in order", async () => {
  const output = new Memory();
  const writer = new LineWriter(output, { delay: 3600_000 });
  const lines = Array.from({ length: 5000 }, (_, i) => `line ${i} ${"ä".repeat(i % 90)}`);
  for (const line of lines) writer.line(line);
  await writer.close();
  assertEquals(output.lines, lines);
});

Deno.test("a reader that stands still costs bounded memory and no time; the lines it missed are counted", async () => {
  let go = () => {};
  const gate = new Promise<void>((resolve) => go = resolve);
  const output = new Memory();
  const writer = new LineWriter({
    write: async (bytes) => {
      await gate;
      return await output.write(bytes.subarray(0, 1000));
    },
  }, { capacity: 200_000, delay: 0 });
  const line = "x".repeat(99);
  for (let i = 0; i < 10_000; i++) writer.line(line);
  assertGreater(writer.dropped, 7000);
  await writer.close(1); // the reader still stands: the end does not wait for it
  assertEquals(output.text, "");
  go();
  await writer.close(10_000);
  const missing = output.lines.filter((each) => each !== line);
  assertEquals(missing.length, 1);
  assertEquals(Number(missing[0]!.split(" ")[0]) + output.lines.length - 1, 10_000);
});

Deno.test("a reader that has gone takes the log with it and nothing else", async () => {
  let writes = 0;
  const writer = new LineWriter({ write: () => Promise.reject(new Deno.errors.BrokenPipe(`${++writes}`)) }, {
    delay: 0,
  });
  for (const line of ["one", "two"]) {
    writer.line(line);
    await writer.close();
  }
  assertEquals([writes, writer.dropped], [1, 0]);
});
