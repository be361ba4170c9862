/** What is said of a message to which peer, and what is never said: parameters, needs, limits; cases 65, 66 and 67. */
import { assertEquals, assertThrows } from "@std/assert";
import { NO_MAIL_PARAMETERS, NO_RCPT_PARAMETERS } from "../../../../core/model/envelope.ts";
import { ClientSession, type MailTransaction, PeerExtensions } from "../../../../core/smtp/client/mod.ts";
import { latin1, octets } from "../../../support/bytes.ts";
import { clientOptions, described, NOW, opening, play, transaction } from "../../../support/client_dialogue.ts";

const ALL = [
  "8BITMIME",
  "SMTPUTF8",
  "DSN",
  "SIZE 1000",
  "AUTH PLAIN",
  "DELIVERBY 60",
  "MT-PRIORITY STANAG4406",
  "CHUNKING",
  "BINARYMIME",
];

/** What the client writes of it, and what becomes of it before a word is said. */
function said(
  extensions: readonly string[],
  mail: MailTransaction,
  secure = false,
): { lines: string[]; outcomes: string[] } {
  const session = new ClientSession(clientOptions());
  if (secure) session.secured({ trusted: true, bindings: new Map(), certificate: false });
  session.receive(octets("220 x\r\n"));
  session.next();
  session.receive(
    octets(
      ["x", "PIPELINING", ...extensions].map((each, i) => `250${i > extensions.length ? " " : "-"}${each}\r\n`).join(
        "",
      ),
    ),
  );
  session.next();
  session.takeOutput();
  session.send(mail);
  const event = session.next();
  return {
    lines: new TextDecoder().decode(session.takeOutput()).split("\r\n").filter((line) => /^(?:MAIL|RCPT)/.test(line)),
    outcomes: event?.type === "done" ? event.outcomes.map(described) : [],
  };
}
const address = (local: string, domain = "y.example") => ({ local, domain });
const parameters = { ...NO_MAIL_PARAMETERS };

Deno.test("parameters are said where they are offered, and nowhere else", () => {
  const full = transaction(["x@y.example"], {
    body: "8BITMIME",
    sender: null,
    recipients: [{
      address: address("a b"),
      parameters: { notify: ["SUCCESS", "DELAY"], orcpt: "rfc822;a+20b@y.example" },
    }],
    parameters: {
      ret: "HDRS",
      envid: "a+2Bb",
      auth: "c@d.example",
      deliverBy: { at: NOW + 90_500, mode: "N", trace: true },
      priority: -3,
    },
  });
  assertEquals(said(ALL, full).lines, [
    "MAIL FROM:<> SIZE=12 BODY=8BITMIME RET=HDRS ENVID=a+2Bb BY=90;NT MT-PRIORITY=-3",
    'RCPT TO:<"a b"@y.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;a+20b@y.example',
  ]);
  assertEquals(said(["8BITMIME"], full).lines, ["MAIL FROM:<> BODY=8BITMIME", 'RCPT TO:<"a b"@y.example>']);
  const late = {
    ...full,
    parameters: { ...parameters, deliverBy: { at: NOW - 5000, mode: "N" as const, trace: false } },
  };
  assertEquals(said(["8BITMIME", "DELIVERBY"], late).lines[0], "MAIL FROM:<> BODY=8BITMIME BY=-5;N");
  const binary = transaction(["x@y.example"], { body: "BINARYMIME" });
  assertEquals(said(ALL, binary).lines[0], "MAIL FROM:<a@b.example> SIZE=12 BODY=BINARYMIME");
});

Deno.test("AUTH= is said to who knows us", async () => {
  const login = {
    credentials: { user: "u", password: "p" },
    server: { host: "h", port: 25 },
    random: () => new Uint8Array(),
    inClear: true,
  };
  await play(
    `S: 220 x
    C: EHLO out.example.org
    S: 250-x
    S: 250 AUTH PLAIN
    E: login
    > login
    C: AUTH PLAIN AHUAcA==
    S: 235 2.7.0 OK
    E: ready
    > send
    C: MAIL FROM:<a@b.example> AUTH=+3C+3E`,
    { options: { login }, send: [transaction(["x@y.example"], { parameters: { ...parameters, auth: "+3C+3E" } })] },
  );
});

Deno.test("SMTPUTF8 is said when an address or the header needs it; domains are A-labels anyway", () => {
  const wide = (changes: Partial<MailTransaction>) => said(ALL, transaction(["x@y.example"], changes)).lines;
  assertEquals(wide({ sender: address("jörg") })[0], "MAIL FROM:<jörg@y.example> SIZE=12 SMTPUTF8");
  assertEquals(
    wide({ content: { size: 9, body: "8BITMIME", utf8Header: true } })[0],
    "MAIL FROM:<a@b.example> SIZE=9 BODY=8BITMIME SMTPUTF8",
  );
  const to = [{ address: address("x"), parameters: NO_RCPT_PARAMETERS }, {
    address: address("用户"),
    parameters: NO_RCPT_PARAMETERS,
  }];
  assertEquals(wide({ recipients: to }), [
    "MAIL FROM:<a@b.example> SIZE=12 SMTPUTF8",
    "RCPT TO:<x@y.example>",
    "RCPT TO:<用户@y.example>",
  ]);
  const orcpt = [{ address: address("x"), parameters: { notify: null, orcpt: "utf-8;jörg@y.example" } }];
  assertEquals(wide({ recipients: orcpt })[1], "RCPT TO:<x@y.example> ORCPT=utf-8;jörg@y.example");
  assertEquals(
    said(["DSN"], transaction([], { recipients: orcpt })).lines[1],
    "RCPT TO:<x@y.example> ORCPT=utf-8;j\\x{F6}rg@y.example",
  ); // RFC 6533 3
});

Deno.test("case 66: what the message needs and the peer lacks is told before a word of it is said", () => {
  const without = (...words: string[]) => ALL.filter((each) => !words.some((word) => each.startsWith(word)));
  const by = (mode: "R" | "N", at: number) =>
    transaction([], {
      recipients: [{ address: address("x"), parameters: NO_RCPT_PARAMETERS }],
      parameters: { ...parameters, deliverBy: { at, mode, trace: false } },
    });
  const cases: readonly (readonly [offered: readonly string[], mail: MailTransaction, outcome: string])[] = [
    [without("SMTPUTF8"), transaction(["x@y.example"], { sender: address("jörg") }), "reject 5.6.7 envelope"],
    [without("8BITMIME"), transaction(["x@y.example"], { sender: address("jörg") }), "reject 5.6.7 envelope"],
    [
      without("SMTPUTF8"),
      transaction(["x@y.example"], { content: { size: 9, body: "8BITMIME", utf8Header: true } }),
      "reject 5.6.9 envelope",
    ],
    [without("8BITMIME"), transaction(["x@y.example"], { body: "8BITMIME" }), "reject 5.6.3 envelope"],
    [without("BINARYMIME"), transaction(["x@y.example"], { body: "BINARYMIME" }), "reject 5.6.3 envelope"],
    [without("CHUNKING"), transaction(["x@y.example"], { body: "BINARYMIME" }), "reject 5.6.3 envelope"],
    [ALL, transaction(["x@y.example"], { size: 1001 }), "reject 5.3.4 envelope"],
    [
      [...ALL, "REQUIRETLS"],
      transaction(["x@y.example"], { parameters: { ...parameters, requireTls: true } }),
      "reject 5.7.30 envelope",
    ],
    [without("DELIVERBY"), by("R", NOW + 60_000), "reject 5.3.3 envelope"],
    [ALL, by("R", NOW + 500), "reject 5.4.7 envelope"],
  ];
  for (const [offered, mail, outcome] of cases) {
    assertEquals(said(offered, mail), { lines: [], outcomes: [outcome] }, outcome);
  }
  const required = transaction(["x@y.example"], { parameters: { ...parameters, requireTls: true } });
  assertEquals(said(["REQUIRETLS"], required, true), {
    lines: ["MAIL FROM:<a@b.example> REQUIRETLS", "RCPT TO:<x@y.example>"],
    outcomes: [],
  });
  assertEquals(said([], required, true).outcomes, ["reject 5.7.30 envelope"]);
  for (const size of ["SIZE", "SIZE 0", "SIZE many"]) {
    assertEquals(said([size], transaction(["x@y.example"], { size: 5e9 })).outcomes, []);
  }
});

Deno.test("case 66: a local part that the peer does not take is that recipient's alone", async () => {
  const recipients = ["x", "jörg", "z"].map((local) => ({ address: address(local), parameters: NO_RCPT_PARAMETERS }));
  await play(
    `${opening("PIPELINING")}
    > send
    C: MAIL FROM:<a@b.example>
    C: RCPT TO:<x@y.example>
    C: RCPT TO:<z@y.example>
    C: DATA
    S<< 250 OK\\r\\n550 5.1.1 no\\r\\n250 OK\\r\\n354 go\\r\\n
    E: content
    > end
    C: .
    S: 250 OK
    E: done reject 5.1.1 rcpt; reject 5.6.7 envelope; accept 2.0.0 dot
    E: ready`,
    { send: [transaction([], { recipients })] },
  );
});

Deno.test("case 65: RCPTMAX: the rest is for the next transaction, and goes over the same connection", async () => {
  await play(
    `${opening("LIMITS RCPTMAX=2")}
    > send
    C: MAIL FROM:<a@b.example>
    S: 250 OK
    C: RCPT TO:<a@y.example>
    S: 250 OK
    C: RCPT TO:<b@y.example>
    S: 250 OK
    C: DATA
    S: 354 go
    E: content
    > end
    C: .
    S: 250 OK
    E: done accept 2.0.0 dot; accept 2.0.0 dot; untried 4.5.3 envelope
    E: ready`,
    { send: [transaction(["a@y.example", "b@y.example", "c@y.example"])] },
  );
});

Deno.test("case 65: MAILMAX and RCPTDOMAINMAX: the session ends itself when it has had its share", async () => {
  await play(`${opening("LIMITS MAILMAX=1")}
    > send
    C: MAIL FROM:<a@b.example>
    S: 550 5.7.1 no
    E: done reject 5.7.1 mail
    C: QUIT
    S: 221 bye
    E: close`);
  await play(
    `${opening("LIMITS RCPTDOMAINMAX=1 SOMETHING=else RCPTMAX=x MAILMAX=0")}
    > send
    C: MAIL FROM:<a@b.example>
    S: 250 OK
    C: RCPT TO:<a@y.example>
    S: 250 OK
    C: RCPT TO:<c@y.example>
    S: 250 OK
    C: DATA
    S: 354 go
    E: content
    > end
    C: .
    S: 250 OK
    E: done accept 2.0.0 dot; untried 4.5.3 envelope; accept 2.0.0 dot
    C: QUIT
    S: 221 bye
    E: close`,
    { send: [transaction(["a@y.example", "b@z.example", "c@y.example"])] },
  );
});

Deno.test("case 65: too many recipients, told by 452 4.5.3 or by the 552 of old, is no refusal", async () => {
  const begun = `${opening()}
    > send
    C: MAIL FROM:<a@b.example>
    S: 250 OK
    C: RCPT TO:<a@y.example>
    `;
  const send = [transaction(["a@y.example", "b@y.example"])];
  for (
    const [line, outcome] of [
      ["452 4.5.3 too many", "untried 4.5.3 rcpt"],
      ["552 too many", "untried 4.0.0 rcpt"],
      ["552 5.5.3 too many", "untried 4.5.3 rcpt"],
      ["552 5.2.2 full", "reject 5.2.2 rcpt"],
      ["452 4.2.2 full", "defer 4.2.2 rcpt"],
    ]
  ) {
    await play(
      `${begun}S: 250 OK
      C: RCPT TO:<b@y.example>
      S: ${line}
      C: DATA
      S: 354 go
      E: content
      > end
      C: .
      S: 250 OK
      E: done accept 2.0.0 dot; ${outcome}
      E: ready`,
      { send },
    );
  }
  await play(
    `${begun}S: 552 too many\nC: RCPT TO:<b@y.example>\nS: 452 4.5.3 too many\nE: done defer 4.0.0 rcpt; defer 4.5.3 rcpt\nE: ready`,
    { send },
  );
});

Deno.test("case 67: nothing that ends a line or a word gets into a command: TypeError, and not an octet is written", () => {
  const bad = ["a\r\nRCPT TO:<evil@x>", "a\nb", "a\rb", "a\0b", "\x7f", "\ud800"];
  const recipient = (changes: object) => [{ address: address("x"), parameters: { ...NO_RCPT_PARAMETERS, ...changes } }];
  const mails: MailTransaction[] = [
    ...bad.map((local) => transaction(["x@y.example"], { sender: address(local) })),
    ...bad.map((local) =>
      transaction([], { recipients: [{ address: address(local), parameters: NO_RCPT_PARAMETERS }] })
    ),
    ...["y.example> SIZE=1", "y .example", "y.example\r\nDATA", "y..example", "[1.2.3.4]>", "y\0"].map((domain) =>
      transaction(["x@y.example"], { sender: address("a", domain) })
    ),
    transaction(["x@y.example"], { sender: address("", "") }),
    ...["a b", "a\r\nDATA", "a=b", "+4", "ü"].map((envid) =>
      transaction(["x@y.example"], { parameters: { ...parameters, envid } })
    ),
    ...["rfc822;a b", "rfc822;a\r\nDATA", "rfc822;a=b", "rfc822", "x y;a", ";a"].map((orcpt) =>
      transaction([], { recipients: recipient({ orcpt }) })
    ),
    transaction([], { recipients: recipient({ notify: ["NEVER\r\nDATA"] }) }),
    transaction(["x@y.example"], { parameters: { ...parameters, ret: "FULL X" as "FULL" } }),
    transaction(["x@y.example"], { parameters: { ...parameters, priority: 1.5 } }),
    transaction(["x@y.example"], { parameters: { ...parameters, priority: "1\r\n" as unknown as number } }),
    transaction(["x@y.example"], { parameters: { ...parameters, deliverBy: { at: NaN, mode: "N", trace: false } } }),
    transaction(["x@y.example"], { size: -1 }),
    transaction(["x@y.example"], { size: "1 BODY=X" as unknown as number }),
  ];
  for (const mail of mails) {
    const session = new ClientSession(clientOptions());
    session.receive(octets("220 x\r\n"));
    session.next();
    session.receive(octets(["x", ...ALL].map((each, i) => `250${i === ALL.length ? " " : "-"}${each}\r\n`).join("")));
    assertEquals(session.next(), { type: "ready" });
    session.takeOutput();
    assertThrows(() => session.send(mail), TypeError, "no ");
    assertEquals(latin1(session.takeOutput()), "");
    assertEquals(session.ready, true);
  }
  for (const hostname of ["a\r\nMAIL", "a b", "a\0", "", "ü.example", "<x>", "-a", `${"a".repeat(300)}`]) {
    assertThrows(() => new ClientSession(clientOptions({ hostname })), TypeError, "no host name");
  }
  for (const hostname of ["mx1.example.org", "[192.0.2.1]", "[IPv6:2001:db8::1]", "a"]) {
    new ClientSession(clientOptions({ hostname }));
  }
});

Deno.test("the answer to EHLO: what we speak is kept, in any case, and nothing else", () => {
  const peer = new PeerExtensions([
    "size 1000",
    "8BitMime",
    "PIPELINING  ",
    "AUTH plain LOGIN x@y",
    "AUTH=CRAM-MD5",
    "BINARYMIME",
    "SMTPUTF8",
    "LIMITS rcptmax=10 MAILMAX=7 RCPTDOMAINMAX=1000000 RCPTDOMAINMAX=",
    "X-ANYTHING goes",
    "",
    " ",
    "DSN=x",
  ]);
  assertEquals([peer.size, peer.mechanisms, peer.limits], [1000, ["PLAIN", "LOGIN", "CRAM-MD5"], {
    recipients: 10,
    mails: 7,
    domains: Infinity,
  }]);
  assertEquals(["8BITMIME", "PIPELINING", "AUTH", "SMTPUTF8"].filter((each) => !peer.has(each as "AUTH")), []);
  assertEquals((["BINARYMIME", "DSN", "CHUNKING"] as const).filter((each) => peer.has(each)), []); // BINARYMIME needs CHUNKING
  assertEquals(new PeerExtensions(["SMTPUTF8"]).has("SMTPUTF8"), false); // and SMTPUTF8 needs 8BITMIME
});
