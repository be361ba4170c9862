/** OpenSMTPD as the next host: what we send to it arrives as it was sent, also where its TLS is broken. */
import { assertEquals, assertMatch } from "@std/assert";
import { testUnless } from "../support/debian.ts";
import { OpenSmtpd, OPENSMTPD_MISSING } from "../support/opensmtpd.ts";
import { connectTo } from "../support/outbound_client.ts";
import { freePort } from "../support/ports.ts";
import { Authority } from "../support/tls.ts";
import { relaysFromPeer, relaySite, relaysToPeer } from "./relay_contract.ts";
import { hardMessage, receiverContract, send } from "./receiver_contract.ts";

const DOMAIN = "peer.example", HOST = "mx.peer.example";

testUnless(OPENSMTPD_MISSING, "OpenSMTPD takes what we send, as it was sent", async (t) => {
  await using authority = await Authority.make();
  await using smtpd = await OpenSmtpd.start({
    domain: DOMAIN,
    accounts: ["box", "other", "sender"],
    tls: await authority.issue({ names: [HOST] }),
  });
  const receiver = {
    name: "OpenSMTPD",
    to: { addresses: ["127.0.0.1"], port: smtpd.port },
    domain: DOMAIN,
    mailOf: smtpd.mailOf.bind(smtpd),
    offers: ["8BITMIME", "DSN"] as const,
    unknown: "reject 5.2.4 rcpt",
    noticesName: false,
  };
  await receiverContract(t, receiver);
  // With OpenSSL 3 this version offers STARTTLS and breaks each handshake; many such hosts are out there
  const tls = { ca: authority.ca, name: HOST };
  await t.step("TLS if it can be had: the message arrives all the same", async () => {
    const connection = await connectTo(receiver.to, { tls: { ...tls, opportunistic: true } });
    const before = (await receiver.mailOf("box")).length, message = hardMessage("opportunistic");
    assertEquals(await send(connection, { to: [`box@${DOMAIN}`], message }), ["accept 2.0.0 dot"]);
    await connection.quit();
    assertEquals((await receiver.mailOf("box", before + 1)).length, before + 1);
  });
  await t.step("TLS or nothing: no word of mail to who cannot", async () => {
    const failure = await connectTo(receiver.to, { tls }).then((it) => (it.destroy("had"), it.security), String);
    if (typeof failure === "string") assertMatch(failure, /defer 4\.7\.5 starttls/);
    else assertEquals(failure?.strength, "verified");
  });
});

testUnless(OPENSMTPD_MISSING, "we relay to OpenSMTPD, OpenSMTPD relays to us", async (t) => {
  const port = freePort();
  await using smtpd = await OpenSmtpd.start({
    domain: DOMAIN,
    accounts: ["box", "other", "sender"],
    onward: `smtp://127.0.0.1:${port}`,
  });
  await using server = await relaySite({ port, nextHop: `{ hosts: ["smtp://127.0.0.1:${smtpd.port}"] }` });
  const peer = { name: "OpenSMTPD", port: smtpd.port, domain: DOMAIN, mailOf: smtpd.mailOf.bind(smtpd), dsn: true };
  await relaysToPeer(t, server, peer);
  await relaysFromPeer(t, server, peer);
});
