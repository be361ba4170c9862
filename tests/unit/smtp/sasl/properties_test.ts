/** Invariants of all SASL mechanisms: who knows the secret comes in, nobody else, and octets of any kind do no harm. */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { chooseMechanism, type SaslClient, scramClient } from "../../../../core/smtp/sasl/client/mod.ts";
import {
  type Claim,
  type Mechanism,
  MECHANISMS,
  SaslCancelled,
  SaslMalformed,
} from "../../../../core/smtp/sasl/mod.ts";
import { saslprep } from "../../../../core/smtp/sasl/prepare.ts";
import { deriveScramKeys, formatScramKeys } from "../../../../core/smtp/sasl/scram_keys.ts";
import { connection, login, octets, ScriptedPeer } from "../../../support/sasl.ts";

const random = (length: number) => crypto.getRandomValues(new Uint8Array(length));
const BINDINGS = new Map([["tls-server-end-point", octets("e".repeat(32))]]);
const known = connection({
  bindings: () => BINDINGS,
  bindingOffered: true,
  certificate: "AB:CD",
  certificateNames: ["tim@example.org"],
});
const channel = {
  confidential: true,
  bindings: BINDINGS,
  certificate: false,
  server: { host: "mx.example.org", port: 587 },
  random,
};

/** What may be stored as a name or password. */
const letter = fc.oneof(
  fc.constantFrom(...'ab=,"<>@ \u00e9\u00df\u00aa\u2168\u4e2d\u{1f600}\u0301\u00ad\u00a0\u05d0\u0627\u0660'),
  fc.string({ unit: "binary", minLength: 1, maxLength: 1 }),
);
const secret = fc.string({ unit: letter, minLength: 1, maxLength: 12 }).filter((text) =>
  Boolean(saslprep(text, "stored"))
);
const WITH_PASSWORD = ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "CRAM-MD5", "PLAIN", "LOGIN"];

async function storedFor(name: string, password: string): Promise<string> {
  const prepared = saslprep(password, "stored")!;
  if (name === "CRAM-MD5") return `{CRAM-MD5}${prepared}`;
  if (!name.startsWith("SCRAM")) return `clear:${prepared}`;
  return formatScramKeys(await deriveScramKeys(prepared, { iterations: 4096, salt: random(16) }));
}

Deno.test("client and server agree on every user and password that SASLprep allows, and on no other password", async () => {
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...WITH_PASSWORD), secret, secret, secret, async (name, user, password, other) => {
      const mechanism = MECHANISMS.get(name)!;
      const here = name.endsWith("PLUS") ? known : { ...known, bindingOffered: false };
      const stored = await storedFor(name, password);
      const right = await login(mechanism, chooseMechanism([name], { user, password }, channel)!, {
        stored,
        known: here,
      });
      assertEquals([right.claim.user, right.accepted, right.believed], [saslprep(user, "query"), true, true]);
      const wrong = await login(mechanism, chooseMechanism([name], { user, password: other }, channel)!, {
        stored,
        known: here,
      });
      assertEquals(wrong.accepted, saslprep(other, "stored") === saslprep(password, "stored"));
    }),
    { numRuns: 150 },
  );
});

const anyOctets = fc.oneof(
  fc.uint8Array({ maxLength: 60 }),
  fc.string({
    unit: fc.constantFrom(
      ..."\0\x01=,:.*<> nyparcsvime",
      "n=",
      "r=",
      "a=",
      "p=",
      "auth=Bearer ",
      "user=",
      "tim",
      "n,,",
      "2C",
      "c=biws",
      "\x01\x01",
    ),
    maxLength: 16,
  }).map(octets),
);
const STORED = [
  await storedFor("SCRAM-SHA-256", "secret"),
  "{CRAM-MD5}secret",
  "SHA256:ABCD",
  "clear:secret",
  "",
];

/** All that a host does with a mechanism. The claim, or null where an error of the seam ended it; nothing else is thrown. */
async function whole(mechanism: Mechanism, initial: Uint8Array | null, responses: Uint8Array[], accepted: boolean) {
  const peer = new ScriptedPeer(...responses);
  let claim: Claim | null = null;
  try {
    claim = await mechanism.claim(initial, peer, known);
    for (const stored of STORED) await claim.verify(stored);
    await claim.conclude?.(accepted);
  } catch (error) {
    assert(error instanceof SaslMalformed || error instanceof SaslCancelled, String(error));
  }
  assert(peer.challenges.length <= 5);
  return claim;
}

Deno.test("case 37: any octets as responses end in a claim or in an error of the seam, for every mechanism", async () => {
  let claims = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...MECHANISMS.values()),
      fc.option(anyOctets),
      fc.array(anyOctets, { maxLength: 4 }),
      fc.boolean(),
      async (mechanism, initial, responses, accepted) => {
        const claim = await whole(mechanism, initial, responses, accepted);
        if (claim === null) return;
        claims++;
        for (const name of [claim.user, claim.authzid]) assert(!/[\0-\x1f\x7f-\x9f]/.test(name), JSON.stringify(name));
      },
    ),
    { numRuns: 3000 },
  );
  assert(claims > 50, `${claims} claims`);
});

Deno.test("case 37: a megabyte of anything is refused in no time, by every mechanism at every step", async () => {
  const started = performance.now();
  for (const mechanism of MECHANISMS.values()) {
    for (const unit of ["=", ",", "\0", "\x01", "a", "n,,", "=2C", "a=b,", "\xff", "\u00cc\u0081"]) {
      const flood = octets(unit.repeat(1e6 / unit.length));
      await whole(mechanism, flood, [], false);
      await whole(mechanism, null, [flood, flood], false);
      await whole(mechanism, octets("tim"), [flood], false);
      await whole(mechanism, octets("n,,n=tim,r=x"), [flood], true);
      await whole(mechanism, octets("n,,\x01auth=Bearer x\x01\x01"), [flood], false);
    }
  }
  assert(performance.now() - started < 5000, `${performance.now() - started} ms`);
});

Deno.test("case 42: any octets from a server end in a response or in SaslFailed, and never in a false success", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(anyOctets, { maxLength: 4 }), async (challenges) => {
      const client: SaslClient = scramClient({ user: "tim", password: "secret" }, { binding: "none", random });
      await client.initial();
      for (const challenge of challenges) {
        await client.respond(challenge).catch((error) => assertEquals(error.name, "SaslFailed"));
        assertEquals(client.done(), false);
      }
    }),
    { numRuns: 500 },
  );
});

Deno.test("the facts of the offer are true: what tells a secret says so, and the strongest come first", async () => {
  for (const mechanism of MECHANISMS.values()) {
    const client = chooseMechanism([mechanism.name], { user: "tim", password: "sec", token: "sec" }, {
      ...channel,
      certificate: true,
    });
    const heard: string[] = [];
    const initial = await client!.initial();
    if (initial !== null) heard.push(new TextDecoder().decode(initial));
    const peer = {
      async challenge(challenge: Uint8Array) {
        const response = await client!.respond(challenge);
        heard.push(new TextDecoder().decode(response));
        return response;
      },
    };
    const here = mechanism.needsBinding ? known : { ...known, bindingOffered: false };
    const claim = await mechanism.claim(initial, peer, here);
    for (const stored of STORED) await claim.verify(stored);
    assertEquals(heard.some((each) => each.includes("sec")), mechanism.plaintext, mechanism.name);
    assertEquals(claim.reveal() !== null, mechanism.plaintext, mechanism.name);
    const bare = connection();
    const refused = await mechanism.claim(initial, new ScriptedPeer("tim"), bare).then(() => false, () => true);
    assertEquals(
      refused && !["CRAM-MD5", "LOGIN"].includes(mechanism.name),
      mechanism.needsBinding || mechanism.needsCertificate,
      mechanism.name,
    );
  }
});
