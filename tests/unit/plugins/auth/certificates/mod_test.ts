/** Who a verified certificate is. */
import { assertEquals, assertThrows } from "@std/assert";
import { OptionsError, type TlsFacts } from "../../../../../core/pipeline/mod.ts";
import { certificates } from "../../../../../plugins/auth/certificates/mod.ts";
import { login, NO } from "../login.ts";

const PRINT = Array.from({ length: 32 }, (_, i) => (i + 160).toString(16).toUpperCase()).join(":");
const OTHER = PRINT.replace("A0", "00");

function tls(certificate: Partial<NonNullable<TlsFacts["certificate"]>> | null): TlsFacts {
  return {
    version: "TLSv1.3",
    cipher: "TLS_AES_128_GCM_SHA256",
    serverName: null,
    resumed: false,
    certificate: certificate && { fingerprint: PRINT, commonName: "", emails: [], ...certificate },
  };
}

Deno.test("a fingerprint or an e-mail address of the certificate is a user; a wish must be one of them", async () => {
  const robot = { users: { robot: [PRINT.toLowerCase().replaceAll(":", "")], second: [OTHER, PRINT] } };
  const emails = { emails: true };
  const named = { commonName: "Alice", emails: ["alice@Example.org", "a@example.org"] };
  const table: [Parameters<typeof certificates>[0], string, TlsFacts | null, string][] = [
    [robot, "", tls({}), "yes robot"],
    [robot, "robot", tls({}), "yes robot"],
    [robot, "second", tls({}), "yes second"],
    [robot, "Robot", tls({}), NO],
    [robot, "root", tls({}), NO],
    [robot, "", tls({ fingerprint: OTHER }), "yes second"],
    [robot, "", tls({ fingerprint: OTHER.replace("A1", "00") }), NO],
    [robot, "robot", tls({ fingerprint: OTHER }), NO],
    [robot, "robot", tls(null), NO],
    [robot, "robot", null, NO],
    // EXTERNAL without a wish says what the certificate says of itself
    [robot, "Alice", tls(named), "yes robot"],
    [robot, "a@example.org", tls(named), "yes robot"],
    [robot, "robot", tls({ commonName: "robot", fingerprint: OTHER.replace("A1", "00") }), NO],
    [emails, "", tls(named), "yes alice@Example.org"],
    [emails, "a@example.org", tls(named), "yes a@example.org"],
    [emails, "alice@example.org", tls(named), "yes alice@Example.org"],
    [emails, "Alice@example.org", tls(named), NO],
    [emails, "bob@example.org", tls(named), NO],
    [emails, "", tls({ commonName: "alice" }), NO],
    [emails, "", tls({ emails: ["no address", "a\nb@example.org"] }), NO],
    [{ ...robot, ...emails }, "", tls(named), "yes robot"],
    [{ ...robot, ...emails }, "a@example.org", tls(named), "yes a@example.org"],
  ];
  for (const [options, wish, facts, said] of table) {
    const outcome = await login(certificates(options), wish, "", { mechanism: "EXTERNAL", tls: facts });
    assertEquals(outcome.said, said, `${JSON.stringify(options)} ${wish} ${JSON.stringify(facts?.certificate)}`);
  }
});

Deno.test("a certificate is no proof for another mechanism", async () => {
  const plugin = certificates({ users: { robot: [PRINT] } });
  for (const mechanism of ["PLAIN", "SCRAM-SHA-256", "XOAUTH2"]) {
    assertEquals((await login(plugin, "robot", "x", { mechanism, tls: tls({}) })).said, NO);
  }
  assertEquals([plugin.mechanisms, plugin.roles], [["EXTERNAL"], ["submission"]]);
});

Deno.test("options: fingerprints, and somebody to let in", () => {
  assertThrows(() => certificates({}), OptionsError, "lets nobody in");
  for (const bad of ["", "AB", PRINT + ":00", PRINT.replace("A0", "GG")]) {
    assertThrows(() => certificates({ users: { a: [bad] } }), OptionsError, "no SHA-256 fingerprint");
  }
  assertThrows(() => certificates({ users: { a: [] } }), OptionsError);
  assertThrows(() => certificates({ users: { "a\n": [PRINT] } }), OptionsError, "a name without controls");
});
