/**
 * Postfix as the next host: what we send to it arrives as it was sent; as a smart host it takes mail from who logs in over
 * TLS, by each mechanism, and from nobody else.
 */
import { assertEquals, assertMatch } from "@std/assert";
import { addedOnly } from "../support/bytes.ts";
import { testUnless } from "../support/debian.ts";
import { Dovecot } from "../support/dovecot.ts";
import { takesConnections } from "../support/daemon.ts";
import { connectTo } from "../support/outbound_client.ts";
import { demandsLogin, offersTls, Postfix, POSTFIX_MISSING } from "../support/postfix.ts";
import { freePort } from "../support/ports.ts";
import { Authority } from "../support/tls.ts";
import { waitFor } from "../support/wait.ts";
import { relaysFromPeer, relaySite, relaysToPeer } from "./relay_contract.ts";
import { hardMessage, receiverContract, receiverTlsContract, send } from "./receiver_contract.ts";

const DOMAIN = "peer.example", HOST = "mx.peer.example";
const ACCOUNTS = ["box", "other", "sender", "b\u00fccher"].map((local) => `${local}@${DOMAIN}`);

testUnless(POSTFIX_MISSING, "Postfix takes what we send, as it was sent", async (t) => {
  await using authority = await Authority.make();
  const pair = await authority.issue({ names: [HOST] });
  await using postfix = await Postfix.start(offersTls(pair), { accounts: ACCOUNTS });
  const receiver = {
    name: "Postfix",
    to: { addresses: ["127.0.0.1"], port: postfix.port },
    domain: DOMAIN,
    mailOf: (local: string, count?: number) => postfix.mailOf(`${local}@${DOMAIN}`, count),
    offers: ["8BITMIME", "CHUNKING", "DSN", "PIPELINING", "SMTPUTF8"] as const,
  };
  await receiverContract(t, receiver);
  await receiverTlsContract(t, receiver, { ca: authority.ca, name: HOST });
});

const LOGIN = { user: "postern@peer.example", password: "pass word" };

const MECHANISMS = ["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256"];

testUnless(POSTFIX_MISSING, "Postfix as a smart host: TLS and a login, by each mechanism", async (t) => {
  await using authority = await Authority.make();
  await using dovecot = await Dovecot.start("maildir:/nonexistent/%u", {
    users: { [LOGIN.user]: LOGIN.password },
    mechanisms: MECHANISMS.map((each) => each.toLowerCase()),
  });
  const ports = MECHANISMS.map(() => freePort());
  await using postfix = await Postfix.start(
    demandsLogin(await authority.issue({ names: [HOST] }), dovecot.authPort),
    {
      accounts: ACCOUNTS,
      services: MECHANISMS.map((each, index) =>
        `127.0.0.1:${ports[index]} inet n - n - - smtpd -o smtpd_sasl_mechanism_filter=${each}`
      ),
    },
  );
  const tls = { ca: authority.ca, name: HOST };
  for (const [index, mechanism] of MECHANISMS.entries()) {
    const to = { addresses: ["127.0.0.1"], port: ports[index]! };
    await waitFor(`Postfix on ${to.port}`, () => takesConnections(to.port));
    await t.step(mechanism, async () => {
      const connection = await connectTo(to, { tls, login: LOGIN }), message = hardMessage(`by-${mechanism}`);
      assertEquals(await send(connection, { to: [`box@${DOMAIN}`], message }), ["accept 2.0.0 dot"]);
      await connection.quit();
      const arrived = await postfix.mailOf(`box@${DOMAIN}`, index + 1);
      assertEquals(addedOnly(arrived.at(-1)!, message), null);
      const login = new RegExp(`sasl_method=${mechanism}, sasl_username=${LOGIN.user}`);
      await waitFor(`${login} in Postfix's log`, async () => login.test(await postfix.log()));
    });
    await t.step(`${mechanism}: a wrong password`, async () => {
      const wrong = connectTo(to, { tls, login: { ...LOGIN, password: "another" } });
      assertMatch(await wrong.then(() => "it was taken", String), /defer 4\.7\.8 auth/);
    });
  }
  const to = { addresses: ["127.0.0.1"], port: postfix.port }, message = hardMessage("stranger");
  await t.step("who does not log in is refused, in TLS and in clear", async () => {
    const stranger = await connectTo(to, { tls });
    assertMatch((await send(stranger, { to: [`box@${DOMAIN}`], message }))[0]!, /^reject 5\.7\.1 rcpt/);
    await stranger.quit();
    const clear = await connectTo(to);
    assertMatch((await send(clear, { to: [`box@${DOMAIN}`], message }))[0]!, /^reject 5\.7\.0 mail/);
    await clear.quit();
  });
});

testUnless(
  POSTFIX_MISSING,
  "Postfix is our smart host, with a login over verified TLS, and relays to us",
  async (t) => {
    await using authority = await Authority.make();
    await using dovecot = await Dovecot.start("maildir:/nonexistent/%u", {
      users: { [LOGIN.user]: LOGIN.password },
      mechanisms: ["plain", "scram-sha-256"],
    });
    const port = freePort(), open = freePort();
    await using postfix = await Postfix.start(
      `${demandsLogin(await authority.issue({ names: ["localhost"] }), dovecot.authPort)}
smtpd_tls_loglevel = 1
default_transport = smtp:[127.0.0.1]:${port}
disable_dns_lookups = yes
smtp_host_lookup = native
`,
      {
        accounts: ACCOUNTS,
        services: [
          `127.0.0.1:${open} inet n - n - - smtpd -o smtpd_tls_security_level=none -o smtpd_sasl_auth_enable=no` +
          " -o smtpd_relay_restrictions=permit_mynetworks,reject -o smtpd_recipient_restrictions=permit_mynetworks,reject",
        ],
      },
    );
    await waitFor(`Postfix on ${open}`, () => takesConnections(open));
    await using server = await relaySite({
      port,
      nextHop:
        `{ hosts: ["smtp://localhost:${postfix.port}"], auth: { user: "${LOGIN.user}", password: "${LOGIN.password}" } }`,
      delivery: [`tls: { ca: ${authority.caFile}, rules: { localhost: { level: secure, names: [localhost] } } }`],
    });
    const peer = {
      name: "Postfix",
      port: open,
      domain: DOMAIN,
      mailOf: (local: string, count?: number) => postfix.mailOf(`${local}@${DOMAIN}`, count),
      dsn: true,
    };
    await relaysToPeer(t, server, peer);
    assertMatch(await postfix.log(), new RegExp(`sasl_method=SCRAM-SHA-256, sasl_username=${LOGIN.user}`));
    await relaysFromPeer(t, server, peer);
  },
);
