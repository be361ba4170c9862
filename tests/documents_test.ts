/** Documents lead somewhere: links, headings, files, RFC clauses and numbered decisions that they name are there. */
import { assert, assertEquals } from "@std/assert";
import { fromFileUrl, join } from "./support/paths.ts";

const ROOT = fromFileUrl(new URL("../", import.meta.url));
const text = (path: string): string => Deno.readTextFileSync(join(ROOT, path));

function exists(path: string): boolean {
  try {
    Deno.statSync(join(ROOT, path));
    return true;
  } catch {
    return false;
  }
}
function* below(folder: string, ending: RegExp): Generator<string> {
  for (const entry of Deno.readDirSync(join(ROOT, folder))) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory) yield* below(path, ending);
    else if (ending.test(entry.name)) yield path;
  }
}

const documents = ["README.md", "bench/README.md", ...below("docs", /\.md$/), ...below("examples", /\.md$/)];

/** The anchor that a heading gets. */
function anchor(heading: string): string {
  return heading.toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, "").replaceAll(" ", "-");
}

Deno.test("the documents are found", () => {
  for (const name of ["README.md", "docs/plugins.md", "docs/decisions/dns.md"]) assert(documents.includes(name), name);
});

Deno.test("every link leads to a file, and to a heading in it", () => {
  const broken: string[] = [];
  for (const path of documents) {
    for (const [, target] of text(path).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^https?:/.test(target!)) continue;
      const [file = "", heading] = target!.split("#");
      const to = file === "" ? path : join(path, "..", file);
      const headings = exists(to) && to.endsWith(".md")
        ? [...text(to).matchAll(/^#+ (.*)$/gm)].map((match) => anchor(match[1]!))
        : [];
      if (!exists(to) || heading !== undefined && !headings.includes(heading)) broken.push(`${path}: ${target}`);
    }
  }
  assertEquals(broken, []);
});

Deno.test("every path of the project that a document names is there", () => {
  const missing: string[] = [];
  for (const path of documents) {
    for (const [, named] of text(path).matchAll(/`((?:core|plugins|cli|docs|tests|bench|examples)\/[\w./-]*)`/g)) {
      const built = /^(bench\/(\.build|results)|examples\/\w+\/data\/)/.test(named!);
      if (!built && !exists(named!)) missing.push(`${path}: ${named}`);
    }
  }
  assertEquals(missing, []);
});

Deno.test("docs/rfc.md: each RFC is cited in each place that it is said to be", () => {
  const rows = [...text("docs/rfc.md").matchAll(/^\| ([\d, ]+?) +\| .*? +\| (`.*`) +\|$/gm)];
  assert(rows.length > 15);
  const wrong: string[] = [];
  for (const [, numbers, places] of rows) {
    const read = [...places!.matchAll(/`([^`]+)`/g)].map(([, place]) => ({
      place,
      code: place!.endsWith("/") ? [...below(place!.slice(0, -1), /\.ts$/)].map(text).join("\n") : text(place!),
    }));
    for (const number of numbers!.split(", ")) {
      const cited = read.filter(({ code }) => new RegExp(`RFC ${number}\\b`).test(code));
      if (cited.length === 0) wrong.push(`RFC ${number}`);
    }
    for (const { place, code } of read) {
      if (!numbers!.split(", ").some((number) => code.includes(`RFC ${number}`))) wrong.push(`${place}: ${numbers}`);
    }
  }
  assertEquals(wrong, []);
});

Deno.test("docs/semantics.md: numbered without a gap, and every number that the code cites is there", () => {
  const numbers = [...text("docs/semantics.md").matchAll(/^(\d+)\. /gm)].map((match) => Number(match[1]));
  assertEquals(numbers, numbers.map((_, index) => index + 1));
  const unknown: string[] = [];
  let cited = 0;
  for (const folder of ["core", "plugins", "cli", "tests"]) {
    for (const path of below(folder, /\.ts$/)) {
      for (const [whole, list] of text(path).matchAll(/SEMANTICS((?:,? \d+| to \d+)+|\b)/g)) {
        const named = list!.match(/\d+/g)?.map(Number) ?? [];
        cited += named.length;
        if (
          path !== "tests/documents_test.ts" && (named.length === 0 || !named.every((each) => numbers.includes(each)))
        ) {
          unknown.push(`${path}: ${whole}`);
        }
      }
    }
  }
  assert(cited > 30);
  assertEquals(unknown, []);
});

Deno.test("docs/decisions/dependencies.md: a paragraph for each package", () => {
  const { imports } = JSON.parse(text("deno.json")) as { imports: Record<string, string> };
  const packages = Object.entries(imports).filter(([name, to]) => to.startsWith("npm:") && !name.endsWith("/"))
    .map(([name]) => name);
  const beside = /"npm:(\w+)@/.exec(text("tests/support/workerd.ts"))![1]!; // of one test: see there
  const told = [...text("docs/decisions/dependencies.md").matchAll(/^\*\*(.+?)\*\*/gm)].map((match) => match[1]!);
  assertEquals(told.toSorted(), [...packages, beside].toSorted());
});
