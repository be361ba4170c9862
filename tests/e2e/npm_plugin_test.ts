/**
 * Plugins from packages: fetched once from a registry, then with no network; with dependencies of their own, without types,
 * and each fault at its line.
 */
import { assert, assertEquals } from "@std/assert";
import { NpmRegistry } from "../support/npm_registry.ts";
import { TempFolder } from "../support/temp.ts";
import { within } from "../support/wait.ts";

const ROOT = new URL("../../", import.meta.url).pathname;

const PACKAGE = {
  name: "@postern-test/greet",
  version: "1.2.3",
  exports: { ".": "./mod.js", "./quiet": "./quiet.js", "./wrong": "./wrong.js", "./imports": "./imports.js" },
  dependencies: { zod: "4.6.7" },
  files: {
    // JavaScript with a dependency of its own; what "postern" has it is given
    "mod.js": `import { z } from "zod";
export default ({ definePlugin, reject }) => definePlugin({
  name: "greet",
  options: z.strictObject({ word: z.string().default("hello").describe("What a friend says.") }),
  create: ({ word }) => ({ helo: (ctx, next) => ctx.helo === word ? next() : reject("5.7.1", "Say " + word) }),
});
`,
    "quiet.js": `export default { name: "quiet", handlers: { mail: (_, next) => next() } };\n`,
    "wrong.js": `export default 42;\n`,
    "imports.js": `import { reject } from "postern";\nexport default reject;\n`,
  },
};

/** Where Deno keeps what it fetched: Postern's own packages are there, and those of the test come beside them. */
async function denoFolders(): Promise<{ readonly denoDir: string; readonly npmCache: string }> {
  const told = await new Deno.Command(Deno.execPath(), { args: ["info", "--json"], stdout: "piped" }).output();
  return JSON.parse(new TextDecoder().decode(told.stdout));
}

Deno.test("plugins of packages: fetched once, at work without a network, and every fault has its line", async () => {
  await using folder = await TempFolder.make();
  const registry = await NpmRegistry.start([PACKAGE]);
  await folder.file(".npmrc", `@postern-test:registry=${registry.url}\n`);
  const { denoDir, npmCache } = await denoFolders();
  await using _fetched = {
    // Deno calls the folder of a registry by what stands behind the last colon of its host
    [Symbol.asyncDispose]: () =>
      Deno.remove(`${npmCache}/${new URL(registry.url).port}`, { recursive: true }).catch(() => {}),
  };
  const postern = async (args: readonly string[], text: string) => {
    await folder.file("postern.yaml", text);
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-lock", `${ROOT}cli/main.ts`, ...args, "--config", "postern.yaml"],
      cwd: folder.path,
      env: { DENO_DIR: denoDir, HOME: folder.path, NO_COLOR: "1" },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const { code, stdout, stderr } = await within(args.join(" "), child.output(), 120_000, () => child.kill("SIGKILL"));
    return { code, out: new TextDecoder().decode(stdout), err: new TextDecoder().decode(stderr) };
  };
  const good = `store: memory
plugins:
  - npm:@postern-test/greet@1.2.3: { word: friend }
  - npm:@postern-test/greet@1.2.3/quiet
  - parallel: [{ npm:@postern-test/greet@1.2.3: {}, as: again }, spf]
  - npm:@postern-test/greet@1.2.3: { word: friend }
    as: boxed
    sandbox: {}
`;
  try {
    const { code, out, err } = await postern(["check"], good);
    assertEquals(code, 0, err);
    assert(/^ {2}greet +\. +x /m.test(out) && /^ {2}quiet /m.test(out) && /^ {2}boxed +\. +x /m.test(out), out);
    assert(registry.requests.includes("/@postern-test/greet/-/1.2.3.tgz"), registry.requests.join());
  } finally {
    await registry[Symbol.asyncDispose]();
  }

  // From here on there is no registry any more
  const facts = ["--ip", "192.0.2.1", "--helo", "stranger", "--from", "a@example.net", "--to", "b@example.org"];
  const tried = await postern(["try", ...facts], good);
  assert(tried.out.includes("550 5.7.1 Say friend"), `${tried.out}${tried.err}`);
  const schema = JSON.parse((await postern(["schema"], good)).out) as {
    $defs: { entry: { anyOf: { properties?: Record<string, { anyOf: { properties: unknown }[] }> }[] } };
  };
  assertEquals(schema.$defs.entry.anyOf[1]!.properties!["npm:@postern-test/greet@1.2.3"]!.anyOf[0]!.properties, {
    word: { default: "hello", description: "What a friend says.", type: "string" },
  });

  const { code, err } = await postern(
    ["check"],
    `plugins:
  - npm:@postern-test/greet@1.2.3: { wrod: friend }
  - npm:@postern-test/greet@1.2.3/wrong: {}
  - npm:@postern-test/greet@1.2.3/imports
  - npm:@postern-test/greet@1.2.3/none
  - npm:@postern-test/absent@1.0.0
  - npm:..
  - npm:@postern-test/greet@1.2.3/quiet: { loud: true }
  - npm:@postern-test/greet@1.2.3: { word: 5 }
    as: boxed
    sandbox: {}
`,
  );
  assertEquals(code, 1);
  const lines = err.split("\n").filter((line) => line.startsWith("postern.yaml:"));
  const expected = [
    ["2:38", 'unknown key; did you mean "word"?'],
    ["3:5", "must export a plugin as its default: export default ({ definePlugin }) => definePlugin({ ... })"],
    ["4:5", 'a package does not import "postern", it is given it'],
    ["5:5", "cannot load npm:@postern-test/greet@1.2.3/none: "],
    ["6:5", '"deno cache npm:@postern-test/absent@1.0.0" fetches it where there is a network'],
    ["7:5", "npm:.. names no package: write npm:NAME@VERSION"],
    ["8:5", '"quiet" takes no options'],
    ["9:44", "must be a string"],
  ] as const;
  assertEquals(lines.length, expected.length, err);
  for (const [at, [place, words]] of expected.entries()) {
    assert(lines[at]!.startsWith(`postern.yaml:${place}: plugins[${at}]`) && lines[at]!.includes(words), lines[at]);
  }
});
