/** What the plugin says of chains, and whom it believes. Case 57. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { seal } from "../../../../../core/dkim/mod.ts";
import { MemoryResolver, on, OptionsError, simulate, type Simulated } from "../../../../../core/pipeline/mod.ts";
import { ARC, arc } from "../../../../../plugins/identity/arc/mod.ts";
import { join, latin1, mail, octets } from "../../../../support/bytes.ts";
import { content, KEY, NOW, zoneOf } from "../../../dkim/crafted.ts";

type Options = NonNullable<Parameters<typeof arc>[0]>;

const LIST = { ...KEY, domain: "lists.example.net" }, GATE = { ...KEY, domain: "gate.example.com" };
const MAIL = mail("From: Alice <alice@example.org>\nSubject: x\n\nHello\n");
const zone = Object.fromEntries(Object.entries(await zoneOf(LIST, GATE)).map(([name, txt]) => [name, { txt }]));
const everyone = on("rcpt", (ctx, next) => (ctx.route({ to: "local", plugin: "inbox" }), next()));

async function sealedBy(...keys: readonly (typeof KEY)[]): Promise<Uint8Array<ArrayBuffer>> {
  let message = MAIL;
  for (const [at, key] of keys.entries()) {
    const results = at === 0 ? ["dmarc=pass header.from=example.org"] : ["dmarc=fail header.from=example.org"];
    const fields = await seal(content(message), { key, cv: "pass", host: `mx.${key.domain}`, results, now: NOW });
    message = join(octets(fields!), message);
  }
  return message;
}
async function run(options: Options, message: Uint8Array<ArrayBuffer>, facts: Simulated = {}) {
  const ran = await simulate([arc(options), everyone], {
    dns: new MemoryResolver(zone),
    now: () => NOW,
    to: "b@example.org",
    message,
    ...facts,
  });
  return { ...ran, finding: ran.get(ARC) };
}

Deno.test("a chain, its sealers and what is attested of it; nobody is believed unasked", async () => {
  const { reply, finding, authResults } = await run({}, await sealedBy(LIST, GATE));
  assertEquals(reply.code, 250);
  assertEquals(finding, {
    cv: "pass",
    reason: null,
    temporary: false,
    sealers: [{ instance: 1, domain: "lists.example.net" }, { instance: 2, domain: "gate.example.com" }],
    oldestPass: 0,
    trusted: false,
    results: null,
  });
  assertEquals(authResults, [{
    method: "arc",
    result: "pass",
    properties: [["header.d", "gate.example.com"], ["header.oldest-pass", "0"]],
  }]);
  const none = await run({}, MAIL);
  assertEquals([none.finding!.cv, none.authResults], ["none", [{ method: "arc", result: "none", properties: [] }]]);
});

Deno.test("trusted: when all who sealed are, and then what the first of them saw", async () => {
  const message = await sealedBy(LIST, GATE);
  for (const trust of [["lists.example.net"], ["gate.example.com"], ["example.net", "example.com"], []]) {
    const { finding } = await run({ trust }, message);
    assertEquals([finding!.trusted, finding!.results], [false, null], String(trust));
  }
  for (const trust of [["lists.example.net", "gate.example.com"], ["*.example.net", "*.example.com"]]) {
    const { finding } = await run({ trust }, message);
    assertEquals([finding!.trusted, finding!.results], [
      true,
      "mx.lists.example.net; dmarc=pass header.from=example.org",
    ]);
  }
});

Deno.test("case 57: a broken chain is worth nothing, whoever is trusted, and no verdict", async () => {
  const trust = ["lists.example.net"], message = await sealedBy(LIST);
  for (
    const broken of [
      octets(latin1(message).replace("Hello", "Hallo")),
      octets(latin1(message).replace("cv=none", "cv=pass")),
      octets(latin1(message).replace(/ARC-Message-Signature:[^]*?\r\n(?![ \t])/, "")),
      octets(latin1(message).replace("dmarc=pass", "dmarc=none")),
    ]
  ) {
    const { reply, finding, authResults } = await run({ trust }, broken);
    assertEquals([reply.code, finding!.cv, finding!.trusted, finding!.sealers], [250, "fail", false, []]);
    assertEquals([authResults[0]!.result, authResults[0]!.reason], ["fail", finding!.reason!]);
  }
});

Deno.test("name service that fails is no word against a chain", async () => {
  const { finding, authResults } = await run({ timeout: "50ms" }, await sealedBy(LIST), {
    dns: new MemoryResolver({ "s1._domainkey.lists.example.net": "silence" }),
  });
  assertEquals([finding!.cv, finding!.temporary, authResults[0]!.result], ["fail", true, "temperror"]);
});

Deno.test("logged-in clients and networks are not checked", async () => {
  const message = await sealedBy(LIST);
  for (const facts of [{ identity: "ann" }, { ip: "198.51.100.7" }, { role: "submission" }] as const) {
    const { finding, authResults } = await run({ networks: ["198.51.100.0/24"] }, message, facts);
    assertEquals([finding, authResults], [undefined, []]);
  }
});

Deno.test("options that are none", () => {
  for (const options of [{ trust: ["*"] }, { trust: ["a b"] }, { timeout: "0s" }, { reject: true }]) {
    assertThrows(() => arc.parse(options, []), OptionsError);
  }
  assert(arc({}).name === "arc");
});
