/** Logins at a real OpenLDAP server: by template and by search, plain and by TLS, under attack and while it is away. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { ldap_auth } from "../../plugins/auth/ldap_auth/mod.ts";
import { testWith } from "../support/debian.ts";
import { BASE, type Person, READER, RUNS_SLAPD, Slapd } from "../support/slapd.ts";
import { Authority, MAKES_CERTIFICATES } from "../support/tls.ts";
import { LATER, login, NO } from "../unit/plugins/auth/login.ts";

/** Everything that means something in a DN or a filter. */
const ODD = ` #o'br\\ien, "q"+<x>;=*()/ `;
const PASSWORD = "correct horse";
const PEOPLE: readonly Person[] = [
  {
    uid: "alice",
    userPassword: PASSWORD,
    mail: ["Alice@Example.ORG"],
    mailAlternateAddress: ["sales@example.org", "no address", "*@example.org", "@example.org", "*"],
  },
  { uid: "bob", userPassword: "bob's password", mail: ["shared@example.org"] },
  { uid: "carol", userPassword: "carol's password", mail: ["shared@example.org"] },
  { uid: "nopassword" },
  { uid: "jürgen", userPassword: "pässwörd ✓" },
  { uid: ODD.trim(), userPassword: PASSWORD },
];
const DN = `uid={user},${BASE}`;
const SEARCH = { base: BASE, filter: "(&(objectClass=inetOrgPerson)(|(uid={user})(mail={user})))", ...READER };

async function withSlapd(body: (slapd: Slapd, authority: Authority) => Promise<void>): Promise<void> {
  await using authority = await Authority.make();
  const pair = await authority.issue({ names: ["localhost", "127.0.0.1"], algorithm: "RSA" });
  await using slapd = await Slapd.start(PEOPLE, { ca: authority.caFile, pair });
  await body(slapd, authority);
}
const needs = [...RUNS_SLAPD, ...MAKES_CERTIFICATES];

testWith(
  needs,
  "case 38: slapd: right, wrong and unknown, by template and by search; the entry's own spelling",
  async () => {
    await withSlapd(async ({ url }) => {
      const senders = ["mail", "mailAlternateAddress"];
      for (const how of [{ dn: DN }, { search: SEARCH }]) {
        const plugin = ldap_auth({ url, senders, ...how });
        const alice = { said: "yes alice", senders: ["Alice@example.org", "sales@example.org"], reasons: [] };
        assertEquals(await login(plugin, "alice", PASSWORD), alice);
        assertEquals(await login(plugin, "ALICE", PASSWORD), alice, "another spelling is another user to every limit");
        assertEquals(await login(plugin, " alice  ", PASSWORD), alice);
        assertEquals((await login(plugin, "jürgen", "pässwörd ✓", { mechanism: "LOGIN" })).said, "yes jürgen");
        const no = { said: NO, senders: [], reasons: [] };
        assertEquals(await login(plugin, "alice", "wrong horse"), no);
        assertEquals(await login(plugin, "nobody", PASSWORD), no);
        assertEquals(await login(plugin, "nopassword", PASSWORD), no);
        assertEquals(await login(plugin, "alice", PASSWORD, { mechanism: "SCRAM-SHA-256" }), no);
      }
      assertEquals((await login(ldap_auth({ url, dn: DN, identity: null }), "ALICE", PASSWORD)).said, "yes alice");
      assertEquals((await login(ldap_auth({ url, search: SEARCH }), "alice@example.org", PASSWORD)).said, "yes alice");
      const wants = ldap_auth({ url, search: SEARCH, identity: "employeeNumber" });
      assertMatch((await login(wants, "alice", PASSWORD)).reasons[0]!, /no employeeNumber that may be read$/);
    });
  },
);

testWith(needs, "slapd: several entries for one name are none, and the operator is told once", async () => {
  await withSlapd(async ({ url }) => {
    const troubles: string[] = [];
    const plugin = ldap_auth.parse({ url, search: SEARCH }, [], { trouble: (message) => void troubles.push(message) });
    for (const password of ["bob's password", "carol's password"]) {
      assertEquals((await login(plugin, "shared@example.org", password)).said, NO);
    }
    assertEquals(troubles, ["the filter finds several entries for one name: none is taken"]);
  });
});

testWith(needs, "case 40: a name is a value, whatever it is made of, to a real directory", async () => {
  await withSlapd(async ({ url }) => {
    const attacks = [
      "*",
      "a*",
      "*)(uid=*",
      "alice)(objectClass=*",
      "alice)(|(uid=*",
      "*))(|(uid=*",
      "alice\\2a",
      "\\61lice",
      "\\",
      "alice\\",
      "alice,ou=people",
      `alice,${BASE}`,
      "alice+cn=person",
      "alice;x",
      '"alice"',
      "#616c696365",
      "alice\0",
      "\0",
      "alice\u0001",
      "alice\r\nx: y",
      "a".repeat(65_536),
      "&(uid=alice)",
      "uid=alice",
    ];
    const troubles: string[] = [];
    for (const how of [{ dn: DN }, { search: SEARCH }]) {
      const plugin = ldap_auth.parse({ url, ...how }, [], { trouble: (message) => void troubles.push(message) });
      for (const user of attacks) {
        assertEquals(await login(plugin, user, PASSWORD), { said: NO, senders: [], reasons: [] }, user.slice(0, 40));
      }
      assertEquals((await login(plugin, ODD, PASSWORD)).said, `yes ${ODD.trim()}`);
    }
    assertEquals(troubles, [], "an attack found several entries");
  });
});

testWith(needs, "slapd: an empty password never reaches it, though it would say yes (RFC 4513 5.1.2)", async () => {
  await withSlapd(async ({ url, port }) => {
    // It would: an anonymous bind under a name
    using conn = await Deno.connect({ hostname: "127.0.0.1", port });
    const dn = new TextEncoder().encode(`uid=alice,${BASE}`);
    await conn.write(
      Uint8Array.from([0x30, dn.length + 12, 2, 1, 1, 0x60, dn.length + 7, 2, 1, 3, 4, dn.length, ...dn, 0x80, 0]),
    );
    const answer = new Uint8Array(64);
    await conn.read(answer);
    assertEquals(
      [answer[5], answer[7], answer[9]],
      [0x61, 0x0a, 0],
      "slapd refuses it by itself: the test shows nothing",
    );
    for (const how of [{ dn: DN }, { search: SEARCH }]) {
      const plugin = ldap_auth({ url, ...how });
      for (const user of ["alice", "nobody"]) {
        for (const mechanism of ["PLAIN", "LOGIN"]) {
          assertEquals((await login(plugin, user, "", { mechanism })).said, NO);
        }
      }
    }
  });
});

testWith(needs, "slapd: ldaps and StartTLS, by the authority that is named and no other", async () => {
  await withSlapd(async ({ url, port, securePort }, authority) => {
    await using other = await Authority.make("Another authority");
    const ca = authority.caFile;
    const secure = `ldaps://127.0.0.1:${securePort}`;
    for (
      const options of [{ url: secure, ca }, { url: `ldaps://localhost:${securePort}`, ca }, {
        url,
        ca,
        startTls: true,
      }]
    ) {
      for (const how of [{ dn: DN }, { search: SEARCH }]) {
        const plugin = ldap_auth({ ...options, ...how });
        const name = JSON.stringify(options);
        assertEquals(await login(plugin, "alice", PASSWORD), { said: "yes alice", senders: [], reasons: [] }, name);
        assertEquals(await login(plugin, "alice", "wrong horse"), { said: NO, senders: [], reasons: [] }, name);
      }
    }
    const bad = [
      { url: secure, ca: other.caFile },
      { url: secure },
      { url, ca: other.caFile, startTls: true },
      { url: `ldaps://127.0.0.1:${port}`, ca, timeout: "2s" },
      { url: `ldaps://127.0.0.2:${securePort}`, ca, timeout: "2s" },
    ];
    for (const options of bad) {
      const { said, reasons } = await login(ldap_auth({ ...options, dn: DN }), "alice", PASSWORD);
      assertEquals(said, LATER, JSON.stringify(options));
      assertMatch(reasons[0]!, /^directory 127\.0\.0\.\d:\d+: \S/);
    }
  });
});

testWith(needs, "slapd: away, back, and hanging: 454 in time each", async () => {
  await withSlapd(async (slapd) => {
    const plugin = ldap_auth({ url: slapd.url, search: SEARCH, timeout: "1s" });
    const ask = () => login(plugin, "alice", PASSWORD);
    assertEquals((await ask()).said, "yes alice");
    await slapd.end();
    assertEquals((await ask()).said, LATER);
    await slapd.begin();
    assertEquals((await ask()).said, "yes alice");
    slapd.signal("SIGSTOP");
    const started = performance.now();
    const { said, reasons } = await ask();
    assertEquals([said, reasons], [LATER, [`directory 127.0.0.1:${slapd.port}: no answer within 1000 ms`]]);
    assert(performance.now() - started < 5000);
    slapd.signal("SIGCONT");
    assertEquals((await ask()).said, "yes alice");
    const wrong = ldap_auth({ url: slapd.url, search: { ...SEARCH, bindPassword: "not it" } });
    assertEquals(await login(wrong, "alice", PASSWORD), {
      said: LATER,
      senders: [],
      reasons: [`directory 127.0.0.1:${slapd.port}: the service account was refused`],
    });
  });
});

testWith(needs, "slapd: many logins at once, each with its own answer", async () => {
  await withSlapd(async ({ url }) => {
    const plugin = ldap_auth({ url, search: SEARCH, concurrency: 8 });
    const said = await Promise.all(Array.from({ length: 64 }, async (_, i) => {
      const right = i % 3 === 0;
      return (await login(
        plugin,
        i % 2 ? "alice" : "bob",
        right ? (i % 2 ? PASSWORD : "bob's password") : "wrong horse",
      )).said;
    }));
    assertEquals(said, said.map((_, i) => i % 3 ? NO : i % 2 ? "yes alice" : "yes bob"));
  });
});
