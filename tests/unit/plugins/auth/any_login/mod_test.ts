/** Everybody may log in, from here; and that opens nothing. */
import { assertEquals } from "@std/assert";
import { on } from "../../../../../core/pipeline/mod.ts";
import { simulate } from "../../../../../core/pipeline/testing/simulation.ts";
import { relay } from "../../../../../plugins/access/relay/mod.ts";
import { any_login, UNPROVEN } from "../../../../../plugins/auth/any_login/mod.ts";
import { login, NO } from "../login.ts";

const LOCAL = { ip: "127.0.0.1" };

Deno.test("every user and every password from this machine, and from networks that are named", async () => {
  const here = any_login(), wider = any_login({ networks: ["10.0.0.0/8"] });
  const table: [ReturnType<typeof any_login>, string, string, string][] = [
    [here, "127.0.0.1", "PLAIN", "yes shop"],
    [here, "127.8.9.1", "LOGIN", "yes shop"],
    [here, "::1", "XOAUTH2", "yes shop"],
    [here, "::1", "OAUTHBEARER", "yes shop"],
    [here, "10.0.0.1", "PLAIN", NO],
    [here, "192.0.2.1", "PLAIN", NO],
    [wider, "10.0.0.1", "PLAIN", "yes shop"],
    [wider, "127.0.0.1", "PLAIN", "yes shop"],
    [wider, "11.0.0.1", "PLAIN", NO],
    [here, "127.0.0.1", "SCRAM-SHA-256", NO],
    [here, "127.0.0.1", "CRAM-MD5", NO],
    [here, "127.0.0.1", "EXTERNAL", NO],
  ];
  for (const [plugin, ip, mechanism, said] of table) {
    assertEquals((await login(plugin, "shop", "any", { ip, mechanism })).said, said, `${ip} ${mechanism}`);
  }
  assertEquals((await login(here, "", "token", { ...LOCAL, mechanism: "OAUTHBEARER" })).said, "yes anybody");
  assertEquals((await login(here, "a\nb", "", LOCAL)).said, "yes anybody");
  assertEquals([here.roles, here.mechanisms], [["mx", "submission"], ["PLAIN", "LOGIN", "OAUTHBEARER", "XOAUTH2"]]);
});

Deno.test("such a login opens no relay, in whatever order and under whatever name; another one does", async () => {
  const facts = { ...LOCAL, login: { user: "eve", password: "any" }, to: "u@foreign.example" };
  for (const out of [relay(), relay.parse({}, [], { name: "out" })]) {
    for (const list of [[any_login(), out], [out, any_login()]]) {
      const { reply, recipients, identity } = await simulate(list, facts);
      assertEquals([identity, reply.code, reply.status, recipients.length], ["eve", 550, "5.7.1", 0]);
    }
  }
  const vouches = on("auth", (ctx, next) => (ctx.identify("alice"), next()));
  for (const list of [[vouches, relay()], [vouches, any_login(), relay()]]) {
    const { identity, recipients } = await simulate(list, facts);
    assertEquals([identity, recipients[0]?.route], ["alice", { to: "remote" }]);
  }
  const { recipients } = await simulate([any_login(), relay({ networks: ["127.0.0.1"] })], facts);
  assertEquals(recipients.length, 1, "a network that is named is another matter");
});

Deno.test("who was vouched for in earnest stays so; the key marks who was not", async () => {
  const marks: unknown[] = [];
  const reads = on("mail", (ctx, next) => (marks.push(ctx.get(UNPROVEN)), next()));
  const facts = { ...LOCAL, login: { user: "eve", password: "any" }, to: "u@example.org" };
  const vouches = on("auth", (ctx, next) => (ctx.identify("alice"), next()));
  await simulate([vouches, any_login(), reads], facts);
  await simulate([any_login(), reads], facts);
  assertEquals(marks, [undefined, true]);
});

Deno.test("networks are told to the operator", () => {
  const troubles: string[] = [];
  const trouble = (message: string) => void troubles.push(message);
  any_login.parse({}, [], { trouble });
  assertEquals(troubles, []);
  any_login.parse({ networks: ["10.0.0.0/8", "fd00::/8"] }, [], { trouble });
  assertEquals(troubles, ["takes every password from 10.0.0.0/8, fd00::/8; that is for development only"]);
});
