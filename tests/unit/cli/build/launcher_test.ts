/**
 * The launcher around small programs of the system in Deno's place: words, modules, damage. What it does with a real Deno is
 * in tests/e2e/binary_test.ts.
 */
import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { digestOf, join } from "../../../../cli/build/joined.ts";
import { LAUNCHERS, SOURCE } from "../../../../cli/build/launcher/objects.ts";
import { movable, type Target, targetOf, TARGETS } from "../../../../cli/build/target.ts";
import { programOf, testUnless } from "../../../support/debian.ts";
import { TempFolder } from "../../../support/temp.ts";

const TARGET = TARGETS.find((each) => each.startsWith(Deno.build.arch))!;
const LAUNCHER = new URL("../../../../cli/build/launcher/", import.meta.url).pathname;
const utf8 = new TextEncoder();

interface Parts {
  readonly program: string;
  readonly words?: readonly string[];
  readonly modules?: readonly string[];
  readonly launchers?: Readonly<Record<Target, string>>;
}

function joined({ program, words = [], modules = [], launchers = LAUNCHERS }: Parts): Uint8Array<ArrayBuffer> {
  const deno = Deno.readFileSync(program);
  return join({ target: TARGET, deno, words, modules: modules.map((each) => utf8.encode(each)) }, launchers);
}

async function made(folder: TempFolder, octets: Uint8Array): Promise<string> {
  const path = folder.at(`joined-${crypto.randomUUID()}`);
  await Deno.writeFile(path, octets, { mode: 0o755 });
  return path;
}

async function run(path: string, args: readonly string[] = [], options: Deno.CommandOptions = {}) {
  const { code, stdout, stderr } = await new Deno.Command(path, { args: [...args], ...options }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, out: text(stdout), err: text(stderr) };
}

async function works(folder: TempFolder, launchers: Readonly<Record<Target, string>>): Promise<void> {
  const echo = await made(
    folder,
    joined({ program: "/bin/echo", words: ["run", "--a=@{exe}", "@{0}", "@{1}"], modules: ["a", "b"], launchers }),
  );
  const first = (await run(echo, ["x", "", "@{0}"])).out;
  assertEquals(first, `run --a=${Deno.realPathSync(echo)} /proc/self/fd/64 /proc/self/fd/65 x  @{0}\n`);
  assertEquals(
    (await run(echo, ["--deno", "own", "@{0}"])).out,
    "own /proc/self/fd/64\n",
    "and none of the baked words",
  );

  const long = "x".repeat(300_000);
  const cat = await made(
    folder,
    joined({ program: "/bin/cat", words: ["@{0}", "@{2}", "@{1}"], modules: ["one\n", `${long}\n`, ""], launchers }),
  );
  assertEquals((await run(cat)).out, `one\n${long}\n`);

  const env = await made(folder, joined({ program: "/usr/bin/env", launchers }));
  const theirs = { DENO_DIR: "/tmp", DENO_V8_FLAGS: "x", A: "b", NODE_OPTIONS: "--require /tmp/x.cjs" };
  const hostile = { DENO_PERMISSION_BROKER_PATH: "/tmp/x", DENO_AUDIT_PERMISSIONS: "/tmp/x", NODE_CHANNEL_FD: "1" };
  const variables = (await run(env, [], { clearEnv: true, env: { ...theirs, ...hostile } })).out;
  assertEquals(
    variables.trim().split("\n").sort(),
    ["A=b", "DENO_DIR=/dev/null/none", "DENO_NO_UPDATE_CHECK=1", "DENO_V8_FLAGS=x"],
  );

  await Deno.mkdir(folder.at("a,b"), { recursive: true });
  const comma = folder.at("a,b/c,d");
  await Deno.copyFile(echo, comma);
  assertEquals((await run(comma)).out, `run --a=${comma.replaceAll(",", ",,")} /proc/self/fd/64 /proc/self/fd/65\n`);
  const octets = (text: string) => run("/bin/sh", ["-c", `exec "$0" "$(printf '${text}')"`, echo]);
  for (const text of ["\\342\\202\\254", "\\360\\237\\230\\200", "\\355\\237\\277", "\\303\\237x"]) {
    assertEquals((await octets(text)).code, 0, text);
  }
  for (const text of ["\\377", "a\\300\\200", "\\355\\240\\200", "\\342\\202", "\\364\\220\\200\\200"]) {
    assertMatch(
      (await octets(text)).err,
      /^postern: \/.* cannot start: a word of its command line is no text in UTF-8/,
    );
  }

  const shell = await made(folder, joined({ program: "/bin/sh", launchers }));
  await Deno.symlink(shell, folder.at("sendmail"));
  assertEquals((await run(folder.at("sendmail"), ["-c", "exit 7"])).code, 7, "its exit code is the program's");
  const name = await run("/bin/sh", [
    "-c",
    `exec ${folder.at("sendmail")} -c 'tr "\\0" "\\n" < /proc/$$/cmdline | head -n 1'`,
  ]);
  assertEquals(name.out, `${folder.at("sendmail")}\n`, "the name that it was called by");
  await Deno.remove(folder.at("sendmail"));

  // Descriptors that somebody handed over keep their numbers: the modules make room
  const handed = await run("/bin/bash", ["-c", `exec 65</dev/null; exec ${echo}`]);
  if (programOf("bash") !== null) assertMatch(handed.out, /fd\/66 \/proc\/self\/fd\/67\n$/);
}

Deno.test("what is joined gets its words, its modules and the caller's arguments, and nothing of a cache", async () => {
  await using folder = await TempFolder.make();
  await works(folder, LAUNCHERS);
});

Deno.test("a file that lost an octet, or has another one anywhere, says so and does not run", async () => {
  await using folder = await TempFolder.make();
  const whole = joined({ program: "/bin/echo", words: ["yes"], modules: ["let a = 1;\n"] });
  assertEquals((await run(await made(folder, whole))).out, "yes\n");
  for (const length of [whole.length - 1, whole.length >> 1, 70_000]) {
    const { code, out, err } = await run(await made(folder, whole.slice(0, length)));
    assertEquals([code, out], [1, ""]);
    assertMatch(
      err,
      new RegExp(`^postern: /\\S+ is damaged: it has ${length} octets, and was made with ${whole.length}; `),
    );
  }
  const longer = new Uint8Array(whole.length + 1);
  longer.set(whole);
  assertMatch((await run(await made(folder, longer))).err, /is damaged: it has/);
  // Behind the launcher every octet counts: padding, Deno, words, table, modules
  const places = [40_000, 65_536, 65_600, whole.length >> 1, whole.length - 100, whole.length - 9, whole.length - 1];
  for (const place of places) {
    for (const bit of [1, 0x80]) {
      const damaged = whole.slice();
      damaged[place]! ^= bit;
      const { code, out, err } = await run(await made(folder, damaged));
      assertEquals([code, out], [1, ""], `${place}`);
      assertMatch(err, /^postern: \/\S+ is damaged: its contents are not those it was made with; /);
    }
  }
  const bare = await run(await made(folder, Uint8Array.fromBase64(LAUNCHERS[TARGET].replace(/\s/g, ""))));
  assertMatch(bare.err, /holds no Deno: it is the bare launcher\n$/);
});

Deno.test("the digest tells any one changed octet from the whole", () => {
  const file = new Uint8Array(1000).map((_, index) => index * 7), whole = digestOf(file);
  for (let place = 0; place < file.length; place++) {
    file[place]! ^= 1 << (place & 7);
    assert(digestOf(file) !== whole, `${place}`);
    file[place]! ^= 1 << (place & 7);
  }
  assertEquals(digestOf(file), whole);
});

Deno.test("what cannot start says why: a program for another processor, no program, no files left", async () => {
  await using folder = await TempFolder.make();
  const echo = Deno.readFileSync("/bin/echo"), other = echo.slice();
  new DataView(other.buffer).setUint16(18, 8, true); // MIPS
  for (const program of [other, utf8.encode("#!/bin/sh\n".padEnd(5000))]) {
    const { code, err } = await run(
      await made(folder, join({ target: TARGET, deno: program, words: [], modules: [] })),
    );
    assertEquals(code, 1);
    assertMatch(err, /cannot start: the Deno inside is not one for this machine/);
  }
  const path = await made(folder, joined({ program: "/bin/echo", modules: ["x"] }));
  const { code, err } = await run("/bin/sh", ["-c", `ulimit -n 20; exec ${path}`]);
  assertEquals(code, 1);
  assertMatch(err, /too few files may be open for its modules/);
  assertThrows(() => joined({ program: "/bin/echo", words: ["a\0b"] }), RangeError, "NUL");
});

Deno.test("programs are told apart by what they are made for", () => {
  const echo = Deno.readFileSync("/bin/echo");
  assertEquals(targetOf(echo), TARGET);
  assertEquals(movable(echo), true);
  const rows: [Uint8Array<ArrayBuffer>, Target | null][] = [
    [utf8.encode("#!/bin/sh\n"), null],
    [new Uint8Array(0), null],
    [new Uint8Array(200), null],
    ...TARGETS.map((each): [Uint8Array<ArrayBuffer>, Target] => [
      Uint8Array.fromBase64(LAUNCHERS[each].replace(/\s/g, "")),
      each,
    ]),
  ];
  for (const [program, target] of rows) assertEquals(targetOf(program), target);
  assertEquals(movable(rows.at(-1)![0]), false, "the launcher itself stands at a fixed place");
});

Deno.test("the objects are those of the source", async () => {
  const texts = ["launcher.c", "launcher.ld", "make"].map((name) => Deno.readTextFileSync(LAUNCHER + name)).join("");
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", utf8.encode(texts))).toHex();
  assertEquals(SOURCE, digest, "build them anew: cli/build/launcher/make --objects");
});

const GCC = `/usr/bin/${Deno.build.arch}-linux-gnu-gcc`;
const missing = await Deno.stat(GCC).then(() => null, () => `${GCC}: apt-get install gcc`);
testUnless(missing, "a launcher that is built here from its source works as the one that is kept", async () => {
  await using folder = await TempFolder.make();
  const { code, err } = await run(`${LAUNCHER}make`, [folder.path]);
  assertEquals(code, 0, err);
  const object = Deno.readFileSync(folder.at(`launcher-${Deno.build.arch}`));
  await works(folder, { ...LAUNCHERS, [TARGET]: object.toBase64() });
});
