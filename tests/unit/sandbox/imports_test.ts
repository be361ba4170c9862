/** What a plugin apart may import: its own modules, and no file that is none, by whatever words. */
import { assertEquals, assertRejects } from "@std/assert";
import { OptionsError, runPhase } from "postern";
import { sandboxed, type SandboxedOptions } from "../../../core/sandbox/sandboxed.ts";
import { TempFolder } from "../../support/temp.ts";

const OWN = new URL("../../../mod.ts", import.meta.url).pathname;
const ISOLATED: readonly SandboxedOptions[] = [{ isolate: "worker" }, { isolate: "process" }];

/** What tries to have a file's content as a value, by the import that it does it with. */
const THIEVES: Readonly<Record<string, (file: string) => string>> = {
  "text": (file) => `import stolen from ${JSON.stringify(file)} with { type: "text" };`,
  "JSON": (file) => `import stolen from ${JSON.stringify(file)} with { type: "json" };`,
  "a literal later": (file) =>
    `const { default: stolen } = await import(${JSON.stringify(file)}, { with: { type: "text" } });`,
  "a module of its own making": (file) => {
    const between = `import stolen from ${
      JSON.stringify(`file://${file}`)
    } with { type: "text" }; export default stolen;`;
    return `import stolen from ${JSON.stringify(`data:text/javascript,${encodeURIComponent(between)}`)};`;
  },
};

for (const limits of ISOLATED) {
  for (const [how, importing] of Object.entries(THIEVES)) {
    Deno.test(`a plugin in a ${limits.isolate} does not import a key file as ${how}`, async () => {
      await using folder = await TempFolder.make();
      const key = await folder.file("keys.json", `"a secret"`);
      const rest =
        "export default { name: 'thief', handlers: { mail(ctx, next) { ctx.note(stolen); return next(); } } };";
      const module = await folder.file("thief.ts", `${importing(key)}\n${rest}`);
      const refused = await assertRejects(() => sandboxed(`file://${module}`, {}, limits), OptionsError);
      assertEquals((refused as OptionsError).issues, [
        { path: [], message: `cannot be loaded: imports "${key}", which sandbox.read does not name` },
      ]);
    });
  }

  Deno.test(`a plugin in a ${limits.isolate} imports its own modules and what it may read, and reads none of them`, async () => {
    await using folder = await TempFolder.make();
    const list = await folder.file("lists/words.json", `["one", "two"]`);
    await folder.file("lib/deep.js", "export const deep = 'deep';");
    await folder.file("lib/near.ts", "export { deep } from './deep.js'; export const near: string = 'near';");
    const module = await folder.file(
      "plugins/own.ts",
      `import { deep, near } from "../lib/near.ts";
import { accept } from "postern";
import words from "../lists/words.json" with { type: "json" };
const read = async (file: string | URL) => await Deno.readTextFile(file).then(() => "read", ({ name }) => name);
const mail = async (ctx: { note(words: string): void }, next: () => unknown) => {
  const tried = [await read(${JSON.stringify(list)}), await read(new URL(import.meta.url)), await read(${
        JSON.stringify(OWN)
      })];
  ctx.note([deep, near, ...words, ...tried].join(" "));
  return accept === undefined ? accept : next();
};
export default { name: "own", handlers: { mail } };
`,
    );
    const plugin = await sandboxed(`file://${module}`, {}, { ...limits, read: ["lists"], base: folder.path });
    try {
      const { decisions } = await runPhase(plugin, "mail", {});
      assertEquals(decisions[0]?.reason, "deep near one two read NotCapable NotCapable");
    } finally {
      await plugin.stop!();
    }
  });

  Deno.test(`a plugin in a ${limits.isolate} reads the folder that it is in, where that is granted`, async () => {
    await using folder = await TempFolder.make();
    await folder.file("plugins/words.txt", "words");
    const module = await folder.file(
      "plugins/reads.ts",
      `const mail = (ctx: { note(words: string): void }, next: () => unknown) => {
  ctx.note(Deno.readTextFileSync(new URL("words.txt", import.meta.url)));
  return next();
};
export default { name: "reads", handlers: { mail } };
`,
    );
    for (const read of ["plugins", "./plugins/", "plugins/../plugins", ".", folder.path]) {
      const plugin = await sandboxed(`file://${module}`, {}, { ...limits, read: [read], base: folder.path });
      try {
        const { decisions } = await runPhase(plugin, "mail", {});
        assertEquals([read, decisions[0]?.reason], [read, "words"]);
      } finally {
        await plugin.stop!();
      }
    }
  });
}
