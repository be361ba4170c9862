/** TLS of attempts at mail hosts: what is demanded is had or nothing is said, what is not goes on without it. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import type { HopHost } from "../../../core/delivery/next_hop.ts";
import { TlsRules } from "../../../core/delivery/tls/rules.ts";
import { NO_MAIL_PARAMETERS } from "../../../core/model/envelope.ts";
import { ClientTls } from "../../../core/net/tls/client_tls.ts";
import { testWith } from "../../support/debian.ts";
import { MailHost } from "../../support/mail_host.ts";
import { type Says, TalkingHost } from "../../support/talking_host.ts";
import { Authority } from "../../support/tls.ts";
import { brief, hosts, nextHop, WayOut } from "./way_out.ts";

const TAKEN = "delivered 2.0.0";
const encrypt = { rules: new TlsRules({ "y.example": { level: "encrypt" } }) };
/** A TalkingHost says 220 to STARTTLS and then no TLS at all. */
const BROKEN = ["STARTTLS"];
const GARBAGE: Says = () => undefined;
const HANGS_UP: Says = (step) => step === "starttls" ? null : undefined;
const failures = (out: WayOut) => out.counted.map(({ failure }) => failure?.type ?? "fine");

Deno.test("opportunistic: where the handshake breaks it goes in clear, at once; the host is remembered, and each session counted", async () => {
  for (const says of [GARBAGE, HANGS_UP]) {
    await using host = await TalkingHost.open({ offers: BROKEN, says });
    await using out = new WayOut({ zone: hosts(1), port: host.port, pool: { maxIdlePerKey: 0 } });
    const first = await out.ship("y.example", ["x@y.example"]);
    assertEquals([brief(first), first.results[0]!.tls], [[TAKEN], null]);
    assertEquals([host.connections, host.heard("STARTTLS").length], [2, 1]);
    assertEquals(brief(await out.ship("y.example", ["x@y.example"])), [TAKEN]);
    assertEquals([host.connections, host.heard("STARTTLS").length], [3, 1], "no handshake is tried again");
    assertEquals(failures(out), ["validation-failure", "validation-failure"]);
  }
});

Deno.test("case 63: octets in clear behind the 220: the attempt ends and the mail waits, also where TLS is not demanded", async () => {
  const says: Says = (step) => step === "starttls" ? "220 go on\r\n250 injected" : undefined;
  await using host = await TalkingHost.open({ offers: BROKEN, says });
  await using out = new WayOut({ zone: hosts(1), port: host.port });
  assertEquals(brief(await out.ship("y.example", ["x@y.example"])), ["deferred 4.7.0"]);
  assertEquals([host.connections, host.heard("MAIL")], [1, []]);
});

Deno.test("opportunistic: STARTTLS that is refused, or not there, is no reason to wait", async () => {
  const refusing: Says = (step) => step === "starttls" ? "454 4.7.0 not now" : undefined;
  for (const [offers, says] of [[BROKEN, refusing], [[], () => undefined]] as const) {
    await using host = await TalkingHost.open({ offers, says });
    await using out = new WayOut({ zone: hosts(1), port: host.port });
    assertEquals(brief(await out.ship("y.example", ["x@y.example"])), [TAKEN]);
    assertEquals([host.connections, failures(out)], [1, ["starttls-not-supported"]]);
  }
});

Deno.test("demanded: a broken handshake, a refusal, nothing at all: not a word in clear, and the mail waits", async () => {
  const refusing: Says = (step) => step === "starttls" ? "454 4.7.0 not now" : undefined;
  const table = [[BROKEN, GARBAGE, "4.7.5"], [BROKEN, HANGS_UP, "4.7.5"], [BROKEN, refusing, "4.7.4"], [
    [],
    GARBAGE,
    "4.7.4",
  ]] as const;
  for (const [offers, says, status] of table) {
    await using host = await TalkingHost.open({ offers, says });
    await using out = new WayOut({ zone: hosts(1), port: host.port, walks: encrypt });
    for (let times = 1; times < 3; times++) { // and nobody remembers a reason to go without
      const shipped = await out.ship("y.example", ["x@y.example"]);
      assertEquals([brief(shipped), shipped.feedback], [[`deferred ${status}`], "failure"]);
      assertEquals([host.connections, host.heard("MAIL"), out.counted.length], [times, [], times]);
    }
  }
});

testWith(["openssl"], "demanded: the host whose TLS is broken is passed over for the one whose is not", async () => {
  await using authority = await Authority.make();
  await using broken = await TalkingHost.open({ offers: BROKEN, says: GARBAGE });
  await using good = await MailHost.open({
    host: "127.0.0.2",
    port: broken.port,
    pair: await authority.issue({ names: ["b.y.example"] }),
  });
  await using out = new WayOut({ zone: hosts(2), port: broken.port, walks: encrypt });
  const { results: [result] } = await out.ship("y.example", ["x@y.example"]);
  assertEquals([result!.verdict, result!.remote!.name, broken.heard("MAIL")], ["delivered", "b.y.example", []]);
  assertMatch(result!.tls!, /^TLSv1\.3 encrypted$/);
  assertEquals([good.taken.length, failures(out)], [1, ["validation-failure", "fine"]]);
});

testWith(
  ["openssl"],
  "RFC 3207 4.1: nobody asked for a certificate: any will do, and the log says which strength it was",
  async () => {
    await using authority = await Authority.make();
    await using host = await MailHost.open({ pair: await authority.issue({ names: ["else.example"], expired: true }) });
    await using out = new WayOut({ zone: hosts(1), port: host.port });
    const { results: [result] } = await out.ship("y.example", ["x@y.example"]);
    assertEquals([result!.verdict, result!.tls, host.taken[0]!.tls], ["delivered", "TLSv1.3 encrypted", "TLSv1.3"]);
  },
);

testWith(
  ["openssl"],
  "secure: the certificate must be for the host and from an authority of ours; else not a word",
  async () => {
    await using authority = await Authority.make();
    const walks = { rules: new TlsRules({ "y.example": { level: "secure", names: ["a.y.example"] } }) };
    const table = [
      [{ names: ["a.y.example"] }, true, [TAKEN], "TLSv1.3 verified"],
      [{ names: ["a.y.example"] }, false, ["deferred 4.7.5"], null], // nobody knows its authority
      [{ names: ["else.example"] }, true, ["deferred 4.7.5"], null],
      [{ names: ["a.y.example"], expired: true }, true, ["deferred 4.7.5"], null],
    ] as const;
    for (const [options, trusted, expected, tls] of table) {
      await using host = await MailHost.open({ pair: await authority.issue(options) });
      const client = new ClientTls(trusted ? { authorities: [authority.ca] } : {});
      await using out = new WayOut({ zone: hosts(1), port: host.port, walks, tls: client });
      const shipped = await out.ship("y.example", ["x@y.example"]);
      assertEquals([brief(shipped), shipped.results[0]!.tls, host.taken.length], [
        [...expected],
        tls,
        tls === null ? 0 : 1,
      ]);
    }
  },
);

testWith(
  ["openssl"],
  "case 66: REQUIRETLS without the offer is 5.7.30, and no other way is taken; with it MAIL says so",
  async () => {
    await using authority = await Authority.make();
    const pair = await authority.issue({ names: ["localhost"] }), tls = new ClientTls({ authorities: [authority.ca] });
    const parameters = { ...NO_MAIL_PARAMETERS, requireTls: true } as const;
    for (const hide of [["REQUIRETLS"], []]) {
      await using host = await MailHost.open({ pair, hide });
      await using clear = await TalkingHost.open();
      await using out = new WayOut({ port: host.port, tls });
      const one = nextHop([named("localhost", host.port)], { name: "one" });
      const hop = nextHop([named("localhost", host.port), named("localhost", clear.port)]);
      if (hide.length > 0) {
        assertEquals(brief(await out.ship(one, ["x@y.example"], { parameters })), ["rejected 5.7.30"]);
        assertEquals(brief(await out.ship(hop, ["x@y.example"], { parameters })), ["rejected 5.7.10"]); // nor without TLS
        assertEquals([host.taken, clear.heard("MAIL")], [[], []]);
      } else {
        const shipped = await out.ship(hop, ["x@y.example"], { parameters });
        assertEquals([brief(shipped), shipped.results[0]!.tls], [[TAKEN], "TLSv1.3 verified"]);
        assertEquals([host.taken[0]!.parameters.requireTls, clear.connections], [true, 0]);
      }
      // The same host without that wish has a connection of its own
      assertEquals(brief(await out.ship(hop, ["x@y.example"])), [TAKEN]);
      assertEquals(host.connections, 2);
    }
  },
);

testWith(["openssl"], "smtps: TLS comes first, and where it breaks nobody talks in clear on that port", async () => {
  await using authority = await Authority.make();
  const pair = await authority.issue({ names: ["localhost"] });
  await using host = await MailHost.open({ pair, implicitTls: true });
  await using clear = await TalkingHost.open({ says: () => undefined });
  await using out = new WayOut({ port: 25 });
  const { results: [result] } = await out.ship(nextHop([named("localhost", host.port, true)]), ["x@y.example"]);
  assertEquals([result!.verdict, result!.tls], ["delivered", "TLSv1.3 encrypted"]);
  const rules = new TlsRules({ "localhost": { level: "may" } });
  await using lax = new WayOut({ port: 25, walks: { rules } });
  const shipped = await lax.ship(nextHop([named("localhost", clear.port, true)]), ["x@y.example"]);
  assertEquals([brief(shipped), clear.connections, clear.heard("EHLO")], [["deferred 4.7.5"], 1, []]);
});

testWith(
  ["openssl"],
  "a login is said to who proves to be the host that was named, to nobody else, and never in clear",
  async () => {
    await using authority = await Authority.make();
    const login = { user: "us", password: "secret" }, auth = { ...login, inClear: false };
    // An address that is not this machine's own, for all that anybody can see: near hosts need no proof
    await using good = await MailHost.open({ pair: await authority.issue({ names: ["relay.example"] }), login });
    await using other = await MailHost.open({
      host: "127.0.0.2",
      port: good.port,
      pair: await authority.issue({ names: ["else.example"] }),
      login,
    });
    const zone = { "relay.example": { a: ["127.0.0.1"] }, "fake.example": { a: ["127.0.0.2"] } };
    await using out = new WayOut({
      zone,
      port: 25,
      tls: new ClientTls({ authorities: [authority.ca] }),
      walks: SECURE,
    });
    const right = await out.ship(nextHop([named("relay.example", good.port)], { auth }), ["x@y.example"]);
    assertEquals([brief(right), right.results[0]!.tls, good.taken[0]!.identity], [[TAKEN], "TLSv1.3 verified", "us"]);
    const wrong = await out.ship(nextHop([named("fake.example", good.port)], { auth, name: "fake" }), ["x@y.example"]);
    assertEquals([brief(wrong), other.asked.filter((each) => each.startsWith("auth"))], [["deferred 4.7.5"], []]);
    await using plain = await TalkingHost.open({ offers: ["AUTH PLAIN"] });
    const clear = await out.ship(nextHop([named("relay.example", plain.port)], { auth, name: "clear" }), [
      "x@y.example",
    ]);
    assertEquals([brief(clear), plain.heard("AUTH"), plain.heard("MAIL")], [["deferred 4.7.4"], [], []]);
    assert(!JSON.stringify([right, wrong, clear]).includes("secret"));
  },
);

const SECURE = {
  rules: new TlsRules({
    "relay.example": { level: "secure", names: ["relay.example"] },
    "fake.example": { level: "secure", names: ["fake.example"] },
  }),
};
function named(host: string, port: number, implicitTls = false): HopHost {
  return { kind: "smtp", host, port, implicitTls, lmtp: false };
}
