/** Nothing that a client said in a login reaches a recording, however it was cut, pipelined, refused or broken. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { accept, reject } from "../../../core/model/reply.ts";
import { headOf, parseRecording } from "../../../core/replay/format.ts";
import { SessionTape } from "../../../core/replay/session_tape.ts";
import { type Asking, Challenge } from "../../../core/smtp/events.ts";
import { Offer } from "../../../core/smtp/extensions.ts";
import { ServerSession } from "../../../core/smtp/server.ts";
import { base64 } from "../../support/bytes.ts";
import { octets, serverOptions } from "../../support/engine.ts";

const MECHANISMS = ["SCRAM-SHA-256", "OAUTHBEARER", "XOAUTH2", "CRAM-MD5", "PLAIN", "LOGIN"];
const PLACE = {
  ...{ session: "s1", at: 0, listener: "mx", role: "mx", ip: "192.0.2.1", port: 1, hostname: "mx.example.org" },
  bodies: true,
};

/** Feeds the pieces; `rounds` challenges come before the last word. */
function recorded(
  pieces: readonly string[],
  options: { readonly rounds: number; readonly ok: boolean; readonly offered?: boolean; readonly early?: boolean },
): string {
  const { rounds, ok, offered = true } = options;
  let text = "";
  const tape = new SessionTape({ bodies: true, write: (lines) => void (text += lines), monotonic: () => 0 });
  const offer = new Offer({ size: 1e6, recipients: 100, authWithoutTls: true, mechanisms: offered ? MECHANISMS : [] });
  const session = new ServerSession(serverOptions({ offer }));
  session.tape = tape;
  let left = rounds;
  const answer = (event: Asking) => {
    if (event.type === "auth") left = rounds;
    if (event.type === "auth-cancelled") return event.refusal;
    if (event.type !== "auth" && event.type !== "auth-response") return accept();
    // A server's challenge repeats what the client said: SCRAM's has its nonce in it
    if (left-- > 0) {
      return new Challenge(event.type === "auth" ? event.initial?.slice() ?? octets("") : event.response.slice());
    }
    return ok ? accept() : reject("5.7.8", "Authentication failed", { code: 535 });
  };
  const pump = () => {
    for (let event = session.next(); event !== null; event = session.next()) {
      if (event.asks) session.answer(answer(event));
    }
    session.takeOutput();
  };
  pump();
  for (const piece of pieces) {
    session.receive(octets(piece));
    pump();
  }
  tape.end("peer left");
  parseRecording(headOf(PLACE) + text);
  return text;
}

/** What a client says, and how many challenges it gets. */
const LOGINS: Readonly<Record<string, readonly [rounds: number, lines: readonly string[]]>> = {
  "PLAIN at once": [0, [`AUTH PLAIN ${base64("\0alice-name\0hunter2-secret")}`]],
  "PLAIN, asked": [1, ["auth plain", base64("\0alice-name\0hunter2-secret")]],
  "LOGIN": [2, ["AUTH LOGIN", base64("alice-name"), base64("hunter2-secret")]],
  "LOGIN with the name": [1, [`AUTH LOGIN ${base64("alice-name")}`, base64("hunter2-secret")]],
  "SCRAM": [2, [
    `AUTH SCRAM-SHA-256 ${base64("n,,n=alice-name,r=client-nonce-of-mine")}`,
    base64("c=biws,r=client-nonce-of-mineAndYours,p=cHJvb2Ytb2YtbWluZQ=="),
    "",
  ]],
  "XOAUTH2": [1, [`AUTH XOAUTH2 ${base64("user=alice-name\x01auth=Bearer hunter2-token\x01\x01")}`, ""]],
  "in clear, as people type": [1, ["AUTH LOGIN", "hunter2-secret"]],
  "too many words": [0, ["AUTH PLAIN hunter2-secret more-secret"]],
  "no such mechanism": [0, ["AUTH hunter2-secret", "AUTH HUNTER2-SECRET hunter2-secret"]],
  "a control in it": [1, ["AUTH LOGIN", "hunter2\x01-secret"]],
  "no UTF-8 in it": [1, ["AUTH LOGIN", "hunter2-secret\xff"]],
  "given up": [2, ["AUTH LOGIN", base64("alice-name"), "*", base64("hunter2-secret")]],
  "without an end": [1, ["AUTH LOGIN", `${"hunter2-secret".repeat(1000)}`]],
  "words of its own": [0, ["PASS hunter2-secret", "hunter2-secret", "LOGIN alice-name hunter2-secret"]],
};

/** All that a client said in it, and what that stands for. */
function secretsIn(lines: readonly string[]): string[] {
  const words = lines.flatMap((line) => line.split(" ")).filter((word) =>
    word.length > 3 && !/^(?:auth|pass|login)$/i.test(word)
  )
    .filter((word) => !MECHANISMS.includes(word.toUpperCase()));
  return [...words, "hunter2", "HUNTER2", "alice-name", "client-nonce", "more-secret"];
}

for (const [name, [rounds, lines]] of Object.entries(LOGINS)) {
  for (const ok of [true, false]) {
    for (const offered of [true, false]) {
      Deno.test(`${name}: ${ok ? "right" : "wrong"}, ${offered ? "offered" : "not offered"}: nothing of it is kept`, () => {
        const batch = `EHLO client.example\r\n${lines.join("\r\n")}\r\nMAIL FROM:<a@sender.example>\r\nQUIT\r\n`;
        const cuts = [[batch], batch.split(/(?<=\r\n)/), batch.length < 1000 ? batch.split("") : []];
        const step = Math.max(1, Math.floor(batch.length / 200));
        for (let at = 1; at < batch.length; at += step) cuts.push([batch.slice(0, at), batch.slice(at)]);
        for (let at = 1; at < batch.length; at += step) cuts.push([batch.slice(0, at)]); // and gone
        for (const pieces of cuts) {
          const text = recorded(pieces, { rounds, ok, offered });
          for (const secret of secretsIn(lines)) assert(!text.includes(secret), `${secret} in\n${text}`);
        }
        assertStringIncludes(recorded([batch], { rounds, ok, offered }), "EHLO client.example");
      });
    }
  }
}

Deno.test("the commands around a login are kept, and the login is one act", () => {
  const pieces = ["EHLO client.example\r\n", `AUTH LOGIN\r\n`, `${base64("a")}\r\n`, `${base64("b")}\r\n`, "NOOP\r\n"];
  const { acts } = parseRecording(headOf(PLACE) + recorded(pieces, { rounds: 2, ok: true }));
  assertEquals(acts.map(({ deed }) => deed.kind), ["connect", "line", "auth", "line"]);
  assertEquals(acts[2]!.said, "235 2.7.0 Authentication succeeded\r\n");
  assertEquals(acts[3]!.said.slice(0, 3), "250");
});

Deno.test("what is pipelined is told from what was waited for", () => {
  const early = (pieces: readonly string[]) =>
    parseRecording(headOf(PLACE) + recorded(pieces, { rounds: 0, ok: true })).acts.map((act) => act.early);
  const [hello, mail, rcpt] = ["EHLO a.example\r\n", "MAIL FROM:<a@b.example>\r\n", "RCPT TO:<c@d.example>\r\n"];
  assertEquals(early([hello!, mail!, rcpt!]), [false, false, false, false]);
  assertEquals(early([hello!, mail! + rcpt!]), [false, false, false, true]);
  assertEquals(early([hello! + mail!.slice(0, 3), mail!.slice(3) + rcpt!]), [false, false, true, true]);
});
