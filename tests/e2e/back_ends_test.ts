/** Logins through the whole server, checked by back ends: what a client is told, and what the log keeps. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { Server } from "../support/server.ts";
import { SmtpClient } from "../support/smtp_client.ts";
import { ISSUER, Issuer, keySet, makeKey, token } from "../unit/plugins/auth/oauth/issuer.ts";

const config = (plugins: string) =>
  `hostname: mx.example.org
domains: [example.org]
postmaster: ops@example.org
listeners:
  - { address: "127.0.0.1:2525", name: logins, tls: off, auth: { withoutTls: true } }
log: { level: debug }
plugins:
${plugins}
  - inbox: { everything: true }
`;
const PASSWORD = "correct-horse-battery";
const plain = (user: string, password: string) => `AUTH PLAIN ${btoa(`\0${user}\0${password}`)}`;

/** One login on a connection of its own: the last reply to it, without the reference that each refusal has. */
async function ask(server: Server, ...commands: string[]): Promise<string> {
  using client = await SmtpClient.ready(server.ports.smtp);
  let said = "";
  for (const each of commands) {
    const { code, lines } = await client.command(each);
    said = `${code} ${lines.join("\n").replace(/ \(ref \w+\)$/, "")}`;
  }
  return said;
}

Deno.test("http_auth through the server: 235, 535, 454, and no password anywhere", async () => {
  let down = false;
  await using service = new Issuer((body) => {
    const { user, password, listener, helo } = JSON.parse(body);
    if (listener !== "logins" || typeof helo !== "string" || down) {
      return new Response(`${password} cannot be checked`, { status: 500 });
    }
    return Response.json(user === "Alice" && password === PASSWORD ? { ok: true, user: "alice" } : { ok: false });
  });
  await using server = await Server.start({
    config: config(`  - { http_auth: { url: "${service.url}" }, roles: [mx] }`),
  });
  assertMatch(await ask(server, plain("Alice", PASSWORD)), /^235 /);
  const wrong = await ask(server, plain("Alice", `${PASSWORD}!`)), unknown = await ask(server, plain("bob", PASSWORD));
  assertMatch(wrong, /^535 5\.7\.8 /);
  assertEquals(unknown, wrong);
  down = true;
  assertMatch(await ask(server, plain("Alice", PASSWORD)), /^454 4\.7\.0 /);
  await server.stop();
  assertMatch(server.output, /alice/, "the log knows who logged in");
  assertMatch(server.output, /answered 500/, "the log knows what is wrong");
  for (const secret of [PASSWORD, btoa(`\0Alice\0${PASSWORD}`)]) assert(!server.output.includes(secret), server.output);
});

Deno.test("oauth through the server: 235, and the mechanism's own words before a 535", async () => {
  const key = await makeKey("ES256", "k1");
  await using issuer = new Issuer(keySet(key));
  await using server = await Server.start({
    config: config(
      `  - { oauth: { jwks: "${issuer.url}", issuer: "${ISSUER}", audience: [mail] }, roles: [mx] }`,
    ),
  });
  const exp = Math.floor(Date.now() / 1000) + 600;
  const good = await token(key, { exp }), old = await token(key, { exp: exp - 1200 });
  const bearer = (text: string) => `AUTH OAUTHBEARER ${btoa(`n,a=alice@example.org,\x01auth=Bearer ${text}\x01\x01`)}`;
  const xoauth2 = (text: string) => `AUTH XOAUTH2 ${btoa(`user=alice@example.org\x01auth=Bearer ${text}\x01\x01`)}`;
  assertMatch(await ask(server, bearer(good)), /^235 /);
  assertMatch(await ask(server, xoauth2(good)), /^235 /);
  assertMatch(atob((await ask(server, bearer(old))).slice(4)), /"status":"invalid_token"/);
  assertMatch(await ask(server, bearer(old), "AQ=="), /^535 5\.7\.8 /);
  assertMatch(await ask(server, xoauth2(old), ""), /^535 5\.7\.8 /);
  await server.stop();
  for (const secret of [good, old, btoa(good).slice(0, 60)]) assert(!server.output.includes(secret));
});

Deno.test("the dev inbox takes every login from this machine, and relays for none", async () => {
  await using server = await Server.start();
  using client = await SmtpClient.ready(server.ports.smtp);
  assertEquals((await client.command(plain("shop", "whatever"))).code, 235);
  const message = new TextEncoder().encode("Subject: x\r\n\r\nx\r\n");
  const reply = await client.deliver({ from: "shop@example.org", to: ["u@foreign.example"], message });
  assertEquals(reply.code, 250);
  const { items } = await server.api.json<{ items: unknown[] }>("/api/v1/queue");
  assertEquals(items, [], "something is to leave the machine");
});
