/** `postern send --auth`: where the password comes from, that the trace keeps it, and what is a usage error. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { run } from "../../../cli/main.ts";
import { FakeTerminal } from "./fake_terminal.ts";
import { type Script, session } from "./scripted_server.ts";

const PASSWORD = "pass:word é";
const PLAIN = new TextEncoder().encode(`\0alice\0${PASSWORD}`).toBase64();
const SERVER: Script = {
  rules: { EHLO: "250-test\r\n250 AUTH PLAIN LOGIN" },
  answer: (line) =>
    line.startsWith("AUTH") ? line === `AUTH PLAIN ${PLAIN}` ? "235 2.7.0 yes" : "535 5.7.8 no" : undefined,
};
const TO = ["--to", "a@example.org"];

Deno.test("the password: behind the name, from the environment, typed, from standard input", async () => {
  const table: readonly [args: string[], terminal: FakeTerminal][] = [
    [["--auth", `alice:${PASSWORD}`], new FakeTerminal()],
    [["--auth", "alice"], new FakeTerminal({ env: { POSTERN_SEND_PASSWORD: PASSWORD }, typed: ["no"] })],
    [["--auth", "alice"], new FakeTerminal({ typed: [PASSWORD], input: "no" })],
    [["--auth", "alice"], new FakeTerminal({ input: `${PASSWORD}\r\nmore\n` })],
  ];
  for (const [args, terminal] of table) {
    const heard = await session(SERVER, async (server) => {
      assertEquals(
        await run(["send", "--server", server, ...TO, ...args, "--trace"], terminal),
        0,
        terminal.complaints.join(),
      );
    });
    assertEquals(heard.slice(0, 2), ["EHLO localhost", `AUTH PLAIN ${PLAIN}`]);
    assert(terminal.printed.includes(">>> AUTH PLAIN ***") && terminal.printed.includes("<<< 235 2.7.0 yes"));
    for (const secret of [PASSWORD, PLAIN]) assert(!terminal.text.includes(secret));
  }
});

Deno.test("no challenge and no answer to one is in the trace", async () => {
  const terminal = new FakeTerminal();
  const answer: Script["answer"] = (line) =>
    ({ "AUTH LOGIN": "334 VXNlcm5hbWU6", [btoa("alice")]: "334 UGFzc3dvcmQ6", [btoa("secret")]: "235 2.7.0 yes" })[
      line
    ];
  await session({ ...SERVER, answer }, async (server) => {
    const args = ["--auth", "alice:secret", "--mechanism", "login", "--trace"];
    assertEquals(await run(["send", "--server", server, ...TO, ...args], terminal), 0);
  });
  const from = terminal.printed.indexOf(">>> AUTH LOGIN");
  assertEquals(terminal.printed.slice(from, from + 6), [
    ">>> AUTH LOGIN",
    "<<< 334 ***",
    ">>> ***",
    "<<< 334 ***",
    ">>> ***",
    "<<< 235 2.7.0 yes",
  ]);
});

Deno.test("a refused login is exit code 1, and nothing is sent without it", async () => {
  const terminal = new FakeTerminal();
  const heard = await session(SERVER, async (server) => {
    assertEquals(await run(["send", "--server", server, ...TO, "--auth", "alice:wrong"], terminal), 1);
  });
  assertEquals([heard.length, heard.at(-1)], [3, "QUIT"]);
  assertEquals(terminal.complaints, ["postern: a@example.org was refused: 535 5.7.8 no"]);
});

Deno.test("a server without AUTH, or without a mechanism of ours, is told of", async () => {
  const table: readonly [offer: string, why: string][] = [
    ["250 test", "the server offers no AUTH here"],
    ["250-test\r\n250 AUTH GSSAPI NTLM", "the server offers AUTH GSSAPI NTLM, none of which will do"],
  ];
  for (const [EHLO, why] of table) {
    const terminal = new FakeTerminal();
    await session({ rules: { EHLO } }, async (server) => {
      assertEquals(await run(["send", "--server", server, ...TO, "--auth", "a:b"], terminal), 1);
    });
    assertStringIncludes(terminal.complaints.join(), why);
  }
});

Deno.test("what cannot be: usage errors", async () => {
  const table: readonly [args: string[], code: number, why: RegExp][] = [
    [["--mechanism", "PLAIN"], 2, /--mechanism wants --auth/],
    [["--auth", "a:b", "--mechanism", "NTLM"], 2, /"NTLM" is none of .*SCRAM-SHA-256/],
    [["--auth", "alice", "--file", "-"], 2, /set POSTERN_SEND_PASSWORD/],
    [["--auth", "alice"], 2, /no password on standard input/],
  ];
  for (const [args, code, why] of table) {
    const terminal = new FakeTerminal();
    assertEquals(await run(["send", ...TO, ...args], terminal), code);
    assertMatch(terminal.complaints.join(), why);
  }
});
