/** A reply that is a hang-up: nothing is said, what came before it is, and nothing behind it runs. */
import { assertEquals } from "@std/assert";
import { accept, defer, reject } from "../../../core/model/reply.ts";
import type { ServerEvent } from "../../../core/smtp/events.ts";
import { ServerSession } from "../../../core/smtp/server.ts";
import { octets, serverOptions } from "../../support/engine.ts";

const LINES = ["EHLO c.example", "MAIL FROM:<a@b.example>", "RCPT TO:<c@example.org>", "DATA", "text", ".", "NOOP"];

Deno.test("a silent reply ends the session without a word, wherever it is given", () => {
  const table: readonly [at: ServerEvent["type"], said: readonly string[]][] = [
    ["connect", []],
    ["helo", ["220"]],
    ["mail", ["220", "250"]],
    ["rcpt", ["220", "250", "250"]],
    ["message", ["220", "250", "250", "250", "354"]],
  ];
  for (const lmtp of [false, true]) {
    for (const [at, said] of table) {
      for (const silent of [defer("4.3.2", "x", { silent: true }), reject("5.3.2", "x", { silent: true })]) {
        const session = new ServerSession(serverOptions({ lmtp }));
        let ended: string | null = null;
        session.receive(octets(LINES.map((line) => `${lmtp ? line.replace("EHLO", "LHLO") : line}\r\n`).join("")));
        for (let event = session.next(); event !== null; event = session.next()) {
          if (event.type === "close") ended = session.state;
          if (event.asks) session.answer(event.type === at ? silent : accept());
        }
        const codes = session.takeOutput().split("\r\n").filter((line) => /^\d{3} /.test(line));
        assertEquals([codes.map((line) => line.slice(0, 3)), ended], [said, "closed"], `${at} ${silent}`);
      }
    }
  }
});
