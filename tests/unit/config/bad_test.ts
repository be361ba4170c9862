/** Every file in bad/ with the faults that its `# expect` lines promise, in their order, and no others. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { ConfigError, formatIssue } from "../../../core/config/issue.ts";
import { loadConfig } from "../../../core/config/load.ts";

const here = import.meta.dirname!;

/** The comments of a file that begin with `word`. */
function comments(text: string, word: string): string[] {
  return [...text.matchAll(new RegExp(`^# ${word} (.*)$`, "gm"))].map((match) => match[1]!);
}

for (
  const { name } of [...Deno.readDirSync(`${here}/bad`)].filter(({ name }) => name.endsWith(".yaml")).sort((a, b) =>
    a.name < b.name ? -1 : 1
  )
) {
  Deno.test(`bad configuration ${name}: every fault with its place`, async () => {
    const file = `${here}/bad/${name}`;
    const text = await Deno.readTextFile(file);
    const env = Object.fromEntries(comments(text, "env").map((line) => line.split("=") as [string, string]));
    const error = await assertRejects(() => loadConfig({ file, env }), ConfigError);
    const told = error.issues.map((issue) => {
      assertEquals(issue.file, file);
      return formatIssue(issue).slice(file.length + 1);
    });
    const expected = comments(text, "expect").map((line) =>
      line.replaceAll("BASE", `${here}/bad`).replaceAll("FOLDER", here)
    );
    const some = comments(text, "expect-some");
    if (some.length === 0) assertEquals(told, expected);
    for (const place of some) assert(told.some((line) => line.startsWith(`${place}: `)), told.join("\n"));
    for (const secret of Object.values(env)) assert(!error.message.includes(secret), `shows ${secret}`);
  });
}

Deno.test("a file that is not there, and one that is not text, are one clear line", async () => {
  const missing = await assertRejects(() => loadConfig({ file: "nowhere.yaml", env: {}, cwd: here }), ConfigError);
  assertEquals(missing.message, "nowhere.yaml: there is no such file");
  const file = await Deno.makeTempFile();
  try {
    await Deno.writeFile(file, new Uint8Array([0xff, 0xfe, 0x00]));
    const odd = await assertRejects(() => loadConfig({ file, env: {} }), ConfigError);
    assertEquals(odd.message, `${file}: is not UTF-8 text`);
    await Deno.writeTextFile(file, `plugins:\n${"  - inbox\n".repeat(1_000_000)}`); // a minute's work
    const large = await assertRejects(() => loadConfig({ file, env: {} }), ConfigError);
    assertEquals(large.message, `${file}: has 10000009 octets; a configuration may have 1048576`);
  } finally {
    await Deno.remove(file);
  }
});
