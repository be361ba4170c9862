/** Whose mail is sealed, what the seal says, and what a configuration may say. The seals themselves: tests/interop. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { KeyRecords, verifyChain } from "../../../../../core/dkim/mod.ts";
import {
  MemoryResolver,
  on,
  OptionsError,
  runPhase,
  simulate,
  type Simulated,
} from "../../../../../core/pipeline/mod.ts";
import { ARC, arc } from "../../../../../plugins/identity/arc/mod.ts";
import { dkim } from "../../../../../plugins/identity/dkim/mod.ts";
import { arc_seal } from "../../../../../plugins/outbound/arc_seal/mod.ts";
import { dkim_sign } from "../../../../../plugins/outbound/dkim_sign/mod.ts";
import { octets } from "../../../../support/bytes.ts";
import { content, crafted, KEY, NOW, zoneOf } from "../../../dkim/crafted.ts";
import { RFC_ED25519_PEM } from "../../../dkim/keys.ts";

const OPTIONS = { domain: "example.org", selector: "s1", key: RFC_ED25519_PEM };
const STRANGER = { identity: null, ip: "198.51.100.7" };
const FOUND =
  "Authentication-Results: mx.example.org;\n\tspf=pass smtp.mailfrom=example.net;\n\tdkim=pass header.d=example.net";
const MAIL = "From: Alice <alice@example.net>\nSubject: x\n\nHello\n";
const ZONE = await zoneOf(KEY);
const everyone = on("rcpt", (ctx, next) => (ctx.route({ to: "local", plugin: "inbox" }), next()));
const zone = (records: Readonly<Record<string, readonly string[]>>) =>
  new MemoryResolver(Object.fromEntries(Object.entries(records).map(([name, txt]) => [name, { txt }])));

async function run(message: string, facts: Simulated = {}, options: Partial<Parameters<typeof arc_seal>[0]> = {}) {
  return await runPhase(arc_seal({ ...OPTIONS, ...options }), "deliver", {
    origin: STRANGER,
    now: () => NOW,
    dns: zone(ZONE),
    message,
    ...facts,
  });
}
/** What goes out, and what its chain comes to. */
async function sealed(message: string, facts: Simulated = {}) {
  const { departure } = await run(message, facts), { sent } = departure!;
  const dns = zone(ZONE), door = { txt: (name: string) => dns.txt(name), records: new KeyRecords(), now: NOW };
  const { cv, sets } = await verifyChain(content(octets(sent)), door);
  return { sent, cv, count: sets.length, seal: /^ARC-Seal:[^\r]*/.exec(sent)?.[0] ?? null };
}

Deno.test("seals what strangers sent, and nothing of the site's own", async () => {
  const table: [origin: NonNullable<Simulated["origin"]>, sealed: boolean][] = [
    [STRANGER, true],
    [{ identity: null, ip: "127.0.0.1" }, true], // nobody said that this is one of us
    [{ identity: "alice", ip: "198.51.100.7" }, false],
    [{ identity: null, ip: "" }, false], // our own reports
    [{ identity: null, ip: "10.1.2.3" }, false],
  ];
  for (const [origin, expected] of table) {
    const { departure } = await run(MAIL, { origin }, { networks: ["10.1.0.0/16"] });
    assertEquals(departure!.signatures.startsWith("ARC-Seal: i=1; "), expected, JSON.stringify(origin));
  }
});

Deno.test("the first set says what this site found, in its own words, and holds", async () => {
  const { sent, cv, seal } = await sealed(`${FOUND}\n${MAIL}`);
  assertEquals([cv, seal!.includes("cv=none; d=example.org; s=s1")], ["pass", true]);
  const found = sent.replaceAll(/\r\n\s+/g, " ").match(/^ARC-Authentication-Results:.*$/m)![0];
  assertEquals(
    found.trimEnd(),
    "ARC-Authentication-Results: i=1; mx.example.org; spf=pass smtp.mailfrom=example.net; dkim=pass header.d=example.net",
  );
  assert((await sealed(MAIL)).sent.includes("ARC-Authentication-Results: i=1; mx.example.org; none\r\n"));
});

Deno.test("a chain that passed when it came is sealed as that, whatever was changed here", async () => {
  const first = (await sealed(MAIL)).sent, changed = first.replace("Hello", "Hello from the list");
  const { cv, count, seal } = await sealed(`Authentication-Results: mx.example.org; arc=pass\r\n${changed}`);
  assertEquals([cv, count, seal!.includes(" cv=pass;")], ["pass", 2, true]);
});

Deno.test("case 57: a chain that failed, or was never checked and fails now, is sealed as broken, and once", async () => {
  const first = (await sealed(MAIL)).sent, changed = first.replace("Hello", "Hallo");
  for (const message of [`Authentication-Results: mx.example.org; arc=fail\r\n${first}`, changed]) {
    const marked = await sealed(message);
    assertEquals([marked.cv, marked.seal!.startsWith("ARC-Seal: i=2; a=ed25519-sha256; cv=fail;")], ["fail", true]);
    const again = await run(marked.sent);
    assertEquals(again.departure!.signatures, "");
  }
  const forged = await sealed(`Authentication-Results: other.example.org; arc=pass\r\n${changed}`);
  assert(forged.seal!.includes(" cv=fail;"));
});

Deno.test("a chain that nobody checked is checked now; name service that fails puts the mail off, and not for ever", async () => {
  const first = (await sealed(MAIL)).sent;
  assert((await sealed(first)).seal!.includes(" cv=pass;"));
  const found = `Authentication-Results: mx.example.org; arc=temperror\r\n${first}`;
  const dns = new MemoryResolver({ "s1._domainkey.example.org": "servfail" });
  const waiting = await run(found, { dns, tries: 0 });
  assertEquals([waiting.reply.verdict, waiting.departure!.sent], ["defer", ""]);
  const late = await run(found, { dns, tries: 3 });
  assertEquals([late.reply.verdict, late.departure!.signatures], ["accept", ""]);
  assert((await sealed(found)).seal!.includes(" cv=pass;"));
});

Deno.test("what goes out is sealed: the edits of other plugins, under headers of the operator", async () => {
  const edits = on("deliver", (ctx, next) => (ctx.replaceHeader("Subject", "[list] x"), next()));
  const { departure } = await runPhase([edits, arc_seal({ ...OPTIONS, headers: ["X-Note"] })], "deliver", {
    origin: STRANGER,
    now: () => NOW,
    message: `X-Note: one\n${MAIL}`,
  });
  const { sent } = departure!, dns = zone(ZONE);
  const door = { txt: (name: string) => dns.txt(name), records: new KeyRecords(), now: NOW };
  assertEquals((await verifyChain(content(octets(sent)), door)).cv, "pass");
  assert(sent.includes("Subject: [list] x") && /h=[^;]*X-Note/.test(sent));
  const changed = octets(sent.replace("X-Note: one", "X-Note: two"));
  assertEquals((await verifyChain(content(changed), door)).cv, "fail");
});

Deno.test("from the check on arrival to the seal: what dkim and arc found stands in the set, twice round", async () => {
  const dns = zone(ZONE), host = { name: "mx.example.org", domains: ["example.org"] };
  let message: Uint8Array<ArrayBuffer> = await crafted(octets(MAIL.replaceAll("\n", "\r\n")));
  for (const [hop, found] of ["dkim=pass", "dkim=fail"].entries()) {
    const received = await simulate([dkim(), arc({ trust: ["example.org"] }), everyone], {
      dns,
      host,
      now: () => NOW,
      to: "list@example.org",
      message,
    });
    assertEquals([received.get(ARC)!.cv, received.get(ARC)!.trusted], hop === 0 ? ["none", false] : ["pass", true]);
    const { sent } = await sealed(received.output.replace("Hello", "Hello, list"));
    const set = sent.replaceAll(/\r\n\s+/g, " ").match(/^ARC-Authentication-Results: (.*)$/m)![1]!;
    assert(set.startsWith(`i=${hop + 1}; mx.example.org; ${found} `), set);
    assert(set.includes(`; arc=${hop === 0 ? "none" : "pass"}`), set);
    message = octets(sent);
  }
  const twice = await verifyChain(content(message), {
    txt: (name) => dns.txt(name),
    records: new KeyRecords(),
    now: NOW,
  });
  assertEquals([twice.cv, twice.sets.length], ["pass", 2]);
});

Deno.test("stands before dkim_sign, and each does its own mail", async () => {
  const plugins = [arc_seal(OPTIONS), dkim_sign({ keys: [OPTIONS] })];
  const names = async (facts: Simulated) => {
    const { departure } = await runPhase(plugins, "deliver", {
      message: MAIL.replaceAll("example.net", "example.org"),
      ...facts,
    });
    return departure!.signatures.match(/^[A-Z][\w-]+(?=:)/gm);
  };
  assertEquals(await names({ origin: STRANGER }), ["ARC-Seal", "ARC-Message-Signature", "ARC-Authentication-Results"]);
  assertEquals(await names({ origin: { identity: "alice" } }), ["DKIM-Signature"]);
  const wrong = await runPhase(plugins.toReversed(), "deliver", { message: MAIL, origin: STRANGER }).then(
    () => "taken",
    (error) => String(error),
  );
  assert(/dkim_sign/.test(wrong), wrong);
});

Deno.test("a header that two readers may read in two ways goes as it is", async () => {
  assertEquals((await run("From: a@example.org\nno field\n\nHello\n")).departure!.signatures, "");
});

Deno.test("what is wrong with the key is said at the start, with its place", () => {
  const table: [options: Record<string, unknown>, fault: RegExp][] = [
    [{ key: "-----BEGIN PRIVATE KEY-----" }, /^key: the key of s1\._domainkey\.example\.org: the line .* is missing$/],
    [{ key: "none.pem" }, /^key: none\.pem: there is no such file/],
    [{ domain: "a b" }, /^domain: "a b" is no domain$/],
    [{ selector: "a b" }, /^selector: "a b" is no selector$/],
    [{ headers: ["ARC-Seal"] }, /^headers\.0: "ARC-Seal" is no field that stays/],
    [{ keys: [] }, /keys/],
  ];
  for (const [options, fault] of table) {
    const error = assertThrows(() => arc_seal.parse({ ...OPTIONS, ...options }, []), OptionsError);
    const [found] = error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`);
    assert(fault.test(found!), found);
  }
});
