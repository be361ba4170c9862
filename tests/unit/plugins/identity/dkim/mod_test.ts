/** What the plugin makes of what signatures come to: facts, findings, and verdicts where the operator wants them. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { MemoryResolver, on, OptionsError, simulate, type Simulated } from "../../../../../core/pipeline/mod.ts";
import { DKIM, dkim } from "../../../../../plugins/identity/dkim/mod.ts";
import { join, latin1, mail, octets } from "../../../../support/bytes.ts";
import { crafted, KEY, NOW, type Tags, zoneOf } from "../../../dkim/crafted.ts";

type Options = NonNullable<Parameters<typeof dkim>[0]>;

const MAIL = mail("From: Alice <alice@example.org>\nTo: bob@example.net\nSubject: x\n\nHello\n");
const everyone = on("rcpt", (ctx, next) => (ctx.route({ to: "local", plugin: "inbox" }), next()));
const [[NAME, RECORDS]] = Object.entries(await zoneOf(KEY)) as [[string, readonly string[]]];
const ZONE = { [NAME]: { txt: RECORDS }, "down._domainkey.example.org": "servfail" as const };

async function run(options: Options, facts: Simulated = {}) {
  const dns = new MemoryResolver(ZONE);
  const ran = await simulate([dkim(options), everyone], {
    dns,
    now: () => NOW,
    from: "alice@example.org",
    to: "b@example.org",
    message: await crafted(MAIL),
    ...facts,
  });
  return { ...ran, queries: dns.queries };
}
const signed = async (tags: Tags = {}) => ({ message: await crafted(MAIL, tags) });
/** What stands in front of the message. */
const fieldOf = (message: Uint8Array<ArrayBuffer>) => message.subarray(0, message.length - MAIL.length);
const BROKEN = { message: octets(latin1(await crafted(MAIL)).replace("Hello", "Hallo")) };
const UNSIGNED = { message: MAIL };
const KINDS: Readonly<Record<string, { readonly message: Uint8Array<ArrayBuffer> }>> = {
  pass: await signed(),
  fail: BROKEN,
  policy: await signed({ l: "2" }),
  permerror: await signed({ v: "2" }),
  temperror: await signed({ s: "down" }),
  none: UNSIGNED,
};

Deno.test("by default every result is a fact and a finding, and nothing is refused", async () => {
  for (const [kind, facts] of Object.entries(KINDS)) {
    const { reply, get, authResults, scores } = await run({}, facts);
    assertEquals([reply.code, get(DKIM)!.result, scores], [250, kind, []], kind);
    assertEquals(authResults.map(({ method, result }) => [method, result]), [["dkim", kind]]);
  }
});

Deno.test("what is attested of a signature: whose it is, its key, its b=, why it does not count", async () => {
  const { authResults: [passed], output } = await run({}, await signed({ i: "list@news.example.org" }));
  assertEquals(passed!.properties!.slice(0, 4), [
    ["header.d", "example.org"],
    ["header.i", "list@news.example.org"],
    ["header.s", "s1"],
    ["header.a", "ed25519-sha256"],
  ]);
  assert(/^[\w+/]{8}$/.test(passed!.properties![4]![1]));
  assert(output.startsWith("Authentication-Results: mx.example.org;\r\n\tdkim=pass header.d=example.org"), output);
  const { authResults: [limited] } = await run({}, KINDS["policy"]!);
  assertEquals(limited!.reason, "it covers 2 of 7 octets of the body (l=)");
  const hostile = await run({}, await signed({ d: 'a"; dkim=pass header.d=bank.example', v: "1" }));
  assertEquals(hostile.authResults.map(({ result }) => result), ["permerror"]);
  assert(!/^\s+dkim=pass/m.test(hostile.output));
});

Deno.test("several signatures: a finding each; one that passes is enough", async () => {
  const other = fieldOf((await signed({ bh: `${"A".repeat(43)}=` })).message);
  const { reply, get, authResults } = await run({ fail: "reject" }, { message: join(other, KINDS["pass"]!.message) });
  assertEquals([reply.code, get(DKIM)!.result, authResults.map(({ result }) => result)], [250, "pass", [
    "fail",
    "pass",
  ]]);
  const ten = octets(latin1(fieldOf(KINDS["pass"]!.message)).repeat(30) + latin1(MAIL));
  const many = await run({ signatures: 3 }, { message: ten });
  assertEquals([many.authResults.length, many.get(DKIM)!.more, many.queries.length], [3, 27, 1]);
});

Deno.test("what the operator wants refused is refused, each with its code", async () => {
  const strict = { fail: "reject", permerror: "reject", policy: "reject", none: "reject", temperror: "defer" } as const;
  const expected: Readonly<Record<string, string | null>> = {
    pass: null,
    fail: "550 5.7.20 No passing DKIM signature: the body was changed",
    policy: "550 5.7.21 No acceptable DKIM signature: it covers 2 of 7 octets of the body (l=)",
    permerror: "550 5.7.20 No passing DKIM signature: its version is not 1",
    temperror: "451 4.4.3 Name service failed while checking the DKIM signature, try again later",
    none: "550 5.7.20 This message has no DKIM signature",
  };
  for (const [kind, facts] of Object.entries(KINDS)) {
    const { reply } = await run(strict, facts);
    if (expected[kind] === null) assertEquals(reply.code, 250);
    else assertEquals(String(reply), expected[kind]);
    assertEquals(
      (await run(strict, { ...facts, to: "postmaster@example.org" })).reply.code,
      250,
      `postmaster: ${kind}`,
    );
    assertEquals((await run(strict, { ...facts, ip: "127.0.0.1" })).reply.code, 250, `loopback: ${kind}`);
    assertEquals((await run({}, { ...facts, ip: "127.0.0.1" })).get(DKIM)!.result, kind, "a fact all the same");
  }
});

Deno.test("case 55: a failure of name service never supports a permanent refusal", async () => {
  const both = join(
    fieldOf(KINDS["pass"]!.message),
    fieldOf(KINDS["temperror"]!.message),
    BROKEN.message.subarray(-MAIL.length),
  );
  const { reply, get } = await run({ fail: "reject", permerror: "reject" }, { message: both });
  assertEquals([reply.code, get(DKIM)!.result], [250, "temperror"]);
});

Deno.test("case 55: l= by policy: as good as whole, not enough, or broken", async () => {
  for (const limited of ["pass", "policy", "fail"] as const) {
    assertEquals((await run({ limited }, KINDS["policy"]!)).get(DKIM)!.result, limited);
  }
  assertEquals((await run({ limited: "fail" }, await signed({ l: "7" }))).get(DKIM)!.result, "pass"); // all there is
});

Deno.test("covers: fields that a signature must cover as often as they are there", async () => {
  assertEquals((await run({ covers: ["Subject"] })).get(DKIM)!.result, "pass");
  assertEquals((await run({ covers: ["reply-to"] })).get(DKIM)!.result, "pass"); // not there
  const { get } = await run({ covers: ["subject", "to"] });
  assertEquals([get(DKIM)!.result, get(DKIM)!.signatures[0]!.reason], ["policy", "it does not cover to"]);
  const twice = octets(`Subject: other\r\n${latin1(await crafted(MAIL))}`);
  assertEquals((await run({ covers: ["subject"] }, { message: twice })).get(DKIM)!.result, "policy");
});

Deno.test("points, by what the signatures come to", async () => {
  const score = { pass: -1, fail: 2, none: 0.5 };
  for (const [kind, points] of [["pass", -1], ["fail", 2], ["none", 0.5], ["policy", 0], ["temperror", 0]] as const) {
    const { scores } = await run({ score }, KINDS[kind]!);
    assertEquals(scores, points === 0 ? [] : [{ points, reason: `dkim=${kind}` }]);
  }
});

Deno.test("a domain that is only trying is never refused for it (t=y)", async () => {
  const dns = new MemoryResolver({ [NAME]: { txt: [RECORDS[0]!.replace("k=", "t=y; k=")] } });
  const { reply, authResults } = await run({ fail: "reject" }, { ...BROKEN, dns });
  assertEquals([reply.code, authResults[0]!.reason], [250, "the body was changed; the domain is only trying (t=y)"]);
});

Deno.test("logged-in clients and networks are not checked, and cost no question", async () => {
  const table: Simulated[] = [{ identity: "ann" }, { ip: "198.51.100.7" }, { role: "submission" }, { role: "lmtp" }];
  for (const facts of table) {
    const { get, authResults, queries } = await run({ networks: ["198.51.100.0/24"], none: "reject" }, facts);
    assertEquals([get(DKIM), authResults, queries], [undefined, [], []], JSON.stringify(facts));
  }
});

Deno.test("name service that never answers costs the time that it may, and is a temporary failure", async () => {
  const dns = new MemoryResolver({ [NAME]: "silence" });
  const { get } = await run({ timeout: "50ms" }, { dns });
  assertEquals(get(DKIM)!.result, "temperror");
});

Deno.test("a message too big to be read at once is read as it comes", async () => {
  const large = mail(`From: Alice <alice@example.org>\nSubject: x\n\n${`${"0123456789 ".repeat(90)}\n`.repeat(2000)}`);
  assertEquals((await run({}, { message: await crafted(large) })).get(DKIM)!.result, "pass");
});

Deno.test("options that are none", () => {
  for (
    const options of [{ signatures: 0 }, { timeout: "soon" }, { networks: ["x"] }, { covers: ["a b"] }, { l: "fail" }]
  ) {
    assertThrows(() => dkim.parse(options, []), OptionsError);
  }
});
