/**
 * HAProxy in front, by the PROXY protocol, version 1 and 2: Received, the log and the limits have the client that is
 * behind it, TLS goes through it, its checks are answered, and who is no proxy cannot pass for one.
 */
import { assertEquals, assertMatch } from "@std/assert";
import { mail } from "../support/bytes.ts";
import { testWith } from "../support/debian.ts";
import { freePort } from "../support/ports.ts";
import { RudePeer } from "../support/rude_peer.ts";
import { PASSWORD, SubmissionSite, USER } from "../support/submission_site.ts";
import { MAKES_CERTIFICATES } from "../support/tls.ts";
import { waitFor } from "../support/wait.ts";
import { Haproxy } from "./haproxy.ts";
import { run } from "./run.ts";

/** An address of loopback that nothing else in these tests has. */
const CLIENT = "127.0.0.77";
const BOX = "box@local.example";

async function deliverFrom(ip: string, port: number, subject: string): Promise<void> {
  using peer = await RudePeer.connect(port, { from: ip });
  await peer.expect(220);
  const lines: [string, number][] = [
    ["EHLO client.example", 250],
    ["MAIL FROM:<sender@client.example>", 250],
    [`RCPT TO:<${BOX}>`, 250],
    ["DATA", 354],
    [`Subject: ${subject}\r\n\r\nx\r\n.`, 250],
    ["QUIT", 221],
  ];
  for (const [line, code] of lines) {
    await peer.send(`${line}\r\n`);
    await peer.expect(code);
  }
}

async function rawOf(site: SubmissionSite, subject: string): Promise<string> {
  const found = (await site.server.api.messages()).find((each) => each.subject === subject);
  return new TextDecoder().decode((await site.server.api.raw(found?.id ?? ""))!);
}

testWith(["haproxy", "curl", ...MAKES_CERTIFICATES], "HAProxy in front: the client is who is behind it", async (t) => {
  const mx = freePort(), implicit = freePort();
  await using site = await SubmissionSite.start({
    listeners: [
      `{ address: "127.0.0.1:${mx}", name: behind, proxy: ["127.0.0.1"] }`,
      `{ address: "127.0.0.1:${implicit}", role: submission, tls: implicit, proxy: ["127.0.0.1/32"] }`,
    ],
  });
  const pem = await site.authority.folder.file("haproxy.pem", site.certificate.cert + site.certificate.key);
  await using haproxy = await Haproxy.start([
    { to: mx, options: "send-proxy" },
    { to: mx, options: "send-proxy-v2" },
    { to: mx, options: "send-proxy-v2-ssl-cn", bind: `ssl crt ${pem}` },
    { to: implicit, options: "send-proxy-v2" },
    { to: mx, options: "send-proxy-v2 check check-send-proxy inter 200ms", more: "option smtpchk EHLO check.example" },
  ]);
  const [v1, v2, ended, through] = haproxy.ports;

  for (const [name, port] of [["version 1", v1], ["version 2", v2]] as const) {
    await t.step(name, async () => {
      await deliverFrom(CLIENT, port!, name);
      assertMatch(await rawOf(site, name), /^Received: from client\.example \(.*\[127\.0\.0\.77\]\)/m);
      await waitFor("the client in the log", () => site.server.output.includes(CLIENT));
    });
  }

  const upload = async (url: string, subject: string, ...more: string[]) => {
    const file = await site.authority.folder.file("message.eml", "");
    await Deno.writeFile(file, mail(`From: <${USER}>\nTo: <${BOX}>\nSubject: ${subject}\n\nx\n`));
    await run("curl", [
      ...["-sS", "--url", url, "--interface", CLIENT, "--cacert", site.authority.caFile, ...more],
      ...["--mail-from", USER, "--mail-rcpt", BOX, "--upload-file", file],
    ]);
    return await rawOf(site, subject);
  };
  await t.step("STARTTLS through it", async () => {
    const text = await upload(`smtp://127.0.0.1:${v2}/client.example`, "starttls", "--ssl-reqd");
    assertMatch(text, /^Received: from client\.example \(.*\[127\.0\.0\.77\]\)\r\n\tby \S+ \(Postern\) with ESMTPS /m);
  });
  await t.step("TLS at once through it, with a login", async () => {
    const url = `smtps://127.0.0.1:${through}/client.example`;
    const text = await upload(url, "implicit", "--user", `${USER}:${PASSWORD}`, "--login-options", "AUTH=PLAIN");
    assertMatch(text, /^Received: from client\.example \(.*\[127\.0\.0\.77\]\)\r\n\tby \S+ \(Postern\) with ESMTPSA /m);
  });
  await t.step("TLS that ends there is not ours", async () => {
    const text = await upload(`smtps://127.0.0.1:${ended}/client.example`, "ended");
    assertMatch(text, /^Received: from client\.example \(.*\[127\.0\.0\.77\]\)\r\n\tby \S+ \(Postern\) with ESMTP /m);
  });
  await t.step("its checks, which speak for itself, are answered", async () => {
    await waitFor("a check to pass", async () => (await haproxy.checks())[4] === "L7OK");
  });
  await t.step("who is no proxy is no client either", async () => {
    using peer = await RudePeer.connect(mx, { from: CLIENT });
    await peer.send(`PROXY TCP4 192.0.2.1 192.0.2.2 1 25\r\n`);
    await waitFor("an answer", () => peer.ended || /^[45]\d\d /m.test(peer.heard));
    assertEquals(site.server.output.includes("192.0.2.1"), false);
    assertMatch(peer.heard, /^5\d\d /m);
  });
});
