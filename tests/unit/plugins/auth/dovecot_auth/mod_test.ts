/** Dovecot's auth protocol against a server that does what the test says; real Dovecot is in tests/interop. */
import { assert, assertEquals, assertMatch, assertRejects, assertThrows } from "@std/assert";
import { OptionsError } from "../../../../../core/pipeline/mod.ts";
import { Channel } from "../../../../../plugins/auth/dovecot_auth/channel.ts";
import { dovecot_auth } from "../../../../../plugins/auth/dovecot_auth/mod.ts";
import { waitFor, within } from "../../../../support/wait.ts";
import { LATER, login, NO } from "../login.ts";

const HELLO = "VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nMECH\tLOGIN\tplaintext\nMECH\tOAUTHBEARER\nMECH\tXOAUTH2\n" +
  "SPID\t77\nCUID\t1\nCOOKIE\t0011\nDONE\n";
const START = Date.UTC(2026, 0, 1);

/** What the server says to a line; null: nothing. */
type Script = (line: string, connection: Connection) => string | null;

class Connection {
  readonly lines: string[] = [];
  constructor(readonly conn: Deno.Conn) {}
  async say(text: string): Promise<void> {
    await this.conn.write(new TextEncoder().encode(text)).catch(() => {});
  }
  close(): void {
    try {
      this.conn.close();
    } catch { /* it is closed */ }
  }
}

class FakeDovecot implements AsyncDisposable {
  readonly connections: Connection[] = [];
  readonly #listener: Deno.TcpListener;
  readonly #running: Promise<void>;
  script: Script;
  hello: string;
  /** Connections that have ended. */
  ended = 0;

  constructor(script: Script, hello = HELLO, port = 0) {
    this.script = script;
    this.hello = hello;
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port });
    this.#running = this.#serve();
  }
  get port(): number {
    return this.#listener.addr.port;
  }
  /** What was asked, all connections together. */
  get asked(): string[] {
    return this.connections.flatMap(({ lines }) => lines).filter((line) => /^(?:AUTH|CONT|CANCEL)/.test(line));
  }

  async #serve(): Promise<void> {
    const talks: Promise<void>[] = [];
    for await (const conn of this.#listener) {
      const connection = new Connection(conn);
      this.connections.push(connection);
      talks.push(this.#talk(connection));
    }
    await Promise.all(talks);
  }
  async #talk(connection: Connection): Promise<void> {
    await connection.say(this.hello);
    let rest = "";
    try {
      for await (const text of connection.conn.readable.pipeThrough(new TextDecoderStream())) {
        const lines = (rest + text).split("\n");
        rest = lines.pop()!;
        for (const line of lines) {
          connection.lines.push(line);
          const answer = this.script(line, connection);
          if (answer !== null) await connection.say(answer);
        }
      }
    } catch { /* the connection broke */ }
    this.ended++;
  }

  /** The end of every connection that is open now. */
  hangUp(): void {
    for (const each of this.connections) each.close();
  }
  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    this.hangUp();
    await this.#running;
  }
}

/** Yes to alice with the password "right", no to all others; ids as they came. */
const usual: Script = (line) => {
  const [command, id] = line.split("\t");
  if (command !== "AUTH") return null;
  const response = atob(/resp=(.*)$/.exec(line)![1]!);
  return response === "\0Alice\0right" ? `OK\t${id}\tuser=alice\tnodelay\n` : `FAIL\t${id}\tuser=x\n`;
};
const pluginOf = (fake: FakeDovecot, more = {}) => dovecot_auth({ socket: `127.0.0.1:${fake.port}`, ...more });

Deno.test("one connection serves all; what it is told, and its spelling of the name", async () => {
  await using fake = new FakeDovecot(usual);
  const plugin = pluginOf(fake);
  const tls = { version: "TLSv1.3", cipher: "TLS_X", serverName: null, resumed: false, certificate: null };
  const facts = { tls, ip: "2001:db8::7", listener: "[2001:db8::25]:587" };
  assertEquals((await login(plugin, "Alice", "right", { ...facts, mechanism: "LOGIN" })).said, "yes alice");
  assertEquals((await login(plugin, "Alice", "wrong")).said, NO);
  assertEquals(fake.connections.length, 1);
  const [version, pid, first, second] = fake.connections[0]!.lines;
  assertEquals(version, "VERSION\t1\t2");
  assertMatch(pid!, /^CPID\t[1-9]\d*$/);
  assertEquals(
    first,
    "AUTH\t1\tPLAIN\tservice=smtp\tnologin\tno-penalty\tsecured\tlip=2001:db8::25\tlport=587\trip=2001:db8::7\trport=50000\tresp=" +
      btoa("\0Alice\0right"),
  );
  assertMatch(
    second!,
    /^AUTH\t2\tPLAIN\tservice=smtp\tnologin\tno-penalty\tlip=127\.0\.0\.1\tlport=25\trip=192\.0\.2\.1\t/,
  );
});

Deno.test("answers come in any order and each finds its login", async () => {
  const ids: string[] = [];
  await using fake = new FakeDovecot((line) => {
    const [command, id] = line.split("\t");
    if (command !== "AUTH") return null;
    ids.push(id!);
    return ids.length < 3 ? null : `OK\t${ids[2]}\tuser=c\nFAIL\t${ids[1]}\nOK\t${ids[0]}\tuser=a\n`;
  });
  const plugin = pluginOf(fake);
  const said = await Promise.all(["a", "b", "c"].map(async (user) => (await login(plugin, user, "password")).said));
  assertEquals(said, ["yes a", NO, "yes c"]);
});

Deno.test("case 38: what FAIL says beside no is not told; temp is no answer", async () => {
  const table: [string, string][] = [
    ["", NO],
    ["\tuser=alice", NO],
    ["\tuser=alice\tuser_disabled", NO],
    ["\tpass_expired", NO],
    ["\tauthz", NO],
    ["\treason=unknown user", NO],
    ["\tuser=alice\ttemp", LATER],
    ["\tcode=temp_fail", LATER],
  ];
  await using fake = new FakeDovecot(() => null);
  const plugin = pluginOf(fake);
  for (const [fields, said] of table) {
    fake.script = (line) => line.startsWith("AUTH") ? `FAIL\t${line.split("\t")[1]}${fields}\n` : null;
    assertEquals((await login(plugin, "alice", "hunter2!")).said, said, fields);
  }
});

Deno.test("tokens: the response is made anew, and a no that is explained is heard out once", async () => {
  await using fake = new FakeDovecot((line) => {
    const [command, id, rest] = line.split("\t");
    if (command === "CONT") return rest === "AQ==" || rest === "" ? `FAIL\t${id}\n` : `OK\t${id}\tuser=wrong\n`;
    if (command !== "AUTH") return null;
    const response = atob(/resp=(.*)$/.exec(line)![1]!);
    return response.includes("Bearer good\x01\x01")
      ? `OK\t${id}\tuser=alice\n`
      : `CONT\t${id}\t${btoa('{"status":"x"}')}\n`;
  });
  const plugin = pluginOf(fake, { mechanisms: ["OAUTHBEARER", "XOAUTH2"] });
  assertEquals(plugin.mechanisms, ["OAUTHBEARER", "XOAUTH2"]);
  for (const mechanism of ["OAUTHBEARER", "XOAUTH2"]) {
    assertEquals((await login(plugin, "a=b,c", "good", { mechanism })).said, "yes alice", mechanism);
    assertEquals((await login(plugin, "a=b,c", "stale-token", { mechanism })).said, NO, mechanism);
  }
  const responses = fake.asked.filter((line) => line.startsWith("AUTH")).map((line) =>
    atob(/resp=(.*)$/.exec(line)![1]!)
  );
  assertEquals(responses[0], "n,a=a=3Db=2Cc,\x01auth=Bearer good\x01\x01");
  assertEquals(responses[2], "user=a=b,c\x01auth=Bearer good\x01\x01");
  assertEquals((await login(plugin, "a", "good\x01\x01auth=Bearer x", { mechanism: "XOAUTH2" })).said, NO);
  assertEquals((await login(plugin, "a\x01auth=Bearer good", "x", { mechanism: "XOAUTH2" })).said, NO);
  assertEquals(fake.asked.filter((line) => line.startsWith("AUTH")).length, 4, "what cannot be right was asked");

  fake.script = (line) => /^(?:AUTH|CONT)/.test(line) ? `CONT\t${line.split("\t")[1]}\tAAAA\n` : null;
  assertEquals((await login(plugin, "alice", "token-7", { mechanism: "XOAUTH2" })).said, LATER, "asked for ever");
});

Deno.test("case 40: NUL in a name or a password, 64 KB of either, and an empty one are no login, and disturb nobody", async () => {
  await using fake = new FakeDovecot(usual);
  const plugin = pluginOf(fake);
  for (const [user, password] of [["a\0b", "x"], ["a", "x\0y"], ["a", ""], ["", "x"], ["a".repeat(65536), "x"]]) {
    assertEquals((await login(plugin, user!, password!)).said, NO);
  }
  assertEquals((await login(plugin, "a", "y".repeat(65536))).said, NO);
  assertEquals(fake.asked, []);
  assertEquals((await login(plugin, "Alice", "right")).said, "yes alice");
  assertEquals((await login(plugin, "a\tresp=b\nAUTH", "tab\tand\nline")).said, NO);
  assertEquals(fake.asked.length, 2, "a line of its own");
});

Deno.test("a connection that breaks in the middle is 454 for who waits; the next login has a new one", async () => {
  await using fake = new FakeDovecot((line, connection) => (line.startsWith("AUTH") && connection.close(), null));
  const plugin = pluginOf(fake);
  const both = await Promise.all([login(plugin, "Alice", "right"), login(plugin, "Alice", "right")]);
  assertEquals(both.map(({ said }) => said), [LATER, LATER]);
  assertMatch(both[0]!.reasons[0]!, /^Dovecot at 127\.0\.0\.1:\d+: /);
  fake.script = usual;
  assertEquals((await login(plugin, "Alice", "right")).said, "yes alice");
  assertEquals(fake.connections.length, 2);
});

Deno.test("a server that is away: told at once within a pause that grows, then tried again", async () => {
  const clock = { now: START };
  let port: number;
  {
    await using fake = new FakeDovecot(usual);
    port = fake.port;
  }
  const plugin = dovecot_auth({ socket: `127.0.0.1:${port}` });
  const ask = () => login(plugin, "Alice", "right", { now: () => clock.now });
  assertEquals((await ask()).reasons, [`Dovecot at 127.0.0.1:${port}: ECONNREFUSED`]);
  assertEquals((await ask()).reasons, [`Dovecot at 127.0.0.1:${port}: ECONNREFUSED, a moment ago`]);
  clock.now += 100;
  assertEquals((await ask()).reasons, [`Dovecot at 127.0.0.1:${port}: ECONNREFUSED`]);
  clock.now += 100;
  assertEquals((await ask()).reasons, [`Dovecot at 127.0.0.1:${port}: ECONNREFUSED, a moment ago`]);
  await using fake = new FakeDovecot(usual, HELLO, port);
  clock.now += 100;
  assertEquals((await ask()).said, "yes alice");
  fake.hangUp();
});

Deno.test("a server that is slow: 454 in time and the request is cancelled; a late answer is nobody's", async () => {
  const late = Promise.withResolvers<string>();
  await using fake = new FakeDovecot((line) => {
    const [command, id] = line.split("\t");
    if (command === "CANCEL") late.resolve(id!);
    return command === "AUTH" && line.includes(btoa("\0Alice\0right")) ? `OK\t${id}\tuser=alice\n` : null;
  });
  const plugin = pluginOf(fake, { timeout: "300ms" });
  const slow = login(plugin, "slow", "password");
  assertEquals((await login(plugin, "Alice", "right")).said, "yes alice", "one slow login holds up all others");
  assertEquals((await slow).said, LATER);
  const id = await within("the cancellation", late.promise, 5000);
  await fake.connections[0]!.say(`OK\t${id}\tuser=root\n`);
  assertEquals((await login(plugin, "Alice", "right")).said, "yes alice");
  assertEquals(fake.connections.length, 1);
});

Deno.test("a server that has gone silent: its connection is given up", async () => {
  await using fake = new FakeDovecot(() => null);
  const plugin = pluginOf(fake, { timeout: "200ms" });
  assertEquals((await login(plugin, "Alice", "right")).said, LATER);
  fake.script = usual;
  assertEquals((await login(plugin, "Alice", "right")).said, "yes alice");
  assertEquals(fake.connections.length, 2);
});

Deno.test("an old connection takes no more logins, and closes when the last one has its answer", async () => {
  const answer = Promise.withResolvers<void>();
  await using fake = new FakeDovecot((line, connection) => {
    if (line.startsWith("AUTH")) answer.promise.then(() => connection.say("OK\t1\tuser=alice\n"));
    return null;
  });
  const place = { host: "127.0.0.1", port: fake.port };
  const channel = await Channel.open(place, { timeout: 5000, lifetime: 50, pid: 7 });
  const question = { mechanism: "PLAIN", fields: [], response: "AAAA" };
  const outcome = channel.ask(question, new AbortController().signal);
  await waitFor("its age", () => channel.closed);
  await assertRejects(() => channel.ask(question, new AbortController().signal));
  answer.resolve();
  assertEquals(await outcome, { user: "alice" });
  await waitFor("its end", () => fake.ended === 1);
});

Deno.test("rubbish instead of a handshake, or after it, is 454 and bounded", async () => {
  const hellos = [
    "220 mx.example.org ESMTP\n",
    "VERSION\t2\t0\nDONE\n",
    "DONE\n",
    "\n",
    "x".repeat(100_000),
    "VERSION\t1\t2\n" + "MECH\t" + "x".repeat(100_000),
    "VERSION\t1\t2\nMECH\tLOGIN\nDONE\n",
    "\0\xff\xfe\n",
  ];
  for (const hello of hellos) {
    await using fake = new FakeDovecot(usual, hello);
    const { said, reasons } = await login(pluginOf(fake, { timeout: "2s" }), "Alice", "right");
    assertEquals(said, LATER, hello.slice(0, 30));
    assert(!/nothing within|no handshake/.test(reasons[0]!), `${hello.slice(0, 30)}: ${reasons[0]}`);
  }
  const answers = ["OK\tx\tuser=root\n", "OK\n", "OK\t-1\n", "FAIL\t1e3\n", "y".repeat(100_000), "CONT\t1\tAAAA\n"];
  for (const answer of answers) {
    await using fake = new FakeDovecot((line) => line.startsWith("AUTH") ? answer : null);
    assertEquals((await login(pluginOf(fake, { timeout: "2s" }), "Alice", "right")).said, LATER, answer.slice(0, 30));
  }
  await using fake = new FakeDovecot((line, c) =>
    line.startsWith("AUTH") ? `NEWS\t1\nOK\t9\tuser=root\n${usual(line, c)}` : null
  );
  assertEquals(
    (await login(pluginOf(fake), "Alice", "right")).said,
    "yes alice",
    "what is new, or not ours, is passed over",
  );
  await using nameless = new FakeDovecot((line) => line.startsWith("AUTH") ? "OK\t1\tuser=a\x01b\n" : null);
  assertEquals((await login(pluginOf(nameless), "Alice", "right")).said, LATER, "a name with controls");
});

Deno.test("options: a path from the configuration's folder, or an address", () => {
  for (const socket of ["/run/dovecot/auth-client", "./auth", "127.0.0.1:143", "[::1]:143", "auth.internal:99"]) {
    dovecot_auth({ socket });
  }
  assertThrows(() => dovecot_auth({ socket: "host:99999" }), OptionsError, "must be the path");
  assertThrows(() => dovecot_auth({ socket: "host:0" }), OptionsError, "must be the path");
  assertThrows(() => dovecot_auth({ service: "a\tb" }), OptionsError, "must be a word");
  assertEquals([dovecot_auth().roles, dovecot_auth().mechanisms], [["submission"], ["PLAIN", "LOGIN"]]);
});
