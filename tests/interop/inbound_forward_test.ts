/**
 * Mail that an alias sends on, through a running server: what the next host finds of its author, with dkimpy as the judge.
 * Non-job: seals themselves (dkim_verify_test.ts), return paths (tests/e2e/rewriting_test.ts).
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { recordName, recordText } from "../../core/dkim/mod.ts";
import { octets } from "../support/bytes.ts";
import { pythonWith, testUnless } from "../support/debian.ts";
import { fieldsOf, INBOUND_MISSING, InboundSite, KEY, KEY_PEM, keyRecord, signedBy } from "../support/inbound_site.ts";
import { MailHost, type Taken } from "../support/mail_host.ts";
import { waitFor } from "../support/wait.ts";
import { run } from "./run.ts";

const PYTHON = pythonWith("dkim");
const MISSING = INBOUND_MISSING ?? (PYTHON === null ? "dkim: apt-get install python3-dkim python3-nacl" : null);
const ZONE = `
good TXT "v=spf1 ip4:192.0.2.1 -all"
_dmarc.good TXT "v=DMARC1; p=reject"
${await keyRecord("good.example")}
${await keyRecord("home.example")}
`;
const KEYS = `{ domain: home.example, selector: s1, key: "\${POSTERN_TEST_KEY}" }`;
const checks = (trust: string) =>
  `  - srs: { domain: home.example, secrets: [a secret of some length] }
  - spf
  - dkim
  - arc: { trust: [${trust}] }
  - dmarc: { quarantine: hold, reject: reject }
  - relay
  - recipients: { accounts: { me: inbox }, aliases: { away: carol@far.example } }
`;
const GOES_ON = `  - inbox
  - arc_seal: ${KEYS}
  - dkim_sign: { keys: [${KEYS}] }`;
const AMY = { ip: "192.0.2.1", helo: "mx.good.example", from: "amy@good.example", to: "away@home.example" };
const MESSAGE = `From: Amy <amy@good.example>
To: away@home.example
Subject: hello
Date: Mon, 02 Mar 2026 03:04:05 +0000
Message-ID: <1@good.example>

Hello
`;
const env = { POSTERN_TEST_KEY: KEY_PEM };

const JUDGE = `
import base64, dkim, json, sys
given = json.load(sys.stdin)
find = lambda name, timeout=5: given["records"].get(name.decode().rstrip("."), "").encode()
message = base64.b64decode(given["message"])
cv, results, reason = dkim.arc_verify(message, dnsfunc=find)
print(json.dumps([cv.decode() if cv else "", str(reason), dkim.verify(message, dnsfunc=find)]))
`;
/** What dkimpy says of the chain, and of the first signature. */
async function judged({ content }: Taken): Promise<[cv: string, reason: string, signature: boolean]> {
  const records: Record<string, string> = {};
  for (const domain of ["good.example", "home.example"]) records[recordName(domain, "s1")] = await recordText(KEY);
  const text = JSON.stringify({ records, message: content.toBase64() });
  return JSON.parse(await run(PYTHON!, ["-c", JUDGE], { text, deadline: 60_000 }));
}
/** What arrives at carol's host of a message that amy sends. */
async function forwarded(host: MailHost, plugins: string): Promise<Taken> {
  await using site = await InboundSite.start({ plugins, zone: ZONE, next: host.port, env });
  await site.take({ ...AMY, message: await signedBy("good.example", MESSAGE) });
  return await waitFor("the forwarded message", () => host.of("carol@far.example")[0], { deadline: 20_000 });
}

testUnless(
  MISSING,
  "what an alias sends on has our seal, a return path of ours, and its author's signature",
  async () => {
    await using host = await MailHost.open();
    const taken = await forwarded(host, checks("") + GOES_ON);
    assertMatch(taken.sender, /^SRS0=[A-Z2-7]{6}=[A-Z2-7]{2}=good\.example=amy@home\.example$/);
    assertEquals(await judged(taken), ["pass", "success", true]);
    const [found, ...more] = fieldsOf(taken.text, "ARC-Authentication-Results");
    assertMatch(
      found!,
      /^i=1; mx\.home\.example; spf=pass smtp\.mailfrom=good\.example; dkim=pass [^;]*; arc=none; dmarc=pass header\.from=good\.example policy\.dmarc=reject$/,
    );
    assertEquals(more, []);
    const signatures = fieldsOf(taken.text, "DKIM-Signature");
    assertEquals(signatures.map((each) => /\bd=([^;]*)/.exec(each)?.[1]), ["good.example"]); // it is not our mail
  },
);

testUnless(
  MISSING,
  "case 57: what was changed on its way is taken where our seal is trusted, and nowhere else",
  async () => {
    await using host = await MailHost.open();
    const footer = `  - rewrite: { footer: { text: "Sent on by home.example", direction: in } }\n`;
    const taken = await forwarded(host, checks("") + footer + GOES_ON);
    assert(taken.text.endsWith("Sent on by home.example\r\n"), taken.text.slice(-100));
    const [cv, reason, signature] = await judged(taken);
    assertEquals([cv, signature], ["pass", false], reason);

    const second = { ip: "192.0.2.50", helo: "mx.home.example", from: taken.sender, to: "me@home.example" };
    const message = octets(taken.text);
    {
      await using trusting = await InboundSite.start({ plugins: checks("home.example") + GOES_ON, zone: ZONE, env });
      await trusting.take({ ...second, message });
      const [ours] = fieldsOf(await trusting.inbox("Sent on by"), "Authentication-Results");
      assertMatch(
        ours!,
        /; arc=pass [^;]*; dmarc=fail reason="local_policy arc=pass as\[1\]\.d=home\.example" header\.from/,
      );
    }
    await using careful = await InboundSite.start({ plugins: checks("other.example") + GOES_ON, zone: ZONE, env });
    assertMatch(
      (await careful.says({ ...second, message })).raw,
      /^550 5\.7\.1 Email rejected per DMARC policy for good\.example/,
    );
  },
);

testUnless(MISSING, "what a person let go out of quarantine goes on as sealed as any other", async () => {
  await using host = await MailHost.open();
  const soft = ZONE.replace("p=reject", "p=quarantine");
  await using site = await InboundSite.start({ plugins: checks("") + GOES_ON, zone: soft, next: host.port, env });
  const id = await site.take({ ...AMY, ip: "192.0.2.66", from: "x@spam.example", message: MESSAGE });
  const { code, err } = await site.run("quarantine", "release", id);
  assertEquals([code, err], [0, ""]);
  const taken = await waitFor("the released message", () => host.of("carol@far.example")[0], { deadline: 20_000 });
  const [cv, reason] = await judged(taken);
  assertEquals(cv, "pass", reason);
  const [found] = fieldsOf(taken.text, "ARC-Authentication-Results");
  assertMatch(found!, /; dkim=none; arc=none; dmarc=fail header\.from=good\.example policy\.dmarc=quarantine$/);
  assertMatch(taken.sender, /^SRS0=.*=spam\.example=x@home\.example$/);
});
