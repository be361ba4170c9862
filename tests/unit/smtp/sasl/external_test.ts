import { assertEquals } from "@std/assert";
import { MECHANISMS } from "../../../../core/smtp/sasl/mod.ts";
import { connection, malformed, octets, ScriptedPeer, utf8 } from "../../../support/sasl.ts";

const EXTERNAL = MECHANISMS.get("EXTERNAL")!;
const FINGERPRINT = octets("0123456789abcdef0123456789abcdef").toHex().toUpperCase().replaceAll(/..(?!$)/g, "$&:");
const shown = connection({ certificate: FINGERPRINT, certificateNames: ["alice@example.org", "Alice"] });

Deno.test("EXTERNAL takes the identity that was asked for, else the certificate's own (RFC 4422 A.1)", async () => {
  const user = async (initial: string | null, known = shown) => {
    const peer = new ScriptedPeer("", "");
    const claim = await EXTERNAL.claim(initial === null ? null : utf8(initial), peer, known);
    assertEquals([claim.authzid, claim.reveal()], ["", null]);
    return [claim.user, ...peer.challenges];
  };
  assertEquals(await user("bob"), ["bob"]);
  assertEquals(await user(""), ["alice@example.org"]);
  assertEquals(await user(null), ["alice@example.org", ""]);
  assertEquals(await user("", { ...shown, certificateNames: ["a\0b", "Alice"] }), ["Alice"]);
  assertEquals(await user("", { ...shown, certificateNames: [] }), [""]);
});

Deno.test("EXTERNAL compares fingerprints, however they are written", async () => {
  const claim = await EXTERNAL.claim(utf8("bob"), new ScriptedPeer(), shown);
  for (const same of [FINGERPRINT, FINGERPRINT.toLowerCase(), FINGERPRINT.replaceAll(":", "")]) {
    assertEquals(await claim.verify(`SHA256:${same}`), true, same);
  }
  const other = (FINGERPRINT[0] === "0" ? "1" : "0") + FINGERPRINT.slice(1);
  for (
    const stored of [
      "",
      "SHA256:",
      FINGERPRINT,
      `SHA1:${FINGERPRINT}`,
      `SHA256:${other}`,
      `SHA256:${FINGERPRINT}:00`,
      "clear:x",
    ]
  ) {
    assertEquals(await claim.verify(stored), false, stored);
  }
});

Deno.test("case 40: EXTERNAL refuses names that are none, and who showed no certificate", async () => {
  for (const name of ["\0", "bob\0", "bob\r\n", "\u00ad", "a".repeat(513), "a".repeat(65536), octets("\xff")]) {
    await malformed(name, () => EXTERNAL.claim(utf8(name), new ScriptedPeer(), shown));
  }
  for (const certificate of [null, ""]) {
    const known = connection({ certificate });
    await malformed("no certificate", () => EXTERNAL.claim(utf8("bob"), new ScriptedPeer(), known));
  }
});
