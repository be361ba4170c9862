/** Logins by tokens that only their issuer can read (RFC 7662). */
import { assertEquals } from "@std/assert";
import { oauth } from "../../../../../plugins/auth/oauth/mod.ts";
import { LATER, login, NO } from "../login.ts";
import { Issuer, NOW } from "./issuer.ts";

type Options = Partial<Parameters<typeof oauth>[0]>;
const pluginOf = (issuer: Issuer, options: Options = {}) =>
  oauth({ introspection: issuer.url, clientId: "mail server", clientSecret: "p:s/w%d", cache: "0s", ...options });
const ask = async (plugin: ReturnType<typeof oauth>, text: string, user = "", facts = {}) =>
  (await login(plugin, user, text, { mechanism: "XOAUTH2", ...facts })).said;

Deno.test("the issuer is asked as the RFC has it, and its yes is a login", async () => {
  await using issuer = new Issuer(() => Response.json({ active: true, username: "alice" }));
  assertEquals(await ask(pluginOf(issuer), "token/with+odd==", "ALICE"), "yes alice");
  assertEquals(Object.fromEntries(new URLSearchParams(issuer.bodies[0])), {
    token: "token/with+odd==",
    token_type_hint: "access_token",
  });
  // RFC 6749 2.3.1
  assertEquals(issuer.headers[0]!.get("authorization"), `Basic ${btoa("mail+server:p%3As%2Fw%25d")}`);
});

Deno.test("case 38: no is 535, what is neither yes nor no is 454", async () => {
  const base = { active: true, username: "alice", iss: "https://id.example.org", aud: "mail", scope: "smtp" };
  const table: [string, () => Response, string][] = [
    ["good", () => Response.json(base), "yes alice"],
    ["audience in a list", () => Response.json({ ...base, aud: ["x", "mail"] }), "yes alice"],
    ["no issuer named", () => Response.json({ ...base, iss: undefined }), "yes alice"],
    ["not active", () => Response.json({ active: false }), NO],
    ["not active, and all the rest", () => Response.json({ ...base, active: false }), NO],
    ["wrong issuer", () => Response.json({ ...base, iss: "https://evil.example" }), NO],
    ["wrong audience", () => Response.json({ ...base, aud: "calendar" }), NO],
    ["no audience", () => Response.json({ ...base, aud: undefined }), NO],
    ["no scope", () => Response.json({ ...base, scope: "openid" }), NO],
    ["expired", () => Response.json({ ...base, exp: NOW - 31 }), NO],
    ["an end that is no number", () => Response.json({ ...base, exp: "later" }), NO],
    ["not yet", () => Response.json({ ...base, nbf: NOW + 31 }), NO],
    ["another user", () => Response.json({ ...base, username: "bob" }), NO],
    ["no user", () => Response.json({ ...base, username: undefined }), NO],
    ["active as a text", () => Response.json({ ...base, active: "true" }), LATER],
    ["nothing said", () => Response.json({}), LATER],
    ["null", () => Response.json(null), LATER],
    ["a list", () => Response.json([base]), LATER],
    ["our secret is wrong", () => Response.json({ error: "invalid_client" }, { status: 401 }), LATER],
    ["down", () => new Response(null, { status: 503 }), LATER],
    ["too much", () => Response.json({ ...base, more: "x".repeat(70_000) }), LATER],
  ];
  await using issuer = new Issuer(table[0]![1]);
  const plugin = pluginOf(issuer, { issuer: "https://id.example.org", audience: ["mail"], scopes: ["smtp"] });
  for (const [name, answer, said] of table) {
    issuer.answer = answer;
    assertEquals(await ask(plugin, "opaque-token", "alice"), said, name);
  }
});

Deno.test("what it said is kept for a while and never past the token's end; a no is not kept", async () => {
  const clock = { now: NOW * 1000 };
  const facts = { now: () => clock.now };
  const ends: Record<string, number | undefined> = { short: NOW + 20, long: NOW + 3600, endless: undefined };
  await using issuer = new Issuer((body) => {
    const name = new URLSearchParams(body).get("token")!;
    return Response.json(name in ends ? { active: true, username: "alice", exp: ends[name] } : { active: false });
  });
  const plugin = pluginOf(issuer, { cache: "1m", leeway: "0s" });
  const said = async (text: string) => [await ask(plugin, text, "", facts), issuer.asked];
  assertEquals(await said("short"), ["yes alice", 1]);
  assertEquals(await said("short"), ["yes alice", 1]);
  assertEquals(await said("long"), ["yes alice", 2]);
  assertEquals(await said("endless"), ["yes alice", 3]);
  assertEquals(await said("bad-token"), [NO, 4]);
  assertEquals(await said("bad-token"), [NO, 5]);
  clock.now += 20_000;
  assertEquals(await said("short"), [NO, 6]);
  assertEquals(await said("long"), ["yes alice", 6]);
  clock.now += 40_000;
  assertEquals(await said("long"), ["yes alice", 7]);
  assertEquals(await said("endless"), ["yes alice", 8]);
});
