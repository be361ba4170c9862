/**
 * A week of sessions in PostgreSQL: `deno run -A bench/ledger/postgres.ts [--sessions N]`. Starts a server of its own, fills
 * the ledger as a node's thread would, in batches of half a second, and times every kind of question, the median of five.
 * Non-job: files (million.ts), how a cache that is cold does.
 */
import { cpuUsage } from "node:process";
import { parseArgs } from "node:util";
import { PostgresArchive } from "../../core/ledger/postgres/archive.ts";
import type { Verdict } from "../../core/ledger/story.ts";
import { shortId } from "../../core/model/id.ts";
import { PostgresServer } from "../../tests/support/postgres.ts";
import { describeMachine } from "../machine.ts";
import { BUILD } from "../tools.ts";
import { BEGIN, countedOf, lineOf, NOW, queriesOf, WEEK } from "./week.ts";

const { values } = parseArgs({ args: Deno.args, options: { sessions: { type: "string", default: "1000000" } } });
const sessions = Number(values.sessions), BATCH = 100;

await using server = await PostgresServer.start({ settings: { shared_buffers: "256MB", max_wal_size: "2GB" } });
const postgres = await server.database();
const archive = new PostgresArchive({ postgres, keep: null, size: null, redact: "none" }, { size: 1 });
let sample = "", used = 0;
const step = WEEK / sessions, began = performance.now();
for (let i = 0; i < sessions; i += BATCH) {
  const lines: string[] = [], verdicts: Verdict[] = [];
  for (let j = i; j < Math.min(sessions, i + BATCH); j++) {
    const made = lineOf(Math.floor(BEGIN + j * step));
    lines.push(made.lines);
    verdicts.push(made.verdict);
    if (made.verdict === "refused" && sample === "" && j > sessions / 3) sample = made.id;
  }
  lines.push(`c${JSON.stringify(countedOf(Math.floor(BEGIN + i * step), verdicts))}`);
  const before = cpuUsage();
  await archive.write(lines.join("\n"), NOW);
  const { user, system } = cpuUsage(before);
  used += user + system;
}
const seconds = (performance.now() - began) / 1000, { entries, octets } = await archive.size();
console.log(JSON.stringify(describeMachine(BUILD)));
console.log(
  `${entries} entries, ${(octets / 2 ** 20).toFixed(0)} MiB, ${(octets / entries).toFixed(0)} octets each; ` +
    `${(sessions / seconds).toFixed(0)} sessions a second, ${(used / sessions).toFixed(1)} us of CPU of ours each`,
);
const known = (await archive.explain(sample))!;
const deep = (await archive.search({ verdict: "accepted", until: NOW - 5 * 86_400_000, limit: 1 }, NOW)).entries[0]!.id;
const QUESTIONS: readonly (readonly [name: string, ask: () => Promise<unknown>])[] = [
  ...queriesOf({ sample, known, deep }).map(([name, query]) =>
    [`search: ${name}`, () => archive.search(query, NOW)] as const
  ),
  ["explain: by id", () => archive.explain(sample)],
  ["explain: by short id", () => archive.explain(shortId(sample))],
  ["explain: short id of nothing", () => archive.explain("ZZZZZZZZ")],
  ["explain: the session", () => archive.explain(known.session)],
  ["rates: 7 days by the hour", () => archive.rates({ since: BEGIN, until: NOW, step: 3600_000 })],
  ["rates: a day by the minute", () => archive.rates({ since: NOW - 86_400_000, until: NOW, step: 60_000 })],
  ["plugins: 7 days", () => archive.plugins(BEGIN)],
  ["audits", () => archive.audits({ limit: 50 })],
  ["size", () => archive.size()],
];
console.log("| question | found | first, ms | warm, ms |\n| - | -: | -: | -: |");
for (const [name, ask] of QUESTIONS) {
  let count = 0;
  const once = async () => {
    const began = performance.now(), answer = await ask() as { entries?: unknown[] } | unknown[] | null;
    count = Array.isArray(answer)
      ? answer.length
      : Array.isArray(answer?.entries)
      ? answer.entries.length
      : answer
      ? 1
      : 0;
    return performance.now() - began;
  };
  const first = await once(), more: number[] = [];
  for (let i = 0; i < 5; i++) more.push(await once());
  console.log(`| ${name} | ${count} | ${first.toFixed(1)} | ${more.toSorted((a, b) => a - b)[2]!.toFixed(1)} |`);
}
await archive.close();
