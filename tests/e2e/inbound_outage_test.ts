/**
 * Name service that fails, for a running server with everything set to refuse: mail is taken or put off, never refused for
 * good, and what plugins note says that nobody knows. Non-job: one plugin's words (tests/unit/plugins).
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { answer, DnsServer } from "../support/dns_server.ts";
import { fieldsOf, InboundSite, signedBy } from "../support/inbound_site.ts";

const plugins = (temperror: string) =>
  `  - dnsbl: { zones: { bl.example: 5 }, reject: 1 }
  - fcrdns: { fail: reject, none: reject }
  - helo: { unresolved: reject, invalid: reject }
  - spf: { fail: reject, softfail: reject, permerror: reject${temperror} }
  - relay
  - recipients: { accounts: { me: inbox } }
  - null_mx
  - dkim: { fail: reject, permerror: reject, policy: reject, none: reject${temperror} }
  - arc
  - dmarc: { quarantine: hold, reject: reject${temperror} }
  - reputation
  - headers
  - uribl: { zones: { uribl.example: 20 } }
  - spam_score
  - inbox`;
const AMY = { ip: "192.0.2.1", helo: "mx.good.example", from: "amy@good.example", to: "me@home.example" };
const message = () =>
  signedBy(
    "good.example",
    `From: Amy <amy@good.example>
To: me@home.example
Subject: hello
Date: ${new Date().toUTCString().replace("GMT", "+0000")}
Message-ID: <1@good.example>

See http://www.other.example/
`,
  );

Deno.test("case 59: with name service that fails nothing is refused for good, whatever is set to refuse", async (t) => {
  await using broken = await DnsServer.start((asked) => [answer(asked, [], { rcode: 2 })]); // SERVFAIL, to everything
  const dns = `dns: { servers: ["127.0.0.1:${broken.port}"] }\n`;
  await t.step("go on where the operator says so", async () => {
    await using site = await InboundSite.start({ plugins: plugins(""), rest: dns });
    await site.take({ ...AMY, message: await message() });
    const stored = await site.inbox("Subject: hello"), [found = ""] = fieldsOf(stored, "Authentication-Results");
    for (const method of ["iprev", "spf", "dkim", "dmarc"]) assertMatch(found, new RegExp(`; ${method}=temperror `));
    assert(!found.includes("=fail"), found);
    assertEquals(site.log("refused"), []);
  });
  await t.step("or ask to come again", async () => {
    await using site = await InboundSite.start({ plugins: plugins(", temperror: defer"), rest: dns });
    using client = await site.client(AMY.ip, AMY.helo);
    await client.command(`MAIL FROM:<${AMY.from}>`, 250);
    assertMatch((await client.command(`RCPT TO:<${AMY.to}>`)).raw, /^451 4\.4\.3 /);
  });
});
