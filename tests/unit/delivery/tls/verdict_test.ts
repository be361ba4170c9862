/** What follows from a handshake with a real server, and from none. */
import { assert, assertEquals } from "@std/assert";
import { connect } from "node:net";
import { BrokenTls } from "../../../../core/delivery/tls/broken.ts";
import type { TlsaRecord } from "../../../../core/delivery/tls/dane.ts";
import { demandOf, type TlsDemand } from "../../../../core/delivery/tls/policy.ts";
import { type TlsRule, TlsRules } from "../../../../core/delivery/tls/rules.ts";
import { type TlsAttempt, verdictOf } from "../../../../core/delivery/tls/verdict.ts";
import type { TlsWish } from "../../../../core/model/tls_wish.ts";
import { ClientTls } from "../../../../core/net/tls/client_tls.ts";
import { testWith } from "../../../support/debian.ts";
import { TempFolder } from "../../../support/temp.ts";
import { OpensslServer } from "../../net/tls/openssl_server.ts";
import { Pki } from "../../net/tls/pki.ts";
import { Clock, derOf, PlainCounters, tlsaFor } from "./fixture.ts";

const HOST = "mx.example.org";
interface Given {
  readonly wish?: TlsWish;
  readonly rule?: TlsRule;
  readonly records?: readonly TlsaRecord[];
  readonly sts?: "enforce" | "testing";
}
function demandFor({ wish = "usual", rule, records, sts }: Given): TlsDemand {
  const state = sts === undefined ? null : { policy: { mode: sts, mx: [HOST], maxAge: 1 }, failure: null };
  const hop = { domain: "example.org", byMx: true, authentic: true, sts: state };
  const tlsa = records === undefined ? null : { kind: "records" as const, base: HOST, usable: records };
  const made = rule === undefined ? null : new TlsRules({ "example.org": rule }).of("example.org");
  const outcome = demandOf({ wish, rule: made, hop }, { host: HOST, tlsa });
  assert(!("refused" in outcome));
  return outcome;
}

/** "send verified", "send encrypted certificate-expired", "refuse 4.7.5 certificate-expired". */
function short(given: Given, attempt: TlsAttempt): string {
  const { next, strength, reply, failure } = verdictOf(demandFor(given), attempt, { now: Date.now(), host: HOST });
  return [next, next === "send" ? strength : reply?.status, failure?.type].filter((each) => each).join(" ");
}

testWith(
  ["openssl"],
  "case 68: a wrong name, an expired, a self-signed certificate: not sent to under enforce, counted under testing",
  async () => {
    await using folder = await TempFolder.make();
    const pki = new Pki(folder.path);
    const root = await pki.authority("root");
    const pairs = {
      good: await pki.issue("x", { by: root, san: `DNS:${HOST}` }),
      star: await pki.issue("x", { by: root, san: "DNS:*.example.org" }),
      foreign: await pki.issue("x", { by: root, san: "DNS:elsewhere.example" }),
      commonName: await pki.issue(HOST, { by: root }),
      expired: await pki.issue("x", { by: root, san: `DNS:${HOST}`, days: -1 }),
      self: await pki.issue("x", { san: `DNS:${HOST}` }),
    };
    const tls = new ClientTls({ authorities: [Deno.readTextFileSync(root.certificate)] });
    const expected = {
      good: null,
      star: null,
      foreign: "certificate-host-mismatch",
      commonName: "certificate-host-mismatch",
      expired: "certificate-expired",
      self: "sts-webpki-invalid",
    };
    for (const version of ["-tls1_2", "-tls1_3"]) {
      for (const [name, pair] of Object.entries(pairs)) {
        await using server = await OpensslServer.start(pair, [version]);
        const raw = connect({ host: "127.0.0.1", port: server.port, allowHalfOpen: true });
        await new Promise((resolve) => raw.once("connect", resolve));
        const peer = await tls.handshake(raw, HOST);
        const attempt: TlsAttempt = { kind: "secured", peer };
        const failure = expected[name as keyof typeof expected];
        const plain = failure === "sts-webpki-invalid" ? "certificate-not-trusted" : failure;

        assertEquals(short({}, attempt), "send encrypted", `${name}: opportunistic`);
        assertEquals(short({ rule: { level: "encrypt" } }, attempt), "send encrypted", `${name}: encrypt`);
        const enforced = short({ sts: "enforce" }, attempt), tested = short({ sts: "testing" }, attempt);
        assertEquals(enforced, failure === null ? "send verified" : `refuse 4.7.5 ${failure}`, name);
        assertEquals(tested, failure === null ? "send verified" : `send encrypted ${failure}`, name);
        const lifted = short({ sts: "enforce", wish: "optional" }, attempt);
        assertEquals(lifted, tested, `${name}: TLS-Required: No`);
        const required = short({ wish: "required" }, attempt);
        assertEquals(required, plain === null ? "send verified" : `refuse 4.7.5 ${plain}`, name);

        const ours = tlsaFor(pair.certificate, 3, 1, 1), theirs = tlsaFor(root.certificate, 3, 1, 1);
        assertEquals(short({ records: [ours] }, attempt), "send verified", `${name}: 3 1 1`);
        assertEquals(short({ records: [ours], sts: "enforce" }, attempt), "send verified", "DANE before MTA-STS");
        assertEquals(short({ records: [theirs] }, attempt), "refuse 4.7.5 validation-failure", name);
        assertEquals(
          short({ records: [theirs], wish: "optional" }, attempt),
          "send encrypted validation-failure",
          name,
        );
        assertEquals(short({ records: [] }, attempt), "send encrypted", `${name}: nothing usable`);

        const print = await crypto.subtle.digest("SHA-256", derOf(pair.certificate));
        const pinned: TlsRule = { level: "fingerprint", fingerprints: [new Uint8Array(print).toHex()] };
        const key: TlsRule = { level: "fingerprint", fingerprints: [new Uint8Array(ours.data).toHex()] };
        const wrong: TlsRule = { level: "fingerprint", fingerprints: ["00".repeat(32)] };
        assertEquals(short({ rule: pinned }, attempt), "send verified", `${name}: pinned`);
        assertEquals(short({ rule: key }, attempt), "send verified", `${name}: key pinned`);
        assertEquals(short({ rule: wrong }, attempt), "refuse 4.7.5 validation-failure", `${name}: pinned`);
        if (plain === null) assertEquals(short({ rule: { level: "secure" } }, attempt), "send verified", name);
        peer.socket.destroy();
      }
    }
  },
);

Deno.test("without TLS only who asked for none is sent to; a broken handshake is tried again in clear by nobody else", () => {
  const attempts: readonly TlsAttempt[] = [
    { kind: "missing" },
    { kind: "refused", text: "454 4.7.0 TLS not available" },
    { kind: "failed", text: "the peer left in the handshake" },
    { kind: "untried" },
  ];
  const outcomes = (given: Given) => attempts.map((attempt) => short(given, attempt));
  const may = [
    "send none starttls-not-supported",
    "send none starttls-not-supported",
    "clear validation-failure",
    "send none validation-failure",
  ];
  const must = [
    "refuse 4.7.4 starttls-not-supported",
    "refuse 4.7.4 starttls-not-supported",
    "refuse 4.7.5 validation-failure",
    "refuse 4.7.5 validation-failure",
  ];
  const record: TlsaRecord = { usage: 3, selector: 1, matching: 1, data: new Uint8Array(32) };
  assertEquals(outcomes({}), may);
  assertEquals(outcomes({ sts: "testing" }), may);
  assertEquals(outcomes({ sts: "enforce", wish: "optional" }), may);
  assertEquals(outcomes({ records: [record], wish: "optional" }), may);
  for (
    const given of [{ sts: "enforce" }, { records: [record] }, { records: [] }, { rule: { level: "encrypt" } }] as const
  ) {
    assertEquals(outcomes(given), must);
  }
  assertEquals(outcomes({ wish: "required" }), ["refuse 5.7.10 starttls-not-supported", ...must.slice(1)]);
  assertEquals(outcomes({ rule: { level: "none" } }), Array(4).fill("send none"));
});

Deno.test("broken TLS is remembered for a day, over a restart, and only for who asks nothing of the host", async () => {
  const clock = new Clock(), counters = new PlainCounters(clock);
  const may = demandFor({}), broken = new BrokenTls(counters);
  assertEquals(await broken.skips(may, HOST), false);
  assertEquals(await broken.remember(HOST), 1);
  assertEquals(await broken.remember(HOST), 2);
  const again = new BrokenTls(counters);
  assertEquals(await again.skips(may, HOST), true);
  assertEquals(await again.skips(may, "mx2.example.org"), false);
  for (
    const given of [{ sts: "enforce" }, { sts: "testing" }, { rule: { level: "encrypt" } }, {
      wish: "required",
    }] as const
  ) {
    assertEquals(await again.skips(demandFor(given), HOST), false);
  }
  clock.now += 86_400_000;
  assertEquals(await again.skips(may, HOST), false);
});
