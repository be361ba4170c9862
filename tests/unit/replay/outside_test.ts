/** What plugins heard outside, in a recording and out of it: which of it is kept, and that each gets its own answer back. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Inquiry, Outside } from "../../../core/pipeline/contexts/outside.ts";
import { OutsideError, type Phase } from "postern";
import { recordingOutside, toldOutside } from "../../../core/replay/asking.ts";
import { headOf, parseRecording, RecordingError } from "../../../core/replay/format.ts";
import type { Told } from "../../../core/replay/recording.ts";
import { SessionTape } from "../../../core/replay/session_tape.ts";

const PLACE = {
  ...{ session: "s01A", at: 0, listener: "in", role: "mx", ip: "192.0.2.1", port: 4000, hostname: "mx.example.org" },
  bodies: true,
};
const OPEN = new AbortController().signal;

/** A session under way. */
function recorder({ bodies = true, house }: { readonly bodies?: boolean; readonly house?: Outside } = {}) {
  const lines: string[] = [];
  const tape = new SessionTape({ bodies, write: (text) => void lines.push(text), monotonic: () => 0 });
  const outside = recordingOutside(house, { tape, bodies });
  return {
    tape,
    command(text: string): void {
      tape.said("250 2.0.0 OK\r\n");
      tape.took({ kind: "line", text: `${text}\r\n` }, { octets: text.length + 2, said: 0 });
    },
    ask: (question: string, ask: () => Promise<string>, more: Partial<Inquiry> = {}) =>
      outside({ plugin: "oracle", question, phase: "mail", signal: OPEN, ...more }, ask),
    end(): { readonly text: string; readonly told: readonly Told[] } {
      tape.end("quit");
      const text = headOf(PLACE) + lines.join("");
      return { text, told: parseRecording(text).told };
    },
  };
}
const say = (answer: string) => () => Promise.resolve(answer);

Deno.test("answers and failures are kept with who asked, in which command, and the how-manieth time", async () => {
  const { ask, command, end } = recorder();
  assertEquals(await ask("a", say("one")), "one");
  command("MAIL FROM:<>");
  assertEquals(await ask("a", say("two \u00fc\0\ud800")), "two \u00fc\0\ud800");
  assertEquals(await ask("a", say("")), "");
  await assertRejects(() => ask("a", () => Promise.reject(new RangeError("gone"))), RangeError, "gone");
  assertEquals(await ask("a", say("other"), { plugin: "second" }), "other");
  assertEquals(
    end().told.map(({ by, question, act, turn, answer, failed }) => [by, question, act, turn, answer, failed]),
    [
      ["oracle", "a", 0, 0, "one", ""],
      ["oracle", "a", 1, 0, "two \u00fc\0\ud800", ""],
      ["oracle", "a", 1, 1, "", ""],
      ["oracle", "a", 1, 2, null, "gone"],
      ["second", "a", 1, 0, "other", ""],
    ],
  );
});

Deno.test("an answer belongs to the command in which it was asked for, however late it comes", async () => {
  const { ask, command, end } = recorder(), answers: ((text: string) => void)[] = [];
  const wait = () => new Promise<string>((resolve) => answers.push(resolve));
  command("MAIL FROM:<>");
  const asked = [ask("a", wait), ask("a", wait)];
  command("RCPT TO:<b@example.org>");
  answers[1]!("second");
  await asked[1];
  answers[0]!("first");
  await asked[0];
  assertEquals(end().told.map(({ act, turn, answer }) => [act, turn, answer]), [[1, 1, "second"], [1, 0, "first"]]);
});

Deno.test("what the house puts in an answer's place is what is kept", async () => {
  const { ask, end } = recorder({ house: async (_inquiry, ask) => `${await ask()}!` });
  assertEquals(await ask("a", say("yes")), "yes!");
  assertEquals(end().told[0]!.answer, "yes!");
});

Deno.test("what is not kept: too long, about a login, about a content that is not kept, too late", async () => {
  const kept = async (phase: Phase, answer: string, options: { bodies?: boolean; signal?: AbortSignal } = {}) => {
    const { ask, end } = recorder(options);
    const asking = ask("secret", say(answer), { phase, signal: options.signal ?? OPEN });
    assertEquals(await asking, answer, "whoever asks gets the answer all the same");
    const { told, text } = end();
    assertEquals(text.includes("secret"), told.length > 0);
    return told.length > 0;
  };
  assert(await kept("mail", "x".repeat(65_536)));
  assert(!await kept("mail", "x".repeat(65_537)));
  assert(!await kept("mail", "\u00fc".repeat(32_769)), "it is octets that count");
  assert(!await kept("auth", "x"));
  assert(!await kept("queue", "x"));
  assert(await kept("data", "x", { bodies: true }));
  assert(!await kept("data", "x", { bodies: false }));
  assert(await kept("rcpt", "x", { bodies: false }));
  assert(!await kept("mail", "x", { signal: AbortSignal.abort() }));
  const { ask, end } = recorder();
  const late = ask("secret", () => Promise.reject(new Error("late")), { signal: AbortSignal.abort() });
  await assertRejects(() => late, Error, "late");
  assertEquals(end().told, [], "a call that was cut short knows nothing of the one who was asked");
});

Deno.test("the words of a failure are cut, and hold no address: a token may be in it", async () => {
  const { ask, end } = recorder();
  const messages = [
    "error sending request for url (https://api.example/v1?token=secret): refused",
    `HTTP+UNIX://secret:${"secret".repeat(1000)}`,
    `${"x".repeat(1990)} https://secret.example/secret`,
  ];
  for (const message of messages) await assertRejects(() => ask("a", () => Promise.reject(new Error(message))));
  const { told, text } = end();
  assert(!text.includes("secret"), text);
  assertEquals(told[0]!.failed, "error sending request for url ((address) refused");
  assert(told.every(({ failed }) => failed.length <= 300));
});

Deno.test("nobody is asked in a replay: each act and turn gets its own answer, and what failed fails", async () => {
  const { ask, command, end } = recorder();
  for (const [index, name] of ["", "MAIL FROM:<>", "RCPT TO:<b@example.org>"].entries()) {
    if (name !== "") command(name);
    await ask("a", say(`${index} first`));
    await ask("a", say(`${index} second`));
  }
  await assertRejects(() => ask("b", () => Promise.reject(new Error("gone"))));
  let act = 1;
  const missing: string[] = [];
  const outside = toldOutside(end().told, {
    act: () => act,
    missing: ({ plugin, question }, at) => void missing.push(`${plugin} ${question} ${at}`),
  });
  const never = () => Promise.reject(new Error("it was asked"));
  const recall = (question: string, plugin = "oracle") =>
    outside({ plugin, question, phase: "mail", signal: OPEN }, never);
  assertEquals([await recall("a"), await recall("a")], ["1 first", "1 second"]);
  await assertRejects(() => recall("a"), OutsideError, "no answer");
  act = 2; // act 0 was left out: nobody else gets its answers
  assertEquals(await recall("a"), "2 first");
  await assertRejects(() => recall("b"), OutsideError, "gone");
  await assertRejects(() => recall("a", "stranger"), OutsideError, "no answer");
  assertEquals(missing, ["oracle a 1", "stranger a 2"]);
});

Deno.test("a line that is no answer is refused with its file", () => {
  const { end } = recorder(), { text } = end(), [head = "", connect = ""] = text.split("\n");
  const line = { outside: "a", by: "b", act: 0, turn: 0, answer: "x", failed: "" };
  const parse = (fields: object) =>
    parseRecording([head, connect, JSON.stringify({ ...line, ...fields }), '{"ended":"quit"}', ""].join("\n"));
  assertEquals(parse({}).told.length, 1);
  for (
    const wrong of [{ answer: 7 }, { answer: "x".repeat(65_537) }, { act: -1 }, { turn: 0.5 }, { by: null }, {
      more: 1,
    }]
  ) {
    const error = (() => {
      try {
        return parse(wrong);
      } catch (error) {
        return error;
      }
    })();
    assert(error instanceof RecordingError, JSON.stringify(wrong));
  }
});
