/** Attempts at mail hosts, over real sockets: who is asked next, who is not, and what is known of each recipient after it. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { NO_MAIL_PARAMETERS } from "../../../core/model/envelope.ts";
import { octets } from "../../support/bytes.ts";
import { MailSink } from "../../support/mail_sink.ts";
import { type Says, TalkingHost } from "../../support/talking_host.ts";
import { TempFolder } from "../../support/temp.ts";
import { waitFor } from "../../support/wait.ts";
import { brief, hosts, memoryBody, nextHop, spooledBody, TEXT, WayOut } from "./way_out.ts";

const TAKEN = "delivered 2.0.0";

/** Two mail hosts of y.example on one port; `says` is the first one's. */
async function pair(says: Says, offers?: readonly string[]): Promise<AsyncDisposable & Pair> {
  const first = await TalkingHost.open({ says, ...offers && { offers } });
  const second = await TalkingHost.open({ host: "127.0.0.2", port: first.port, ...offers && { offers } });
  const out = new WayOut({ zone: hosts(2), port: first.port });
  return {
    first,
    second,
    out,
    async [Symbol.asyncDispose]() {
      for (const each of [out, first, second]) await each[Symbol.asyncDispose]();
    },
  };
}
interface Pair {
  readonly first: TalkingHost;
  readonly second: TalkingHost;
  readonly out: WayOut;
}

// ---- Whom to ask ---------------------------------------------------------------------------------------------------------

for (
  const [name, says] of Object.entries<Says>({
    "a greeting of 421": (step) => step === "greeting" ? "421 4.3.2 not now" : undefined,
    "a greeting of 554": (step) => step === "greeting" ? "554 5.7.1 not you" : undefined,
    "a refusal of EHLO": (step) => step === "ehlo" ? "521 5.3.2 no mail here" : undefined,
    "4xx to MAIL": (step) => step === "mail" ? "451 4.3.0 later" : undefined,
    "4xx to RCPT": (step) => step === "rcpt" ? "450 4.2.0 grey" : undefined,
    "4xx to DATA": (step) => step === "data" ? "451 4.3.0 later" : undefined,
    "4xx to the dot": (step) => step === "dot" ? "451 4.3.0 later" : undefined,
    "421 to RCPT": (step) => step === "rcpt" ? "421 4.3.2 bye" : undefined,
  })
) {
  Deno.test(`RFC 5321 5.1: after ${name} the next host is asked, in the same attempt`, async () => {
    await using site = await pair(says);
    assertEquals(brief(await site.out.ship("y.example", ["x@y.example"])), [TAKEN]);
    assertEquals([site.first.connections, site.second.contents.length], [1, 1]);
  });
}

for (const step of ["greeting", "ehlo", "mail", "rcpt", "data"] as const) {
  Deno.test(`case 64: the connection is lost at ${step}: the next host is asked`, async () => {
    await using site = await pair((at) => at === step ? null : undefined);
    assertEquals(brief(await site.out.ship("y.example", ["x@y.example"])), [TAKEN]);
    assertEquals(site.second.contents.length, 1);
  });
}

Deno.test("case 64: the connection is lost behind the dot: it may have arrived, and no other host is asked", async () => {
  await using site = await pair((step) => step === "dot" ? null : undefined);
  const shipped = await site.out.ship("y.example", ["x@y.example", "z@y.example"]);
  assertEquals(brief(shipped), ["deferred 4.4.2", "deferred 4.4.2"]);
  assertEquals([site.first.contents.length, site.second.connections], [1, 0]);
});

Deno.test("a refusal for good is the answer: 5xx to MAIL, RCPT, DATA and the dot are asked of nobody else", async () => {
  for (const step of ["mail", "rcpt", "data", "dot"] as const) {
    await using site = await pair((at) => at === step ? "550 5.7.1 never" : undefined);
    const shipped = await site.out.ship("y.example", ["x@y.example"]);
    assertEquals([brief(shipped), shipped.feedback], [["rejected 5.7.1"], "success"], step);
    assertEquals([shipped.results[0]!.words, site.second.connections], ["550 5.7.1 never", 0], step);
    assertEquals(shipped.results[0]!.remote, { name: "a.y.example", ip: "127.0.0.1" });
    assertEquals(shipped.results[0]!.relay, `a.y.example[127.0.0.1]:${site.first.port}`);
  }
});

Deno.test("no host can be reached: every address is tried, and the last word stands", async () => {
  await using held = await TalkingHost.open();
  const { port } = held;
  await held[Symbol.asyncDispose]();
  await using out = new WayOut({ zone: hosts(3), port });
  const shipped = await out.ship("y.example", ["x@y.example"]);
  assertEquals([brief(shipped), shipped.feedback], [["deferred 4.4.1"], "failure"]);
  assertMatch(shipped.results[0]!.words, /No connection: ECONNREFUSED/);
  assertEquals(shipped.results[0]!.relay, `c.y.example[127.0.0.3]:${port}`);
});

Deno.test("three hosts that talk are enough for one attempt, however many there are", async () => {
  const opened: TalkingHost[] = [];
  try {
    for (let at = 1; at <= 5; at++) {
      const says: Says = (step) => step === "rcpt" ? "450 4.2.0 grey" : undefined;
      opened.push(await TalkingHost.open({ host: `127.0.0.${at}`, ...at > 1 && { port: opened[0]!.port }, says }));
    }
    await using out = new WayOut({ zone: hosts(5), port: opened[0]!.port });
    assertEquals(brief(await out.ship("y.example", ["x@y.example"])), ["deferred 4.2.0"]);
    assertEquals(opened.map(({ connections }) => connections), [1, 1, 1, 0, 0]);
  } finally {
    for (const each of opened) await each[Symbol.asyncDispose]();
  }
});

Deno.test("an address that fails is no word of the host where another one of it talks", async () => {
  await using host = await TalkingHost.open();
  const zone = hosts(1, { "a.y.example": { a: ["127.0.0.9", "127.0.0.1"] } });
  await using out = new WayOut({ zone, port: host.port });
  assertEquals(brief(await out.ship("y.example", ["jürgen@y.example", "x@y.example"])), ["rejected 5.6.7", TAKEN]);
});

Deno.test("what one host refuses to begin with another one takes: the worse word is forgotten", async () => {
  await using sink = await MailSink.open();
  await using lacking = await TalkingHost.open({ host: "127.0.0.2", port: sink.port });
  const zone = hosts(2, { "y.example": { mx: [[1, "b.y.example"], [2, "a.y.example"]] } });
  await using out = new WayOut({ zone, port: sink.port });
  assertEquals(brief(await out.ship("y.example", ["jürgen@y.example", "x@y.example"])), [TAKEN, TAKEN]);
  assertEquals([lacking.heard("RCPT"), sink.messages.length], [["RCPT TO:<x@y.example>"], 1]);
});

// ---- Each recipient its own ----------------------------------------------------------------------------------------------

Deno.test("case 65: taken, refused and put off: each recipient its own result, and only who was put off goes on", async () => {
  await using site = await pair((step, line) => {
    if (step !== "rcpt") return undefined;
    return line.includes("no@") ? "550 5.1.1 nobody" : line.includes("later@") ? "450 4.2.1 later" : undefined;
  });
  const shipped = await site.out.ship("y.example", ["a@y.example", "no@y.example", "later@y.example"]);
  assertEquals(brief(shipped), [TAKEN, "rejected 5.1.1", TAKEN]);
  assertEquals(shipped.results.map(({ remote }) => remote!.name), ["a.y.example", "a.y.example", "b.y.example"]);
  assertEquals(site.second.heard("RCPT"), ["RCPT TO:<later@y.example>"]);
});

Deno.test("case 65: RCPTMAX: several transactions on one connection (RFC 9422 4)", async () => {
  await using host = await TalkingHost.open({ offers: ["LIMITS RCPTMAX=2"] });
  await using out = new WayOut({ zone: hosts(1), port: host.port });
  const to = ["a", "b", "c", "d", "e"].map((each) => `${each}@y.example`);
  assertEquals(brief(await out.ship("y.example", to)), Array(5).fill(TAKEN));
  assertEquals([host.connections, host.contents.length, host.heard("RCPT").length], [1, 3, 5]);
});

Deno.test("case 65: MAILMAX: as many connections as it takes, and what was said on one is not lost on the next", async () => {
  await using host = await TalkingHost.open({
    offers: ["LIMITS MAILMAX=1 RCPTMAX=1"],
    says: (step, line, connection) =>
      step === "greeting" && connection === 2
        ? "421 4.3.2 enough"
        : line.includes("grey@") && step === "rcpt"
        ? "450 4.2.0 grey"
        : undefined,
  });
  await using out = new WayOut({ zone: hosts(1), port: host.port });
  const shipped = await out.ship("y.example", ["grey@y.example", "b@y.example", "c@y.example"]);
  assertEquals(shipped.results.map(({ words }) => words), [
    "450 4.2.0 grey",
    "250 taken",
    "421 4.3.2 enough",
  ]);
});

Deno.test("case 65: 452 4.5.3 behind the first: the rest in the next transaction (RFC 5321 4.5.3.1.10)", async () => {
  let asked = 0;
  await using host = await TalkingHost.open({
    says: (step) => {
      if (step === "mail") asked = 0;
      return step === "rcpt" && ++asked > 3 ? "452 4.5.3 too many" : undefined;
    },
  });
  await using out = new WayOut({ zone: hosts(1), port: host.port });
  const to = Array.from({ length: 8 }, (_, at) => `r${at}@y.example`);
  assertEquals(brief(await out.ship("y.example", to)), Array(8).fill(TAKEN));
  assertEquals([host.connections, host.contents.length], [1, 3]);
});

Deno.test("a host that takes nobody at all is asked once", async () => {
  await using host = await TalkingHost.open({ says: (step) => step === "rcpt" ? "452 4.5.3 too many" : undefined });
  await using out = new WayOut({ zone: hosts(1), port: host.port });
  assertEquals(brief(await out.ship("y.example", ["a@y.example", "b@y.example"])), Array(2).fill("deferred 4.5.3"));
  assertEquals([host.connections, host.heard("MAIL").length], [1, 1]);
});

Deno.test("RFC 5321 4.5.3.1.8: a hundred recipients in a transaction, no more", async () => {
  await using host = await TalkingHost.open();
  await using out = new WayOut({ zone: hosts(1), port: host.port });
  const to = Array.from({ length: 250 }, (_, at) => `r${at}@y.example`);
  assertEquals(brief(await out.ship("y.example", to)), Array(250).fill(TAKEN));
  let most = 0, now = 0;
  for (const line of host.lines) most = Math.max(most, now = line.startsWith("RCPT") ? now + 1 : 0);
  assertEquals([most, host.contents.length, host.connections], [100, 3, 1]);
});

Deno.test("several reverse paths: a transaction for each, on one connection", async () => {
  await using host = await TalkingHost.open();
  await using out = new WayOut({ zone: hosts(1), port: host.port });
  const shipped = await out.ship("y.example", ["a@y.example", "b@y.example", "c@y.example"], {
    sender: (recipient) => recipient.startsWith("b") ? "list+b@example.org" : "list@example.org",
  });
  assertEquals(brief(shipped), Array(3).fill(TAKEN));
  assertEquals(host.lines.filter((line) => /^(MAIL|RCPT)/.test(line)).map((line) => line.replace(/ SIZE=\d+/, "")), [
    "MAIL FROM:<list@example.org>",
    "RCPT TO:<a@y.example>",
    "RCPT TO:<c@y.example>",
    "MAIL FROM:<list+b@example.org>",
    "RCPT TO:<b@y.example>",
  ]);
  assertEquals(host.connections, 1);
});

Deno.test("SMTP relays, LMTP delivers: what the peer offered goes with it (RFC 3464 2.3.3)", async () => {
  await using folder = await TempFolder.make();
  await using host = await TalkingHost.open({ offers: ["DSN"] });
  await using lmtp = await TalkingHost.open({
    path: folder.at("lmtp"),
    says: (step, line) =>
      step === "dot" && lmtp.heard("RCPT").length === 2 && line && !refused++ ? "452 4.2.2 full" : undefined,
  });
  let refused = 0;
  await using out = new WayOut({ zone: hosts(1), port: host.port });
  const [relayed] = (await out.ship("y.example", ["x@y.example"])).results;
  assertEquals(relayed!.relayed, { dsn: true, deliverBy: false });
  const hop = nextHop([{ kind: "unix", path: folder.at("lmtp"), lmtp: true }]);
  const shipped = await out.ship(hop, ["full@y.example", "x@y.example"]);
  assertEquals(brief(shipped), ["deferred 4.2.2", TAKEN]);
  assertEquals([shipped.results[1]!.relayed, shipped.results[1]!.relay], [undefined, folder.at("lmtp")]);
  assertEquals(shipped.results[1]!.remote, { name: "smart", ip: null }, "no report shows a path of this machine");
});

// ---- Connections ---------------------------------------------------------------------------------------------------------

Deno.test("RFC 5321 3.3: one connection serves many messages, also for another domain with the same host", async () => {
  await using host = await TalkingHost.open();
  const zone = hosts(1, { "z.example": { mx: [[10, "a.y.example"]] } });
  await using out = new WayOut({ zone, port: host.port });
  for (const domain of ["y.example", "z.example", "y.example"]) {
    assertEquals(brief(await out.ship(domain, [`x@${domain}`])), [TAKEN]);
  }
  assertEquals([host.connections, host.contents.length, out.pool.idle], [1, 3, 1]);
});

Deno.test("an open connection goes before a better host that was down a moment ago", async () => {
  await using site = await pair((step, _line, connection) =>
    step === "greeting" && connection === 0 ? "421 4.3.2 later" : undefined
  );
  await site.out.ship("y.example", ["x@y.example"]);
  await site.out.ship("y.example", ["x@y.example"]);
  assertEquals([site.first.connections, site.second.connections, site.second.contents.length], [1, 1, 2]);
});

Deno.test("RFC 5321 5.1: an open connection goes before no better host that may be there", async () => {
  await using first = await TalkingHost.open();
  await using second = await TalkingHost.open({ host: "127.0.0.2", port: first.port });
  await using out = new WayOut({ zone: hosts(2, { "z.example": { mx: [[10, "b.y.example"]] } }), port: first.port });
  await out.ship("z.example", ["x@z.example"]);
  await out.ship("y.example", ["x@y.example"]);
  assertEquals([first.contents.length, second.contents.length, second.connections], [1, 1, 1]);
});

for (
  const [name, last] of Object.entries({ "hangs up": null, "says 421 and hangs up": "421 4.4.2 you were idle" })
) {
  Deno.test(`an idle connection whose peer ${name} is replaced at once: it costs no attempt`, async () => {
    let messages = 0;
    await using host = await TalkingHost.open({
      says: (step, _line, connection) => {
        if (step === "dot") messages++;
        return step === "mail" && connection === 0 && messages > 0 ? last : undefined;
      },
    });
    await using out = new WayOut({ zone: hosts(1), port: host.port });
    assertEquals(brief(await out.ship("y.example", ["x@y.example"])), [TAKEN]);
    assertEquals(brief(await out.ship("y.example", ["x@y.example"])), [TAKEN]);
    assertEquals([host.connections, host.contents.length], [2, 2]);
  });
}

Deno.test("a peer that does not wait for us to sign is connected to again, and the signer is not asked again", async () => {
  await using host = await TalkingHost.open();
  await using out = new WayOut({ zone: hosts(1), port: host.port });
  let asked = 0;
  const signer = async () => {
    asked++;
    for (const socket of host.server.sockets) socket.destroy();
    await waitFor("the peer to be gone", () => host.server.sockets.size === 0, { every: 1 });
    await waitFor("us to know", () => out.pool.size === 0, { every: 1 });
    return "X-Signed: yes\r\n";
  };
  assertEquals(brief(await out.ship("y.example", ["x@y.example"], { outgoing: { signers: [signer] } })), [TAKEN]);
  assertEquals([asked, host.connections], [1, 2]);
  assertStringIncludes(host.contents[0]!, "X-Signed: yes\r\n");
});

Deno.test("the server stops: what was not answered was not tried, and nobody's host is at fault", async () => {
  for (const at of ["mail", "rcpt", "dot"] as const) {
    const reached = Promise.withResolvers<void>(), never = new Promise<undefined>(() => {});
    await using host = await TalkingHost.open({
      says: (step) => {
        if (step !== at) return undefined;
        reached.resolve();
        return never;
      },
    });
    await using out = new WayOut({ zone: hosts(2), port: host.port });
    const shipped = out.ship("y.example", ["x@y.example"]);
    await reached.promise;
    await out.pool.close(0);
    const { results: [result], feedback } = await shipped;
    // Behind the dot it may be there: that was an attempt
    assertEquals([result!.verdict, feedback], at === "dot" ? ["deferred", "success"] : ["untouched", "neutral"], at);
  }
  await using host = await TalkingHost.open();
  await using out = new WayOut({ zone: hosts(1), port: host.port });
  await out.pool.close(0);
  const { results: [result], feedback } = await out.ship("y.example", ["x@y.example"]);
  assertEquals([result!.verdict, feedback, host.connections], ["untouched", "neutral", 0]);
});

// ---- What it says of the destination -------------------------------------------------------------------------------------

Deno.test("feedback: who talked as far as MAIL lives, who refuses everybody for good need not be spared", async (t) => {
  const table: readonly [name: string, says: Says, verdict: string, feedback: string][] = [
    ["taken", () => undefined, "delivered", "success"],
    ["450 to RCPT", (step) => step === "rcpt" ? "450 4.2.0 grey" : undefined, "deferred", "success"],
    ["451 to MAIL", (step) => step === "mail" ? "451 4.3.0 later" : undefined, "deferred", "success"],
    ["550 to MAIL", (step) => step === "mail" ? "550 5.7.1 no" : undefined, "rejected", "success"],
    ["554 at the greeting", (step) => step === "greeting" ? "554 5.3.2 no mail" : undefined, "rejected", "success"],
    ["521 to EHLO", (step) => step === "ehlo" ? "521 5.3.2 no mail" : undefined, "rejected", "success"],
    ["421 at the greeting", (step) => step === "greeting" ? "421 4.3.2 later" : undefined, "deferred", "failure"],
    ["421 to MAIL", (step) => step === "mail" ? "421 4.7.0 too much" : undefined, "deferred", "failure"],
    ["421 to RCPT", (step) => step === "rcpt" ? "421 4.7.0 too much" : undefined, "deferred", "failure"],
    ["lost at EHLO", (step) => step === "ehlo" ? null : undefined, "deferred", "failure"],
    ["lost at MAIL", (step) => step === "mail" ? null : undefined, "deferred", "failure"],
  ];
  for (const [name, says, verdict, feedback] of table) {
    await t.step(name, async () => {
      await using host = await TalkingHost.open({ says });
      await using out = new WayOut({ zone: hosts(1), port: host.port });
      const shipped = await out.ship("y.example", ["x@y.example"]);
      assertEquals([shipped.results[0]!.verdict, shipped.feedback], [verdict, feedback]);
    });
  }
  await t.step("what name service says", async () => {
    const zone = { "nx.example": "nxdomain", "null.example": { mx: [[0, ""]] }, "bad.example": "servfail" } as const;
    await using out = new WayOut({ zone, port: 25 });
    const said = async (domain: string) => {
      const shipped = await out.ship(domain, [`x@${domain}`]);
      return [...brief(shipped), shipped.feedback];
    };
    assertEquals(await said("nx.example"), ["rejected 5.1.2", "success"]);
    assertEquals(await said("null.example"), ["rejected 5.1.10", "success"]); //                      RFC 7505 4.1
    assertEquals((await said("bad.example"))[1], "failure");
  });
  await t.step("REQUIRETLS that nobody can keep says nothing of the domain", async () => {
    await using host = await TalkingHost.open();
    await using out = new WayOut({ zone: hosts(1), port: host.port });
    const shipped = await out.ship("y.example", ["x@y.example"], {
      parameters: { ...NO_MAIL_PARAMETERS, requireTls: true },
    });
    assertEquals([brief(shipped), shipped.feedback, host.connections], [["rejected 5.7.30"], "neutral", 0]);
    assertEquals(out.counted.map(({ failure }) => failure?.type), ["validation-failure"]);
  });
});

// ---- What a peer lacks, what cannot be said --------------------------------------------------------------------------------

Deno.test("case 66: a peer without SMTPUTF8: 5.6.7 for who needs it, nobody else", async () => {
  await using host = await TalkingHost.open();
  await using out = new WayOut({ zone: hosts(1), port: host.port });
  assertEquals(brief(await out.ship("y.example", ["jürgen@y.example", "x@y.example"])), ["rejected 5.6.7", TAKEN]);
});

Deno.test("case 66: 8-bit content for a peer without 8BITMIME is converted, or comes back as 5.6.3", async () => {
  await using host = await TalkingHost.open({ offers: [] });
  await using out = new WayOut({ zone: hosts(1), port: host.port });
  const body = memoryBody(octets("Subject: x\r\n\r\ngr\xc3\xbc\xc3\x9fe\r\n"));
  assertEquals(brief(await out.ship("y.example", ["x@y.example"], { outgoing: { body } })), [TAKEN]);
  assertMatch(host.contents[0]!, /\r\nContent-Transfer-Encoding: quoted-printable\r\n[^]*gr=C3=BC=C3=9Fe\r\n/);
  const whole = await out.ship("y.example", ["x@y.example"], { outgoing: { body, eightBit: "bounce" } });
  assertEquals([brief(whole), whole.feedback, host.contents.length], [["rejected 5.6.3"], "success", 1]);
});

Deno.test("case 66: larger than the peer takes: 5.3.4, and MAIL is not said", async () => {
  await using host = await TalkingHost.open({ offers: ["SIZE 10"] });
  await using out = new WayOut({ zone: hosts(1), port: host.port });
  assertEquals(brief(await out.ship("y.example", ["x@y.example"])), ["rejected 5.3.4"]);
  assertEquals(host.heard("MAIL"), []);
});

Deno.test("case 67: what no command can say is refused before the wire, for its recipient alone", async () => {
  await using host = await TalkingHost.open();
  await using out = new WayOut({ zone: hosts(1), port: host.port });
  const evil = "x>\r\nRCPT TO:<evil@y.example";
  const shipped = await out.ship("y.example", ["a@y.example", `${evil}@y.example`, "b@y.example"]);
  assertEquals(brief(shipped), [TAKEN, "rejected 5.5.4", TAKEN]);
  assertEquals(host.heard("RCPT"), ["RCPT TO:<a@y.example>", "RCPT TO:<b@y.example>"]);
  const forged = await out.ship("y.example", ["a@y.example"], { sender: `${evil}@y.example` });
  assertEquals([brief(forged), host.heard("MAIL").length], [["rejected 5.5.4"], 2]);
  assertEquals([host.connections, out.pool.idle, out.pool.size], [1, 1, 1], "the connection is as good as before");
});

Deno.test("a signer that fails: nothing goes out, no other host is asked, and it is tried again", async () => {
  await using site = await pair(() => undefined);
  const signers = [() => Promise.reject(new Error("no key"))];
  const shipped = await site.out.ship("y.example", ["x@y.example"], { outgoing: { signers } });
  assertEquals([brief(shipped), shipped.feedback], [["deferred 4.3.0"], "success"]);
  assertStringIncludes(shipped.results[0]!.words, "no key");
  assertEquals([site.first.heard("MAIL"), site.second.connections], [[], 0]);
});

Deno.test("content that breaks off in the middle never looks whole to anybody", async () => {
  await using site = await pair(() => undefined);
  const body = spooledBody(octets(TEXT));
  const broken = {
    ...body,
    stream: () => {
      let given = false;
      return new ReadableStream<Uint8Array<ArrayBuffer>>({
        pull(controller) {
          if (given) return controller.error(new Error("bad sector"));
          given = true;
          controller.enqueue(octets(TEXT.slice(0, 10)));
        },
      }, { highWaterMark: 0 });
    },
  };
  const shipped = await site.out.ship("y.example", ["x@y.example"], { outgoing: { body: broken } });
  assertEquals(brief(shipped), ["deferred 4.3.0"]);
  assertEquals([...site.first.contents, ...site.second.contents], []);
});

// ---- Logins --------------------------------------------------------------------------------------------------------------

Deno.test("a login that fails is for the operator to mend: mail waits, and none of it is said", async () => {
  await using host = await TalkingHost.open({
    offers: ["AUTH PLAIN"],
    says: (step) => step === "auth" ? "535 5.7.8 no" : undefined,
  });
  await using out = new WayOut({ port: host.port });
  const hop = nextHop(
    [{ kind: "smtp", host: "127.0.0.1", port: host.port, implicitTls: false, lmtp: false }],
    { auth: { user: "us", password: "secret", inClear: false } }, // this machine hears nobody
  );
  const shipped = await out.ship(hop, ["x@y.example"]);
  assertEquals([brief(shipped), shipped.feedback], [["deferred 4.7.8"], "failure"]);
  assertEquals(shipped.results[0]!.words, "535 5.7.8 no");
  assertEquals([host.heard("MAIL"), host.heard("AUTH").length], [[], 1]);
  host.says = () => undefined;
  assertEquals(brief(await out.ship(hop, ["x@y.example"])), [TAKEN]);
  assert(!shipped.results[0]!.words.includes("secret"));
});
