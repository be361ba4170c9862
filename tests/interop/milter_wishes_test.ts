/** A milter of libmilter (python3-milter): everything that it can ask for, and a running server that keeps faith with it. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { formatAddress } from "../../core/pipeline/mod.ts";
import { milter } from "../../plugins/content/milter/mod.ts";
import { pythonWith, testUnless } from "../support/debian.ts";
import type { EngineProcess } from "../support/engine_process.ts";
import { startWishes } from "../support/milters.ts";
import { Stage } from "../unit/plugins/content/milter/stage.ts";
import { keepsFaith } from "./scanner_contract.ts";

const python = pythonWith("Milter");
const MISSING = python === null ? "Milter: apt-get install python3-milter" : null;
const TIMES = { timeouts: { connect: "30s", command: "60s", content: "60s" } };
const plugin = (engine: EngineProcess, options = {}) =>
  milter({ connect: `tcp://127.0.0.1:${engine.port}`, ...TIMES, ...options });

testUnless(MISSING, "libmilter: what it wants changed is changed", async (t) => {
  await using engine = await startWishes(python!);
  const wish = async (words: string, to = ["b@example.org", "c@example.org"], options = {}) => {
    const stage = new Stage([plugin(engine, options)]);
    const message = `Received: theirs\nX-Here: 1\nX-Here: 2\nX-Here: 3\nSubject: do ${words}\n\nHello\n`;
    const reply = await stage.deliver(message, to);
    stage[Symbol.dispose]();
    const written = stage.written.replace(stage.received.trimEnd(), "Received: ours");
    const kept = stage.kept.map(({ recipient: { address, copy }, state }) =>
      `${address.local}${copy ? "+" : ""} ${state}`
    );
    return { stage, reply, written, kept };
  };
  const header = (words: string) =>
    `Received: ours\r\nReceived: theirs\r\nX-Here: 1\r\nX-Here: 2\r\nX-Here: 3\r\nSubject: do ${words}\r\n`;
  const BOTH = ["b ready", "c ready"];

  await t.step("nothing", async () => {
    const { reply, written, kept } = await wish("nothing");
    assertEquals([reply, written, kept], ["250 2.0.0 OK", `${header("nothing")}\r\nHello\r\n`, BOTH]);
  });
  await t.step("headers", async () => {
    const all = "add insert change delete";
    const { reply, written } = await wish(all);
    assertEquals(reply, "250 2.0.0 OK");
    assertEquals(
      written,
      `X-Top: 7\r\nX-Second: 2\r\nReceived: ours\r\nReceived: theirs\r\nX-Here: changed\r\n` +
        `Subject: do ${all}\r\nX-Added: one;\r\n\ttwo\r\n\r\nHello\r\n`,
    );
  });
  await t.step("the body", async () => {
    const { written, stage } = await wish("body slowly");
    assertEquals(written, `${header("body slowly")}\r\n${"another body\r\n".repeat(10_000)}`);
    assert(stage.events.some(({ type }) => type === "rewritten"));
  });
  await t.step("the envelope", async () => {
    const { stage, kept } = await wish("sender recipients");
    assertEquals([formatAddress(stage.ctx.sender), kept], ["new@example.net", ["c ready", "d+ ready"]]);
    assertEquals((await wish("recipients", ["b@example.org"])).kept, ["d+ ready"]);
  });
  await t.step("quarantine", async () => {
    const { stage, kept } = await wish("quarantine");
    assertEquals([stage.ctx.held, kept], ["milter: looks odd", ["b held", "c held"]]);
  });
  await t.step("verdicts", async () => {
    assertEquals((await wish("reject add")).reply, "554 5.6.0 As you wish");
    assertEquals((await wish("tempfail")).reply, "451 4.7.1 Service unavailable, try again later");
    assertEquals((await wish("accept add")).written.includes("X-Added"), true);
    const { reply, kept, stage } = await wish("discard");
    assertEquals([reply, kept, stage.notes], ["250 2.0.0 OK", [], ["milter: discarded the message"]]);
  });
  await t.step("macros and paths", async () => {
    const { written, stage } = await wish("macros");
    assertEquals(
      /^X-Macros: (.*)$/m.exec(written.replace(/\r\n /g, " "))?.[1]?.trimEnd(),
      `mx.example.org 192.0.2.1 ${stage.ctx.id} <a@example.net> <b@example.org> <c@example.org>`,
    );
  });
  await t.step("every version of the protocol", async () => {
    for (const protocol of [2, 3, 4, 6] as const) {
      const actions = [
        "add_headers",
        "change_headers",
        "change_body",
        "add_recipients",
        "delete_recipients",
        "quarantine",
        "change_sender",
      ] as const;
      const { reply } = await wish("add", undefined, { protocol, actions: [...actions] });
      // libmilter turns a server down that does not let it do what it was made for: changing senders came with 6
      if (protocol === 6) assertEquals(reply, "250 2.0.0 OK");
      else assertMatch(reply, /^(?:250|451 4\.3\.0)/);
    }
  });
});

testUnless(
  MISSING,
  "libmilter: verdicts on the envelope, one session after the other, and on one connection",
  async () => {
    await using engine = await startWishes(python!);
    using stage = new Stage([plugin(engine)]);
    assertEquals(await stage.connect(), "250 2.0.0 OK");
    assertEquals(await stage.helo("bad.example.net"), "550 5.7.1 Command rejected");
    using other = new Stage([plugin(engine)]);
    await other.connect();
    await other.helo();
    assertEquals(await other.mail("late@example.net"), "450 4.7.0 Come later, 100% sure");
    await other.mail();
    assertEquals(await other.rcpt("unwanted@example.org"), "550 5.1.1 Nobody wants that Nobody at all");
    assertEquals(await other.rcpt(), "250 2.0.0 OK");
    assertEquals(await other.data("Subject: do add\nX-Refuse: 1\n\nx\n"), "550 5.7.1 Command rejected");
    await other.mail();
    assertEquals([await other.rcpt(), await other.rcpt("hole@example.org")], ["250 2.0.0 OK", "250 2.0.0 OK"]);
    assertEquals([await other.data("Subject: do add\n\nx\n"), other.kept], ["250 2.0.0 OK", []]);
    await other.mail();
    await other.rcpt();
    await other.mail(); // without a message: RSET
    await other.rcpt();
    assertEquals(await other.data("Subject: do add\n\nx\n"), "250 2.0.0 OK");
    assert(other.written.includes("X-Added: one;\r\n\ttwo\r\n"));
    other.ctx.proxied({ ...other.ctx.client, ip: "192.0.2.77" }, "");
    assertEquals([await other.connect(), await other.helo(), await other.mail()], Array(3).fill("250 2.0.0 OK"));
    await other.rcpt();
    await other.data("Subject: do macros\n\nx\n");
    assertMatch(other.written, /X-Macros: mx\.example\.org 192\.0\.2\.77 /);
  },
);

testUnless(
  MISSING,
  "a milter of libmilter: well, killed, frozen, replaced: the policy holds and no mail is lost",
  async (t) => {
    await using engine = await startWishes(python!);
    await keepsFaith(t, {
      engine,
      plugin: "milter",
      options: `connect: "tcp://127.0.0.1:${engine.port}", pause: 100ms`,
      policy: {
        patient: "timeouts: { connect: 30s, command: 60s, content: 60s }",
        hasty: "timeouts: { connect: 1s, command: 1s, content: 1s }",
        careless: "timeouts: { connect: 1s, command: 1s, content: 1s }, unavailable: skip",
      },
      bad: "there is a BAD WORD here",
      refusal: /^550 5\.7\.1 There is a bad word in it/,
    });
  },
);
