/** One login from AUTH to its last word: what the client is told, what is counted, what observers hear, what stays. */
import { assert, assertEquals } from "@std/assert";
import { on, type Plugin, reject, SimulatedCounters } from "postern";
import { Authentication, type LoginServices } from "../../../core/auth/authentication.ts";
import type { Attempt } from "../../../core/auth/lockout.ts";
import type { Event } from "../../../core/observe/events.ts";
import { TransactionContext } from "../../../core/pipeline/contexts/transaction_context.ts";
import { Pipeline } from "../../../core/pipeline/pipeline.ts";
import { Challenge } from "../../../core/smtp/events.ts";
import { MECHANISMS, type SaslConnection } from "../../../core/smtp/sasl/mod.ts";
import { deriveScramKeys, formatScramKeys } from "../../../core/smtp/sasl/scram_keys.ts";

const utf8 = new TextEncoder();
const text = (octets: Uint8Array) => new TextDecoder().decode(octets);
const PASSWORD = "correct horse battery";
const KEYS = formatScramKeys(await deriveScramKeys(PASSWORD, { iterations: 4096, salt: new Uint8Array(16) }));

/** Vouches for alice. */
const accounts: Plugin = on("auth", async (ctx, next) => {
  const { credentials } = ctx;
  if (credentials.user !== "alice") await credentials.decoy(KEYS);
  else if (await credentials.verify(KEYS)) ctx.identify("alice");
  return next();
}, { name: "accounts" });

interface Site {
  readonly events: Event[];
  readonly counted: string[];
  readonly context: TransactionContext;
  begin(mechanism: string, initial: string | null): Promise<unknown>;
  login: Authentication;
  /** What happens while somebody waits. */
  sleep(): Promise<void>;
}
function site(
  plugins: readonly Plugin[] = [accounts],
  before: { delay: number } | { refused: string; busy: boolean } = { delay: 0 },
  succeeded?: () => Promise<void>,
): Site {
  const events: Event[] = [], counted: string[] = [];
  const context = new TransactionContext({
    host: { name: "mx.example.org", domains: [], postmaster: null },
    dns: undefined as never,
    counters: new SimulatedCounters(),
    now: () => Date.UTC(2026, 0, 1),
    emit: (event) => void events.push(event),
    commit: () => Promise.resolve(null),
  }, {
    session: "s1",
    role: "submission",
    listener: "l",
    client: { ip: "192.0.2.1", port: 1, tls: null, identity: null },
  });
  let known: Attempt | null = null;
  const count = (word: string) => (attempt: Attempt) => {
    assert(attempt === known, "the attempt that was asked about");
    counted.push(word);
    return Promise.resolve({ delay: 0 });
  };
  const logins: LoginServices = {
    lockout: {
      before: (attempt) => (known = attempt, Promise.resolve(before)),
      failed: (attempt, { exists }) => count(`failed ${exists}`)(attempt),
      succeeded: succeeded ?? (async (attempt) => void await count("succeeded")(attempt)),
      abandoned: async (attempt) => void await count("abandoned")(attempt),
    },
    pseudonym: () => "user#123456",
    sleep: (milliseconds) => milliseconds > 0 ? made.sleep() : Promise.resolve(),
  };
  const connection: SaslConnection = {
    hostname: "mx.example.org",
    certificate: null,
    certificateNames: [],
    bindings: () => new Map(),
    bindingOffered: false,
    passwords: { matches: (password, stored) => Promise.resolve(stored === KEYS && password === PASSWORD) },
    random: (length) => new Uint8Array(length),
  };
  const made: Site = {
    events,
    counted,
    context,
    login: undefined as never,
    sleep: () => Promise.resolve(),
    async begin(name, initial) {
      made.login = new Authentication(MECHANISMS.get(name)!, context, new Pipeline(plugins), logins);
      const answer = await made.login.begin(initial === null ? null : utf8.encode(initial), connection);
      return answer instanceof Challenge ? text(answer.octets) : String(answer);
    },
  };
  return made;
}
const logins = (events: readonly Event[]) => events.flatMap((each) => each.type === "login" ? [each] : []);

Deno.test("a right password: identity, one event with the name, counted once", async () => {
  const { begin, events, counted, context } = site();
  assertEquals(String(await begin("PLAIN", `\0alice\0${PASSWORD}`)), "250 2.0.0 OK");
  assertEquals(context.client.identity, "alice");
  assertEquals(counted, ["succeeded"]);
  assertEquals(logins(events).map(({ user, ok, mechanism }) => [user, ok, mechanism]), [["alice", true, "PLAIN"]]);
});

Deno.test("case 38: a wrong password and an unknown name are told the same, and only the known name is logged", async () => {
  const rows: [string, string, string][] = [
    [`\0alice\0${PASSWORD}x`, "alice", "failed true"],
    [`\0${PASSWORD}\0oops`, "user#123456", "failed false"],
  ];
  for (const [initial, user, word] of rows) {
    const { begin, events, counted, context } = site();
    assertEquals(String(await begin("PLAIN", initial)), "535 5.7.8 Authentication failed");
    assertEquals([context.client.identity, counted], [null, [word]]);
    assertEquals(logins(events).map((each) => each.user), [user]);
    assert(!JSON.stringify(events).includes(PASSWORD), "no secret in any event");
  }
});

Deno.test("case 40: somebody who wants to act for another is refused without a look at the password", async () => {
  const { begin, counted, context } = site();
  assertEquals(String(await begin("PLAIN", `bob\0alice\0${PASSWORD}`)), "535 5.7.8 Authentication failed");
  assertEquals([context.client.identity, counted], [null, ["failed null"]]);
});

Deno.test("a locked-out place is told so, and no plugin is asked", async () => {
  const asked: string[] = [];
  const spy = on("auth", (ctx, next) => (asked.push(ctx.credentials.user), next()));
  const { begin, counted, events } = site([spy, accounts], { refused: "192.0.2.0/24 is locked out", busy: false });
  assert(String(await begin("PLAIN", `\0alice\0${PASSWORD}`)).startsWith("421 4.7.0 "));
  assertEquals([asked, counted], [[], []]);
  assertEquals(logins(events).map(({ reason }) => reason), ["192.0.2.0/24 is locked out"]);
});

Deno.test("a back end that throws, or a full line of checks, is 454 and counts for nobody", async () => {
  const down = on("auth", () => {
    throw new Error("directory down");
  });
  const { begin, counted } = site([down]);
  assert(String(await begin("PLAIN", `\0alice\0${PASSWORD}`)).startsWith("454 4.7.0 "));
  assertEquals(counted, ["abandoned"]);
});

Deno.test("a client that cancels inside SCRAM before its proof is 501, and counts for nobody", async () => {
  const { begin, counted, context } = site();
  const place = site();
  assert(String(await place.begin("SCRAM-SHA-256", "n,,n=alice,r=abcdefgh")).startsWith("r=abcdefgh"));
  await place.login.end();
  assertEquals([place.counted, place.context.client.identity, place.context.credentials], [["abandoned"], null, null]);
  assertEquals(await begin("PLAIN", "no nul at all").then((reply) => String(reply).slice(0, 9)), "501 5.5.2");
  assertEquals([counted, context.client.identity], [[], null]);
});

Deno.test("a plugin's deadline ends a login whose client is silent; what it says then gets the answer", async () => {
  const slow = { ...accounts, policy: { deadline: 20 } };
  const place = site([slow]);
  assert(String(await place.begin("SCRAM-SHA-256", "n,,n=alice,r=abcdefgh")).startsWith("r=abcdefgh"));
  while (place.counted.length === 0) await new Promise((wake) => setTimeout(wake, 5));
  assert(String(await place.login.respond(utf8.encode("c=biws,r=x,p=AAAA"))).startsWith("454 4.7.0 "));
  assertEquals([place.counted, place.context.client.identity], [["abandoned"], null]);
});

Deno.test("a refusal after the vouching leaves nobody logged in", async () => {
  const locked = on("auth", () => reject("5.7.13", "Account disabled", { code: 535 }), { name: "locked" });
  const { begin, context, counted } = site([accounts, locked]);
  assertEquals(String(await begin("PLAIN", `\0alice\0${PASSWORD}`)), "535 5.7.13 Account disabled");
  assertEquals([context.client.identity, counted], [null, ["failed true"]]);
});

Deno.test("a store that fails after the right password is 454, and leaves nobody logged in", async () => {
  const place = site([accounts], { delay: 0 }, () => Promise.reject(new Error("disk full")));
  assert(String(await place.begin("PLAIN", `\0alice\0${PASSWORD}`)).startsWith("454 4.7.0 "));
  assertEquals([place.context.client.identity, logins(place.events)], [null, []]);
});

Deno.test("case 39: who hangs up in the delay before the check is not checked, and who hangs up after it has failed", async () => {
  const asked: string[] = [];
  const slow = on("auth", async (ctx, next) => {
    asked.push(ctx.credentials.user);
    if (await ctx.credentials.verify(KEYS)) ctx.identify("alice");
    await gate.promise;
    return next();
  });
  const gate = Promise.withResolvers<void>();
  const early = site([slow], { delay: 1000 });
  early.sleep = () => (void early.login.end(), Promise.resolve()); // the peer leaves meanwhile
  early.begin("PLAIN", `\0alice\0${PASSWORD}`);
  while (early.counted.length === 0) await new Promise((wake) => setTimeout(wake, 1));
  assertEquals([early.counted, asked], [["abandoned"], []]);

  const late = site([slow]);
  const answer = late.begin("PLAIN", `\0alice\0${PASSWORD}`);
  while (asked.length === 0) await new Promise((wake) => setTimeout(wake, 1));
  const ended = late.login.end();
  gate.resolve();
  await Promise.all([ended, answer]);
  assertEquals([late.counted, late.context.client.identity], [["failed true"], null]);
  assertEquals(logins(late.events).map(({ ok, reason }) => [ok, reason]), [[false, "left before the answer"]]);
});

Deno.test("too many logins under way are 454, for nobody has failed", async () => {
  const { begin } = site([accounts], { refused: "too many logins of the account at once", busy: true });
  assert(String(await begin("PLAIN", `\0alice\0${PASSWORD}`)).startsWith("454 4.7.0 "));
});
