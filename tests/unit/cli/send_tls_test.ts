/** `postern send` in TLS: whom it trusts, what it says only inside, and what it makes of a server that cheats. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { run } from "../../../cli/main.ts";
import { testWith } from "../../support/debian.ts";
import { Authority, MAKES_CERTIFICATES } from "../../support/tls.ts";
import { FakeTerminal } from "./fake_terminal.ts";
import { type Script, session } from "./scripted_server.ts";

const OFFER = ["250-test\r\n250-STARTTLS\r\n250 SIZE 9", "250-test\r\n250-8BITMIME\r\n250 SIZE 2000"];
const TO = ["--to", "a@example.org"];

interface Sent {
  readonly code: number;
  readonly heard: readonly string[];
  readonly out: string;
  readonly err: string;
}

async function send(script: Script, ...args: string[]): Promise<Sent> {
  const terminal = new FakeTerminal();
  let code = -1;
  const heard = await session(script, async (server) => {
    code = await run(["send", "--server", server, ...TO, ...args], terminal);
  });
  return { code, heard, out: terminal.text, err: terminal.complaints.join("\n") };
}

testWith(
  MAKES_CERTIFICATES,
  "STARTTLS: nothing but EHLO in clear, EHLO again, what was offered before is forgotten",
  async () => {
    await using authority = await Authority.make();
    for (const algorithm of ["P-256", "RSA"] as const) {
      const certificate = await authority.issue({ algorithm });
      const script = { certificate, rules: { EHLO: OFFER } };
      const sent = await send(script, "--starttls", "--ca", authority.caFile, "--trace");
      assertEquals([sent.code, sent.err], [0, ""]);
      assertEquals(sent.heard.slice(0, 4), [
        "EHLO localhost",
        "STARTTLS",
        "tls EHLO localhost",
        `tls MAIL FROM:<postern@localhost> SIZE=${/SIZE=(\d+)/.exec(sent.out)![1]}`,
      ]);
      assert(sent.heard.slice(2).every((line) => line.startsWith("tls ")));
      assertMatch(sent.out, /^--- TLSv1\.3, TLS_\w+, certificate of mx\.local\.example trusted$/m);
    }
  },
);

testWith(
  MAKES_CERTIFICATES,
  "TLS from the first octet, with a name of our own for the server and a certificate of ours",
  async () => {
    await using authority = await Authority.make();
    const certificate = await authority.issue({ names: ["mail.example.net"] });
    const mine = await authority.issue({ names: ["me@example.org"], client: true });
    let seen: string | undefined;
    const answer: Script["answer"] = (line, secured) => {
      if (line.startsWith("EHLO")) seen = secured!.getPeerCertificate().subject.CN as string;
      return undefined;
    };
    const sent = await send(
      { certificate, implicit: true, answer },
      ...["--tls", "--ca", authority.caFile, "--servername", "mail.example.net"],
      ...["--cert", mine.certFile, "--key", mine.keyFile],
    );
    assertEquals([sent.code, sent.err], [0, ""]);
    assert(sent.heard.every((line) => line.startsWith("tls ")));
    assertEquals(seen, "me@example.org");
  },
);

testWith(
  MAKES_CERTIFICATES,
  "a certificate of another authority, for another name, or of yesterday is not taken",
  async (t) => {
    await using authority = await Authority.make();
    await using stranger = await Authority.make("Somebody");
    const good = await authority.issue(), expired = await authority.issue({ expired: true });
    const elsewhere = await authority.issue({ names: ["elsewhere.example", "127.0.0.9"] });
    const table: readonly [name: string, certificate: Script["certificate"], args: string[], why: RegExp][] = [
      ["another authority", good, ["--ca", stranger.caFile], /certificate.*; --ca names the authority/],
      ["no authority", good, [], /certificate.*; --ca names the authority/],
      ["expired", expired, ["--ca", authority.caFile], /expired/],
      ["another name", elsewhere, ["--ca", authority.caFile], /does not match/],
    ];
    for (const [name, certificate, args, why] of table) {
      await t.step(name, async () => {
        for (const [mode, implicit] of [["--starttls", false], ["--tls", true]] as const) {
          const sent = await send({ certificate: certificate!, implicit, rules: { EHLO: OFFER } }, mode, ...args);
          assertEquals(sent.code, 1);
          assertMatch(sent.err, why);
          assertEquals(sent.heard.filter((line) => line.includes("MAIL")), []);
        }
      });
    }
    await t.step("--insecure takes it, and the trace says so", async () => {
      const sent = await send({ certificate: expired, rules: { EHLO: OFFER } }, "--starttls", "--insecure", "--trace");
      assertEquals(sent.code, 0, sent.err);
      assertMatch(sent.out, /^--- TLSv1\.3, .* not trusted \(\w+\)$/m);
    });
  },
);

testWith(MAKES_CERTIFICATES, "case 63: what comes in clear behind the 220 to STARTTLS ends the attempt", async () => {
  await using authority = await Authority.make();
  const certificate = await authority.issue();
  for (const stray of ["250-test\r\n250 AUTH PLAIN\r\n", "x", "\r\n"]) {
    const sent = await send({ certificate, stray, rules: { EHLO: OFFER } }, "--starttls", "--ca", authority.caFile);
    assertEquals(sent.code, 1);
    assertStringIncludes(sent.err, "in clear where TLS was to begin");
    assertEquals(sent.heard, ["EHLO localhost", "STARTTLS"]);
  }
});

Deno.test("a server without STARTTLS, or one that refuses it, gets no message in clear", async () => {
  const absent = await send({}, "--starttls");
  assertEquals([absent.code, absent.heard], [1, ["EHLO localhost"]]);
  assertStringIncludes(absent.err, "the server does not offer STARTTLS");
  const refused = await send({ rules: { EHLO: OFFER, STAR: "454 4.7.0 not now" } }, "--starttls");
  assertEquals([refused.code, refused.heard], [1, ["EHLO localhost", "STARTTLS", "QUIT"]]);
  assertStringIncludes(refused.err, "a@example.org was refused: 454 4.7.0 not now");
  const old = await send({ rules: { EHLO: "502 what" } }, "--starttls");
  assertEquals([old.code, old.heard], [1, ["EHLO localhost", "HELO localhost"]]);
});

Deno.test("a handshake answered with something else is one line", async () => {
  const sent = await send({ rules: { greeting: "220 in clear" } }, "--tls", "--insecure");
  assertEquals(sent.code, 1);
  assertEquals(sent.err.split("\n").length, 1);
});

Deno.test("LMTP: LHLO, and an answer for each recipient that was taken, over TCP and over a socket", async () => {
  const folder = await Deno.makeTempDir();
  try {
    for (const path of [undefined, `${folder}/lmtp.sock`]) {
      const rules = { RCPT: ["250 ok", "550 5.1.1 who", "250 ok"], ".": "250 2.0.0 first\r\n452 4.2.2 second is full" };
      const sent = await send({ rules, ...path && { path } }, "--lmtp", "--to", "b@example.org", "c@example.org");
      assertEquals([sent.heard[0], sent.heard.at(-1)], ["LHLO localhost", "QUIT"]);
      assertEquals([sent.code, sent.out], [1, "250 2.0.0 first"]);
      assertEquals(sent.err.split("\n"), [
        "postern: b@example.org was refused: 550 5.1.1 who",
        "postern: c@example.org was refused: 452 4.2.2 second is full",
      ]);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("options that contradict each other are usage errors", async () => {
  const table: readonly [args: string[], why: RegExp][] = [
    [["--tls", "--starttls"], /not both/],
    [["--insecure"], /wants --tls or --starttls/],
    [["--tls", "--insecure", "--ca", "x"], /leave one out/],
    [["--tls", "--cert", "x"], /go together/],
    [["--tls", "--servername", "a b"], /no host name/],
  ];
  for (const [args, why] of table) {
    const terminal = new FakeTerminal();
    assertEquals(await run(["send", ...TO, ...args], terminal), 2);
    assertMatch(terminal.complaints.join(), why);
  }
  const terminal = new FakeTerminal();
  assertEquals(await run(["send", ...TO, "--tls", "--ca", "scripted_server.ts"], terminal), 1);
  assertMatch(terminal.complaints.join(), /is no PEM file/);
});
