import { assertEquals } from "@std/assert";
import { MECHANISMS } from "../../../../core/smtp/sasl/mod.ts";
import { claimOf, connection, malformed, octets, ScriptedPeer, utf8 } from "../../../support/sasl.ts";

const PLAIN = MECHANISMS.get("PLAIN")!, LOGIN = MECHANISMS.get("LOGIN")!;
const plain = (message: string | Uint8Array) => PLAIN.claim(utf8(message), new ScriptedPeer(), connection());

Deno.test("PLAIN reads the examples of RFC 4616 4", async () => {
  const tim = await plain("\0tim\0tanstaaftanstaaf");
  assertEquals([tim.user, tim.authzid, tim.reveal()], ["tim", "", "tanstaaftanstaaf"]);
  const ursel = await plain("Ursel\0Kurt\0xipj3plmq");
  assertEquals([ursel.user, ursel.authzid, ursel.reveal()], ["Kurt", "Ursel", "xipj3plmq"]);
});

Deno.test("PLAIN reads the example of RFC 4954 6, with the response after an empty challenge", async () => {
  const peer = new ScriptedPeer(Uint8Array.fromBase64("dGVzdAB0ZXN0ADEyMzQ="));
  const claim = await PLAIN.claim(null, peer, connection());
  assertEquals([claim.user, claim.authzid, claim.reveal()], ["test", "test", "1234"]);
  assertEquals(peer.challenges, [""]);
});

Deno.test("LOGIN prompts for both, and takes an initial response for the user name", async () => {
  const peer = new ScriptedPeer("tim", "p w");
  const claim = await LOGIN.claim(null, peer, connection());
  assertEquals([claim.user, claim.authzid, claim.reveal()], ["tim", "", "p w"]);
  assertEquals(peer.challenges, ["Username:", "Password:"]);
  const short = new ScriptedPeer("p w");
  assertEquals((await LOGIN.claim(utf8("tim"), short, connection())).user, "tim");
  assertEquals(short.challenges, ["Password:"]);
});

Deno.test("the user is prepared, the password is compared prepared and shown as it was sent", async () => {
  for (const claim of [await plain("\0I\u00adX\0e\u0301"), await claimOf(LOGIN, ["\u2168", "e\u0301"])]) {
    assertEquals(claim.user, "IX");
    assertEquals(claim.reveal(), "e\u0301");
    assertEquals(await claim.verify("clear:\u00e9"), true);
    assertEquals(await claim.verify("clear:e\u0301"), false);
  }
});

Deno.test("a password that cannot be prepared is hashed like any other and fails (RFC 4616 2)", async () => {
  let hashed = 0;
  const passwords = { matches: () => Promise.resolve(++hashed > 0) };
  const claim = await PLAIN.claim(utf8("\0tim\0\u05d01"), new ScriptedPeer(), connection({ passwords }));
  assertEquals(claim.reveal(), "\u05d01");
  assertEquals(await claim.verify("anything"), false);
  assertEquals(hashed, 1);
});

const BAD_NAMES: Readonly<Record<string, string | Uint8Array>> = {
  "empty": "",
  "nothing once prepared": "\u00ad",
  "line end": "tim\r\nX: y",
  "tab": "a\tb",
  "C1 control": "a\x85b",
  "DEL": "a\x7f",
  "private use": "a\ue000",
  "two directions": "\u05d0a",
  "noncharacter": "a\ufdd0",
  "too long": "a".repeat(513),
  "too long once prepared": "\ufdfa".repeat(29),
  "64 KB": "a".repeat(65536),
  "overlong UTF-8": octets("a\xc0\x80b"),
  "surrogate in UTF-8": octets("a\xed\xa0\x80b"),
  "cut UTF-8": octets("a\xe2\x82"),
  "Latin-1": octets("caf\xe9"),
};
const BAD_PASSWORDS: Readonly<Record<string, string | Uint8Array>> = {
  "empty": "",
  "line end": "secret\r\nX: y",
  "tab": "secret\tsecret",
  "C1 control": "secret\x85",
  "too long": "secret".repeat(171),
  "64 KB": "secret".repeat(10923),
  "overlong UTF-8": octets("secret\xc0\x80"),
  "surrogate in UTF-8": octets("secret\xed\xa0\x80"),
  "Latin-1": octets("secret\xe9"),
};
const join = (...parts: (string | Uint8Array)[]) => Uint8Array.from(parts.flatMap((each) => [...utf8(each)]));

Deno.test("case 40: names and passwords that are none are refused, and the refusal tells nothing of them", async () => {
  for (const [what, name] of Object.entries(BAD_NAMES)) {
    await malformed(`PLAIN user: ${what}`, () => plain(join("\0", name, "\0secret")));
    if (what !== "empty") await malformed(`PLAIN authzid: ${what}`, () => plain(join(name, "\0tim\0secret")));
    await malformed(`LOGIN user: ${what}`, () => claimOf(LOGIN, [name, "secret"]));
  }
  await malformed("LOGIN user: NUL", () => claimOf(LOGIN, ["tim\0", "secret"]));
  await malformed("LOGIN password: NUL", () => claimOf(LOGIN, ["tim", "secret\0"]));
  for (const [what, password] of Object.entries(BAD_PASSWORDS)) {
    await malformed(`PLAIN password: ${what}`, () => plain(join("\0tim\0", password)));
    await malformed(`LOGIN password: ${what}`, () => claimOf(LOGIN, ["tim", password]));
  }
});

Deno.test("case 40: PLAIN has two NUL, no more and no less", async () => {
  for (
    const message of [
      "",
      "\0",
      "tim",
      "tim\0secret",
      "\0\0",
      "\0\0\0",
      "\0tim\0secret\0",
      "\0\0tim\0secret",
      "tim\0tim\0sec\0ret",
      "\0".repeat(65536),
      "a".repeat(65536),
    ]
  ) {
    const error = await malformed(message, () => plain(message));
    const rightCount = message.split("\0").length === 3;
    assertEquals(error.message.includes("two NUL"), !rightCount, JSON.stringify(message.slice(0, 40)));
  }
});

Deno.test("the longest names and passwords pass", async () => {
  const name = "n".repeat(512), password = "p".repeat(1024);
  const claim = await plain(`${name}\0${name}\0${password}`);
  assertEquals([claim.user, claim.authzid, claim.reveal()], [name, name, password]);
  assertEquals((await claimOf(LOGIN, [name, password])).reveal(), password);
});

Deno.test("case 40: no dump of a claim shows the secret", async () => {
  for (
    const claim of [
      await plain("\0tim\0hunter2"),
      await claimOf(LOGIN, ["tim", "hunter2"]),
      await claimOf(MECHANISMS.get("XOAUTH2")!, ["user=tim\x01auth=Bearer hunter2\x01\x01"]),
      await claimOf(MECHANISMS.get("OAUTHBEARER")!, ["n,a=tim,\x01auth=Bearer hunter2\x01\x01"]),
    ]
  ) {
    assertEquals(claim.reveal(), "hunter2");
    for (const dump of [Deno.inspect(claim, { depth: 9, showHidden: true }), JSON.stringify(claim), String(claim)]) {
      assertEquals(dump.includes("hunter2"), false, dump);
    }
  }
});
