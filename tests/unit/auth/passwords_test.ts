import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import fc from "fast-check";
import { hashPassword, PasswordsBusy, scramOfPassword, ScryptPasswords } from "../../../core/auth/passwords.ts";
import { deriveScramKeys, formatScramKeys } from "../../../core/smtp/sasl/scram_keys.ts";
import { runPhase } from "../../../core/pipeline/testing/simulation.ts";
import { on } from "../../../core/pipeline/mod.ts";

const random = (length: number) => crypto.getRandomValues(new Uint8Array(length));
const base64 = (hex: string) => Uint8Array.fromHex(hex.replace(/\s/g, "")).toBase64({ omitPadding: true });
const text64 = (text: string) => new TextEncoder().encode(text).toBase64({ omitPadding: true });

// RFC 7914 12, those whose cost is within the bounds
const VECTORS: readonly [password: string, stored: string][] = [
  [
    "password",
    `$scrypt$ln=10,r=8,p=16$${text64("NaCl")}$${
      base64(`fd ba be 1c 9d 34 72 00 78 56 e7 19 0d 01 e9 fe 7c 6a d7 cb c8 23 78 30 e7 73 76 63 4b 37 31 62
        2e af 30 d9 2e 22 a3 88 6f f1 09 27 9d 98 30 da c7 27 af b9 4a 83 ee 6d 83 60 cb df a2 cc 06 40`)
    }`,
  ],
  [
    "pleaseletmein",
    `$scrypt$ln=14,r=8,p=1$${text64("SodiumChloride")}$${
      base64(`70 23 bd cb 3a fd 73 48 46 1c 06 cd 81 fd 38 eb fd a8 fb ba 90 4f 8e 3e a9 b5 43 f6 54 5d a1 f2
        d5 43 29 55 61 3f 0f cf 62 d4 97 05 24 2a 9a f9 e6 1e 85 dc 0d 65 1e 40 df cf 01 7b 45 57 58 87`)
    }`,
  ],
];

Deno.test("scrypt as RFC 7914 has it", async () => {
  const passwords = new ScryptPasswords();
  for (const [password, stored] of VECTORS) {
    assertEquals(await passwords.matches(password, stored), true);
    assertEquals(await passwords.matches(`${password} `, stored), false);
    assertEquals(await passwords.matches("", stored), false);
  }
});

Deno.test("SCRAM keys check a password that is told, too", async () => {
  const passwords = new ScryptPasswords();
  // RFC 7677 3
  const keys = await deriveScramKeys("pencil", {
    iterations: 4096,
    salt: Uint8Array.fromBase64("W22ZaJ0SNY7soEsUEjb6gQ=="),
  });
  assertEquals(await passwords.matches("pencil", formatScramKeys(keys)), true);
  assertEquals(await passwords.matches("Pencil", formatScramKeys(keys)), false);
  assertMatch(await scramOfPassword("pencil", { random }), /^SCRAM-SHA-256\$15000:/);
});

Deno.test("a stored form that is none fits nothing, at once", async () => {
  const passwords = new ScryptPasswords({ running: 1, waiting: 0 });
  const running = passwords.matches("x", VECTORS[1]![1]);
  for (
    const stored of ["", "x", "{CRAM-MD5}x", "$scrypt$ln=22,r=8,p=1$AAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA", "SHA256:AA"]
  ) assertEquals(await passwords.matches("x", stored), false, stored); // and takes no place in line
  await running;
});

Deno.test("property: a password fits what was stored of it, in both forms, and no other password does", async () => {
  const passwords = new ScryptPasswords();
  const password = fc.oneof(fc.string({ unit: "grapheme", maxLength: 80 }), fc.string({ maxLength: 20 }));
  await fc.assert(
    fc.asyncProperty(password, password, async (right, wrong) => {
      for (const stored of [await hashPassword(right, { random }), await scramOfPassword(right, { random })]) {
        assertEquals(await passwords.matches(right, stored), true);
        assertEquals(await passwords.matches(wrong, stored), wrong === right);
      }
    }),
    { numRuns: 6 },
  );
});

Deno.test("the thread goes on while a password is checked", async () => {
  const passwords = new ScryptPasswords();
  for (
    const stored of [
      `$scrypt$ln=16,r=8,p=1$${text64("SodiumChloride")}$${text64("0123456789abcdef")}`,
      `SCRAM-SHA-256$1000000:${text64("saltsaltsalt")}$${"A".repeat(43)}=:${"A".repeat(43)}=`,
    ]
  ) {
    let turns = 0, done = false;
    const checking = passwords.matches("x", stored).finally(() => done = true);
    while (!done) { // a check on this thread would leave one turn
      turns++;
      await new Promise((next) => setTimeout(next));
    }
    assertEquals(await checking, false);
    assert(turns > 10, `${turns} turns`);
  }
});

Deno.test("what was right is known for a while, what was wrong never, and another stored form is another question", async () => {
  let now = 0;
  const stored = await hashPassword("right", { random }), other = await hashPassword("left", { random });
  const passwords = new ScryptPasswords({ running: 1, waiting: 0, remember: 1000, now: () => now });
  // One check runs: whatever needs a place of its own is refused
  const asked = async (password: string, form: string) => {
    const busy = passwords.matches(`busy ${now}`, VECTORS[1]![1]);
    try {
      return await passwords.matches(password, form);
    } catch (error) {
      assert(error instanceof PasswordsBusy);
      return "busy";
    } finally {
      await busy;
    }
  };
  assertEquals(await asked("right", stored), "busy");
  assertEquals(await passwords.matches("right", stored), true);
  assertEquals(await passwords.matches("wrong", stored), false);
  assertEquals(await asked("right", stored), true);
  assertEquals(await asked("wrong", stored), "busy");
  assertEquals(await asked("right", other), "busy", "the password was changed");
  now = 999;
  assertEquals(await asked("right", stored), true);
  now = 1000;
  assertEquals(await asked("right", stored), "busy");
  const forgetful = new ScryptPasswords({ running: 1, waiting: 0, remember: 0 });
  assertEquals(await forgetful.matches("right", stored), true);
  const busy = forgetful.matches("x", stored);
  await assertRejects(() => forgetful.matches("right", stored), PasswordsBusy);
  await busy;
});

Deno.test("who asks the same at the same time takes one place", async () => {
  const passwords = new ScryptPasswords({ running: 1, waiting: 0 });
  const [stored] = VECTORS.map((each) => each[1]);
  const answers = await Promise.all(Array.from({ length: 50 }, () => passwords.matches("password", stored!)));
  assertEquals(answers, Array(50).fill(true));
});

Deno.test("case 38: beyond the bound the client is told to come again, 454 4.7.0", async () => {
  const passwords = new ScryptPasswords({ running: 2, waiting: 4 });
  const plugin = on("auth", async (ctx, next) => {
    if (await ctx.credentials.verify(VECTORS[0]![1].replace("NaCl", ctx.credentials.user))) ctx.identify("ann");
    return next();
  });
  const login = async (n: number) => {
    const stored = VECTORS[1]![1].replace(/[^$]+$/, text64(`${n}`.padStart(16)));
    const verify = () => passwords.matches("wrong", stored);
    return (await runPhase(plugin, "auth", { login: { user: "ann", password: "wrong", verify } })).reply;
  };
  const replies = await Promise.all(Array.from({ length: 10 }, (_, n) => login(n)));
  assertEquals(replies.filter(({ code }) => code === 535).length, 6);
  const busy = replies.filter(({ code }) => code !== 535).map(String);
  assertEquals(busy, Array(4).fill("454 4.7.0 Temporary authentication failure"));
  assertEquals((await login(99)).code, 535);
});
