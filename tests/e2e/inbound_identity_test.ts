/**
 * Who sent this, through a running server with real name service: what SPF, DKIM, ARC, DMARC and iprev find stands in one
 * field, nobody else speaks in our name, and what the author's domain asks for is done. Non-job: what each of them finds in
 * which mail (tests/unit/plugins/identity, tests/vectors).
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { join, octets } from "../support/bytes.ts";
import { testUnless } from "../support/debian.ts";
import { fieldsOf, INBOUND_MISSING, InboundSite, keyRecord, signedBy } from "../support/inbound_site.ts";
import { waitFor } from "../support/wait.ts";

const ZONE = `
good TXT "v=spf1 ip4:192.0.2.1 -all"
_dmarc.good TXT "v=DMARC1; p=reject"
soft TXT "v=spf1 ip4:192.0.2.1 -all"
_dmarc.soft TXT "v=DMARC1; p=quarantine"
mx.good A 192.0.2.1
${await keyRecord("good.example")}
`;
const PLUGINS = `  - spf
  - dkim
  - arc
  - dmarc: { quarantine: hold, reject: reject }
  - fcrdns
  - relay
  - recipients: { accounts: { me: inbox, postmaster: inbox } }
  - inbox`;
const OPTIONS = { plugins: PLUGINS, zone: ZONE, hosts: { "192.0.2.1": "mx.good.example." } };
const GOOD = `From: Amy <amy@good.example>
To: me@home.example
Subject: hello
Date: Mon, 02 Mar 2026 03:04:05 +0000
Message-ID: <1@good.example>

Hello
`;
const FORGED = `Authentication-Results: mx.home.example; dmarc=pass header.from=bank.example
Authentication-Results: (a comment) MX.Home.Example (another) 1;
	spf=pass smtp.mailfrom=bank.example
Authentication-Results: "mx.home.example"; dkim=pass header.d=bank.example
Authentication-Results: mx.elsewhere.example; dkim=pass header.d=other.example
`.replaceAll("\n", "\r\n");

testUnless(
  INBOUND_MISSING,
  "case 53: a good message has one field with all findings, and none that claims to be ours",
  async () => {
    await using site = await InboundSite.start(OPTIONS);
    const from = { ip: "192.0.2.1", helo: "mx.good.example", from: "amy@good.example", to: "me@home.example" };
    await site.take({ ...from, message: join(octets(FORGED), await signedBy("good.example", GOOD)) });
    const stored = await site.inbox("Subject: hello");
    const [ours, ...others] = fieldsOf(stored, "Authentication-Results");
    assertMatch(
      ours!,
      /^mx\.home\.example; spf=pass smtp\.mailfrom=good\.example; dkim=pass [^;]*header\.d=good\.example [^;]*; arc=none[^;]*; dmarc=pass header\.from=good\.example policy\.dmarc=reject; iprev=pass policy\.iprev=192\.0\.2\.1$/,
    );
    assertEquals(others, ["mx.elsewhere.example; dkim=pass header.d=other.example"]);
    const names = stored.split("\r\n\r\n")[0]!.split("\r\n").flatMap((line) => /^[\w-]+(?=:)/.exec(line) ?? []);
    assert(names.indexOf("Authentication-Results") < names.indexOf("Received"), names.join());
    assert(!stored.includes("bank.example"));

    // One that lies in a file of the spool
    const large = GOOD.replace("hello", "large") + "It is a long letter.\n".repeat(200_000);
    await site.take({ ...from, message: await signedBy("good.example", large) });
    const [found] = fieldsOf(await site.inbox("Subject: large"), "Authentication-Results");
    assertMatch(found!, /; dkim=pass [^;]*; arc=none; dmarc=pass /);
  },
);

testUnless(
  INBOUND_MISSING,
  "mail in a domain's name is refused as its owner asks, with the reason in the log alone",
  async () => {
    await using site = await InboundSite.start(OPTIONS);
    const spoof = { ip: "192.0.2.66", from: "x@spam.example", to: "me@home.example" };
    const { raw } = await site.says({ ...spoof, message: GOOD });
    assertMatch(raw, /^550 5\.7\.1 Email rejected per DMARC policy for good\.example \(ref [0-9A-Z]{8}\)\r\n$/);
    const line = await site.logged("refused");
    const { plugin, code, status, reason } = line;
    assertEquals({ plugin, code, status, reason }, {
      plugin: "dmarc",
      code: 550,
      status: "5.7.1",
      reason:
        "Neither SPF nor a signature speaks for good.example, the author's domain, which asks to refuse such mail (p=reject)",
    });
    assert(raw.includes(String(line["transaction"]).slice(-8)));
    assertEquals([(await site.server.api.queue()).total, await site.server.api.messages()], [0, []]);
    // The same to postmaster comes in: who is refused must reach somebody
    await site.take({ ...spoof, to: "postmaster@home.example", message: GOOD });
    const stored = await site.inbox("Subject: hello");
    assertMatch(
      fieldsOf(stored, "Authentication-Results")[0]!,
      /; dmarc=fail reason="local_policy mail for postmaster" /,
    );
  },
);

testUnless(
  INBOUND_MISSING,
  "what is held for a person is listed, shown and let go by command and API, and then it arrives",
  async () => {
    await using site = await InboundSite.start(OPTIONS);
    const { api } = site.server;
    const send = (subject: string) =>
      site.take({
        ip: "192.0.2.66",
        from: "x@spam.example",
        to: "me@home.example",
        message: GOOD.replaceAll("good.example", "soft.example").replace("hello", subject),
      });
    const first = await send("first"), second = await send("second"), third = await send("third");
    assertEquals(await api.messages(), []);

    const list = JSON.parse((await site.run("quarantine", "list", "--json")).out).items as { id: string }[];
    assertEquals(list.map(({ id }) => id).sort(), [first, second, third]);
    const shown = await site.run("quarantine", "show", first.slice(-8));
    assertMatch(
      shown.out,
      /Neither SPF nor a signature speaks for soft\.example, .* asks to hold such mail \(p=quarantine\)/,
    );
    const { items } = await api.json<{ items: { id: string; recipients: { state: string; reply: string }[] }[] }>(
      "/api/v1/queue?state=held",
    );
    assertEquals(items.length, 3);

    const released = await site.run("quarantine", "release", first);
    assertEquals([released.code, released.err], [0, ""]);
    await site.inbox("Subject: first");
    const response = await fetch(`${api.base}/api/v1/queue/${second}/release`, {
      method: "POST",
      headers: { authorization: `Bearer ${api.token}` },
    });
    assertEquals(response.status, 200, await response.text());
    const stored = await site.inbox("Subject: second");
    assertMatch(
      fieldsOf(stored, "Authentication-Results")[0]!,
      /; dmarc=fail header\.from=soft\.example policy\.dmarc=quarantine/,
    );
    assertEquals((await site.run("quarantine", "delete", third)).code, 0);
    await waitFor("an empty quarantine", async () => (await api.queue()).total === 0);
    assertEquals((await api.messages()).map(({ subject }) => subject).sort(), ["first", "second"]);
  },
);
