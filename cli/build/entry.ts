/**
 * The modules that are generated for a binary: what it carries, the program around it, the registry with what is named.
 * Pure: texts from values. Non-job: bundling them (bundle.ts), what the words mean (core/packed/contents.ts).
 */
export interface ContentsOptions {
  /** The folder of the sources. */
  readonly root: string;
  readonly permissions: readonly string[];
  readonly leftOut: readonly string[];
  /** Plugins of the operator's own that run in the server, with what a module imports them by. */
  readonly own: readonly { readonly name: string; readonly specifier: string }[];
  /** JavaScript by what it is asked for. */
  readonly threads: ReadonlyMap<string, string>;
  readonly sandboxes: ReadonlyMap<string, string>;
}

/** Says what is carried, before the program's first line. */
export function contentsText({ root, own, permissions, leftOut, threads, sandboxes }: ContentsOptions): string {
  const carried = [
    `permissions: ${JSON.stringify(permissions)}`,
    `leftOut: ${JSON.stringify(leftOut)}`,
    `threads: ${JSON.stringify(Object.fromEntries(threads))}`,
    `sandboxes: ${JSON.stringify(Object.fromEntries(sandboxes))}`,
    `plugins: { ${own.map(({ name }, index) => `${JSON.stringify(name)}: own${index}`).join(", ")} }`,
  ];
  return [
    `import { carry } from ${JSON.stringify(`${root}/core/packed/contents.ts`)};\n`,
    ...own.map(({ specifier }, index) => `import * as own${index} from ${JSON.stringify(specifier)};\n`),
    `carry({\n  ${carried.join(",\n  ")},\n});\n`,
  ].join("");
}

/** The root of a sandbox, as core/sandbox/root.ts has it, with the files of `root`. */
export function rootText(
  root: string,
  { module, exported }: { readonly module: string; readonly exported: string },
): string {
  return [
    `import { serve } from ${JSON.stringify(`${root}/core/sandbox/inside/shim.ts`)};\n`,
    `import ${JSON.stringify(`${root}/core/sandbox/inside/loaded.ts`)};\n`,
    `import * as plugin from ${JSON.stringify(module)};\n`,
    `serve(plugin, ${JSON.stringify(exported)});\n`,
  ].join("");
}

/** The entry: two imports, whose order counts. */
export function entryText(root: string): string {
  return `import "./contents.ts";\nexport { main } from ${JSON.stringify(`${root}/cli/main.ts`)};\n`;
}

/** The same where a plugin awaits at its top level: then the program is a module as it stands. */
export function awaitingEntryText(root: string): string {
  return `import "./contents.ts";\nimport { main } from ${JSON.stringify(`${root}/cli/main.ts`)};\nawait main();\n`;
}

/**
 * A module around a program in CommonJS form, and what is done once it is there. Deno reads every module whole, twice, before it runs it, for what it
 * imports; a text it takes as it is, which saves a third of the start.
 */
export function loaderText(program: string, then = "await module.exports.main();\n"): string {
  // esbuild has no import.meta in this form
  const text = program.replace(/\b(import_meta\d*) = \{\};/g, "$1 = module.meta;");
  const around = `(function (require, module, exports) {${text}\n})`;
  // Only ASCII: a text with other characters takes two octets for each in memory
  const literal = JSON.stringify(around.replace(
    /[^\0-\x7f]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  ));
  return [
    'import { createRequire } from "node:module";\n',
    'import { Script } from "node:vm";\n',
    "const meta = { url: import.meta.url, filename: import.meta.filename, resolve: import.meta.resolve };\n",
    "const module = { exports: {}, meta };\n",
    'const start = new Script(program(), { filename: "postern.js" }).runInThisContext();\n',
    'start(createRequire("file:///postern.js"), module, module.exports);\n',
    then,
    `function program() { return ${literal}; }\n`,
  ].join("");
}

/**
 * plugins/mod.ts with the plugins that are named, and its other exports.
 *
 * @throws {RangeError} when it is not written as that file is.
 */
export function registryText(text: string, names: ReadonlySet<string>, folder: string): {
  readonly text: string;
  readonly leftOut: readonly string[];
} {
  const body = /export const PLUGINS = \{\n([\s\S]*?)\n\}/.exec(text)?.[1];
  if (body === undefined) throw new RangeError("plugins/mod.ts has no PLUGINS");
  const all = body.split("\n").map((line) => {
    const [, name, value] = /^ {2}(\w+)(?:: (\w+))?,$/.exec(line) ?? [];
    if (name === undefined) throw new RangeError(`plugins/mod.ts has a line of another kind: ${line}`);
    return { name, value: value ?? name };
  });
  const kept = all.filter(({ name }) => names.has(name));
  const absolute = (line: string) =>
    line.replace(/ from "\.\//, () => ` from ${JSON.stringify(`${folder}/`).slice(0, -1)}`); // a folder may have a $
  const imports = text.split("\n").filter((line) => {
    const value = /^import \{ (\w+) \} from /.exec(line)?.[1];
    return value !== undefined && kept.some((each) => each.value === value);
  });
  const others = text.split("\n").filter((line) => /^export \{.*\} from /.test(line));
  const entries = kept.map(({ name, value }) => `  ${name}: ${value},\n`).join("");
  return {
    text: [...imports, ...others].map((line) => `${absolute(line)}\n`).join("") +
      `export const PLUGINS = {\n${entries}};\n`,
    leftOut: all.filter(({ name }) => !names.has(name)).map(({ name }) => name),
  };
}
