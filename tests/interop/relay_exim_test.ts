/** Exim as the next host: what we send to it arrives as it was sent. */
import { testUnless } from "../support/debian.ts";
import { Exim, EXIM_MISSING } from "../support/exim.ts";
import { freePort } from "../support/ports.ts";
import { Authority } from "../support/tls.ts";
import { relaysFromPeer, relaySite, relaysToPeer } from "./relay_contract.ts";
import { receiverContract, receiverTlsContract } from "./receiver_contract.ts";

const DOMAIN = "peer.example", HOST = "mx.peer.example";

testUnless(EXIM_MISSING, "Exim takes what we send, as it was sent", async (t) => {
  await using authority = await Authority.make();
  await using exim = await Exim.start({
    domain: DOMAIN,
    accounts: ["box", "other", "sender", "b\u00fccher"],
    tls: await authority.issue({ names: [HOST] }),
  });
  const receiver = {
    name: "Exim",
    to: { addresses: ["127.0.0.1"], port: exim.port },
    domain: DOMAIN,
    mailOf: exim.mailOf.bind(exim),
    offers: ["8BITMIME", "CHUNKING", "DSN", "PIPELINING", "SMTPUTF8"] as const,
  };
  await receiverContract(t, receiver);
  await receiverTlsContract(t, receiver, { ca: authority.ca, name: HOST });
});

testUnless(EXIM_MISSING, "we relay to Exim over verified TLS, Exim relays to us", async (t) => {
  await using authority = await Authority.make();
  const port = freePort();
  await using exim = await Exim.start({
    domain: DOMAIN,
    accounts: ["box", "other", "sender"],
    tls: await authority.issue({ names: ["localhost"] }),
    onward: port,
  });
  await using server = await relaySite({
    port,
    nextHop: `{ hosts: ["smtp://localhost:${exim.port}"] }`,
    delivery: [`tls: { ca: ${authority.caFile}, rules: { localhost: { level: secure, names: [localhost] } } }`],
  });
  const peer = { name: "Exim", port: exim.port, domain: DOMAIN, mailOf: exim.mailOf.bind(exim), dsn: true };
  await relaysToPeer(t, server, peer);
  await exim.logged(/<= sender@peer\.example H=\S+ .*P=esmtps X=TLS1\.3/);
  await relaysFromPeer(t, server, peer);
});
