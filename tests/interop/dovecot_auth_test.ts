/** Logins at a real Dovecot: by its socket file and by TCP, while it is killed, stopped and started again. */
import { assert, assertEquals } from "@std/assert";
import { dovecot_auth } from "../../plugins/auth/dovecot_auth/mod.ts";
import { testWith } from "../support/debian.ts";
import { Dovecot } from "../support/dovecot.ts";
import { waitFor } from "../support/wait.ts";
import { LATER, login, NO } from "../unit/plugins/auth/login.ts";

const USERS = { "alice": "correct horse", "bob@example.org": "pässwörd ✓" };
const now = () => Date.now(); // the pauses between attempts pass

testWith(["dovecot"], "Dovecot: right, wrong and unknown, by socket file and by TCP", async () => {
  await using dovecot = await Dovecot.start("maildir:/nonexistent/%u", { users: USERS });
  for (const socket of [dovecot.authSocket, `127.0.0.1:${dovecot.authPort}`]) {
    const plugin = dovecot_auth({ socket }), second = dovecot_auth({ socket });
    const ask = async (user: string, password: string, mechanism = "PLAIN") =>
      (await login(plugin, user, password, { now, mechanism })).said;
    assertEquals(await ask("alice", "correct horse"), "yes alice");
    assertEquals(await ask("ALICE", "correct horse", "LOGIN"), "yes alice");
    assertEquals(await ask("bob@example.org", "pässwörd ✓"), "yes bob@example.org");
    assertEquals(await ask("alice", "wrong horse"), NO);
    assertEquals(await ask("nobody", "correct horse"), NO);
    assertEquals(await ask("alice\tuser=bob@example.org", "correct horse"), NO);
    assertEquals(await ask("alice", "x".repeat(7000)), NO);
    assertEquals((await login(second, "alice", "correct horse", { now })).said, "yes alice", "a second client");
    const many = await Promise.all(
      Array.from({ length: 50 }, (_, i) => ask("alice", i % 2 ? "correct horse" : "wrong horse")),
    );
    assertEquals(many, many.map((_, i) => i % 2 ? "yes alice" : NO));
  }
  const tokens = dovecot_auth({ socket: dovecot.authSocket, mechanisms: ["XOAUTH2"] });
  const { said, reasons } = await login(tokens, "alice", "token-of-alice", { now, mechanism: "XOAUTH2" });
  assertEquals([said, reasons], [LATER, [`Dovecot at ${dovecot.authSocket}: it does not offer XOAUTH2`]]);
  await dovecot.end(); // closes the idle connections
});

testWith(["dovecot"], "Dovecot: ended, started again, killed in the middle of a login, stopped", async () => {
  await using dovecot = await Dovecot.start("maildir:/nonexistent/%u", { users: USERS });
  const plugin = dovecot_auth({ socket: dovecot.authSocket, timeout: "1s" });
  const ask = async () => (await login(plugin, "alice", "correct horse", { now })).said;
  await waitFor("the first login", async () => await ask() === "yes alice"); // its auth process starts when it is asked
  await dovecot.end();
  assertEquals(await ask(), LATER);
  await dovecot.begin();
  await waitFor("a login at the new Dovecot", async () => await ask() === "yes alice");

  const stopped = dovecot.authProcess();
  assert(stopped !== null);
  Deno.kill(stopped, "SIGSTOP");
  const hanging = ask();
  Deno.kill(stopped, "SIGKILL");
  assertEquals(await hanging, LATER);
  await waitFor("a login after the auth process was killed", async () => await ask() === "yes alice");

  const slow = await waitFor("the new auth process", () => dovecot.authProcess());
  Deno.kill(slow, "SIGSTOP");
  assertEquals(await ask(), LATER);
  Deno.kill(slow, "SIGCONT");
  await waitFor("a login after the pause", async () => await ask() === "yes alice");
  await dovecot.end();
});
