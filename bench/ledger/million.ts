/**
 * A week of 1,000,000 sessions: `deno run -A bench/ledger/million.ts [--sessions N] [--reuse]`.
 * Fills the ledger's files as its thread would, then times every kind of question: cold, when neither SQLite nor the kernel
 * has anything of the files in memory, and warm, the median of five. Non-job: what writing costs a server (cost.ts).
 */
import { cpuUsage } from "node:process";
import { parseArgs } from "node:util";
import { Archive } from "../../core/ledger/archive/archive.ts";
import type { Head, MessagePart, SessionPart } from "../../core/ledger/codec.ts";
import type { LedgerQuery } from "../../core/ledger/ledger.ts";
import type { Verdict } from "../../core/ledger/story.ts";
import { COMMIT_BOUNDS, DELAY_BOUNDS } from "../../core/ledger/ledger.ts";
import type { Counted } from "../../core/ledger/recording/tally.ts";
import { newId, shortId } from "../../core/model/id.ts";
import { describeMachine } from "../machine.ts";
import { BUILD } from "../tools.ts";

const { values } = parseArgs({
  args: Deno.args,
  options: { sessions: { type: "string", default: "1000000" }, reuse: { type: "boolean", default: false } },
});
const sessions = Number(values.sessions), folder = `${BUILD}/ledger-million`;
const WEEK = 7 * 86_400_000, NOW = Date.UTC(2026, 10, 30), BEGIN = NOW - WEEK;
const settings = { folder, keep: null, size: null, redact: "none" } as const;

/** Numbers that are the same in every run. */
let seed = 42;
function random(below: number): number {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
  return Math.floor(seed / 2 ** 32 * below);
}
/** A few are asked for often, most seldom. */
const skewed = (below: number) => Math.floor((random(1e6) / 1e6) ** 3 * below);

const PLUGINS = ["dnsbl", "spf", "dmarc", "spam_score", "rate_limit", "helo", "recipients"];
const REASONS = [
  "listed on bl.example.org",
  "fail for the sender's domain",
  "p=reject",
  "14.5 points, refusal starts at 12",
];

function lineOf(at: number): { readonly lines: string; readonly verdict: Verdict; readonly id: string } {
  const session = `s${newId(at)}`, lot = random(100), plugin = PLUGINS[skewed(PLUGINS.length)]!;
  const verdict: Verdict = lot < 55
    ? "accepted"
    : lot < 80
    ? "refused"
    : lot < 88
    ? "deferred"
    : lot < 90
    ? "held"
    : lot < 92
    ? "abandoned"
    : "none";
  const ip = random(10) === 0
    ? `2001:db8:${random(500).toString(16)}:${random(16).toString(16)}::${(random(4000) + 1).toString(16)}`
    : `${20 + skewed(180)}.${random(256)}.${skewed(256)}.${1 + random(254)}`;
  const sender = `user${skewed(60_000)}@example${skewed(8000)}.net`,
    isRefused = verdict === "refused" || verdict === "deferred";
  const recipients = Array.from(
    { length: random(10) === 0 ? 3 : 1 },
    () => `person${skewed(800)}@dept${skewed(6)}.example.org`,
  );
  const reason = isRefused || verdict === "held" ? REASONS[random(REASONS.length)]! : "";
  const reply = isRefused
    ? `${verdict === "refused" ? "550 5.7.1 Refused" : "451 4.7.1 Come back later"} for ${plugin}`
    : null;
  const observed = random(50) === 0 ? "refused" as const : null;
  const helo = `mail${random(20)}.example${skewed(8000)}.net`;
  const steps = ["dnsbl", "helo", "spf", "recipients", "dkim", "dmarc", "spam_score", "inbox"].map((
    name,
    i,
  ): MessagePart[0][number] => ["data", name, "next", "nothing to say against it", i * 900, 350, {
    facts: [[name, "pass for example.net"]],
  }]);
  const none = verdict === "none";
  const id = none ? session : newId(at + 1);
  const head: Head = [
    id,
    session,
    verdict,
    ip,
    helo,
    "0.0.0.0:25",
    "mx",
    "TLSv1.3",
    null,
    none ? null : sender,
    none ? [] : recipients,
    none ? 0 : recipients.length,
    verdict === "accepted" ? 5000 + random(90_000) : null,
    none ? null : `<${id}@example.net>`,
    reason === "" ? null : plugin,
    reason === "" ? null : "data",
    reply,
    reason,
    3000,
    0,
    observed,
    observed === null ? [] : ["greylist"],
    null,
  ];
  const ended: SessionPart = [[], false, [], [], 1.2, "quit", "TLS_AES_256_GCM_SHA384", null];
  if (none) return { lines: `e${JSON.stringify(head)}\t${JSON.stringify(ended)}`, verdict, id };
  const part: MessagePart = [steps, false, [], [], verdict === "accepted" ? 4000 : null];
  const own: Head = [...head];
  own[0] = session;
  own[9] = null;
  own[10] = [];
  let lines = `e${JSON.stringify(head)}\t${JSON.stringify(part)}\ns${JSON.stringify(own)}\t${JSON.stringify(ended)}`;
  if (verdict === "accepted" && random(4) === 0) {
    const attempt = [
      "attempt",
      at + 500,
      recipients[0],
      "delivered",
      "mx.example.org[192.0.2.1]:25",
      "250 2.0.0 ok",
      "2.0.0",
      null,
      1,
      null,
      sender,
    ];
    lines += `\nl${id}\t${JSON.stringify(attempt)}`;
  }
  return { lines, verdict, id };
}

function countedOf(at: number, verdicts: readonly Verdict[]): Counted {
  const count = (verdict: Verdict) => verdicts.filter((each) => each === verdict).length;
  const accepted = count("accepted");
  return {
    at,
    counts: [
      verdicts.length,
      accepted,
      count("held"),
      count("refused"),
      count("deferred"),
      accepted * 9000,
      accepted,
      0,
      0,
    ],
    commit: [...COMMIT_BOUNDS, 0].map((_, i) => i === 3 ? accepted : 0),
    delay: [...DELAY_BOUNDS, 0].map((_, i) => i === 1 ? accepted : 0),
    queue: random(100),
    plugins: PLUGINS.map((name) => [name, [random(5), 0, 0, 0, 0, 0, 0]]),
  };
}

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
const QUERIES: readonly (readonly [name: string, query: LedgerQuery])[] = [
  ["nothing asked for", {}],
  ["verdict, very common", { verdict: "accepted" }],
  ["verdict, rare", { verdict: "abandoned" }],
  ["verdict, common, five days back", { verdict: "accepted", before: deep }],
  ["sender", { from: known.sender! }],
  ["sender that nobody has", { from: "nobody@nowhere.example" }],
  ["domain of senders", { from: `@${known.sender!.split("@")[1]}` }],
  ["recipient, often", { to: "person0@dept0.example.org" }],
  ["domain of recipients, very common", { to: "@dept0.example.org" }],
  ["the same, refused, by a plugin that never did", { to: "@dept0.example.org", verdict: "refused", plugin: "nobody" }],
  ["recipient and sender that never met", { to: "person799@dept5.example.org", from: known.sender! }],
  ["refused mail to one person by spf", { to: "person3@dept0.example.org", verdict: "refused", plugin: "spf" }],
  ["address", { ip: known.ip }],
  ["network /24", { ip: `${known.ip.split(".").slice(0, 3).join(".")}.0/24` }],
  ["network /16", { ip: "20.7.0.0/16" }],
  ["network /8, common", { ip: "20.0.0.0/8" }],
  ["network /8, common, no hit", { ip: "20.0.0.0/8", plugin: "nobody" }],
  ["network /32 of IPv6", { ip: "2001:db8::/32" }],
  ["network /32 of IPv6, no hit", { ip: "2001:db8::/32", plugin: "nobody" }],
  ["observed", { observed: true }],
  ["observed, by plugin, and to whom", { observed: true, plugin: "greylist", to: "person5@dept1.example.org" }],
  ["plugin", { plugin: "recipients" }],
  ["a day of the week", { since: BEGIN + 2 * 86_400_000, until: BEGIN + 3 * 86_400_000, verdict: "held" }],
  ["word, common", { q: "listed" }],
  ["word, beginning of a common one", { q: "refu" }],
  ["word, beginning of very many", { q: "exam" }],
  ["word, beginning of very many, no hit", { q: "exam", plugin: "nobody" }],
  ["word of one letter", { q: "p" }],
  ["word of one letter, no hit", { q: "p", plugin: "nobody" }],
  ["two words", { q: "person12 spf" }],
  ["word that is nowhere", { q: "zebra" }],
  ["the beginning of an address", { q: "person77" }],
  ["short id as a word", { q: shortId(sample) }],
  ["500 rows", { verdict: "refused", limit: 500 }],
];
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
