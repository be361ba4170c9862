/** What each verdict means at each step, over a real socket. */
import { assert, assertEquals } from "@std/assert";
import { on, reject } from "../../../../../core/pipeline/mod.ts";
import { milter } from "../../../../../plugins/content/milter/mod.ts";
import { FakeMilter, harmless, packet, type Said } from "../../../../support/fake_milter.ts";
import { Stage } from "./stage.ts";

/** Says `said` to the command with that letter, and "continue" to all others. */
const to = (command: string, ...said: Said[]) =>
  new FakeMilter((heard) => heard.letter === command ? said : harmless(heard));
const reply = (text: string) => packet("y", `${text}\0`);
const CONTINUE = "250 2.0.0 OK", REJECT = "550 5.7.1 Command rejected";
const LATER = "451 4.7.1 Service unavailable, try again later";

Deno.test("a refusal at any step is the refusal of what was asked", async () => {
  const rows: [command: string, said: Said, reply: string][] = [
    ["C", "r", REJECT],
    ["C", "t", LATER],
    ["C", reply("550 5.7.25 No name"), "550 5.7.25 No name"],
    ["H", "r", REJECT],
    ["H", "4", "421 4.7.0 Service unavailable, closing the connection"],
    ["M", reply("450 4.1.8 Who"), "450 4.1.8 Who"],
    ["M", "r", REJECT],
    ["M", "f", "421 4.7.0 Service unavailable, closing the connection"],
    ["R", reply("551 5.1.6 Moved"), "551 5.1.6 Moved"],
    ["T", "r", REJECT],
    ["L", "t", LATER],
    ["N", reply("554 5.6.0 Bad header"), "554 5.6.0 Bad header"],
    ["B", "r", REJECT],
    ["E", reply("554 5.7.1 %%spam%%"), "554 5.7.1 %spam%"],
    ["E", "t", LATER],
    ["E", "r", REJECT],
  ];
  for (const [command, said, expected] of rows) {
    await using fake = to(command, said);
    using stage = new Stage([milter({ connect: fake.place })]);
    assertEquals(await stage.deliver(), expected, command);
    assertEquals(stage.kept, []);
    assert(fake.letters.endsWith(command), `${command}: ${fake.letters}`);
  }
});

Deno.test("after a refusal the session goes on where SMTP does", async () => {
  await using fake = new FakeMilter((heard) =>
    heard.letter !== "D" && heard.data.includes("bad") ? "r" : harmless(heard)
  );
  using stage = new Stage([milter({ connect: fake.place })]);
  await stage.connect();
  await stage.helo();
  assertEquals(await stage.mail("bad@example.net"), REJECT);
  assertEquals(await stage.mail(), CONTINUE);
  assertEquals(await stage.rcpt("bad@example.org"), REJECT);
  assertEquals(await stage.rcpt("b@example.org"), CONTINUE);
  assertEquals(await stage.data("A: bad\n\nx\n"), REJECT);
  assertEquals(await stage.mail(), CONTINUE);
  assertEquals(await stage.rcpt(), CONTINUE);
  assertEquals(await stage.data("A: b\n\nx\n"), CONTINUE);
  assertEquals(fake.letters, "OCHM" + "AMRRTL" + "AMRTLNBE");
});

Deno.test("a refusal at connect waits for RCPT, spares postmaster, and a login asks again", async () => {
  await using fake = to("C", "r");
  using stage = new Stage([milter({ connect: fake.place })], { delayRefusals: true });
  assertEquals([await stage.connect(), await stage.helo(), await stage.mail()], [CONTINUE, CONTINUE, CONTINUE]);
  assertEquals([await stage.rcpt(), await stage.rcpt("postmaster@example.org")], [REJECT, CONTINUE]);
  assertEquals(await stage.data("A: b\n\nx\n"), CONTINUE);
  assertEquals(fake.letters.replaceAll("Q", ""), "OC");
  stage.ctx.client = { ...stage.ctx.client, identity: "ann" };
  assertEquals(await stage.mail(), REJECT);
  fake.script = harmless;
  assertEquals(await stage.mail(), CONTINUE);
});

Deno.test("accept: no more of that session, or of that transaction", async () => {
  const rows: [command: string, first: string, second: string][] = [
    ["C", "OC", "OC"],
    ["H", "OCH", "OCH"],
    ["M", "OCHM", "OCHMAM"],
    ["R", "OCHMR", "OCHMRAMR"],
    ["T", "OCHMRT", "OCHMRTAMRT"],
    ["L", "OCHMRTL", "OCHMRTLAMRTL"],
    ["B", "OCHMRTLNB", "OCHMRTLNBAMRTLNB"],
    ["E", "OCHMRTLNBE", "OCHMRTLNBEMRTLNBE"],
  ];
  for (const [command, first, second] of rows) {
    await using fake = to(command, "a");
    using stage = new Stage([milter({ connect: fake.place })]);
    assertEquals(await stage.deliver(), CONTINUE, command);
    assertEquals(fake.letters.replaceAll("Q", ""), first);
    await stage.mail();
    await stage.rcpt();
    assertEquals(await stage.data("Subject: test\n\nHello\n"), CONTINUE);
    assertEquals(fake.letters.replaceAll("Q", ""), second);
    assertEquals(stage.kept.length, 1);
  }
});

Deno.test("discard: accepted, told to observers, and nothing of it is kept", async () => {
  for (const command of ["M", "R", "T", "L", "N", "B", "E"]) {
    await using fake = to(command, "d");
    let behind = 0;
    const later = on("data", (_, next) => (behind++, next()));
    using stage = new Stage([milter({ connect: fake.place })], { behind: [later] });
    assertEquals(await stage.deliver(), CONTINUE, command);
    assertEquals([stage.kept, behind], [[], 0]);
    assertEquals(stage.ctx.recipients.map(({ result }) => result), ["discarded"]);
    assertEquals([stage.notes, stage.reasons("milter")], [
      ["milter: discarded the message"],
      ["The milter has it dropped, and nobody is told"],
    ]);
  }
});

Deno.test("mail for postmaster alone is not refused for what is in it, and nothing of it is changed", async () => {
  await using fake = to("E", packet("b", "other"), packet("h", "X-Spam\0yes\0"), "r");
  using stage = new Stage([milter({ connect: fake.place })]);
  assertEquals(await stage.deliver("A: b\n\nHello\n", ["Postmaster@example.org"]), CONTINUE);
  assertEquals(stage.written.endsWith("\r\nA: b\r\n\r\nHello\r\n"), true);
  assertEquals(stage.notes, ["milter: would refuse it: 550 5.7.1 Command rejected"]);
  assertEquals(await stage.deliver("A: b\n\nHello\n", ["postmaster@example.org", "b@example.org"]), REJECT);
});

Deno.test("mail for postmaster alone is not discarded either, whenever the milter says so", async () => {
  for (const command of ["M", "R", "L", "E"]) {
    await using fake = to(command, "d");
    using stage = new Stage([milter({ connect: fake.place })]);
    assertEquals(await stage.deliver("A: b\n\nHello\n", ["postmaster@example.org"]), CONTINUE);
    assertEquals([stage.kept.length, stage.notes], [1, ["milter: would discard it"]], command);
    stage.kept = [];
    assertEquals(await stage.deliver("A: b\n\nHello\n", ["postmaster@example.org", "b@example.org"]), CONTINUE);
    assertEquals(stage.kept, [], command);
  }
});

Deno.test("mode observe: nothing of what it says counts", async () => {
  await using fake = to("E", packet("h", "X-Spam\0yes\0"), packet("-", "<b@example.org>\0"), packet("b", "x"), "r");
  using stage = new Stage([{ ...milter({ connect: fake.place }), policy: { mode: "observe" } }]);
  assertEquals(await stage.deliver("A: b\n\nHello\n"), CONTINUE);
  assertEquals([stage.kept.length, stage.written.includes("X-Spam")], [1, false]);
  assertEquals(stage.reasons("milter"), ["It would have said 550 5.7.1 Command rejected"]);
});

Deno.test("who is refused by a plugin before is not shown, and a message that one behind refuses is over", async () => {
  await using fake = new FakeMilter();
  const closed = on("data", () => reject("5.7.1", "No"), { name: "closed" });
  using stage = new Stage([milter({ connect: fake.place })], { behind: [closed] });
  assertEquals(await stage.deliver(), "550 5.7.1 No");
  using before = new Stage([milter({ connect: fake.place })], { before: [closed] });
  await before.deliver();
  assertEquals(fake.letters.endsWith("OCHMR"), true);
});

Deno.test("a refusal of the client's name is of the session: neither another greeting nor TLS gets around it", async () => {
  for (const delayRefusals of [false, true]) {
    await using fake = new FakeMilter((heard) =>
      heard.letter === "H" && heard.data.startsWith("bad") ? "r" : harmless(heard)
    );
    using stage = new Stage([milter({ connect: fake.place })], { delayRefusals });
    await stage.connect();
    assertEquals(await stage.helo("bad.example"), delayRefusals ? CONTINUE : REJECT);
    if (!delayRefusals) assertEquals(await stage.helo("good.example"), REJECT);
    stage.ctx.secure({ version: "TLSv1.3", cipher: "X", resumed: false, serverName: null, certificate: null });
    assertEquals(await stage.helo("good.example"), delayRefusals ? CONTINUE : REJECT);
    assertEquals(await stage.mail(), delayRefusals ? CONTINUE : REJECT);
    if (delayRefusals) assertEquals(await stage.rcpt(), REJECT);
    stage.ctx.client = { ...stage.ctx.client, identity: "ann" };
    assertEquals(await stage.helo("good.example"), CONTINUE, "a login lifts it");
    assertEquals(await stage.mail(), CONTINUE);
  }
});
