/**
 * Files that a plugin's modules are in: the server's own code, and what the plugin's texts name, from one to the next. It
 * takes more for a name than is one, and only what is a module by its ending: a key file or a configuration is none.
 * Non-job: reading code (Deno does), packages (they lie where Deno keeps them and need no permission).
 */

/** Where code that a plugin imports as `postern` lies. */
const OWN = ["../../mod.ts", "../../edge.ts", "../../server.ts", "../../core", "../../plugins"];
const ENDING = /\.(?:[cm]?[jt]s|[jt]sx|wasm)$/;
/** What begins as the name of a file does, in quotes; what is imported by another name goes through the import map. */
const PATHS = /["'`]((?:\.{1,2}\/|\/|file:\/\/)[^"'`\n\\]{1,1000})["'`]/g;
const NAMES = /\b(?:from|import)[\s(]{0,100}["']([\w@][^"'\n\\]{0,300})["']/g;
/** More files than a plugin has, and longer. */
const MOST = 2000, LONGEST = 4 * 1024 * 1024;

/** Paths that it is to read, as far as this program may read them, and hosts that it comes from. */
export function modulesOf(module: string): { readonly paths: readonly string[]; readonly hosts: readonly string[] } {
  const { protocol, host } = new URL(module);
  if (protocol === "https:" || protocol === "http:") return { paths: ownPaths(), hosts: [host] };
  if (protocol === "jsr:") return { paths: ownPaths(), hosts: ["jsr.io:443"] };
  const own = ownPaths(), found = new Set<string>(), waiting = protocol === "file:" ? [module] : [];
  for (let at = 0; at < waiting.length && found.size < MOST; at++) {
    const url = waiting[at]!, path = pathOf(url);
    if (path === null || found.has(path) || own.some((each) => path.startsWith(`${each}/`))) continue;
    const text = textOf(path);
    if (text === null) continue;
    found.add(path);
    waiting.push(...namedIn(text, url));
  }
  return { paths: [...own, ...found], hosts: [] };
}

function ownPaths(): readonly string[] {
  return OWN.map((each) => pathOf(import.meta.resolve(each))).filter((path) => path !== null).filter(mayRead);
}

/** The path of a file, without its links: that is what a permission is asked for. */
function pathOf(url: string): string | null {
  if (!url.startsWith("file:")) return null;
  const { pathname } = new URL(url);
  try {
    return decodeURIComponent(Deno.build.os === "windows" ? pathname.slice(1) : pathname);
  } catch {
    return null; // no name of a file
  }
}

function mayRead(path: string): boolean {
  return Deno.permissions.querySync({ name: "read", path }).state === "granted";
}

function textOf(path: string): string | null {
  if (!ENDING.test(path) || !mayRead(path)) return null;
  try {
    return Deno.statSync(path).size > LONGEST ? "" : Deno.readTextFileSync(path);
  } catch {
    return null; // it is not there: whoever imports it is told
  }
}

function namedIn(text: string, base: string): string[] {
  const found: string[] = [];
  for (const [, name = ""] of text.matchAll(PATHS)) add(() => new URL(name, base).href);
  for (const [, name = ""] of text.matchAll(NAMES)) add(() => import.meta.resolve(name));
  return found;

  function add(resolved: () => string): void {
    try {
      found.push(resolved());
    } catch {
      // no import
    }
  }
}
