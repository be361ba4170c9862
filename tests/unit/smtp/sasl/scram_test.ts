import { assert, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import { scramClient } from "../../../../core/smtp/sasl/client/mod.ts";
import { type Mechanism, MECHANISMS, SaslMalformed } from "../../../../core/smtp/sasl/mod.ts";
import { scram } from "../../../../core/smtp/sasl/scram.ts";
import {
  deriveScramKeys,
  digest,
  exclusiveOr,
  formatScramKeys,
  hmac,
  saltedKeys,
  type ScramHash,
  SHA_256,
} from "../../../../core/smtp/sasl/scram_keys.ts";
import {
  claimOf,
  connection,
  latin1,
  login,
  malformed,
  octets,
  type Response,
  ScriptedPeer,
  utf8,
} from "../../../support/sasl.ts";

const SCRAM = MECHANISMS.get("SCRAM-SHA-256")!, PLUS = MECHANISMS.get("SCRAM-SHA-256-PLUS")!;
/** Same engine, never announced: the hash of RFC 5802's own example. */
const SHA_1: ScramHash = { name: "SCRAM-SHA-1", hash: "SHA-1", length: 20 };

/** RFC 5802 5 and RFC 7677 3. */
const VECTORS = [
  {
    algorithm: SHA_1,
    clientNonce: "fyko+d2lbbFgONRv9qkxdawL",
    serverNonce: "3rfcNHYJY1ZVvWVs7j",
    salt: "QSXCR+Q6sek8bf92",
    proof: "v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
    signature: "rmF9pqV8S7suAoZWja4dJRkFsKQ=",
  },
  {
    algorithm: SHA_256,
    clientNonce: "rOprNGfwEbeRWgbNEkqO",
    serverNonce: "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
    salt: "W22ZaJ0SNY7soEsUEjb6gQ==",
    proof: "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
    signature: "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
  },
];
for (const { algorithm, clientNonce, serverNonce, salt, proof, signature } of VECTORS) {
  const nonce = clientNonce + serverNonce;
  const messages = [
    `n,,n=user,r=${clientNonce}`,
    `r=${nonce},s=${salt},i=4096`,
    `c=biws,r=${nonce},p=${proof}`,
    `v=${signature}`,
  ] as const;

  Deno.test(`${algorithm.name}: the server says and takes what the RFC's example has`, async () => {
    const keys = await deriveScramKeys("pencil", { iterations: 4096, salt: Uint8Array.fromBase64(salt) }, algorithm);
    const mechanism = scram(algorithm, { plus: false, nonce: () => serverNonce });
    const peer = new ScriptedPeer(messages[2], "");
    const claim = await mechanism.claim(utf8(messages[0]), peer, connection());
    assertEquals([claim.user, claim.authzid, claim.reveal()], ["user", "", null]);
    assert(await claim.verify(formatScramKeys(keys, algorithm)));
    await claim.conclude!(true);
    assertEquals(peer.challenges, [messages[1], messages[3]]);
  });

  Deno.test(`${algorithm.name}: the client says and takes what the RFC's example has`, async () => {
    const random = () => Uint8Array.fromBase64(clientNonce);
    const client = scramClient({ user: "user", password: "pencil" }, { binding: "none", random, algorithm });
    assertEquals(client.name, algorithm.name);
    assertEquals(latin1((await client.initial())!), messages[0]);
    assertEquals(latin1(await client.respond(utf8(messages[1]))), messages[2]);
    assertEquals(client.done(), false);
    assertEquals(latin1(await client.respond(utf8(messages[3]))), "");
    assertEquals(client.done(), true);
  });
}

const salt = octets("0123456789abcdef");
const stored = formatScramKeys(await deriveScramKeys("pencil", { iterations: 4096, salt }));
const random = (length: number) => crypto.getRandomValues(new Uint8Array(length));
const END_POINT = octets("e".repeat(32)), EXPORTER = octets("x".repeat(32));
const bound = connection({
  bindings: () => new Map([["tls-server-end-point", END_POINT], ["tls-exporter", EXPORTER]]),
  bindingOffered: true,
});
const bind = (type: string, value: Uint8Array) =>
  scramClient({ user: "user", password: "pencil" }, { binding: { type, octets: value }, random });

Deno.test("SCRAM: the right password is accepted and the server believed, with the initial response early or late", async () => {
  for (const early of [true, false]) {
    const client = scramClient({ user: "user", password: "pencil", authzid: "boss, of=all" }, {
      binding: "none",
      random,
    });
    const { claim, accepted, believed } = await login(SCRAM, client, { stored, early });
    assertEquals([claim.user, claim.authzid, accepted, believed], ["user", "boss, of=all", true, true]);
  }
});

Deno.test("SCRAM: a wrong password is refused without a word, and the client believes no success", async () => {
  const client = scramClient({ user: "user", password: "Pencil" }, { binding: "none", random });
  const { accepted, believed } = await login(SCRAM, client, { stored });
  assertEquals([accepted, believed], [false, false]);
});

Deno.test("SCRAM: keys that are none begin no exchange, the first that are count, and only once", async () => {
  const client = scramClient({ user: "user", password: "pencil" }, { binding: "none", random });
  const peer = new ScriptedPeer(async (challenge) => await client.respond(octets(challenge)));
  const claim = await SCRAM.claim(await client.initial(), peer, connection());
  for (
    const other of [
      "",
      "$scrypt$ln=15,r=8,p=1$c2FsdA$aGFzaA",
      "{CRAM-MD5}pencil",
      "clear:pencil",
      stored.replace("256", "1"),
    ]
  ) {
    assertEquals(await claim.verify(other), false);
  }
  assertEquals(peer.challenges, []);
  assertEquals(await claim.verify(stored), true);
  assertEquals(await claim.verify(stored), false);
  assertEquals(peer.challenges.length, 1);
});

Deno.test("SCRAM: no signature of the server for a login that was refused, nor for one that was not checked", async () => {
  for (const [check, accepted] of [[true, false], [false, true]] as const) {
    const client = scramClient({ user: "user", password: "pencil" }, { binding: "none", random });
    const peer = new ScriptedPeer(async (challenge) => await client.respond(octets(challenge)));
    const claim = await SCRAM.claim(await client.initial(), peer, connection());
    if (check) assert(await claim.verify(stored));
    await claim.conclude!(accepted);
    assertEquals(peer.challenges.some((each) => each.startsWith("v=")), false);
  }
});

Deno.test("SCRAM: after the server's proof there is nothing left to say", async () => {
  const client = scramClient({ user: "user", password: "pencil" }, { binding: "none", random });
  const peer = new ScriptedPeer(async (challenge) => await client.respond(octets(challenge)), "more");
  const claim = await SCRAM.claim(await client.initial(), peer, connection());
  assert(await claim.verify(stored));
  await assertRejects(() => claim.conclude!(true), SaslMalformed);
});

Deno.test("SCRAM-PLUS: the same channel on both sides is accepted, by every type that there is", async () => {
  for (const [type, value] of bound.bindings()) {
    const { accepted, believed } = await login(PLUS, bind(type, value), { stored, known: bound });
    assertEquals([accepted, believed], [true, true], type);
  }
});

Deno.test("SCRAM-PLUS: somebody else's channel is refused, and another type's octets are", async () => {
  for (
    const [type, value] of [
      ["tls-server-end-point", EXPORTER],
      ["tls-exporter", END_POINT],
      ["tls-exporter", new Uint8Array()],
      ["tls-exporter", octets("x".repeat(33))],
    ] as const
  ) {
    const { accepted, believed } = await login(PLUS, bind(type, value), { stored, known: bound });
    assertEquals([accepted, believed], [false, false], type);
  }
});

Deno.test("case 42: SCRAM refuses a downgrade, and bindings that are none", async () => {
  const empty = connection({ bindings: () => new Map([["tls-exporter", new Uint8Array()]]), bindingOffered: true });
  for (
    const [mechanism, first, known] of [
      [SCRAM, "y,,n=user,r=abc", bound], // RFC 5802 6: the offer of -PLUS was taken away on its way
      [PLUS, "y,,n=user,r=abc", bound],
      [PLUS, "n,,n=user,r=abc", bound],
      [SCRAM, "p=tls-exporter,,n=user,r=abc", bound],
      [PLUS, "p=tls-unique,,n=user,r=abc", bound],
      [PLUS, "p=TLS-EXPORTER,,n=user,r=abc", bound],
      [PLUS, "p=tls-exporter,,n=user,r=abc", connection()],
      [PLUS, "p=tls-exporter,,n=user,r=abc", empty],
    ] as const
  ) await malformed(first, () => claimOf(mechanism, [first], known));
  assertEquals((await claimOf(SCRAM, ["y,,n=user,r=abc"])).user, "user"); // nothing was taken away
  assertEquals((await claimOf(SCRAM, ["n,,n=user,r=abc"], bound)).user, "user");
});

Deno.test("case 42: the header is signed: taking -PLUS away, or adding whom to act for, is found out", async () => {
  for (const [mechanism, header] of [[SCRAM, "n,,"], [PLUS, "p=tls-exporter,a=admin,"]] as const) {
    const client = bind("tls-exporter", EXPORTER);
    const first = latin1((await client.initial())!).replace("p=tls-exporter,,", header);
    const peer = new ScriptedPeer(async (challenge) => await client.respond(octets(challenge)));
    const claim = await mechanism.claim(utf8(first), peer, bound);
    assertEquals(await claim.verify(stored), false, header);
    assertEquals(peer.challenges.length, 1);
  }
});

Deno.test("case 42: a login that was heard cannot be said again", async () => {
  const client = scramClient({ user: "user", password: "pencil" }, { binding: "none", random });
  const heard: Uint8Array[] = [(await client.initial())!];
  const first = new ScriptedPeer(async (challenge) => {
    heard.push(await client.respond(octets(challenge)));
    return heard[1]!;
  });
  assert(await (await SCRAM.claim(heard[0]!, first, connection())).verify(stored));
  const second = new ScriptedPeer(heard[1]!);
  assertEquals(await (await SCRAM.claim(heard[0]!, second, connection())).verify(stored), false);
  assertNotEquals(first.challenges, second.challenges);
  // Nor with the nonce written anew, which the proof does not cover.
  const third = new ScriptedPeer((challenge) => {
    const nonce = challenge.slice(0, challenge.indexOf(","));
    return latin1(heard[1]!).replace(/r=[^,]+/, nonce);
  });
  assertEquals(await (await SCRAM.claim(heard[0]!, third, connection())).verify(stored), false);
});

/** The final message that proves "pencil" to this challenge, changed. */
function final(
  change: (message: string) => string | Uint8Array,
): { first: Promise<Uint8Array | null>; last: Response } {
  const client = scramClient({ user: "user", password: "pencil" }, { binding: "none", random });
  return {
    first: client.initial(),
    last: async (challenge) => change(latin1(await client.respond(octets(challenge)))),
  };
}
async function outcome(
  change: (message: string) => string | Uint8Array,
  mechanism: Mechanism = SCRAM,
): Promise<string> {
  const { first, last } = final(change);
  const claim = await mechanism.claim(await first, new ScriptedPeer(last), connection());
  return String(await claim.verify(stored).catch((error) => error.name));
}

Deno.test("case 42: a changed nonce, header or proof of SCRAM is refused", async () => {
  assertEquals(await outcome((message) => message), "true");
  for (
    const change of [
      (message: string) => message.replace(/r=./, (found) => found === "r=A" ? "r=B" : "r=A"),
      (message: string) => message.replace(/,p=/, "x,p="), // a longer nonce
      (message: string) => message.replace(/.,p=/, ",p="), // a shorter one
      (message: string) => message.replace("c=biws", "c=eSws"), // y,,
      (message: string) => message.replace("c=biws", `c=${octets("n,,more").toBase64()}`),
      (message: string) => message.replace("c=biws", `c=${octets("n,").toBase64()}`),
      (message: string) => message.replace(",p=", ",x=extension,p="), // not what was signed
      (message: string) => message.replace(/p=.*/, `p=${new Uint8Array(32).toBase64()}`),
    ]
  ) assertEquals(await outcome(change), "false", String(change));
});

Deno.test("case 42: a good proof for another nonce is refused", async () => {
  const iterations = 4096, { clientKey } = await saltedKeys("pencil", { iterations, salt }, SHA_256);
  const storedKey = await digest(SHA_256, clientKey), bare = "n=user,r=abc";
  const proves = async (nonceOf: (nonce: string) => string) => {
    const peer = new ScriptedPeer(async (challenge) => {
      const withoutProof = `c=biws,r=${nonceOf(challenge.slice(2, challenge.indexOf(",")))}`;
      const signature = await hmac(SHA_256, storedKey, octets(`${bare},${challenge},${withoutProof}`));
      return `${withoutProof},p=${exclusiveOr(clientKey, signature).toBase64()}`;
    });
    return await (await SCRAM.claim(utf8(`n,,${bare}`), peer, connection())).verify(stored);
  };
  assertEquals(await proves((nonce) => nonce), true);
  for (
    const change of [(nonce: string) => `${nonce}x`, (nonce: string) => nonce.slice(0, -1), () => "abc", () => "xyz"]
  ) {
    assertEquals(await proves(change), false, String(change));
  }
});

Deno.test("case 37: what is no final message of SCRAM is refused", async () => {
  for (
    const change of [
      () => "",
      () => ",",
      () => "*",
      () => ",".repeat(1e6),
      () => "=".repeat(1e6),
      () => "\0".repeat(1e6),
      () => octets("\xff\xfe"),
      (message: string) => `${message},`,
      (message: string) => `${message},x=y`, // the proof is the last
      (message: string) => `${message}\n`,
      (message: string) => ` ${message}`,
      (message: string) => message.replace("c=", "C="),
      (message: string) => message.replace("c=biws", "c="),
      (message: string) => message.replace("c=biws", "c=biw"),
      (message: string) => message.replace("c=biws,", ""),
      (message: string) => message.replace(/(c=biws),(r=[^,]+)/, "$2,$1"),
      (message: string) => message.replace(/,r=[^,]+/, ""),
      (message: string) => message.replace(/,r=[^,]+/, ",r="),
      (message: string) => message.replace(/,r=/, ",r=\u00e9"),
      (message: string) => message.replace(",p=", ",,p="),
      (message: string) => message.replace(",p=", ",p=AAAA,p="),
      (message: string) => message.replace(",p=", ",m=x,p="),
      (message: string) => message.replace(",p=", ",x=,p="),
      (message: string) => message.replace(/=$/, ""),
      (message: string) => message.replace(/,p=.*/, ""),
      (message: string) => message.replace(/p=.*/, `p=${new Uint8Array(31).toBase64()}`),
      (message: string) => message.replace(/p=.*/, `p=${new Uint8Array(33).toBase64()}`),
    ]
  ) assertEquals(await outcome(change), "SaslMalformed", String(change));
});

Deno.test("case 37: what is no first message of SCRAM is refused", async () => {
  for (
    const message of [
      "",
      ",",
      "n",
      "n,",
      "n,,",
      "n,,n=user",
      "n,,n=user,",
      "n,,n=user,r=",
      "n,,n=user,r=a b",
      "n,,n=user,r=\u00e9",
      "n,,n=user,r=a,",
      "n,,n=user,r=a,,x=y",
      "n,,n=user,r=a,x",
      "n,,n=user,r=a,1=y",
      "n,,n=user,r=a,x=",
      "n,,n=user,r=a,r=b",
      "n,,n=user,r=a,n=root",
      "n,,n=user,r=a,m=x",
      "n,,m=x,n=user,r=a", // RFC 5802 5.1
      "n,,r=a,n=user",
      "n,,n=,r=a",
      "n,,n=us=er,r=a",
      "n,,n=us=2cer,r=a",
      "n,,n=us=3der,r=a",
      "n,,n=user=,r=a",
      "n,,n=user=2,r=a",
      "n,,n=us\0er,r=a",
      "n,,n=us\ner,r=a",
      "n,,n=\u00ad,r=a",
      "n,,n=\u05d01,r=a",
      "N,,n=user,r=a",
      "n,a=,n=user,r=a",
      "n,a=b=,n=user,r=a",
      "n,b,n=user,r=a",
      "n,x=y,,n=user,r=a",
      "F,n,,n=user,r=a",
      "p,,n=user,r=a",
      "p=,,n=user,r=a",
      `p=${"a".repeat(65)},,n=user,r=a`,
      `n,,n=${"a".repeat(513)},r=a`,
      `n,,n=${"a".repeat(65536)},r=a`,
      `n,a=${"a".repeat(513)},n=user,r=a`,
      `n,,n=user,r=${"a".repeat(1025)}`,
      `n,,n=user,r=${"a".repeat(1e6)}`,
      "=".repeat(1e6),
      ",".repeat(1e6),
      "\0".repeat(1e6),
      `n,,n=${"=2C".repeat(4000)},r=a`,
      octets("n,,n=\xff,r=a"),
      octets("\xef\xbb\xbfn,,n=user,r=a"),
    ]
  ) {
    await malformed(message, () => claimOf(SCRAM, [message]));
  }
});

Deno.test("SCRAM says that it knows no mandatory extension (RFC 5802 5.1)", async () => {
  const error = await malformed("m=", () => claimOf(SCRAM, ["n,,m=x,n=user,r=a"]));
  assertEquals(error.message, "No mandatory extension is known here");
});

Deno.test("SCRAM takes what RFC 5802 leaves open: escapes, extensions, names that need preparing", async () => {
  for (
    const [message, user, authzid] of [
      ["n,,n=us=2Cer=3D,r=!+-~", "us,er=", ""],
      ["n,a=a=3Db,n==2C,r=a", ",", "a=b"],
      ["n,,n=user,r=a,x=y,z=\u00e9=", "user", ""],
      ["n,,n=I\u00adX,r=a", "IX", ""],
      ["n,a=\u00aa,n=\u2168,r=a", "IX", "a"],
    ] as const
  ) {
    const claim = await claimOf(SCRAM, [message]);
    assertEquals([claim.user, claim.authzid], [user, authzid]);
  }
});

Deno.test("SCRAM: the server's part of the nonce is new each time, and 18 octets long", async () => {
  const nonces = new Set<string>();
  for (let i = 0; i < 50; i++) {
    const peer = new ScriptedPeer();
    const claim = await SCRAM.claim(utf8("n,,n=user,r=abc"), peer, connection());
    await claim.verify(stored).catch(() => {});
    nonces.add(/^r=abc([A-Za-z0-9+/]{24}),/.exec(peer.challenges[0]!)![1]!);
  }
  assertEquals(nonces.size, 50);
});
