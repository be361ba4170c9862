import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import fc from "fast-check";
import { run } from "../../../cli/main.ts";
import { canonical, stuffed } from "../../../cli/smtp/content.ts";
import { FakeTerminal } from "./fake_terminal.ts";
import { session } from "./scripted_server.ts";

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const bytes = (value: string) => new TextEncoder().encode(value);

Deno.test("a message goes out with its envelope, dots and line ends as they must be", async () => {
  const terminal = new FakeTerminal({ input: "Subject: x\n\n.dot\nbär\r\n..\nend" });
  const heard = await session({}, async (server) => {
    const args = [
      "send",
      "--server",
      server,
      "--to",
      "a@example.org",
      "b@example.org",
      "--from",
      "",
      "--file",
      "-",
      "--trace",
    ];
    assertEquals(await run(args, terminal), 0);
  });
  assertEquals(heard, [
    "EHLO localhost",
    "MAIL FROM:<> SIZE=35 BODY=8BITMIME",
    "RCPT TO:<a@example.org>",
    "RCPT TO:<b@example.org>",
    "DATA",
    "Subject: x",
    "",
    "..dot",
    "bär",
    "...",
    "end",
    ".",
    "QUIT",
  ]);
  assertEquals(terminal.printed.at(-1), "250 2.0.0 queued as X");
  assert(terminal.printed.includes(">>> DATA") && terminal.printed.includes("<<< 354 go"));
});

Deno.test("refusals at every step are exit code 1, with the server's words", async () => {
  const table: readonly [rules: Record<string, string>, complaints: readonly string[]][] = [
    [{ greeting: "554 5.7.1 go away" }, ["postern: a@example.org was refused: 554 5.7.1 go away"]],
    [{ MAIL: "550 5.1.7 no" }, ["postern: a@example.org was refused: 550 5.1.7 no"]],
    [{ RCPT: "550-5.1.1 no\r\n550 5.1.1 really" }, ["postern: a@example.org was refused: 550 5.1.1 no 5.1.1 really"]],
    [{ DATA: "451 4.3.0 later" }, ["postern: the message was refused: 451 4.3.0 later"]],
    [{ ".": "550 5.7.1 \x1b[31mspam" }, ["postern: the message was refused: 550 5.7.1 ?[31mspam"]],
  ];
  for (const [rules, complaints] of table) {
    const terminal = new FakeTerminal();
    await session({ rules }, async (server) => {
      assertEquals(await run(["send", "--server", server, "--to", "a@example.org"], terminal), 1);
    });
    assertEquals(terminal.complaints, complaints);
  }
});

Deno.test("HELO where EHLO is unknown; a server that hangs up after the 250 has still taken the message", async () => {
  const terminal = new FakeTerminal();
  const heard = await session({ rules: { EHLO: "502 5.5.1 what", QUIT: "(hangs up)" } }, async (server) => {
    assertEquals(await run(["send", "--server", server, "--to", "a@example.org"], terminal), 0);
  });
  assertEquals(heard.slice(0, 3), ["EHLO localhost", "HELO localhost", "MAIL FROM:<postern@localhost>"]);
});

Deno.test("a server that speaks nonsense, without end, or leaves is one line and exit code 1", async () => {
  const table: readonly [rules: Record<string, string>, why: string][] = [
    [{ greeting: "SSH-2.0-OpenSSH" }, "which is no SMTP reply"],
    [{ MAIL: "250".padEnd(20_000, "x") }, "a line without an end"],
    [{ MAIL: "250-x\r\n".repeat(300) }, "never ends"],
    [{ RCPT: "(hangs up)" }, ""],
  ];
  for (const [rules, why] of table) {
    const terminal = new FakeTerminal();
    await session({ rules }, async (server) => {
      assertEquals(await run(["send", "--server", server, "--to", "a@example.org"], terminal), 1);
    });
    assertEquals(terminal.complaints.length, 1);
    assertStringIncludes(terminal.complaints[0]!, why);
  }
});

Deno.test("what is sent has CRLF only, and what a server unstuffs is what was sent", () => {
  const octets = fc.array(fc.constantFrom(..."a.\r\n"), { maxLength: 60 }).map((chars) => bytes(chars.join("")));
  fc.assert(fc.property(octets, (content) => {
    const clean = text(canonical(content));
    assertEquals(clean.replaceAll("\r\n", ""), clean.replace(/[\r\n]/g, ""));
    const lines = text(content).split(/\r\n|\r|\n/);
    assertEquals(clean.split("\r\n"), lines.at(-1) === "" ? lines : [...lines, ""]);
    const wire = text(stuffed(canonical(content)));
    assert(wire.endsWith(".\r\n"));
    const body = wire.slice(0, -3);
    assert(!`\r\n${body}`.includes("\r\n.\r\n"));
    assertEquals(body.replace(/(^|\r\n)\./g, "$1"), clean);
  }));
});
