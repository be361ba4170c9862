import { assertEquals, assertNotEquals } from "@std/assert";
import { cramMd5Client } from "../../../../core/smtp/sasl/client/mod.ts";
import { hmacMd5 } from "../../../../core/smtp/sasl/md5.ts";
import { MECHANISMS } from "../../../../core/smtp/sasl/mod.ts";
import { connection, latin1, malformed, ScriptedPeer, utf8 } from "../../../support/sasl.ts";

const CRAM_MD5 = MECHANISMS.get("CRAM-MD5")!;
const SECRET = "tanstaaftanstaaf";
const digest = (challenge: string) => hmacMd5(utf8(SECRET), utf8(challenge)).toHex();

Deno.test("the client answers the example of RFC 2195 2", async () => {
  const client = cramMd5Client({ user: "tim", password: SECRET });
  assertEquals(await client.initial(), null);
  const answer = await client.respond(utf8("<1896.697170952@postoffice.reston.mci.net>"));
  assertEquals(latin1(answer), "tim b913a602c7eda7a495b4e6e7334d3890");
});

Deno.test("CRAM-MD5 takes the digest of its own challenge, and names with spaces", async () => {
  for (const user of ["tim", "tim the old", "t\u00efm"]) {
    const peer = new ScriptedPeer((challenge) => `${user} ${digest(challenge)}`);
    const claim = await CRAM_MD5.claim(null, peer, connection());
    assertEquals([claim.user, claim.authzid, claim.reveal()], [user, "", null]);
    assertEquals(/^<[0-9a-f]{24}\.[0-9a-f]{24}@mx\.example\.org>$/.test(peer.challenges[0]!), true);
    for (
      const [stored, result] of [
        [`{CRAM-MD5}${SECRET}`, true],
        [`{CRAM-MD5}${SECRET}x`, false],
        ["{CRAM-MD5}", false],
        [`{PLAIN}${SECRET}`, false],
        [SECRET, false],
      ] as const
    ) assertEquals(await claim.verify(stored), result, stored);
  }
});

Deno.test("CRAM-MD5: an account whose password is empty lets nobody in", async () => {
  const peer = new ScriptedPeer((challenge) => `tim ${hmacMd5(new Uint8Array(), utf8(challenge)).toHex()}`);
  assertEquals(await (await CRAM_MD5.claim(null, peer, connection())).verify("{CRAM-MD5}"), false);
});

Deno.test("case 42: a digest that was heard proves nothing in another exchange of CRAM-MD5", async () => {
  let heard = "";
  const first = new ScriptedPeer((challenge) => heard = `tim ${digest(challenge)}`);
  assertEquals(await (await CRAM_MD5.claim(null, first, connection())).verify(`{CRAM-MD5}${SECRET}`), true);
  const second = new ScriptedPeer(heard);
  assertEquals(await (await CRAM_MD5.claim(null, second, connection())).verify(`{CRAM-MD5}${SECRET}`), false);
  assertNotEquals(first.challenges, second.challenges);
});

Deno.test("case 37: what is no CRAM-MD5 response is refused", async () => {
  const hex = "0123456789abcdef".repeat(2);
  const responses = [
    "",
    " ",
    hex,
    ` ${hex}`,
    `tim${hex}`,
    `tim ${hex.slice(1)}`,
    `tim ${hex.toUpperCase()}`,
    `tim ${hex}\n`,
    `tim ${hex.slice(1)}g`,
    `tim\0 ${hex}`,
    `${"a".repeat(1e6)} ${hex}`,
    "=".repeat(1e6),
  ];
  for (const response of responses) {
    await malformed(response, () => CRAM_MD5.claim(null, new ScriptedPeer(response), connection()));
  }
  await malformed("an initial response", () => CRAM_MD5.claim(utf8(`tim ${hex}`), new ScriptedPeer(), connection()));
});
