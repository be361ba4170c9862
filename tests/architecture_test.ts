/** Parses every import and holds the house to its plan: imports point one way, and some parts must run anywhere. */
import { assert, assertEquals } from "@std/assert";
import { fromFileUrl, join } from "./support/paths.ts";

const ROOT = fromFileUrl(new URL("../", import.meta.url));

/** Which folders of core a folder may import from, beside itself. */
const BELOW: Readonly<Record<string, readonly string[]>> = {
  std: [],
  packed: [],
  model: [],
  mime: ["model"],
  dkim: ["model"],
  smtp: ["model"],
  dns: ["model"],
  observe: ["model", "std"],
  store: ["model", "packed", "observe", "dns"],
  pipeline: ["model", "mime", "smtp", "dns", "observe", "store"], // of smtp, what is stored of a password
  sandbox: ["model", "packed", "dns", "observe", "store", "pipeline"],
  ledger: ["model", "packed", "dns", "observe", "store"],
  webhooks: ["model", "observe"],
  summary: ["model", "observe", "store", "pipeline", "ledger"],
  queue: ["model", "dns", "observe", "store", "pipeline"],
  dsn: ["model", "mime", "store", "pipeline"],
  auth: ["model", "smtp", "dns", "observe", "store", "pipeline"],
  net: ["model", "smtp", "dns", "observe", "store", "pipeline", "auth"],
  delivery: ["model", "mime", "smtp", "dns", "observe", "store", "pipeline", "queue", "dsn", "net"],
  maildrop: ["model", "smtp", "dns", "observe", "store", "dsn", "net", "config"],
  config: [
    "model",
    "packed",
    "webhooks",
    "smtp",
    "dns",
    "observe",
    "store",
    "pipeline",
    "sandbox",
    "queue",
    "auth",
    "net",
    "delivery",
    "std",
  ],
  edge: ["model", "smtp", "dns", "observe", "store", "pipeline"],
  threads: ["model", "packed", "dkim", "observe", "store", "pipeline", "queue", "net", "config"], // and core/generation.ts, which is the root
  replay: ["model", "smtp", "dns", "observe", "store", "pipeline", "auth", "net", "config"],
  embedded: ["model", "mime", "dns", "observe", "store", "pipeline", "queue", "config"], // and core/server.ts, which is the root
  admin: [
    "model",
    "packed",
    "mime",
    "webhooks",
    "smtp",
    "dns",
    "observe",
    "store",
    "pipeline",
    "ledger",
    "queue",
    "auth",
    "net",
    "delivery",
    "config",
    "std",
  ],
};
/** Nothing but web-standard APIs. */
const ANYWHERE = [
  "core/model/",
  "core/smtp/",
  "core/pipeline/",
  "core/dsn/",
  "core/mime/",
  "core/dkim/",
  "core/edge/",
  "core/dns/doh.ts",
  "core/sandbox/inside/",
  "core/sandbox/host/",
  "core/sandbox/values.ts",
  "core/sandbox/wire.ts",
];
/**
 * Plugins that keep files or read them, and the file through which plugins speak to engines by sockets: what signs reads
 * its keys in one file, what looks places up its databases, the rest of it runs anywhere.
 */
const WITH_SYSTEM = [
  "plugins/storage/",
  "plugins/accounts/",
  "plugins/auth/",
  "plugins/outbound/key_source.ts",
  "plugins/access/geoip/source.ts",
  "plugins/content/engine.ts",
];

interface Source {
  readonly path: string;
  readonly text: string;
  readonly imports: readonly string[];
}

function* files(folder: string): Generator<string> {
  for (const entry of [...Deno.readDirSync(join(ROOT, folder))].sort((a, b) => a.name < b.name ? -1 : 1)) {
    if (entry.name.startsWith(".")) continue; // what a tool made for itself
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory) yield* files(path);
    else if (/\.tsx?$/.test(entry.name)) yield path;
  }
}

/** Static and dynamic imports with a literal, and exports from elsewhere, comments left out. */
function read(path: string): Source {
  const text = Deno.readTextFileSync(join(ROOT, path));
  const code = text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/(^|[^:"'`])\/\/.*$/gm, "$1");
  const pattern = /(?:\bfrom\s*|\bimport\s*\(?\s*|new URL\(\s*)["']([^"']+)["']/g;
  const imports = [...code.matchAll(pattern)].map((match) => match[1]!)
    .map((each) => each.startsWith(".") ? join(path, "..", each) : each);
  return { path, text: code, imports };
}

const written = [...files("plugins")];
/** `postern plugin new` in a checkout: plugins/NAME/mod.ts, where ours are plugins/GROUP/NAME/mod.ts. They are their author's. */
const foreign = written.filter((path) => /^plugins\/[^/]+\/mod\.ts$/.test(path)).map((path) => join(path, ".."));
const ours = written.filter((path) => !foreign.some((folder) => path.startsWith(`${folder}/`)));

const sources = ["mod.ts", "edge.ts", "server.ts", ...files("core"), ...ours, ...files("cli")].map(read);
const folderOf = (path: string): string | undefined => /^core\/([^/]+)\//.exec(path)?.[1];

Deno.test("the test sees the sources it is about", () => {
  for (const name of ["core/smtp/server.ts", "core/pipeline/plugin.ts", "core/net/inbound.ts"]) {
    assert(sources.some((each) => each.path === name), name);
  }
  assert(sources.find((each) => each.path === "core/smtp/server.ts")!.imports.includes("core/model/reply.ts"));
});

Deno.test("imports inside core point one way", () => {
  const wrong: string[] = [];
  for (const { path, imports } of sources) {
    const from = folderOf(path);
    if (from === undefined) continue;
    for (const target of imports.filter((each) => each.startsWith("core/"))) {
      const to = folderOf(target);
      if (to !== undefined && to !== from && !(BELOW[from] ?? []).includes(to)) wrong.push(`${path} -> ${target}`);
    }
    for (const target of imports.filter((each) => /^(?:cli|plugins|tests|bench)\//.test(each))) {
      const registry = from === "config" && target === "plugins/mod.ts";
      if (!registry) wrong.push(`${path} -> ${target}`);
    }
  }
  assertEquals(wrong, []);
});

Deno.test("every folder of core has its place", () => {
  const unknown = new Set(sources.map((each) => folderOf(each.path)).filter((each) => each && !(each in BELOW)));
  assertEquals([...unknown], []);
});

Deno.test("plugins see the pipeline's door and nothing behind it", () => {
  const wrong: string[] = [];
  for (const { path, imports } of sources.filter((each) => /^plugins\/.+\/.+\//.test(each.path))) {
    const own = path.split("/").slice(0, 3).join("/");
    for (const target of imports.filter((each) => /^(?:core|cli|plugins|tests)\//.test(each))) {
      const door = target === "core/pipeline/mod.ts";
      const dkim = /^plugins\/(?:identity|outbound)\//.test(path) && target === "core/dkim/mod.ts";
      const disk = path.startsWith("plugins/storage/") && target === "core/store/durable_write.ts";
      const shared = join(target, "..") === join(own, ".."); // a file of the group: plugins/storage/parsed.ts
      const near = target.startsWith(`${own}/`) || shared || /^plugins\/.+\/key\.ts$/.test(target);
      if (!door && !dkim && !disk && !near) wrong.push(`${path} -> ${target}`);
    }
  }
  assertEquals(wrong, []);
});

Deno.test("what must run anywhere asks no runtime", () => {
  const wrong: string[] = [];
  for (const { path, text, imports } of sources) {
    const anywhere = ANYWHERE.some((each) => path.startsWith(each)) ||
      path.startsWith("plugins/") && path !== "plugins/mod.ts" && !WITH_SYSTEM.some((each) => path.startsWith(each));
    if (!anywhere) continue;
    if (/\bDeno\./.test(text)) wrong.push(`${path}: Deno.`);
    for (const each of imports.filter((name) => name.startsWith("node:"))) wrong.push(`${path}: ${each}`);
  }
  assertEquals(wrong, []);
});

/** Plugins that ask the runtime themselves: for files, sockets, or node's crypto. Every other one runs on an edge too. */
const ASKS_SYSTEM = [
  "plugins/access/geoip",
  "plugins/accounts/address_map",
  "plugins/accounts/recipients",
  "plugins/auth/accounts",
  "plugins/auth/dovecot_auth",
  "plugins/auth/http_auth",
  "plugins/auth/ldap_auth",
  "plugins/auth/oauth",
  "plugins/content/clamav",
  "plugins/content/milter",
  "plugins/content/spamassassin",
  "plugins/outbound/arc_seal",
  "plugins/outbound/dkim_sign",
  "plugins/storage/maildir",
];
/** Packages that need no runtime but the web's own. */
const PORTABLE = ["ipaddr.js", "tldts", "zod"];
const PACKAGES = new Set(Object.keys(JSON.parse(Deno.readTextFileSync(join(ROOT, "deno.json"))).imports));

/** How `entry` comes to ask a runtime, by whatever it imports, types included; one line for each way. */
function askedBy(entry: string): string[] {
  const byPath = new Map(sources.map((each) => [each.path, each])), seen = new Set<string>(), found: string[] = [];
  const visit = (path: string, by: string) => {
    if (seen.has(path)) return;
    seen.add(path);
    const source = byPath.get(path);
    if (source === undefined) return void found.push(`${by} imports ${path}, which is not there`);
    if (/\bDeno\s*[.[?]/.test(source.text)) found.push(`${path} asks Deno`);
    for (const each of source.imports) {
      if (each.startsWith("node:")) found.push(`${path} imports ${each}`);
      else if (/^(?:core|plugins)\/.*\.tsx?$/.test(each)) visit(each, path);
      else if (PACKAGES.has(each) && !PORTABLE.includes(each)) found.push(`${path} imports ${each}`);
    }
  };
  visit(entry, entry);
  return found;
}

Deno.test("nothing that must run anywhere comes to a runtime by what it imports", () => {
  const entries = sources.map(({ path }) => path)
    .filter((path) => ["mod.ts", "edge.ts"].includes(path) || ANYWHERE.some((each) => path.startsWith(each)));
  assert(entries.length > 80);
  assertEquals(entries.flatMap((path) => askedBy(path).map((how) => `${path}: ${how}`)), []);
});

Deno.test("every plugin runs anywhere, by what it imports too, but those that are named here", () => {
  const plugins = sources.map(({ path }) => path).filter((path) => /^plugins\/[^/]+\/[^/]+\/mod\.ts$/.test(path));
  assert(plugins.length > 40);
  const asking = plugins.map((path) => ({ folder: join(path, ".."), how: askedBy(path) }))
    .filter(({ how }) => how.length > 0);
  const surprises = asking.filter(({ folder }) => !ASKS_SYSTEM.includes(folder));
  assertEquals(surprises.flatMap(({ folder, how }) => how.map((each) => `${folder}: ${each}`)), []);
  assertEquals(asking.map(({ folder }) => folder).sort(), ASKS_SYSTEM, "named here, and asks nothing");
});

/** What is one thing and longer than that, with its own bound: raise none without a look at what moved in. */
const LONG: Readonly<Record<string, number>> = { "core/smtp/server.ts": 580 };
const LINES = 450, HEADER = 10;

Deno.test("files say first what they are, in ten lines, and keep to a readable size", () => {
  const wrong: string[] = [];
  for (const { path } of sources) {
    const text = Deno.readTextFileSync(join(ROOT, path));
    const header = /^\/\*\*[\s\S]*?\*\//.exec(text)?.[0];
    if (header === undefined) wrong.push(`${path}: no comment says what it is`);
    else if (/^(?:core|plugins|cli)\//.test(path) && header.split("\n").length > HEADER) {
      wrong.push(`${path}: its header`);
    }
    const lines = text.split("\n").length - 1;
    if (lines > (LONG[path] ?? LINES)) wrong.push(`${path}: ${lines} lines`);
    if (/\/(?:utils?|helpers?|common|misc)\b/.test(path)) wrong.push(`${path}: its name`);
  }
  assertEquals(wrong, []);
});

Deno.test("nothing is left for later, anywhere", () => {
  const all = [...sources.map((each) => each.path), ...files("tests"), ...files("bench"), ...files("examples")];
  const later = new RegExp(["TO" + "DO", "FIX" + "ME", "XX" + "X\\b"].join("|"));
  const unfinished = all.filter((path) =>
    later.test(Deno.readTextFileSync(join(ROOT, path)).replaceAll("XXXXXXXX", ""))
  );
  assertEquals(unfinished, []);
});
