/** What `simulate` and `runPhase` give a plugin that is asked about a login. */
import { assertEquals } from "@std/assert";
import { on, runPhase, simulate, type Simulated } from "postern";

/** Looks the user up in a table; tells what it could see of the secret. */
function directory(stored: string, seen: (string | null)[] = []) {
  return on("auth", async (ctx, next) => {
    seen.push(ctx.credentials.mechanism, ctx.credentials.reveal());
    if (ctx.credentials.user !== "ann") {
      await ctx.credentials.decoy(stored);
      return next();
    }
    if (await ctx.credentials.verify(stored)) ctx.identify("ann");
    return next();
  });
}
const certificate = { fingerprint: "AA:BB", commonName: "ann", emails: [] };
const tls: Simulated["tls"] = { version: "TLSv1.3", cipher: "x", serverName: null, resumed: false, certificate };

Deno.test("a login proves its password, its CRAM-MD5 form or its certificate, as the mechanism has it", async () => {
  const table: readonly [stored: string, facts: Simulated, identity: string | null][] = [
    ["secret", { login: { user: "ann", password: "secret" } }, "ann"],
    ["secret", { login: { user: "ann", password: "Secret" } }, null],
    ["secret", { login: { user: "bob", password: "secret" } }, null],
    ["{CRAM-MD5}secret", { login: { mechanism: "CRAM-MD5", user: "ann", password: "secret" } }, "ann"],
    ["{CRAM-MD5}secret", { login: { user: "ann", password: "secret" } }, null],
    ["SHA256:AA:BB", { tls, login: { mechanism: "EXTERNAL", user: "ann", password: "" } }, "ann"],
    ["SHA256:AA:BC", { tls, login: { mechanism: "EXTERNAL", user: "ann", password: "" } }, null],
    ["SHA256:null", { login: { mechanism: "EXTERNAL", user: "ann", password: "" } }, null],
    ["x", { login: { user: "ann", password: "secret", verify: (stored) => stored === "x" } }, "ann"],
    ["x", { login: { user: "ann", password: "secret", verify: () => Promise.resolve(false) } }, null],
  ];
  for (const [stored, facts, identity] of table) {
    const { identity: found, reply } = await runPhase(directory(stored), "auth", facts);
    assertEquals([found, reply.code], [identity, identity === null ? 535 : 250], JSON.stringify([stored, facts]));
  }
});

Deno.test("only mechanisms that tell the secret reveal it, and a decoy is verified and says no", async () => {
  for (const [mechanism, told] of [["PLAIN", "x"], ["OAUTHBEARER", "x"], ["SCRAM-SHA-256", null], ["EXTERNAL", null]]) {
    const seen: (string | null)[] = [];
    await runPhase(directory("x", seen), "auth", { login: { mechanism: mechanism!, user: "ann", password: "x" } });
    assertEquals(seen, [mechanism!, told!]);
  }
  const asked: string[] = [];
  const verify = (stored: string) => (asked.push(stored), true);
  const { reply } = await simulate([directory("x")], { login: { user: "nobody", password: "x", verify } });
  assertEquals([asked, reply.code], [["x"], 535]);
});
