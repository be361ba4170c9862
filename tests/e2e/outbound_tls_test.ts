/**
 * TLS of deliveries as sender and operator want it: REQUIRETLS and TLS-Required (RFC 8689), rules per domain, and hosts
 * whose TLS is broken. The whole server, before real name servers. Non-job: what domains publish (tests/interop/dane_test.ts,
 * mta_sts_test.ts).
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { createHash } from "node:crypto";
import { Clock, CLOCK_MISSING } from "../support/clock.ts";
import { programOf, testUnless } from "../support/debian.ts";
import { MailHost } from "../support/mail_host.ts";
import { type HandmadePeer, HandmadeServer } from "../support/mail_sink.ts";
import { NAME_SERVERS } from "../support/name_servers.ts";
import { queuedAs, SmtpClient } from "../support/smtp_client.ts";
import { Authority, type Pair } from "../support/tls.ts";
import { waitFor } from "../support/wait.ts";
import { SAMPLE, type Site, World } from "../support/world.ts";

const MISSING = [...NAME_SERVERS, "openssl" as const].filter((each) => programOf(each) === null).join(", ") ||
  CLOCK_MISSING;
const ANOTHER = "00".repeat(32);

testUnless(MISSING, "TLS of deliveries: what the sender asks, what the operator says, what is broken", async (t) => {
  await using world = await World.make();
  await using clock = await Clock.make();
  await using authority = await Authority.make();
  await using stranger = await Authority.make("Authority of nobody");
  await using opened = new AsyncDisposableStack();
  const sinks = new Map<string, MailHost>();
  const hosts = {
    requires: {},
    lacks: { hide: ["REQUIRETLS"] },
    untrusted: { pair: await stranger.issue({ names: ["mx.untrusted.signed.example"] }) },
    dane: { pair: await stranger.issue({ names: ["mx.dane.signed.example"] }) },
    clear: { pair: null },
    never: {},
    encrypt: { pair: await stranger.issue({ names: ["another.example"] }) },
    encryptclear: { pair: null },
    secure: {},
    securenot: { pair: await stranger.issue({ names: ["mx.securenot.signed.example"] }) },
    named: { pair: await authority.issue({ names: ["mail.provider.example"] }) },
    pinned: { pair: await stranger.issue({ names: ["another.example"], expired: true }) },
    pinnednot: { pair: await stranger.issue({ names: ["another.example"] }) },
  } satisfies Record<string, { readonly pair?: Pair | null; readonly hide?: readonly string[] }>;
  const lines: string[] = [];
  for (const [name, { pair = undefined, hide = [] }] of Object.entries(hosts) as [string, HostOptions][]) {
    const own = pair === undefined
      ? await authority.issue({ names: [`mx.${name}.signed.example`, `${name}.signed.example`] })
      : pair;
    const number = sinks.size + 1;
    const host = await MailHost.open({ ...world.place(number), hide, ...own && { pair: own } });
    sinks.set(name, opened.use(host));
    lines.push(`${name} MX 10 mx.${name}`, `mx.${name} A ${world.ip(number)}`);
  }
  lines.push(`_${world.port}._tcp.mx.dane TLSA 3 1 1 ${ANOTHER}`);
  await using _broken = await HandmadeServer.open(brokenTls, world.place(101));
  await using injecting = await HandmadeServer.open(injectingTls, world.place(102));
  lines.push("broken MX 10 mx.broken", `mx.broken A ${world.ip(101)}`);
  lines.push("injecting MX 10 mx.injecting", `mx.injecting A ${world.ip(102)}`);
  await using _names = await world.nameServers({
    "signed.example": { signed: true, records: lines.join("\n") },
    "unsigned.example": { records: `@ MX 10 mx\nmx A ${world.ip(1)}` },
  });
  const own = await authority.issue();
  await using site = await world.start({
    env: clock.env,
    rest: `tls: { certificates: [{ cert: ${JSON.stringify(own.certFile)}, key: ${JSON.stringify(own.keyFile)} }] }`,
    delivery: `  tls:
    ca: ${JSON.stringify(authority.caFile)}
    rules:
      never.signed.example: none
      encrypt.signed.example: encrypt
      encryptclear.signed.example: encrypt
      secure.signed.example: secure
      securenot.signed.example: secure
      named.signed.example: { level: secure, names: ["*.provider.example"] }
      pinned.signed.example: { level: fingerprint, fingerprints: ["${fingerprint(hosts.pinned.pair)}"] }
      pinnednot.signed.example: { level: fingerprint, fingerprints: ["${ANOTHER}"] }`,
  });

  await t.step(
    "REQUIRETLS goes to a host that is vouched for, verified, and offers it; MAIL says it again",
    async () => {
      const { event, tls } = await site.first(await requiringTls(site, authority, "you@requires.signed.example"));
      assertEquals([event, tls], ["delivered", "TLSv1.3 verified"]);
      assertEquals(sinks.get("requires")!.taken[0]!.parameters.requireTls, true);
    },
  );
  const refused: readonly [string, string, RegExp][] = [
    [
      "case 66: REQUIRETLS, and the host does not offer it",
      "lacks.signed.example",
      /asks for REQUIRETLS, and this server does not offer it/,
    ],
    ["REQUIRETLS, and nobody vouches for the host", "unsigned.example", /nobody vouches for mx\.unsigned\.example/],
    ["REQUIRETLS, where a rule says that there is no TLS", "never.signed.example", /no TLS is used/],
  ];
  for (const [what, domain, expected] of refused) {
    await t.step(`${what}: 5.7.30 at once`, async () => {
      const { event, status, reply } = await site.first(await requiringTls(site, authority, `you@${domain}`));
      assertEquals([event, status], ["bounced", "5.7.30"]);
      assertMatch(reply, expected);
    });
  }
  await t.step("REQUIRETLS, and a certificate that nobody knows, or no TLS: not delivered", async () => {
    const untrusted = await site.first(await requiringTls(site, authority, "you@untrusted.signed.example"));
    assertEquals([untrusted.event, untrusted.status], ["deferred", "4.7.5"]);
    const clear = await site.first(await requiringTls(site, authority, "you@clear.signed.example"));
    assertEquals([clear.event, clear.status], ["bounced", "5.7.10"]);
    const names = ["lacks", "never", "untrusted", "clear"];
    assertEquals(names.flatMap((name) => sinks.get(name)!.taken), []);
  });
  await t.step("a report about such a message asks for REQUIRETLS too, and returns the header alone", async () => {
    const text = "The secret stays here";
    const options = { from: "boss@requires.signed.example", parameters: " RET=FULL", text };
    const id = await requiringTls(site, authority, "you@lacks.signed.example", options);
    await site.attempt("bounced", id);
    const report = await waitFor("the report", () => sinks.get("requires")!.of("boss@requires.signed.example")[0]);
    assertEquals([report.sender, report.parameters.requireTls], ["", true]);
    assertMatch(report.text, /^Status: 5\.7\.30\r$/m);
    assertMatch(report.text, /^Content-Type: text\/rfc822-headers/m);
    assert(!report.text.includes(text), "the content went out with the report");
  });
  await t.step("TLS-Required: No lifts what the domain publishes, not what the operator says", async () => {
    const message = new TextEncoder().encode("TLS-Required: No\r\nSubject: help\r\n\r\nYour TLSA record is wrong\r\n");
    assertEquals(await outcome(site, "dane", message), "delivered TLSv1.3 encrypted");
    assertMatch(await outcome(site, "encryptclear", message), /^deferred 4\.7\.4 /);
    assertMatch(await outcome(site, "dane"), /^deferred 4\.7\.5 /);
  });
  const rules: readonly [what: string, name: string, RegExp][] = [
    ["none: no TLS, though it is offered", "never", /^delivered null$/],
    ["encrypt: whoever answers", "encrypt", /^delivered TLSv1\.3 encrypted$/],
    ["encrypt: never in clear", "encryptclear", /^deferred 4\.7\.4 .*does not offer STARTTLS$/],
    ["secure: an authority, and the domain's name", "secure", /^delivered TLSv1\.3 verified$/],
    ["secure: no other authority", "securenot", /^deferred 4\.7\.5 .*no authority vouches/],
    ["secure: by the names that the rule has", "named", /^delivered TLSv1\.3 verified$/],
    ["fingerprint: this very certificate, expired or not", "pinned", /^delivered TLSv1\.3 verified$/],
    ["fingerprint: no other certificate", "pinnednot", /^deferred 4\.7\.5 .*fingerprints/],
  ];
  for (const [what, name, expected] of rules) {
    await t.step(`a rule, ${what}`, async () => assertMatch(await outcome(site, name), expected));
  }
  await t.step(
    "case 63: octets in clear behind the 220 to STARTTLS defer the message; it does not go in clear",
    async () => {
      assertMatch(await outcome(site, "injecting"), /^deferred 4\.7\.0 .*talked in clear where TLS was to begin$/);
      await waitFor("another attempt", () => injecting.connections > 1);
      assertEquals(asked.injecting.filter((each) => each !== "STARTTLS"), []);
    },
  );
  await t.step("a handshake that breaks: the message goes in clear, and STARTTLS is left alone for a day", async () => {
    const tries = asked.broken;
    assertEquals(await outcome(site, "broken"), "delivered null");
    assertEquals(tries, ["STARTTLS", "MAIL"]);
    assertEquals(await outcome(site, "broken"), "delivered null");
    assertEquals(tries, ["STARTTLS", "MAIL", "MAIL"]);
    await clock.set("+25h");
    await waitFor("STARTTLS to be tried again", async () => {
      await outcome(site, "broken");
      return tries.lastIndexOf("STARTTLS") > 0;
    });
  });
});

interface HostOptions {
  readonly pair?: Pair | null;
  readonly hide?: readonly string[];
}

async function outcome(site: Site, name: string, message = SAMPLE): Promise<string> {
  const { event, status, reply, tls } = await site.first(
    await site.send({ to: [`you@${name}.signed.example`], message }),
  );
  return event === "delivered" ? `delivered ${tls}` : `${event} ${status} ${reply}`;
}

/** Over TLS, as it must be (RFC 8689 2). */
async function requiringTls(
  site: Site,
  { ca }: Authority,
  to: string,
  options: { readonly from?: string; readonly parameters?: string; readonly text?: string } = {},
): Promise<string> {
  const { from = "me@home.example", parameters = "", text = "hello" } = options;
  using client = await SmtpClient.secured(site.server.ports.smtp, { ca });
  await client.command(`MAIL FROM:<${from}> REQUIRETLS${parameters}`, 250);
  await client.command(`RCPT TO:<${to}>`, 250);
  await client.command("DATA", 354);
  await client.send(`From: <${from}>\r\nSubject: secret\r\n\r\n${text}\r\n.\r\n`);
  const id = queuedAs(await client.reply());
  assert(id !== null, "not taken");
  await client.quit();
  return id;
}

function fingerprint({ cert }: Pair): string {
  const der = Uint8Array.fromBase64(/-----BEGIN CERTIFICATE-----([^-]+)-----END/.exec(cert)![1]!.replaceAll("\n", ""));
  return createHash("sha256").update(der).digest("hex");
}

/** What each of the peers whose TLS is no good was asked; the one goes on trying while the other is looked at. */
const asked = { broken: [] as string[], injecting: [] as string[] };

/** Says 220 to STARTTLS and then nothing that is TLS; takes one message in clear, then leaves. */
function brokenTls(peer: HandmadePeer): Promise<void> {
  return offering(peer, asked.broken, async () => {
    peer.say("220 go ahead");
    await peer.hear("\x16"); // the ClientHello
    peer.socket.end("oops\r\n");
  });
}

/** Somebody on the way puts replies behind the 220. */
function injectingTls(peer: HandmadePeer): Promise<void> {
  return offering(peer, asked.injecting, () => {
    peer.say("220 go ahead\r\n250-mx.injecting.signed.example\r\n250 AUTH PLAIN");
    return Promise.resolve();
  });
}

async function offering(peer: HandmadePeer, tries: string[], startTls: () => Promise<void>): Promise<void> {
  peer.say("220 mx.broken.signed.example ESMTP");
  if (await peer.answer("EHLO mx.home.example\r\n", "250-mx.broken.signed.example\r\n250 STARTTLS") === null) return;
  const next = await peer.hear("\r\n");
  if (next === "STARTTLS\r\n") {
    tries.push("STARTTLS");
    return await startTls();
  }
  if (!next?.startsWith("MAIL")) return;
  tries.push("MAIL");
  peer.say("250 OK");
  await peer.answer("\r\n", "250 OK");
  await peer.answer("DATA\r\n", "354 go");
  await peer.answer("\r\n.\r\n", "250 OK");
  peer.socket.end();
}
