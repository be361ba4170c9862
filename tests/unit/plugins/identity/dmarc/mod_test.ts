import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import {
  type Key,
  MemoryResolver,
  on,
  type Plugin,
  type Scope,
  simulate,
  type Simulated,
  SimulatedCounters,
} from "../../../../../core/pipeline/mod.ts";
import { ARC, type ArcFinding } from "../../../../../plugins/identity/arc/key.ts";
import { DKIM, type DkimFinding } from "../../../../../plugins/identity/dkim/key.ts";
import { DMARC, dmarc } from "../../../../../plugins/identity/dmarc/mod.ts";
import { SPF, type SpfResult } from "../../../../../plugins/identity/spf/mod.ts";

const ZONE = {
  "_dmarc.reject.org": { txt: ["v=DMARC1; p=reject; rua=mailto:d@reject.org"] },
  "_dmarc.quarantine.org": { txt: ["v=DMARC1; p=quarantine"] },
  "_dmarc.none.org": { txt: ["v=DMARC1; p=none"] },
  "_dmarc.testing.org": { txt: ["v=DMARC1; p=reject; t=y"] },
  "_dmarc.wrong.org": { txt: ["v=DMARC1; p=never"] },
  "_dmarc.down.org": "servfail",
} as const;
const everyone = on("rcpt", (ctx, next) => (ctx.route({ to: "local", plugin: "inbox" }), next()));

const spfOf = (result: SpfResult, domain: string) =>
  [SPF, { result, identity: "mailfrom", domain, mechanism: null, explanation: null, problem: null }] as const;
const signed = (result: DkimFinding["result"], domain: string): DkimFinding => ({
  result,
  reason: null,
  domain,
  agent: `@${domain}`,
  selector: "s",
  algorithm: "rsa-sha256",
  b: "abcdefgh",
  limited: null,
  fields: [],
  testing: false,
});
const dkimOf = (...signatures: readonly DkimFinding[]) =>
  [DKIM, { result: signatures.some(({ result }) => result === "pass") ? "pass" : "none", signatures }] as const;
const arcOf = (finding: Partial<ArcFinding>) =>
  [ARC, {
    cv: "pass",
    reason: null,
    temporary: false,
    sealers: [],
    oldestPass: 0,
    trusted: true,
    results: null,
    ...finding,
  }] as const;

type Keys = readonly (readonly [Key<never, Scope>, unknown])[];

async function run(plugin: Plugin, domain: string, facts: Simulated & { readonly found?: readonly unknown[] } = {}) {
  const dns = new MemoryResolver(ZONE), { found = [dkimOf()], ...rest } = facts;
  const ran = await simulate([plugin, everyone], {
    dns,
    from: "a@example.net",
    to: "b@example.org",
    message: `From: a@${domain}\nSubject: x\n\nx\n`,
    keys: found as Keys as NonNullable<Simulated["keys"]>,
    ...rest,
  });
  return { ...ran, queries: dns.queries, finding: ran.get(DMARC) };
}

Deno.test("by default every result is attested and nothing is refused", async () => {
  const table: readonly [string, readonly unknown[], string, string | undefined][] = [
    ["reject.org", [dkimOf(signed("pass", "mail.reject.org"))], "pass", "reject"],
    ["reject.org", [dkimOf(), spfOf("pass", "reject.org")], "pass", "reject"],
    ["reject.org", [dkimOf(signed("fail", "reject.org")), spfOf("softfail", "reject.org")], "fail", "reject"],
    ["quarantine.org", [dkimOf(), spfOf("pass", "example.net")], "fail", "quarantine"],
    ["testing.org", [dkimOf()], "fail", "quarantine"],
    ["none.org", [dkimOf()], "fail", "none"],
    ["nothing.org", [dkimOf(signed("pass", "nothing.org"))], "none", undefined],
    ["wrong.org", [dkimOf()], "permerror", undefined],
    ["down.org", [dkimOf()], "temperror", undefined],
    ["reject.org", [dkimOf(signed("temperror", "reject.org"))], "temperror", undefined],
    ["reject.org", [dkimOf(), spfOf("temperror", "reject.org")], "temperror", undefined],
    ["reject.org", [], "permerror", undefined], // no plugin looked at signatures
  ];
  for (const [domain, found, result, policy] of table) {
    const { reply, finding, authResults, scores, rows } = await run(dmarc(), domain, { found });
    const said = JSON.stringify([domain, found]);
    assertEquals([reply.code, finding?.result, finding?.domain], [250, result, domain], said);
    assertEquals(authResults.map(({ method, result }) => [method, result]), [["dmarc", result]], said);
    assertEquals(authResults[0]!.properties, [
      ["header.from", domain],
      ...policy ? [["policy.dmarc", policy] as const] : [],
    ]);
    assertEquals([scores.length, rows.every(({ state }) => state !== "held")], [0, true]);
  }
});

Deno.test("what the operator wants done is done, by the policy that applies", async () => {
  const plugin = dmarc({ reject: "reject", quarantine: "hold" });
  const refused = await run(plugin, "reject.org");
  assertEquals(String(refused.reply), "550 5.7.1 Email rejected per DMARC policy for reject.org");
  assertEquals([refused.finding?.disposition, refused.finding?.override], ["reject", null]);
  const held = await run(plugin, "quarantine.org");
  assertEquals([held.reply.code, held.finding?.disposition, held.rows.map(({ state }) => state)], [250, "quarantine", [
    "held",
  ]]);
  const tested = await run(plugin, "testing.org"); // one step milder: RFC 9989 4.7
  assertEquals([tested.rows[0]?.state, tested.finding?.disposition], ["held", "quarantine"]);
  assertEquals(tested.finding?.override?.type, "policy_test_mode");
  for (const domain of ["none.org", "nothing.org", "wrong.org"]) {
    const { reply, rows, finding } = await run(plugin, domain);
    assertEquals([reply.code, rows[0]?.state, finding?.disposition], [250, "ready", "none"], domain);
  }
  const passed = await run(plugin, "reject.org", { found: [dkimOf(signed("pass", "reject.org"))] });
  assertEquals([passed.reply.code, passed.finding?.disposition], [250, "pass"]);

  const scored = await run(dmarc({ reject: "score", quarantine: "score", points: 3 }), "reject.org");
  assertEquals([scored.reply.code, scored.scores.map(({ points }) => points)], [250, [3]]);
  assertEquals([scored.finding?.disposition, scored.finding?.override?.type], ["quarantine", "local_policy"]);
});

Deno.test("case 59: a failure of name service never supports a permanent refusal", async () => {
  const found = [dkimOf()];
  assertEquals((await run(dmarc({ reject: "reject" }), "down.org", { found })).reply.code, 250);
  const later = await run(dmarc({ reject: "reject", temperror: "defer" }), "down.org", { found });
  assertEquals(String(later.reply), "451 4.4.3 Name service failed while checking DMARC of down.org, try again later");
});

Deno.test("case 52: no policy is got around by a From that names no author, or several", async () => {
  const plugin = dmarc({ reject: "reject" });
  const table = [
    "Subject: x\n\nx\n",
    "From: a@nothing.org\nFrom: ceo@reject.org\n\nx\n",
    "From: a@nothing.org, ceo@reject.org\n\nx\n",
    "From: ceo@reject.org <a@nothing.org>\n\nx\n",
    "From\0: ceo@reject.org\nFrom: a@nothing.org\n\nx\n",
  ];
  for (const message of table) {
    const facts = { message, found: [dkimOf(signed("pass", "nothing.org"))] };
    const { reply, finding, authResults } = await run(plugin, "", facts);
    assertStringIncludes(String(reply), "550 5.7.1 DMARC needs one author: ");
    assertEquals([finding?.result, finding?.domain], ["permerror", null]);
    assertEquals([authResults[0]?.result, authResults[0]?.properties], ["permerror", undefined]);
    assertEquals((await run(dmarc(), "", facts)).reply.code, 250); // observed, by default
    assertEquals((await run(plugin, "", { ...facts, to: "postmaster@example.org" })).reply.code, 250);
  }
});

Deno.test("case 52: what a display name shows is no pass for it", async () => {
  const message = 'From: "ceo@reject.org" <a@none.org>\n\nx\n', found = [dkimOf(signed("pass", "none.org"))];
  const { finding, authResults, scores } = await run(dmarc({ shown: "score" }), "", { message, found });
  assertEquals([finding?.domain, finding?.shown], ["none.org", ["reject.org"]]);
  assertEquals(authResults[0]?.properties?.[0], ["header.from", "none.org"]);
  assertEquals(scores.map(({ points }) => points), [4]);
});

Deno.test("forwarders, lists, trusted ARC chains and postmaster's mail are excused, and the report says why", async () => {
  const plugin = dmarc({ reject: "reject", forwarders: ["198.51.100.0/24"], lists: ["*.lists.net"] });
  const results = "mx.example.net; dmarc=pass header.from=reject.org; spf=fail";
  const sealers = [{ instance: 1, domain: "example.net" }];
  const table: readonly [Parameters<typeof run>[2], string | null][] = [
    [{ ip: "198.51.100.7" }, "trusted_forwarder"],
    [{ found: [dkimOf(signed("pass", "a.lists.net"))] }, "mailing_list"],
    [{ found: [dkimOf(), spfOf("pass", "a.lists.net")] }, "mailing_list"],
    [{ found: [dkimOf(), arcOf({ results, sealers })] }, "local_policy"],
    [{ to: "Postmaster@example.org" }, "local_policy"],
    // none of these
    [{ ip: "198.51.101.7" }, null],
    [{ found: [dkimOf(signed("fail", "a.lists.net"), signed("pass", "lists.net"))] }, null],
    [{ found: [dkimOf(), spfOf("softfail", "a.lists.net")] }, null],
    [{ found: [dkimOf(), arcOf({ results, sealers, trusted: false })] }, null],
    [{ found: [dkimOf(), arcOf({ results: results.replace("reject", "other") })] }, null],
    [{ found: [dkimOf(), arcOf({ results: results.replace("dmarc=pass", "dmarc=fail") })] }, null],
    [{ to: ["postmaster@example.org", "b@example.org"] }, null],
  ];
  for (const [facts, override] of table) {
    const { reply, finding } = await run(plugin, "reject.org", facts);
    const said = JSON.stringify(facts);
    assertEquals(reply.code, override === null ? 550 : 250, said);
    assertEquals([finding?.result, finding?.override?.type ?? null], ["fail", override], said);
  }
  const { authResults } = await run(plugin, "reject.org", { found: [dkimOf(), arcOf({ results, sealers })] });
  assertEquals(authResults[0]?.reason, "local_policy arc=pass as[1].d=example.net");
  const strict = dmarc({ reject: "reject", arc: false });
  assertEquals((await run(strict, "reject.org", { found: [dkimOf(), arcOf({ results, sealers })] })).reply.code, 550);
});

Deno.test("who logs in, loopback, relays of one's own and other roles are not checked, and cost no question", async () => {
  const plugin = dmarc({ reject: "reject", networks: ["198.51.100.0/24"] });
  const table: readonly Simulated[] = [
    { ip: "127.0.0.1" },
    { ip: "::1" },
    { ip: "198.51.100.7" },
    { identity: "ann" },
    { role: "submission" },
    { role: "lmtp" },
  ];
  for (const facts of table) {
    const { reply, finding, authResults, queries } = await run(plugin, "reject.org", facts);
    assertEquals([reply.code, finding, authResults, queries], [250, undefined, [], []], JSON.stringify(facts));
  }
});

Deno.test("a null sender's SPF is of the HELO name, and aligns like any other (RFC 7208 2.4)", async () => {
  const [key, finding] = spfOf("pass", "mx.none.org");
  const { finding: found } = await run(dmarc(), "none.org", {
    from: null,
    found: [dkimOf(), [key, { ...finding, identity: "helo" }]],
  });
  assertEquals([found?.result, found?.spf], ["pass", true]);
});

Deno.test("a message larger than what is read at once is judged by its header section", async () => {
  const body = `${"x".repeat(70)}\n`.repeat(20_000);
  const found = [dkimOf(signed("pass", "reject.org"))];
  const { finding } = await run(dmarc(), "", { message: `From: a@reject.org\n\n${body}`, found });
  assertEquals(finding?.result, "pass");
  // no end of the header section within reach: what stands behind might be another From
  const long = `From: a@reject.org\n${`X: ${"x".repeat(70)}\n`.repeat(16_000)}From: b@none.org\n\nx\n`;
  assertEquals((await run(dmarc(), "", { message: long, found })).finding?.domain, null);
});

Deno.test("messages are counted for reports only where they are wanted, asked for and about others", async () => {
  const reports = { from: "dmarc@example.org" };
  const table: readonly [Plugin, string, boolean][] = [
    [dmarc({ reports }), "reject.org", true],
    [dmarc(), "reject.org", false],
    [dmarc({ reports }), "none.org", false], // no rua
    [dmarc({ reports }), "nothing.org", false],
  ];
  for (const [plugin, domain, expected] of table) {
    const counters = new SimulatedCounters();
    await run(plugin, domain, { counters });
    assertEquals((await counters.list({ prefix: "", limit: 9 })).length > 0, expected, domain);
  }
  const counters = new SimulatedCounters();
  await run(dmarc({ reports }), "reject.org", { counters, host: { domains: ["reject.org"] } });
  assertEquals(await counters.list({ prefix: "", limit: 9 }), []);
  assert(dmarc({ reports }).jobs?.length === 1 && (dmarc().jobs ?? []).length === 0);
});
