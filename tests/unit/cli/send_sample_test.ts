import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { run } from "../../../cli/main.ts";
import { SAMPLES } from "../../../cli/send/samples.ts";
import { SampleNames } from "../../../core/dns/sample_names.ts";
import { MemoryResolver } from "../../../core/dns/memory_resolver.ts";
import { loadConfig } from "../../../core/config/load.ts";
import { simulate } from "../../../core/pipeline/mod.ts";
import { TempFolder } from "../../support/temp.ts";
import { FakeTerminal } from "./fake_terminal.ts";
import { session } from "./scripted_server.ts";

const OFFER = { EHLO: "250-test\r\n250-XCLIENT ADDR HELO\r\n250 8BITMIME", XCLI: "220 again" };

Deno.test("send --as-ip speaks for somebody else, and says hello again as that one", async () => {
  const table: readonly [args: readonly string[], heard: readonly string[]][] = [
    [["--as-ip", "192.0.2.1"], ["EHLO localhost", "XCLIENT ADDR=192.0.2.1 HELO=localhost", "EHLO localhost"]],
    [["--as-ip", "2001:DB8::1", "--as-helo", "mx.example.org"], [
      "EHLO localhost",
      "XCLIENT ADDR=IPV6:2001:db8::1 HELO=mx.example.org",
      "EHLO mx.example.org",
    ]],
    [["--as-helo", "mx.example.org", "--helo", "me"], [
      "EHLO me",
      "XCLIENT HELO=mx.example.org",
      "EHLO mx.example.org",
    ]],
    [["--sample", "spf-fail"], [
      "EHLO localhost",
      "XCLIENT ADDR=192.0.2.7 HELO=mail.spf-fail.test",
      "EHLO mail.spf-fail.test",
      "MAIL FROM:<ceo@spf-fail.test>",
    ]],
    [["--sample", "spf-fail", "--as-ip", "203.0.113.9", "--from", "a@spf-pass.test"], [
      "EHLO localhost",
      "XCLIENT ADDR=203.0.113.9 HELO=mail.spf-pass.test",
      "EHLO mail.spf-pass.test",
      "MAIL FROM:<a@spf-pass.test>",
    ]],
  ];
  for (const [args, lines] of table) {
    const terminal = new FakeTerminal();
    const heard = await session({ rules: OFFER }, async (server) => {
      assertEquals(await run(["send", "--server", server, "--to", "a@example.org", ...args], terminal), 0);
    });
    assertEquals(heard.slice(0, lines.length), lines);
    assertEquals(terminal.printed, ["250 2.0.0 queued as X"]);
  }
});

Deno.test("a server that does not let us speak for others is told of, and gets no mail", async () => {
  for (
    const [rules, complaint] of [
      [{}, "it offers no XCLIENT here"],
      [{ ...OFFER, XCLI: "550 5.7.1 not you" }, "a@example.org was refused: 550 5.7.1 not you"],
    ] as const
  ) {
    const terminal = new FakeTerminal();
    const heard = await session({ rules }, async (server) => {
      assertEquals(
        await run(["send", "--server", server, "--to", "a@example.org", "--as-ip", "192.0.2.1"], terminal),
        1,
      );
    });
    assert(!heard.some((line) => line.startsWith("MAIL")));
    assertStringIncludes(terminal.complaints.join(), complaint);
  }
});

Deno.test("what is no address, no name, no sample or two messages at once is a usage error", async () => {
  for (
    const args of [
      ["--as-ip", "example.org"],
      ["--as-ip", "192.0.2.1 HELO=x"],
      ["--as-helo", "a b"],
      ["--as-helo", "a\r\nMAIL"],
      ["--sample", "nonsense"],
      ["--sample", "gtube", "--file", "x.eml"],
    ]
  ) {
    const terminal = new FakeTerminal();
    assertEquals(await run(["send", "--server", "127.0.0.1:9", "--to", "a@example.org", ...args], terminal), 2);
    assertEquals(terminal.complaints.length, 1, args.join(" "));
  }
});

Deno.test("each sample shows in a dev inbox what its name says, and nothing is refused or asked of the world", async () => {
  await using temp = await TempFolder.make();
  const config = await loadConfig({ env: {}, cwd: temp.path });
  const world = new MemoryResolver();
  const host = { name: config.hostname, domains: config.domains, postmaster: null };
  const expected: Readonly<Record<string, RegExp>> = {
    hello: /dkim=none/,
    newsletter: /spf=pass.*dmarc=pass/s,
    gtube: /spf=pass.*dmarc=pass/s,
    "spf-pass": /spf=pass.*dmarc=pass/s,
    "spf-fail": /spf=fail.*dmarc=fail.*policy\.dmarc=reject/s,
    "dkim-pass": /spf=neutral.*dkim=pass.*dmarc=pass/s,
    "dkim-fail": /spf=neutral.*dkim=fail the body was changed.*dmarc=fail.*policy\.dmarc=quarantine/s,
  };
  assertEquals(Object.keys(SAMPLES), Object.keys(expected));
  const told: Readonly<Record<string, readonly string[]>> = {
    hello: ["spf: Not checked: the client is this machine", "dkim: The message has no signature", "Kept in the inbox"],
    gtube: ["spam_score: 1000 points, refused from 12: content rules 1000 (gtube 1000). It would have said 550 5.7.1 "],
    "spf-fail": [
      "spf: SPF failed: spf-fail.test does not let 192.0.2.7 send for it (-all). It would have said 550 5.7.23 ",
      "dmarc: Neither SPF nor a signature speaks for spf-fail.test, the author's domain, which asks to refuse such mail",
    ],
    "dkim-pass": ["dkim: One signature, by dkim-pass.test: it holds"],
    "dkim-fail": ["dkim: One signature, by dkim-fail.test: it is broken, the body was changed"],
  };
  for (const [name, sample] of Object.entries(SAMPLES)) {
    const now = Date.UTC(2026, 10, 30), to = ["you@example.org"];
    const found = await simulate(config.listeners[0]!.plugins, {
      ip: sample.ip ?? "127.0.0.1",
      from: sample.from,
      to: to[0]!,
      host,
      dns: new SampleNames(world),
      now: () => now,
      message: await sample.content({ from: sample.from, to, now }),
    });
    assertEquals([found.reply.verdict, found.deposits.length], ["accept", 1], name);
    const words = found.authResults.map(({ method, result, reason, properties = [] }) =>
      [`${method}=${result}`, reason ?? "", ...properties.map((each) => each.join("="))].join(" ")
    );
    assertMatch(words.join("; "), expected[name]!, name);
    const against = found.decisions.filter(({ observed, verdict, held = [] }) =>
      observed && (verdict === "reject" || held.some((each) => (each as { do: string }).do === "hold"))
    );
    const wanted = { gtube: ["spam_score"], "spf-fail": ["spf", "dmarc"], "dkim-fail": ["dmarc"] }[name] ?? [];
    assertEquals(against.map(({ plugin }) => plugin), wanted, name);
    // A newcomer reads it in `explain`
    const story = found.decisions.map(({ plugin, reason }) => `${plugin}: ${reason}`).join("\n");
    for (const each of told[name] ?? []) assertStringIncludes(story, each, name);
  }
  assertEquals(world.queries, []);
});
