/**
 * A week of 1,000,000 sessions: `deno run -A bench/ledger/million.ts [--sessions N] [--reuse]`.
 * Fills the ledger's files as its thread would, then times every kind of question: cold, when neither SQLite nor the kernel
 * has anything of the files in memory, and warm, the median of five. Non-job: what writing costs a server (cost.ts).
 */
import { cpuUsage } from "node:process";
import { parseArgs } from "node:util";
import { Archive } from "../../core/ledger/archive/archive.ts";
import type { Verdict } from "../../core/ledger/story.ts";
import { shortId } from "../../core/model/id.ts";
import { describeMachine } from "../machine.ts";
import { BUILD } from "../tools.ts";
import { BEGIN, countedOf, lineOf, NOW, queriesOf, WEEK } from "./week.ts";

const { values } = parseArgs({
  args: Deno.args,
  options: { sessions: { type: "string", default: "1000000" }, reuse: { type: "boolean", default: false } },
});
const sessions = Number(values.sessions), folder = `${BUILD}/ledger-million`;
const settings = { folder, keep: null, size: null, redact: "none" } as const;

const exists = await Deno.stat(folder).then(() => true, () => false);
let sample = "";
if (!values.reuse || !exists) {
  await Deno.remove(folder, { recursive: true }).catch(() => {});
  await Deno.mkdir(folder, { recursive: true });
  const archive = new Archive(settings);
  let used = 0;
  const batch = 100, step = WEEK / sessions;
  for (let i = 0; i < sessions; i += batch) {
    const lines: string[] = [], verdicts: Verdict[] = [];
    for (let j = i; j < Math.min(sessions, i + batch); j++) {
      const made = lineOf(Math.floor(BEGIN + j * step));
      lines.push(made.lines);
      verdicts.push(made.verdict);
      if (made.verdict === "refused" && sample === "" && j > sessions / 3) sample = made.id;
    }
    lines.push(`c${JSON.stringify(countedOf(Math.floor(BEGIN + i * step), verdicts))}`);
    const text = lines.join("\n"), before = cpuUsage();
    archive.write(text, NOW);
    const { user, system } = cpuUsage(before);
    used += user + system;
  }
  const { entries, octets } = archive.size();
  archive.close();
  console.log(
    `${entries} entries, ${(octets / 2 ** 20).toFixed(0)} MiB, ${(octets / entries).toFixed(0)} octets each, ${
      (used / entries).toFixed(1)
    } us of CPU each`,
  );
}
if (sample === "") {
  const archive = new Archive(settings);
  sample = archive.search({ verdict: "refused", until: BEGIN + WEEK / 3, limit: 1 }, NOW).entries[0]!.id;
  archive.close();
}

const probe = new Archive(settings);
const known = probe.explain(sample)!;
const deep = probe.search({ verdict: "accepted", until: NOW - 5 * 86_400_000, limit: 1 }, NOW).entries[0]!.id;
probe.close();
const QUERIES = queriesOf({ sample, known, deep });
const QUESTIONS: readonly (readonly [name: string, ask: (archive: Archive) => unknown])[] = [
  ...QUERIES.map(([name, query]) => [`search: ${name}`, (archive: Archive) => archive.search(query, NOW)] as const),
  ["explain: by id", (archive) => archive.explain(sample)],
  ["explain: by short id", (archive) => archive.explain(shortId(sample))],
  ["explain: short id of nothing", (archive) => archive.explain("ZZZZZZZZ")],
  ["explain: the session", (archive) => archive.explain(known.session)],
  ["rates: 7 days by the hour", (archive) => archive.rates({ since: BEGIN, until: NOW, step: 3600_000 })],
  ["rates: a day by the minute", (archive) => archive.rates({ since: NOW - 86_400_000, until: NOW, step: 60_000 })],
  ["plugins: 7 days", (archive) => archive.plugins(BEGIN)],
  ["audits", (archive) => archive.audits({ limit: 50 })],
  ["size", (archive) => archive.size()],
];

console.log(JSON.stringify(describeMachine(BUILD)));
console.log("| question | found | cold, ms | warm, ms |\n| - | -: | -: | -: |");
for (const [name, ask] of QUESTIONS) {
  await forgetPages();
  const archive = new Archive(settings, { readOnly: true });
  const found = { count: 0 };
  const once = () => {
    const began = performance.now(), answer = ask(archive) as { entries?: unknown[]; length?: number } | null;
    found.count = Array.isArray(answer)
      ? answer.length
      : answer?.entries instanceof Array
      ? answer.entries.length
      : answer === null
      ? 0
      : 1;
    return performance.now() - began;
  };
  const cold = once(), warm = Array.from({ length: 5 }, once).toSorted((a, b) => a - b)[2]!;
  archive.close();
  console.log(`| ${name} | ${found.count} | ${cold.toFixed(1)} | ${warm.toFixed(1)} |`);
}

/** Makes the kernel forget what it has of the files. */
async function forgetPages(): Promise<void> {
  for await (const { name } of Deno.readDir(folder)) {
    await new Deno.Command("dd", { args: [`if=${folder}/${name}`, "iflag=nocache", "count=0"], stderr: "null" })
      .output();
  }
}
