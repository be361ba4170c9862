/** Logins by signed tokens: what is believed, what is not, and what an unknown key costs. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { base64url, exportSPKI, importJWK } from "jose";
import type { CryptoKey } from "jose";
import { OptionsError } from "../../../../../core/pipeline/mod.ts";
import { oauth } from "../../../../../plugins/auth/oauth/mod.ts";
import { LATER, login, NO } from "../login.ts";
import { AUDIENCE, ISSUER, Issuer, keySet, makeKey, NOW, type Pair, rawToken, token } from "./issuer.ts";

const rsa = await makeKey("RS256", "rsa-1"), ec = await makeKey("ES256", "ec-1"), ed = await makeKey("EdDSA", "ed-1");
const ps = await makeKey("PS256", "ps-1"), stranger = await makeKey("RS256", "rsa-1");

type Options = Partial<Parameters<typeof oauth>[0]>;
const pluginOf = (issuer: Issuer, options: Options = {}) =>
  oauth({ jwks: issuer.url, issuer: ISSUER, audience: [AUDIENCE, "other"], ...options });
const ask = async (plugin: ReturnType<typeof oauth>, text: string, user = "", facts = {}) =>
  (await login(plugin, user, text, { mechanism: "OAUTHBEARER", ...facts })).said;
const YES = "yes alice@example.org";

Deno.test("a good token is a login, by each algorithm and by both mechanisms", async () => {
  await using issuer = new Issuer(keySet(rsa, ec, ed, ps));
  const plugin = pluginOf(issuer);
  assertEquals([plugin.mechanisms, plugin.roles], [["OAUTHBEARER", "XOAUTH2"], ["submission"]]);
  for (const key of [rsa, ec, ed, ps]) assertEquals(await ask(plugin, await token(key)), YES, key.alg);
  const text = await token(rsa);
  assertEquals(await ask(plugin, text, "alice@example.org", { mechanism: "XOAUTH2" }), YES);
  assertEquals(await ask(plugin, text, "Alice@Example.ORG"), YES, "people type addresses in any case");
  assertEquals(await ask(plugin, text, "", { mechanism: "PLAIN" }), NO);
  assertEquals(issuer.asked, 1, "the keys were fetched more than once");
});

Deno.test("case 38: what is wrong with a token is not told, and is no login", async () => {
  await using issuer = new Issuer(keySet(rsa, ec));
  const plugin = pluginOf(issuer, { scopes: ["smtp", "send"] });
  const scope = "openid smtp send";
  const good = await token(rsa, { scope });
  assertEquals(await ask(plugin, good), YES);
  assertEquals(await ask(plugin, await token(rsa, { scp: ["send", "smtp"] })), YES);
  const [header, payload, signature] = good.split(".") as [string, string, string];
  const altered = base64url.encode(JSON.stringify({ ...JSON.parse(atob(payload)), email: "root@example.org" }));
  const claims = { iss: ISSUER, aud: AUDIENCE, exp: NOW + 600, email: "alice@example.org", scope };
  assertEquals(await ask(plugin, await rawToken(rsa, { alg: "RS256", kid: "rsa-1" }, claims)), YES);
  const table: [string, string, string?][] = [
    ["another's token", good, "bob@example.org"],
    ["expired", await token(rsa, { scope, exp: NOW - 31 })],
    ["without an end", await token(rsa, { scope, exp: undefined })],
    ["an end that is a text", await token(rsa, { scope, exp: "9999999999" })],
    ["not yet", await token(rsa, { scope, nbf: NOW + 31 })],
    ["wrong issuer", await token(rsa, { scope, iss: `${ISSUER}.evil.example` })],
    ["no issuer", await token(rsa, { scope, iss: undefined })],
    ["wrong audience", await token(rsa, { scope, aud: "calendar" })],
    ["no audience", await token(rsa, { scope, aud: undefined })],
    ["a scope is missing", await token(rsa, { scope: "openid smtp" })],
    ["no scope", await token(rsa)],
    ["a scope that only begins so", await token(rsa, { scope: "smtp sender" })],
    ["no user", await token(rsa, { scope, email: undefined })],
    ["a user that is none", await token(rsa, { scope, email: ["alice@example.org"] })],
    ["a user with controls", await token(rsa, { scope, email: "alice\r\nx" })],
    ["an address nobody verified", await token(rsa, { scope, email_verified: false })],
    ["a stranger's key under a known id", await token(stranger, { scope })],
    ["an altered payload", `${header}.${altered}.${signature}`],
    ["an altered signature", `${header}.${payload}.${signature.slice(0, -4)}AAAA`],
    ["no signature", `${header}.${payload}.`],
    ["two parts", `${header}.${payload}`],
    ["five parts", `${good}.a.b`],
    ["no token at all", "hello"],
    ["a critical header nobody knows", await rawToken(rsa, { alg: "RS256", kid: "rsa-1", crit: ["x"], x: 1 }, claims)],
    ["claims that are a list", await rawToken(rsa, { alg: "RS256", kid: "rsa-1" }, [claims])],
  ];
  for (const [name, text, user] of table) assertEquals(await ask(plugin, text, user), NO, name);
  assertEquals(await ask(plugin, await token(rsa, { scope, exp: NOW - 29, nbf: NOW + 29 })), YES, "clocks differ");
});

Deno.test("confused algorithms: none, a shared secret made of the public key, one that is not listed", async () => {
  await using issuer = new Issuer(keySet(rsa, ec));
  const plugin = pluginOf(issuer);
  const publicKey = await importJWK(rsa.publicJwk, "RS256", { extractable: true }) as CryptoKey;
  const pem = new TextEncoder().encode(await exportSPKI(publicKey));
  const jwk = new TextEncoder().encode(JSON.stringify(rsa.publicJwk));
  const claims = base64url.encode(
    JSON.stringify({ iss: ISSUER, aud: AUDIENCE, exp: NOW + 600, email: "alice@example.org" }),
  );
  const unsigned = (alg: string) => `${base64url.encode(JSON.stringify({ alg, kid: "rsa-1" }))}.${claims}.`;
  for (const secret of [pem, jwk, new Uint8Array(32)]) {
    assertEquals(await ask(plugin, await token({ privateKey: secret, alg: "HS256", kid: "rsa-1" })), NO);
  }
  for (const alg of ["none", "None", "NONE", "", "RS256"]) assertEquals(await ask(plugin, unsigned(alg)), NO, alg);
  // The token brings its own key, or says where it lies
  const { publicJwk } = stranger;
  for (const header of [{ jwk: publicJwk }, { jku: "http://127.0.0.1:1/keys" }, { x5u: "http://127.0.0.1:1/x" }]) {
    assertEquals(await ask(plugin, await token(stranger, {}, header)), NO);
  }
  assertEquals(await ask(pluginOf(issuer, { algorithms: ["ES256"] }), await token(rsa)), NO);
  assertEquals(await ask(pluginOf(issuer, { algorithms: ["ES256"] }), await token(ec)), YES);
  for (const alg of ["none", "HS256"]) {
    assertThrows(() => pluginOf(issuer, { algorithms: [alg as "RS256"] }), OptionsError);
  }
});

Deno.test("rotated keys are found, and a withdrawn one ends", async () => {
  const clock = { now: NOW * 1000 };
  const facts = { now: () => clock.now };
  await using issuer = new Issuer(keySet(rsa));
  const plugin = pluginOf(issuer);
  const next: Pair = await makeKey("RS256", "rsa-2");
  const later = { exp: NOW + 7200 };
  assertEquals(await ask(plugin, await token(rsa, later), "", facts), YES);
  issuer.answer = keySet(rsa, next);
  clock.now += 30_000;
  assertEquals(await ask(plugin, await token(next, later), "", facts), YES);
  assertEquals(issuer.asked, 2);
  issuer.answer = keySet(next);
  clock.now += 599_000;
  assertEquals(await ask(plugin, await token(rsa, later), "", facts), YES, "keys are good for ten minutes");
  clock.now += 1000;
  assertEquals(await ask(plugin, await token(rsa, later), "", facts), NO);
  assertEquals(issuer.asked, 3);
});

Deno.test("a flood of tokens with keys that nobody knows is one fetch in 30 seconds", async () => {
  const clock = { now: NOW * 1000 };
  const facts = { now: () => clock.now };
  await using issuer = new Issuer(keySet(rsa));
  const plugin = pluginOf(issuer);
  const flood = async (count: number) => {
    const tokens = await Promise.all(
      Array.from({ length: count }, (_, i) => token({ ...ec, kid: `${clock.now}-${i}` })),
    );
    const said = await Promise.all(tokens.map((text) => ask(plugin, text, "", facts)));
    assertEquals([...new Set(said)], [NO]);
  };
  await flood(50);
  assertEquals(issuer.asked, 1);
  clock.now += 29_000;
  await flood(50);
  assertEquals(issuer.asked, 1);
  clock.now += 1000;
  await flood(50);
  assertEquals(issuer.asked, 2);
  assertEquals(await ask(plugin, await token(rsa), "", facts), YES, "who has a good one is not kept out by them");
});

Deno.test("a key server that is down or answers rubbish: 454, told at once for a while, then tried again", async () => {
  const clock = { now: NOW * 1000 };
  const facts = { now: () => clock.now };
  const rubbish: [string, () => Response][] = [
    ["500", () => new Response("down", { status: 500 })],
    ["a redirect", () => Response.redirect("http://127.0.0.1:1/", 302)],
    ["no JSON", () => new Response("<html>")],
    ["no key set", () => Response.json({ keys: "none" })],
    ["too much", () => Response.json({ keys: [], more: "x".repeat(300_000) })],
  ];
  for (const [name, answer] of rubbish) {
    await using issuer = new Issuer(answer);
    const plugin = pluginOf(issuer);
    const text = await token(rsa);
    assertEquals(await ask(plugin, text, "", facts), LATER, name);
    assertEquals(await ask(plugin, text, "", facts), LATER, name);
    assertEquals(issuer.asked, 1, "each login is a request to a server in need");
    issuer.answer = keySet(rsa);
    clock.now += 30_000;
    assertEquals(await ask(plugin, text, "", facts), YES, name);
  }
});

Deno.test("a key server that goes down later: known keys stay good until they are old", async () => {
  const clock = { now: NOW * 1000 };
  const facts = { now: () => clock.now };
  await using issuer = new Issuer(keySet(rsa));
  const plugin = pluginOf(issuer);
  const text = await token(rsa, { exp: NOW + 7200 });
  assertEquals(await ask(plugin, text, "", facts), YES);
  issuer.answer = () => new Response(null, { status: 503 });
  clock.now += 60_000;
  assertEquals(await ask(plugin, await token({ ...ec, kid: "new" }), "", facts), LATER, "it may be a new key");
  assertEquals(await ask(plugin, text, "", facts), YES);
  clock.now += 600_000;
  assertEquals(await ask(plugin, text, "", facts), LATER);
});

Deno.test("a key of the issuer's that cannot be used is no answer, and quotes no token", async () => {
  const { publicJwk } = rsa;
  await using issuer = new Issuer(() => Response.json({ keys: [{ ...publicJwk, n: "AQAB" }] }));
  const { said, reasons } = await login(pluginOf(issuer), "", await token(rsa), { mechanism: "XOAUTH2" });
  assertEquals(said, LATER);
  assertEquals(reasons, ["the issuer's key for this token cannot be used"]);
});

Deno.test("a huge token, and one that is no token by its characters, are not looked at", async () => {
  await using issuer = new Issuer(keySet(rsa));
  const plugin = pluginOf(issuer);
  const started = performance.now();
  for (
    const text of [
      "a".repeat(2_000_000),
      `${await token(rsa)} `,
      "a.b\x01c",
      "=".repeat(1_000_000),
      ".".repeat(1_000_000),
    ]
  ) {
    assertEquals(await ask(plugin, text), NO);
  }
  assert(performance.now() - started < 2000);
  assertEquals(issuer.asked, 0);
});

Deno.test("options: one way to check, and what makes it safe", () => {
  const jwks = "https://id.example.org/keys", issuer = ISSUER, audience = [AUDIENCE];
  const introspection = "https://id.example.org/introspect", clientId = "mail", clientSecret = "secret";
  const table: [Parameters<typeof oauth>[0], string][] = [
    [{}, "name either"],
    [{ jwks, introspection, issuer, audience, clientId, clientSecret }, "name either"],
    [{ jwks, audience }, "issuer"],
    [{ jwks, issuer }, "audience"],
    [{ jwks, issuer, audience, clientSecret }, "clientSecret: is for introspection"],
    [{ introspection, clientId }, "clientSecret: must be named"],
    [{ introspection, clientSecret }, "clientId: must be named"],
    [{ jwks: "http://192.0.2.1/keys", issuer, audience }, "must be https"],
  ];
  for (const [options, message] of table) assertThrows(() => oauth(options), OptionsError, message);
  oauth({ jwks, issuer, audience });
  oauth({ introspection, clientId, clientSecret });
});
