import { assertEquals, assertRejects } from "@std/assert";
import { MECHANISMS, SaslCancelled, SaslMalformed } from "../../../../core/smtp/sasl/mod.ts";
import { claimOf, connection, malformed, ScriptedPeer } from "../../../support/sasl.ts";

const OAUTHBEARER = MECHANISMS.get("OAUTHBEARER")!, XOAUTH2 = MECHANISMS.get("XOAUTH2")!;
/** RFC 7628 4.1; Google's documentation of XOAUTH2. */
const RFC_7628 = Uint8Array.fromBase64(
  "bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9MTQzAWF1dGg9QmVhcmVyIHZGOWRmdDRxbVRjMk52YjNSbGNrQmhiSFJoZG1semRHRXVZMjl0Q2c9PQEB",
);
const GOOGLE = Uint8Array.fromBase64(
  "dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRmdDRxbVRjMk52YjNSbGNrQmhkSFJoZG1semRHRXVZMjl0Q2cBAQ==",
);

Deno.test("OAUTHBEARER reads the example of RFC 7628 4.1, at once and after an empty challenge", async () => {
  const peer = new ScriptedPeer(RFC_7628);
  for (
    const claim of [
      await OAUTHBEARER.claim(RFC_7628, new ScriptedPeer(), connection()),
      await OAUTHBEARER.claim(null, peer, connection()),
    ]
  ) {
    assertEquals([claim.user, claim.authzid], ["user@example.com", ""]);
    assertEquals(claim.reveal(), "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==");
    assertEquals(await claim.verify("clear:x"), false);
  }
  assertEquals(peer.challenges, [""]);
});

Deno.test("XOAUTH2 reads Google's example", async () => {
  const claim = await claimOf(XOAUTH2, [GOOGLE]);
  assertEquals([claim.user, claim.authzid], ["someuser@example.com", ""]);
  assertEquals(claim.reveal(), "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg");
});

Deno.test("OAUTHBEARER takes what RFC 7628 3.1 leaves open", async () => {
  const token = async (message: string) => {
    const claim = await claimOf(OAUTHBEARER, [message]);
    return [claim.user, claim.reveal()];
  };
  assertEquals(await token("n,,\x01auth=Bearer x\x01\x01"), ["", "x"]);
  assertEquals(await token("y,,\x01auth=bearer   x\x01\x01"), ["", "x"]); // the scheme has no case
  assertEquals(await token("n,a=a=2Cb=3D,\x01auth=Bearer x\x01port=587\x01other=a b\x01\x01"), ["a,b=", "x"]);
  assertEquals(await token("n,a=tim,\x01host=a\x01port=143\x01auth=\x01\x01"), ["tim", null]); // 4.3: asks where to get one
  assertEquals(await token("n,,\x01\x01"), ["", null]);
});

Deno.test("case 37: what is no OAUTHBEARER message is refused", async () => {
  for (
    const message of [
      "",
      "\x01",
      "n",
      "n,,",
      "n,,\x01",
      "n,\x01auth=Bearer secret\x01\x01",
      ",,\x01auth=Bearer secret\x01\x01",
      "x,,\x01auth=Bearer secret\x01\x01",
      "F,n,,\x01auth=Bearer secret\x01\x01",
      "p=tls-exporter,,\x01auth=Bearer secret\x01\x01",
      "n,a=,\x01auth=Bearer secret\x01\x01",
      "n,a==2C=3,\x01auth=Bearer secret\x01\x01",
      "n,tim,\x01auth=Bearer secret\x01\x01",
      "n,,x\x01auth=Bearer secret\x01\x01",
      "n,,auth=Bearer secret\x01\x01",
      "n,,\x01auth=Bearer secret\x01",
      "n,,\x01auth=Bearer secret",
      "n,,\x01auth=Bearer secret\x01\x01\x01",
      "n,,\x01auth=Bearer secret\x01\x01x",
      "n,,\x01auth=Bearer secret\x01auth=Bearer other\x01\x01",
      "n,,\x01auth=Bearer secret\x01AUTH=Bearer other\x01\x01",
      "n,,\x01auth=Basic secret\x01\x01",
      "n,,\x01auth=Bearer\x01\x01",
      "n,,\x01auth=Bearer \x01\x01",
      "n,,\x01auth=Bearer se cret\x01\x01",
      "n,,\x01auth=Bearer secret\r\nX: y\x01\x01",
      "n,,\x01auth=Bearer =\x01\x01",
      "n,,\x01auth=Bearer secr\u00e9t\x01\x01",
      "n,,\x01auth\x01\x01",
      "n,,\x01=x\x01\x01",
      "n,,\x01a-b=x\x01\x01",
      "n,,\x01host=\0\x01auth=Bearer secret\x01\x01",
      `n,,\x01auth=Bearer ${"s".repeat(13000)}\x01\x01`,
    ]
  ) {
    await malformed(message, () => claimOf(OAUTHBEARER, [message]));
  }
});

Deno.test("case 37: what is no XOAUTH2 message is refused", async () => {
  for (
    const message of [
      "",
      "\x01\x01",
      "user=tim\x01auth=Bearer secret",
      "user=tim\x01auth=Bearer secret\x01",
      "user=tim\x01auth=Bearer secret\x01\x01\x01",
      "user=\x01auth=Bearer secret\x01\x01",
      "user=tim\x01auth=secret\x01\x01",
      "user=tim\x01auth=Bearer \x01\x01",
      "user=tim\x01auth=Bearer se cret\x01\x01",
      "user=tim\r\n\x01auth=Bearer secret\x01\x01",
      "user=tim\0\x01auth=Bearer secret\x01\x01",
      " user=tim\x01auth=Bearer secret\x01\x01",
      "user=tim\x01\x01auth=Bearer secret\x01\x01",
      "auth=Bearer secret\x01user=tim\x01\x01",
      "n,a=tim,\x01auth=Bearer secret\x01\x01",
    ]
  ) await malformed(message, () => claimOf(XOAUTH2, [message]));
});

Deno.test("a refused token is told so as JSON, to which the client says the empty thing (RFC 7628 3.2.2, 3.2.3)", async () => {
  for (
    const { mechanism, message, answer, status } of [
      { mechanism: OAUTHBEARER, message: RFC_7628, answer: "\x01", status: "invalid_token" },
      { mechanism: XOAUTH2, message: GOOGLE, answer: "", status: "401" },
    ]
  ) {
    const peer = new ScriptedPeer(answer);
    const claim = await mechanism.claim(message, peer, connection());
    await claim.conclude!(false);
    const error = JSON.parse(peer.challenges[0]!);
    assertEquals([error.status, error.schemes, peer.challenges.length], [status, "bearer", 1]);

    const loud = await mechanism.claim(message, new ScriptedPeer("user=tim\x01auth=Bearer another"), connection());
    await assertRejects(() => loud.conclude!(false), SaslMalformed);
    const gone = await mechanism.claim(message, new ScriptedPeer(), connection());
    await assertRejects(() => gone.conclude!(false), SaslCancelled);

    const quiet = new ScriptedPeer();
    await (await mechanism.claim(message, quiet, connection())).conclude!(true);
    assertEquals(quiet.challenges, []);
  }
});
