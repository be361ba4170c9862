/** STARTTLS and AUTH in the engine: what is offered when, what is forgotten, what ends a login. Cases 37, 41, 43, 44. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { accept, reject } from "../../../core/model/reply.ts";
import { Challenge, type ServerEvent } from "../../../core/smtp/events.ts";
import { Offer, type OfferOptions } from "../../../core/smtp/extensions.ts";
import { type ServerOptions, ServerSession } from "../../../core/smtp/server.ts";
import { type HostAnswer, LIMITS, octets, serverOptions } from "../../support/engine.ts";

const offer = (options: Partial<OfferOptions> = {}) =>
  new Offer({ size: 100_000, recipients: 100, startTls: true, mechanisms: ["SCRAM-SHA-256", "PLAIN"], ...options });

/** A session that is fed by hand: `say` gives back what it answers. */
class Talk {
  readonly events: ServerEvent[] = [];
  readonly session: ServerSession;
  constructor(options: Partial<ServerOptions> = {}, readonly answer: HostAnswer = () => undefined) {
    this.session = new ServerSession(serverOptions({ offer: offer(), forbidEarlyTalk: true, ...options }));
    this.pump();
  }
  say(...lines: string[]): string {
    this.session.receive(octets(lines.map((line) => `${line}\r\n`).join("")));
    return this.pump();
  }
  pump(): string {
    for (let event = this.session.next(); event !== null; event = this.session.next()) {
      this.events.push(event);
      if (event.asks) this.session.answer(this.answer(event) ?? accept());
    }
    return this.session.takeOutput();
  }
  secure(certificate = false): string {
    this.session.secured({ certificate });
    return this.pump();
  }
  get asked(): string[] {
    return this.events.filter((each) => each.asks).map((each) => each.type);
  }
}

Deno.test("case 43: what is pipelined behind STARTTLS never runs, and the session ends", () => {
  const talk = new Talk({ forbidEarlyTalk: false });
  talk.say("EHLO client.example");
  const said = talk.say("STARTTLS", "MAIL FROM:<a@sender.example>", "RCPT TO:<b@example.org>");
  assert(said.startsWith("554 5.5.0 "), said);
  assertEquals([talk.session.state, talk.asked.at(-1), talk.events.at(-1)!.type], ["closed", "starttls", "close"]);
});

Deno.test("case 43: STARTTLS in a body is text", () => {
  const talk = new Talk();
  talk.say("EHLO c.example");
  for (const line of ["MAIL FROM:<a@sender.example>", "RCPT TO:<b@example.org>", "DATA"]) talk.say(line);
  assertEquals(talk.say("STARTTLS", ".").slice(0, 4), "250 ");
  assert(!talk.asked.includes("starttls"));
});

Deno.test("case 44: TLS makes the session begin anew, without STARTTLS", () => {
  const talk = new Talk();
  assertStringIncludes(talk.say("EHLO client.example"), "STARTTLS\r\n");
  assertEquals(talk.say("STARTTLS now").slice(0, 9), "501 5.5.4");
  assertEquals(talk.say("STARTTLS"), "220 2.0.0 Ready to start TLS\r\n");
  assertEquals(talk.say("MAIL FROM:<a@sender.example>"), "", "octets before the handshake are nobody's");
  assertEquals(talk.secure(), "");
  assertEquals(talk.say("MAIL FROM:<a@sender.example>").slice(0, 9), "503 5.5.1", "no EHLO yet");
  const hello = talk.say("EHLO client.example");
  assert(!hello.includes("STARTTLS") && hello.includes("REQUIRETLS"), hello);
  assertEquals(talk.say("STARTTLS").slice(0, 9), "503 5.5.1");
});

Deno.test("STARTTLS needs no EHLO before it, and is not said twice either", () => {
  const talk = new Talk();
  assertEquals(talk.say("STARTTLS"), "220 2.0.0 Ready to start TLS\r\n");
  talk.secure();
  assertEquals(talk.say("STARTTLS").slice(0, 9), "503 5.5.1");
  assertStringIncludes(talk.say("EHLO c.example"), "AUTH ");
});

Deno.test("TLS that comes first needs no STARTTLS and offers none", () => {
  const session = new ServerSession(serverOptions({ offer: offer() }));
  session.secured({ certificate: false });
  session.answer((session.next(), accept()));
  session.receive(octets("EHLO c.example\r\n"));
  session.answer((session.next(), accept()));
  const said = session.takeOutput();
  assert(said.startsWith("220 ") && said.includes("AUTH SCRAM-SHA-256 PLAIN") && !said.includes("STARTTLS"), said);
});

Deno.test("case 37: AUTH is offered inside TLS only, and refused as each RFC says", () => {
  const talk = new Talk();
  assert(!talk.say("EHLO c.example").includes("AUTH"));
  assertEquals(talk.say("AUTH PLAIN AGEAYg==").slice(0, 10), "538 5.7.11");
  talk.say("STARTTLS");
  talk.secure();
  assertEquals(talk.say("AUTH PLAIN AGEAYg==").slice(0, 9), "503 5.5.1", "before EHLO");
  talk.say("EHLO c.example");
  const wrong: [string, string][] = [
    ["AUTH", "501 5.5.4"],
    ["AUTH CRAM-MD5", "504 5.5.4"],
    ["AUTH PLAIN a b", "501 5.5.4"],
    ["AUTH PLAIN !!!!", "501 5.5.2"],
    ["AUTH PLAIN AGEAYh==", "501 5.5.2"],
    ["AUTH PLAIN AGEAYg=", "501 5.5.2"],
    ["AUTH PLAIN ", "501 5.5.2"],
  ];
  for (const [line, reply] of wrong) assertEquals(talk.say(line).slice(0, 9), reply, line);
  assert(!talk.asked.includes("auth"));
  const none = new Talk({ offer: offer({ mechanisms: [] }) });
  none.say("EHLO c.example");
  assertEquals(none.say("AUTH PLAIN").slice(0, 9), "503 5.5.1");
});

const inside = (options: Partial<ServerOptions>, answer: HostAnswer): Talk => {
  const talk = new Talk({ offer: offer({ authWithoutTls: true }), ...options }, answer);
  talk.say("EHLO c.example");
  return talk;
};
const challenging: HostAnswer = (event) => event.type === "auth" ? new Challenge(new Uint8Array(0)) : undefined;

Deno.test("case 37: an empty challenge has its space, = is an empty response, * gives up, bad base64 ends it", () => {
  const refusing = inside({}, (event) => event.type === "auth-cancelled" ? event.refusal : challenging(event));
  for (
    const [line, reply] of [["*", "501 5.7.0"], ["AA==AA==", "501 5.5.2"], ["\x01", "501 5.5.2"], ["=", "501 5.5.2"]]
  ) {
    assertEquals(refusing.say("AUTH PLAIN"), "334 \r\n");
    assertEquals(refusing.say(line!).slice(0, 9), reply, JSON.stringify(line));
    assertEquals(refusing.session.state, "ready");
  }
  refusing.say("AUTH PLAIN =");
  const last = refusing.events.findLast((each) => each.type === "auth");
  assertEquals(last?.type === "auth" && last.initial?.length, 0);
});

Deno.test("case 37: lines of a login may be long, and not longer than 12,288 octets", () => {
  const talk = inside({}, challenging);
  talk.say("AUTH PLAIN");
  assertEquals(talk.say("QUJD".repeat(3000)).slice(0, 4), "235 ");
  const flood = inside({}, challenging);
  flood.say("AUTH PLAIN");
  flood.session.receive(octets("Q".repeat(20_000)));
  assertEquals(flood.pump().slice(0, 9), "500 5.5.6");
  assertEquals(flood.session.state, "closed");
});

Deno.test("case 37: AUTH twice, and in a transaction, is 503; a login is forgotten by STARTTLS (case 41)", () => {
  const talk = inside({ demands: { tls: false, auth: true } }, () => undefined);
  assertEquals(talk.say("MAIL FROM:<a@sender.example>").slice(0, 9), "530 5.7.0");
  assertEquals(talk.say("AUTH PLAIN AGEAYg=="), "235 2.7.0 Authentication succeeded\r\n");
  assertEquals(talk.say("AUTH PLAIN AGEAYg==").slice(0, 9), "503 5.5.1");
  assert(!talk.say("EHLO c.example").includes("AUTH"));
  assertEquals(talk.say("MAIL FROM:<a@sender.example>").slice(0, 9), "250 2.1.0");
  for (const verb of ["AUTH PLAIN AGEAYg==", "STARTTLS"]) assertEquals(talk.say(verb).slice(0, 9), "503 5.5.1", verb);
  talk.say("RSET");
  talk.say("STARTTLS");
  talk.secure();
  talk.say("EHLO c.example");
  assertEquals(talk.session.identified, false);
  assertEquals(talk.say("MAIL FROM:<a@sender.example>").slice(0, 9), "530 5.7.0");
});

Deno.test("failed logins count as errors", () => {
  const refuse = reject("5.7.8", "Authentication failed", { code: 535 });
  const talk = inside({ limits: { ...LIMITS, errors: 2 } }, (event) => event.type === "auth" ? refuse : undefined);
  const said = [1, 2, 3].map(() => talk.say("AUTH PLAIN AGEAYg==").slice(0, 3));
  assertEquals([...said, talk.session.state], ["535", "535", "535", "closed"]);
});

Deno.test("where TLS is required nothing but a hello is served before it (RFC 3207 4)", () => {
  const talk = new Talk({ demands: { tls: true, auth: true } });
  for (const line of ["NOOP", "EHLO c.example"]) assertEquals(talk.say(line).slice(0, 3), "250");
  for (const line of ["MAIL FROM:<a@b.example>", "RSET", "VRFY x", "HELP", "AUTH PLAIN AGEAYg==", "DATA"]) {
    assertEquals(talk.say(line).slice(0, 9), "530 5.7.0", line);
  }
});

Deno.test("EXTERNAL needs a certificate, -PLUS needs TLS", () => {
  const options = { mechanisms: ["SCRAM-SHA-256-PLUS", "EXTERNAL", "PLAIN"], authWithoutTls: true };
  const set = offer(options);
  const names = (secure: boolean, certificate: boolean) => [
    ...set.for({ secure, identified: false, certificate }).mechanisms,
  ];
  assertEquals(names(false, false), ["PLAIN"]);
  assertEquals(names(true, false), ["SCRAM-SHA-256-PLUS", "PLAIN"]);
  assertEquals(names(true, true), ["SCRAM-SHA-256-PLUS", "EXTERNAL", "PLAIN"]);
});

Deno.test("XCLIENT begins the session anew with what holds for the peer it names, who may not name another", () => {
  const stranger = serverOptions({ offer: offer({ xclient: true }), bareLf: "reject" });
  const asked: string[] = [];
  const talk = new Talk({
    offer: offer({ xclient: true }),
    bareLf: "normalize",
    speakingFor: (ip) => (asked.push(ip), stranger),
  });
  assertStringIncludes(talk.say("EHLO proxy.example"), "XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT");
  assertEquals(talk.say("XCLIENT ADDR=nowhere").slice(0, 9), "501 5.5.4");
  assert(talk.say("XCLIENT ADDR=203.0.113.9 HELO=c.example").startsWith("220 "), "greeted as if just connected");
  assertEquals([asked, talk.session.state, talk.asked.filter((each) => each === "connect").length], [
    ["203.0.113.9"],
    "start",
    2,
  ]);
  assertEquals(talk.session.options.bareLf, "reject", "its trust is not the proxy's");
  assert(talk.say("XCLIENT PORT=4711").startsWith("220 "), "the proxy may say more, before the client speaks");
  assert(!talk.say("EHLO c.example").includes("XCLIENT"));
  assertEquals(talk.say("XCLIENT LOGIN=admin").slice(0, 9), "502 5.5.1");
  assertEquals(talk.session.identified, false);
});

Deno.test("XCLIENT: LOGIN counts as a login, it is refused in a transaction, and to strangers it does not exist", () => {
  const talk = new Talk({ offer: offer({ xclient: true }), demands: { tls: false, auth: true } });
  talk.say("EHLO proxy.example");
  talk.say("XCLIENT ADDR=203.0.113.9 LOGIN=bob");
  talk.say("EHLO c.example");
  assertEquals([talk.session.identified, talk.say("MAIL FROM:<bob@example.org>").slice(0, 3)], [true, "250"]);
  const other = new Talk({ offer: offer({ xclient: true }) });
  other.say("EHLO proxy.example");
  other.say("MAIL FROM:<a@sender.example>");
  assertEquals(other.say("XCLIENT ADDR=203.0.113.9").slice(0, 9), "503 5.5.1");
  const stranger = new Talk();
  stranger.say("EHLO c.example");
  assertEquals(stranger.say("XCLIENT LOGIN=admin").slice(0, 9), "502 5.5.1");
  assert(!stranger.asked.includes("xclient"));
});

Deno.test("MAIL takes AUTH= from who is logged in too (RFC 4954 5)", () => {
  const talk = inside({}, () => undefined);
  assertEquals(talk.say("MAIL FROM:<a@sender.example> AUTH=<>").slice(0, 3), "250");
  talk.say("RSET");
  talk.say("AUTH PLAIN AGEAYg==");
  assertEquals(talk.say("MAIL FROM:<a@sender.example> AUTH=<>").slice(0, 3), "250");
  const none = new Talk({ offer: offer({ mechanisms: [] }) });
  none.say("EHLO c.example");
  assertEquals(none.say("MAIL FROM:<a@sender.example> AUTH=<>").slice(0, 9), "555 5.5.4");
});
