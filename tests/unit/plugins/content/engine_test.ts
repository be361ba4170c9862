/** The connection to an engine: places as they are written, one question and one answer, and every way to get none. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  askEngine,
  EngineConnection,
  EngineError,
  formatEnginePlace,
  parseEnginePlace,
  type Question,
} from "../../../../plugins/content/engine.ts";
import { FakeEngine } from "../../../support/fake_engine.ts";
import { freePort } from "../../../support/ports.ts";
import { TempFolder } from "../../../support/temp.ts";
import { waitFor } from "../../../support/wait.ts";

const NEVER = new AbortController().signal;
const octets = (text: string) => new TextEncoder().encode(text);
const text = (octets: Uint8Array) => new TextDecoder().decode(octets);
const isLine = (answer: Uint8Array) => answer.includes(10);

function ask(engine: { readonly port: number }, options: Partial<Question> = {}): Promise<string> {
  const question = { request: [octets("hello\n")], longest: 1000, whole: isLine, signal: NEVER, ...options };
  return askEngine({ host: "127.0.0.1", port: engine.port }, question).then(text);
}
const said = (heard: string) => heard.endsWith("\n");

Deno.test("engine: places, and what is none", () => {
  const good = ["tcp://127.0.0.1:3310", "tcp://[::1]:783", "tcp://av.example.org:3310", "unix:///run/clamav/clamd.ctl"];
  for (const each of good) assertEquals(formatEnginePlace(parseEnginePlace(each)!), each);
  const bad = [
    "",
    "127.0.0.1:3310",
    "tcp://127.0.0.1",
    "tcp://127.0.0.1:0",
    "tcp://127.0.0.1:65536",
    "tcp://::1:783",
    "tcp://a b:1",
    "tcp://host:1/x",
    "unix://run/x",
    "unix:///",
    `unix:///${"x".repeat(108)}`,
    "http://127.0.0.1:1",
    "unix:///a\0b",
  ];
  for (const each of bad) assertEquals(parseEnginePlace(each), null, each);
});

Deno.test("engine: an answer in pieces, by TCP and by a socket file", async () => {
  const serve = async (side: Parameters<ConstructorParameters<typeof FakeEngine>[0]>[0]) => {
    await side.until(said);
    await side.say("good ");
    await side.say(`day ${side.heard().trim()}\n`);
    await side.forever();
  };
  await using tcp = new FakeEngine(serve);
  assertEquals(await ask(tcp), "good day hello\n");
  await using folder = await TempFolder.make();
  await using unix = new FakeEngine(serve, folder.at("engine.sock"));
  const question = { request: [octets("hel"), octets("lo\n")], longest: 1000, whole: isLine, signal: NEVER };
  assertEquals(text(await askEngine({ path: folder.at("engine.sock") }, question)), "good day hello\n");
  assertEquals(unix.connections, 1);
});

Deno.test("engine: what is said in the middle of the question is the answer", async () => {
  await using engine = new FakeEngine(async (side) => {
    await side.until((heard) => heard.length > 10);
    await side.say("too much\n");
    await side.until(() => false); // it would be a reset if there were something unread
  });
  async function* endless() {
    for (;;) {
      yield octets("x".repeat(1000));
      await new Promise((go) => setTimeout(go));
    }
  }
  assertEquals(await ask(engine, { request: endless() }), "too much\n");
});

Deno.test("engine: an engine that does not read makes the question wait, not the memory grow", async () => {
  await using engine = new FakeEngine((side) => side.forever());
  const stop = new AbortController();
  let pieces = 0, closed = false;
  async function* large() {
    try {
      for (;;) {
        pieces++;
        yield new Uint8Array(64 * 1024);
      }
    } finally {
      closed = true;
    }
  }
  const asked = ask(engine, { request: large(), signal: stop.signal });
  asked.catch(() => {});
  let before = -1;
  await waitFor("the sender to stand still", () => {
    const still = pieces > 0 && pieces === before;
    before = pieces;
    return still;
  }, { every: 300 });
  assert(pieces < 512, `${pieces} pieces of 64 KiB were read for an engine that takes none`);
  stop.abort(new Error("enough"));
  await assertRejects(() => asked, Error, "enough");
  await waitFor("the source to be let go", () => closed);
});

Deno.test("engine: every way to give no answer is an error of the engine", async () => {
  const cases: [string, (side: Parameters<ConstructorParameters<typeof FakeEngine>[0]>[0]) => Promise<void>, RegExp][] =
    [
      [
        "closes at once",
        () => Promise.resolve(),
        /^it (?:closed the connection without an answer|broke the connection)$/,
      ],
      ["closes after the question", async (side) => void await side.until(said), /without an answer$/],
      [
        "breaks off",
        async (side) => (await side.until(said), side.say("good da")),
        /^it broke off in the middle of its answer$/,
      ],
      [
        "never ends",
        async (side) => {
          for (;;) await side.say("x".repeat(500));
        },
        /^its answer has more than 1000 octets$/,
      ],
    ];
  for (const [name, serve, expected] of cases) {
    await using engine = new FakeEngine(serve);
    const error = await assertRejects(() => ask(engine), EngineError);
    assert(expected.test(error.message), `${name}: ${error.message}`);
  }
  const error = await assertRejects(() => ask({ port: freePort() }), EngineError);
  assertEquals(error.message, "connection refused");
  const missing = askEngine({ path: "/nonexistent/engine.sock" }, { request: [], longest: 1, signal: NEVER });
  assertEquals((await assertRejects(() => missing, EngineError)).message, "there is no such socket");
});

Deno.test("engine: a message that cannot be read is no error of the engine, and never a whole question", async () => {
  let heard = "";
  await using engine = new FakeEngine(async (side) => {
    await side.until(said);
    heard = side.heard();
    await side.say("fine\n");
  });
  async function* broken() {
    yield octets("hel");
    await Promise.resolve();
    throw new TypeError("the disk is gone");
  }
  const error = await assertRejects(() => ask(engine, { request: broken() }), TypeError, "the disk is gone");
  assert(!(error instanceof EngineError));
  assertEquals(heard, "");
});

Deno.test("engine: a signal ends opening and asking, with its own reason", async () => {
  const stop = new AbortController();
  stop.abort(new Error("too late"));
  await using engine = new FakeEngine((side) => side.forever());
  await assertRejects(() => ask(engine, { signal: stop.signal }), Error, "too late");
  assertEquals(engine.connections, 0);
  const later = new AbortController(), asked = ask(engine, { signal: later.signal });
  asked.catch(() => {});
  await waitFor("the connection", () => engine.connections === 1);
  later.abort(new Error("changed my mind"));
  await assertRejects(() => asked, Error, "changed my mind");
});

Deno.test("engine: a connection that is kept takes several questions, and says when it is closed", async () => {
  let lines = 0;
  await using engine = new FakeEngine(async (side) => {
    while (lines < 2 && await side.until((heard) => heard.split("\n").length > lines + 1)) {
      await side.say(`${++lines}\n`);
    }
  });
  using connection = await EngineConnection.open({ host: "127.0.0.1", port: engine.port }, NEVER);
  for (const expected of ["1\n", "2\n"]) {
    const answer = await connection.during(NEVER, async () => {
      await connection.write(octets("next\n"));
      return await connection.read();
    });
    assertEquals(text(answer!), expected);
    connection.rest();
  }
  await waitFor("the end", () => connection.closed);
  assertEquals(await connection.read(), null);
});

Deno.test("engine: who has no more to say can still listen", async () => {
  await using engine = new FakeEngine(async (side) => {
    assert(!await side.until(() => false));
    await side.say(`that was ${side.heard()}`);
  });
  using connection = await EngineConnection.open({ host: "127.0.0.1", port: engine.port }, NEVER);
  await connection.write(octets("all"));
  await connection.end();
  assertEquals(text((await connection.read())!), "that was all");
  assertEquals(await connection.read(), null);
  await connection.end();
});
