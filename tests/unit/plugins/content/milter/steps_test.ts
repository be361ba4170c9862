/** What a milter is told, in which order and form, over a real socket. */
import { assert, assertEquals } from "@std/assert";
import { on } from "../../../../../core/pipeline/mod.ts";
import { milter } from "../../../../../plugins/content/milter/mod.ts";
import { STEPS } from "../../../../../plugins/content/milter/protocol.ts";
import { FCRDNS } from "../../../../../plugins/identity/fcrdns/key.ts";
import { agreed, FakeMilter, harmless, type Script, uint32 } from "../../../../support/fake_milter.ts";
import { waitFor } from "../../../../support/wait.ts";
import { Stage } from "./stage.ts";

const steps = (bits: number, symbols = ""): Script => (heard) =>
  heard.letter === "O" ? agreed(6, 0x1ff, bits, symbols) : harmless(heard);
const MESSAGE = "From: a@example.net\nSubject:one\n two\nX:  y\n\nHello\n\nyou\n";

Deno.test("a session, step by step, and QUIT at its end", async () => {
  await using fake = new FakeMilter();
  using stage = new Stage([milter({ connect: fake.place })]);
  assertEquals(await stage.deliver(MESSAGE, ["b@example.org", "c@example.org"]), "250 2.0.0 OK");
  stage[Symbol.dispose]();
  await waitFor("QUIT", () => fake.letters.endsWith("Q"));
  assertEquals(fake.letters, "OCHMRRTLLLNBEQ");
  assertEquals(fake.data("O"), [uint32(6) + uint32(0x1ff) + uint32(0x301fffff)]);
  assertEquals(fake.data("C"), ["[192.0.2.1]\x004\xc3\x50192.0.2.1\0"]);
  assertEquals(fake.data("H"), ["client.example.net\0"]);
  assertEquals(fake.data("M"), ["<a@example.net>\0"]);
  assertEquals(fake.data("R"), ["<b@example.org>\0", "<c@example.org>\0"]);
  assertEquals(fake.data("L"), ["From\0a@example.net\0", "Subject\0one\n two\0", "X\0 y\0"]);
  assertEquals(fake.data("B"), ["Hello\r\n\r\nyou\r\n"]);
  await waitFor("the end of the connection", () => fake.ended === 1);
  assertEquals(fake.connections, 1);
});

Deno.test("parameters of MAIL and RCPT, the null sender, IPv6, a name that is known", async () => {
  await using fake = new FakeMilter();
  const named = on("connect", (ctx, next) => {
    ctx.set(FCRDNS, { result: "pass", name: "client.example.net", names: ["client.example.net"] });
    return next();
  });
  using stage = new Stage([milter({ connect: fake.place })], {
    client: { ip: "2001:db8::1", port: 7 },
    before: [named],
  });
  await stage.connect();
  await stage.helo();
  await stage.mail(null, { size: 100, body: "8BITMIME", smtputf8: true, ret: "HDRS", envid: "x+20y" });
  await stage.rcpt("b@example.org", { notify: ["SUCCESS", "DELAY"], orcpt: "rfc822;b@example.org" });
  assertEquals(fake.data("C"), ["client.example.net\x006\0\x072001:db8::1\0"]);
  assertEquals(fake.data("M"), ["<>\0SIZE=100\0BODY=8BITMIME\0SMTPUTF8\0RET=HDRS\0ENVID=x+20y\0"]);
  assertEquals(fake.data("R"), ["<b@example.org>\0NOTIFY=SUCCESS,DELAY\0ORCPT=rfc822;b@example.org\0"]);
  assertEquals(fake.macros("C")["{client_name}"], "client.example.net");
  assertEquals(fake.macros("M")["{mail_addr}"], "");
});

Deno.test("macros: the usual ones at each stage, the operator's in their place", async () => {
  await using fake = new FakeMilter();
  const tls = { version: "TLSv1.3", cipher: "TLS_AES", serverName: null, resumed: false, certificate: null };
  const plugin = milter({ connect: fake.place, macros: { "{daemon_name}": "ORIGINATING", "{own}": "1" } });
  const login = on("auth", (ctx, next) => (ctx.identify("ann"), next()));
  using stage = new Stage([plugin], { client: { tls }, behind: [login] });
  await stage.connect();
  await stage.helo();
  stage.ctx.authenticate({
    mechanism: "PLAIN",
    user: "ann",
    verify: () => Promise.resolve(true),
    decoy: () => Promise.resolve(false),
    reveal: () => "",
  });
  assertEquals(await stage.run("auth"), "250 2.0.0 OK");
  await stage.mail();
  await stage.rcpt();
  await stage.data("Message-ID: <1@x>\n\nbody\n");
  const i = stage.ctx.id;
  assertEquals(fake.macros("C"), {
    j: "mx.example.org",
    _: "[192.0.2.1] [192.0.2.1]",
    v: "Postern",
    "{daemon_name}": "ORIGINATING",
    "{daemon_addr}": "192.0.2.25",
    "{daemon_port}": "25",
    "{client_addr}": "192.0.2.1",
    "{client_name}": "[192.0.2.1]",
    "{client_port}": "50000",
    "{client_ptr}": "unknown",
    "{client_resolve}": "FAIL",
    "{own}": "1",
  });
  assertEquals(fake.macros("H"), { "{tls_version}": "TLSv1.3", "{cipher}": "TLS_AES", "{verify}": "NO" });
  assertEquals(fake.macros("M"), {
    i,
    "{auth_type}": "PLAIN",
    "{auth_authen}": "ann",
    "{auth_author}": "ann",
    "{mail_addr}": "a@example.net",
    "{mail_host}": "example.net",
    "{mail_mailer}": "smtp",
  });
  assertEquals(fake.macros("R"), {
    i,
    "{rcpt_addr}": "b@example.org",
    "{rcpt_host}": "example.org",
    "{rcpt_mailer}": "local",
  });
  assertEquals([fake.macros("T"), fake.macros("N"), fake.macros("E")], [{ i }, { i }, { i, "{msg_id}": "<1@x>" }]);
});

Deno.test("a milter that chooses its macros gets those, and the usual ones where it does not choose", async () => {
  const symbols = `${uint32(0)}{client_addr} {nobody_knows}\0${uint32(5)}i, {mail_addr}\0${uint32(3)}\0`;
  await using fake = new FakeMilter(steps(0, symbols));
  using stage = new Stage([milter({ connect: fake.place })]);
  await stage.deliver();
  assertEquals(fake.macros("C"), { "{client_addr}": "192.0.2.1" });
  assertEquals(fake.macros("E"), { i: stage.ctx.id, "{mail_addr}": "a@example.net" });
  assertEquals(fake.macros("R"), {});
  assertEquals(fake.macros("M")["{mail_host}"], "example.net");
});

Deno.test("steps that a milter leaves out are left out, macros and all; those it keeps silent about are not waited for", async () => {
  const { noConnect, noHelo, noMail, noRcpt, noBody, noHeaders, noEndOfHeaders, noData } = STEPS;
  const {
    silentConnect,
    silentHelo,
    silentMail,
    silentRcpt,
    silentData,
    silentHeader,
    silentEndOfHeaders,
    silentBody,
  } = STEPS;
  const rows: [bits: number, letters: string, answered: string][] = [
    [noConnect | noHelo | noMail | noRcpt | noHeaders | noEndOfHeaders | noBody | noData, "OE", "E"],
    [noHeaders, "OCHMRTNBE", "CHMRTNBE"],
    [noBody | noData, "OCHMRLLLNE", "CHMRLNE"],
    [
      silentConnect | silentHelo | silentMail | silentRcpt | silentData | silentHeader | silentEndOfHeaders |
      silentBody,
      "OCHMRTLLLNBE",
      "E",
    ],
    [silentHeader | silentBody, "OCHMRTLLLNBE", "CHMRTNE"],
  ];
  for (const [bits, letters, answered] of rows) {
    await using fake = new FakeMilter(({ letter }) =>
      letter === "O" ? agreed(6, 0, bits) : answered.includes(letter) ? "c" : null
    );
    using stage = new Stage([milter({ connect: fake.place })]);
    assertEquals(await stage.deliver(MESSAGE), "250 2.0.0 OK", letters);
    assertEquals(fake.letters, letters);
    const stages = new Set(fake.data("D").map((data) => data[0]));
    assert([...stages].every((each) => letters.includes(each!)), letters);
  }
});

Deno.test("header values with their leading space, where the milter wants that", async () => {
  await using fake = new FakeMilter(steps(STEPS.leadingSpace));
  using stage = new Stage([milter({ connect: fake.place })]);
  await stage.deliver(MESSAGE);
  assertEquals(fake.data("L"), ["From\0 a@example.net\0", "Subject\0one\n two\0", "X\0  y\0"]);
});

Deno.test("the body in chunks of the size that was agreed on; a milter that has seen enough gets no more", async () => {
  const message = `A: b\n\n${"0123456789abcde\n".repeat(20_000)}`, size = 17 * 20_000;
  const rows: [bits: number, most: number, chunks: number][] = [
    [0, 65_535, 6],
    [STEPS.chunks256K, 262_143, 2],
    [STEPS.chunks1M, 1_048_575, 1],
    [STEPS.chunks1M | STEPS.chunks256K, 1_048_575, 1],
  ];
  for (const [bits, most, chunks] of rows) {
    await using fake = new FakeMilter(steps(bits));
    using stage = new Stage([milter({ connect: fake.place })]);
    await stage.deliver(message);
    const sizes = fake.data("B").map((each) => each.length);
    assertEquals([sizes.length, Math.max(...sizes) <= most], [chunks, true]);
    assertEquals(sizes.reduce((sum, each) => sum + each, 0), size);
  }
  await using fake = new FakeMilter((heard) => heard.letter === "B" ? "s" : steps(STEPS.skip)(heard));
  using stage = new Stage([milter({ connect: fake.place })]);
  await stage.deliver(message);
  assertEquals(fake.letters, "OCHMRTLNBE");
  await stage.mail();
  await stage.rcpt();
  await stage.data(message);
  assertEquals(fake.letters, "OCHMRTLNBE" + "MRTLNBE");
});

Deno.test("older versions hear nothing that they do not know", async () => {
  const rows: [offered: 2 | 3 | 4 | 6, spoken: number, offer: string, letters: string][] = [
    [2, 2, uint32(2) + uint32(0x3f) + uint32(0x7f), "OCHMRLLLNBE"],
    [3, 3, uint32(3) + uint32(0x3f) + uint32(0x17f), "OCHMRLLLNBE"],
    [4, 4, uint32(4) + uint32(0x3f) + uint32(0x37f), "OCHMRTLLLNBE"],
    [6, 2, uint32(6) + uint32(0x1ff) + uint32(0x301fffff), "OCHMRLLLNBE"],
    [6, 5, uint32(6) + uint32(0x1ff) + uint32(0x301fffff), "OCHMRTLLLNBE"],
  ];
  for (const [protocol, spoken, offer, letters] of rows) {
    await using fake = new FakeMilter((heard) => heard.letter === "O" ? agreed(spoken, 0x3f) : harmless(heard));
    using stage = new Stage([milter({ connect: fake.place, protocol })]);
    assertEquals(await stage.deliver(MESSAGE), "250 2.0.0 OK", `${protocol} ${spoken}`);
    assertEquals([fake.data("O")[0], fake.letters], [offer, letters]);
  }
});

Deno.test("a transaction that is over before its end is aborted; a connection serves one after the other", async () => {
  await using fake = new FakeMilter();
  using stage = new Stage([milter({ connect: fake.place })]);
  await stage.deliver();
  await stage.mail();
  await stage.rcpt();
  await stage.mail(); // RSET before it, or nothing
  await stage.helo("again.example.net");
  await stage.mail();
  await stage.rcpt();
  await stage.data(MESSAGE);
  assertEquals(fake.letters, "OCHMRTLNBE" + "MR" + "AM" + "AH" + "MRTLLLNBE");
  assertEquals([fake.data("H").at(-1), fake.connections], ["again.example.net\0", 1]);
});

Deno.test("another client behind a proxy: on the same connection, or on one of its own", async () => {
  for (
    const [version, letters, connections] of [[6, "OCHM" + "AK" + "CHM", 1], [4, "OCHM" + "AQ" + "OCHM", 2]] as const
  ) {
    await using fake = new FakeMilter((heard) => heard.letter === "O" ? agreed(version, 0x3f) : harmless(heard));
    using stage = new Stage([milter({ connect: fake.place })]);
    await stage.connect();
    await stage.helo();
    await stage.mail();
    stage.ctx.proxied({ ...stage.ctx.client, ip: "192.0.2.99" }, "");
    await stage.connect();
    await stage.helo();
    await stage.mail();
    await waitFor("all of it", () => fake.letters.length >= letters.length);
    assertEquals([...fake.letters].sort(), [...letters].sort());
    assertEquals([fake.data("C").at(-1)?.includes("192.0.2.99"), fake.connections], [true, connections]);
  }
});

Deno.test("refused recipients: told to a milter that wants to hear of them, with the refusal, and to no other", async () => {
  for (const [bits, recipients] of [[STEPS.refusedRecipients, 2], [0, 1]] as const) {
    await using fake = new FakeMilter(steps(bits));
    using stage = new Stage([milter({ connect: fake.place })]);
    await stage.connect();
    await stage.helo();
    await stage.mail();
    await stage.rcpt();
    assertEquals(await stage.rcpt("nobody@example.org"), "550 5.1.1 No such user here");
    assertEquals(fake.data("R").length, recipients);
    if (bits === 0) continue;
    assertEquals(fake.macros("R"), {
      i: stage.ctx.id,
      "{rcpt_addr}": "No such user here",
      "{rcpt_host}": "5.1.1",
      "{rcpt_mailer}": "error",
    });
  }
});

Deno.test("aliases and copies are no steps; networks that are left out are told of nothing", async () => {
  await using fake = new FakeMilter();
  const alias = on("rcpt", (ctx, next) => {
    if (ctx.recipient.address.local === "all") {
      ctx.expand([{ local: "x", domain: "example.org" }, { local: "y", domain: "example.org" }]);
    }
    return next();
  });
  const copy = on("data", (ctx, next) => (ctx.copyTo({ local: "z", domain: "example.org" }), next()));
  using stage = new Stage([milter({ connect: fake.place })], { before: [alias, copy] });
  await stage.deliver(MESSAGE, ["all@example.org"]);
  assertEquals(fake.data("R"), ["<all@example.org>\0"]);
  assertEquals(stage.kept.length, 3);
  using ours = new Stage([milter({ connect: fake.place, networks: ["192.0.2.0/24"] })]);
  assertEquals(await ours.deliver(MESSAGE), "250 2.0.0 OK");
  assertEquals(fake.connections, 1);
});

Deno.test("what plugins before it changed and found is what it sees; our own Received is hidden", async () => {
  await using fake = new FakeMilter();
  const before = on("data", (ctx, next) => {
    ctx.prependHeader("Received-SPF", "pass");
    ctx.replaceHeader("Subject", "other");
    ctx.attest({ method: "spf", result: "pass", properties: [["smtp.mailfrom", "example.net"]] });
    return next();
  });
  using stage = new Stage([milter({ connect: fake.place })], { before: [before] });
  await stage.deliver("Received: from x by y;\n Mon, 1 Jan 2024 00:00:00 +0000\nSubject: one\n\nHello\n");
  assertEquals(fake.data("L"), [
    "Authentication-Results\0mx.example.org;\n\tspf=pass smtp.mailfrom=example.net\0",
    "Received-SPF\0pass\0",
    "Received\0from x by y;\n Mon, 1 Jan 2024 00:00:00 +0000\0",
    "Subject\0other\0",
  ]);
});

Deno.test("a phase that was not this plugin's is made up for", async () => {
  await using fake = new FakeMilter(({ letter, data }) =>
    letter === "R" && data.includes("c@") ? "r" : harmless({ letter, data, connection: 0 })
  );
  const { handlers: { data }, ...rest } = milter({ connect: fake.place });
  using stage = new Stage([{ ...rest, handlers: { data: data! } }]);
  assertEquals(await stage.deliver(MESSAGE, ["b@example.org", "c@example.org"]), "250 2.0.0 OK");
  assertEquals(fake.letters, "OCHMRRTLLLNBE");
  assertEquals(stage.kept.map(({ recipient, state }) => [recipient.address.local, state]), [["b", "ready"], [
    "c",
    "held",
  ]]);
});
