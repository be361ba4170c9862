/**
 * OpenDKIM and OpenDMARC as milters: one signs what another checks, and the third refuses by what both and SPF found; then
 * all of them behind a running server, killed, frozen and replaced.
 */
import { assertEquals, assertMatch } from "@std/assert";
import { on } from "../../core/pipeline/mod.ts";
import { milter } from "../../plugins/content/milter/mod.ts";
import { mail } from "../support/bytes.ts";
import { programOf, testUnless, testWith } from "../support/debian.ts";
import type { EngineProcess } from "../support/engine_process.ts";
import { startOpenDkim, startOpenDmarc } from "../support/milters.ts";
import { NameServer53 } from "../support/name_server_53.ts";
import { Server } from "../support/server.ts";
import { SmtpClient } from "../support/smtp_client.ts";
import { whatWorldLacks } from "../support/unpacked.ts";
import { waitFor } from "../support/wait.ts";
import { Stage } from "../unit/plugins/content/milter/stage.ts";

const missing = (["opendkim", "opendmarc", "nsd"] as const).filter((name) => programOf(name) === null);
const MISSING = missing.length > 0 ? `${missing.join(", ")}: apt-get install ${missing.join(" ")}` : whatWorldLacks();
const TIMES = { timeouts: { connect: "30s", command: "60s", content: "60s" } };
const at = (engine: EngineProcess, options = {}) =>
  milter({ connect: `tcp://127.0.0.1:${engine.port}`, ...TIMES, ...options });
const MESSAGE =
  "From: Alice <a@example.net>\nTo: b@example.org\nSubject:  two  spaces\n folded\nDate: Thu, 1 Jan 2026 00:00:00 +0000\n" +
  "Message-ID: <1@example.net>\n\nHello \t\n\n.\nend\n\n\n";

interface KeyPair {
  readonly pem: string;
  readonly record: string;
}
async function keyPair(): Promise<KeyPair> {
  const algorithm = {
    name: "RSASSA-PKCS1-v1_5",
    modulusLength: 2048,
    publicExponent: Uint8Array.of(1, 0, 1),
    hash: "SHA-256",
  };
  const { privateKey, publicKey } = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const encoded = async (form: "pkcs8" | "spki", key: CryptoKey) =>
    new Uint8Array(await crypto.subtle.exportKey(form, key)).toBase64();
  const pem = (await encoded("pkcs8", privateKey)).replace(/.{64}/g, "$&\n");
  return {
    pem: `-----BEGIN PRIVATE KEY-----\n${pem}\n-----END PRIVATE KEY-----\n`,
    record: `v=DKIM1; k=rsa; p=${await encoded("spki", publicKey)}`,
  };
}
const RECORD = "s1._domainkey.example.net";

testWith(["opendkim"], "OpenDKIM takes what OpenDKIM signed, in every form, through our hands twice", async () => {
  const { pem, record } = await keyPair();
  await using checks = await startOpenDkim({ records: { [RECORD]: record } });
  for (const canonicalization of ["simple/simple", "relaxed/relaxed"]) {
    await using signs = await startOpenDkim({ sign: { domain: "example.net", selector: "s1", pem }, canonicalization });
    const check = async (message: string) => {
      using stage = new Stage([at(checks)], { client: { ip: "198.51.100.7" } });
      assertEquals(await stage.deliver(message), "250 2.0.0 OK");
      return /^Authentication-Results: mx\.example\.org;\s+dkim=(\w+)/m.exec(stage.written)?.[1];
    };
    using stage = new Stage([at(signs)]);
    assertEquals(await stage.deliver(MESSAGE), "250 2.0.0 OK");
    const signed = stage.written.replaceAll("\r\n", "\n");
    assertMatch(
      signed,
      /^DKIM-Signature: v=1;[^\n]*c=(?:simple\/simple|relaxed\/relaxed)[^\n]*\n\t[\s\S]*\nReceived: [\s\S]*\nFrom: Alice/,
    );
    assertEquals(await check(signed), "pass", canonicalization);
    assertEquals(await check(signed.replace("Hello", "Hallo")), "fail", canonicalization);
    assertEquals(await check(MESSAGE), "none", canonicalization);
    using both = new Stage([at(signs), { ...at(checks), name: "checks" }]);
    await both.deliver(MESSAGE);
    assertMatch(both.written, /Authentication-Results: mx\.example\.org;\s+dkim=pass/);
  }
});

testUnless(MISSING, "OpenDMARC refuses by what we and OpenDKIM found, read from Authentication-Results", async () => {
  const { pem, record } = await keyPair();
  await using names = await NameServer53.start({ "example.net": '_dmarc TXT "v=DMARC1; p=reject"', "example.com": "" });
  await using dmarc = await startOpenDmarc(names);
  await using checks = await startOpenDkim({ records: { [RECORD]: record } });
  await using signs = await startOpenDkim({ sign: { domain: "example.net", selector: "s1", pem } });
  using signing = new Stage([at(signs)]);
  await signing.deliver(MESSAGE);
  const signed = signing.written.replaceAll("\r\n", "\n");
  const spf = (result: string, domain: string) =>
    on("data", (ctx, next) => {
      ctx.attest({ method: "spf", result, properties: [["smtp.mailfrom", domain]] });
      return next();
    }, { name: "spf" });
  const rows: [message: string, spf: [string, string], reply: RegExp, dmarc: string | undefined][] = [
    [MESSAGE, ["fail", "a@example.net"], /^550 5\.7\.1 rejected by DMARC policy for example\.net/, undefined],
    [MESSAGE, ["pass", "a@example.com"], /^550 5\.7\.1 rejected by DMARC policy/, undefined],
    [MESSAGE, ["pass", "a@example.net"], /^250 /, "pass"],
    [signed, ["fail", "a@example.net"], /^250 /, "pass"],
    [signed.replace("Hello", "Hallo"), ["fail", "a@example.net"], /^550 5\.7\.1 rejected by DMARC/, undefined],
    [MESSAGE.replace("a@example.net", "a@example.com"), ["fail", "a@example.com"], /^250 /, "none"],
    [
      `Authentication-Results: elsewhere.example; spf=pass smtp.mailfrom=a@example.net\n${MESSAGE}`,
      ["none", "a@example.net"],
      /^550 /,
      undefined,
    ],
  ];
  for (const [row, [message, [result, domain], reply, found]] of rows.entries()) {
    using stage = new Stage([at(checks), { ...at(dmarc), name: "dmarc" }], {
      before: [spf(result, domain)],
      client: { ip: "198.51.100.7" },
    });
    assertMatch(await stage.deliver(message), reply, `row ${row}`);
    assertEquals(
      /^Authentication-Results: mx\.example\.org;\s+dmarc=(\w+)/m.exec(stage.written)?.[1],
      found,
      `row ${row}`,
    );
  }
});

testUnless(
  MISSING,
  "OpenDKIM and OpenDMARC behind a running server: killed, frozen and replaced by nonsense in turn, no mail is lost",
  async (t) => {
    const { pem, record } = await keyPair();
    await using names = await NameServer53.start({ "example.net": '_dmarc TXT "v=DMARC1; p=reject"' });
    await using dmarc = await startOpenDmarc(names);
    await using dkim = await startOpenDkim({ records: { [RECORD]: record } });
    await using signs = await startOpenDkim({ sign: { domain: "example.net", selector: "s1", pem } });
    using signing = new Stage([at(signs)]);
    await signing.deliver(MESSAGE);
    const signed = signing.written.replaceAll("\r\n", "\n");
    const quick = "timeouts: { connect: 2s, command: 2s, content: 4s }, pause: 100ms",
      patient = "timeouts: { connect: 30s, command: 60s, content: 60s }, pause: 100ms";
    const config = (times: string) =>
      `hostname: mx.example.org
domains: [example.org]
postmaster: ops@example.org
listeners: [{ address: "127.0.0.1:2525", tls: off }]
plugins:
  - milter: { connect: "tcp://127.0.0.1:${dkim.port}", ${times} }
    as: dkim_milter
    deadline: 90s
  - milter: { connect: "tcp://127.0.0.1:${dmarc.port}", ${times} }
    as: dmarc_milter
    deadline: 90s
  - inbox: { everything: true }
`;
    await using server = await Server.start({ config: config(patient) });
    await using hasty = await Server.start({ config: config(quick) });
    let count = 0;
    const send = async (to: Server, text: string): Promise<string> => {
      using client = await SmtpClient.ready(to.ports.smtp, { deadline: 100_000 });
      const message = mail(`X-Number: ${++count}\n${text}`);
      const { code, lines } = await client.attempt({ from: "a@example.net", to: ["b@example.org"], message });
      return `${code} ${lines.join(" ")}`;
    };
    const inbox = async (of: Server) => (await of.api.messages()).length;

    await t.step("well: aligned and signed passes, forged is refused", async () => {
      assertMatch(await send(server, signed), /^250 /);
      assertMatch(await send(server, MESSAGE), /^550 5\.7\.1 rejected by DMARC policy for example\.net/);
      await waitFor("the message", async () => await inbox(server) === 1);
      const [first] = await server.api.messages();
      const raw = new TextDecoder().decode((await server.api.raw(first!.id))!);
      assertMatch(
        raw,
        /^Authentication-Results: mx\.example\.org; dmarc=pass \(p=reject dis=none\)\s+header\.from=example\.net/m,
      );
      assertMatch(raw, /^Authentication-Results: mx\.example\.org;\r\n\tdkim=pass/m);
    });
    for (const [name, engine] of [["OpenDKIM", dkim], ["OpenDMARC", dmarc]] as const) {
      await t.step(`${name} killed, then back`, async () => {
        await engine.kill();
        assertMatch(await send(server, signed), /^451 4\.3\.0 /);
        await engine.begin();
        const before = await inbox(server);
        assertMatch(await send(server, signed), /^250 /);
        await waitFor("the message", async () => await inbox(server) === before + 1);
      });
      await t.step(`${name} frozen: who has no patience defers, who has some gets an answer`, async () => {
        const before = await inbox(server), hastily = await inbox(hasty);
        engine.freeze();
        const waiting = [send(server, signed), send(server, MESSAGE)];
        try {
          assertMatch(await send(hasty, signed), /^451 4\.3\.0 /);
        } finally {
          engine.thaw();
        }
        assertEquals((await Promise.all(waiting)).map((reply) => reply.slice(0, 3)), ["250", "550"]);
        await waitFor("the message", async () => await inbox(server) === before + 1);
        assertEquals(await inbox(hasty), hastily);
      });
      await t.step(`${name} replaced by something that talks nonsense, then back`, async () => {
        const before = await inbox(server), hastily = await inbox(hasty);
        await engine.kill();
        for (const nonsense of ["220 mail.example.net ESMTP\r\n", "\0\0\0\x01?", "\xff\xff\xff\xff"]) {
          await using _ = engine.replaced(async (side) => {
            await side.say(nonsense);
            await side.until(() => false);
          });
          for (const to of [server, hasty]) assertMatch(await send(to, signed), /^451 4\.3\.0 /);
        }
        await engine.begin();
        assertMatch(await send(server, signed), /^250 /);
        await waitFor("the message", async () => await inbox(server) === before + 1);
        assertEquals(await inbox(hasty), hastily);
      });
    }
  },
);
