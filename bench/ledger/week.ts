/**
 * A week of sessions, the same in every run: its lines as a ledger's writer has them, and what people ask of it.
 * Non-job: who keeps it (million.ts: files, postgres.ts: a database).
 */
import type { Head, MessagePart, SessionPart } from "../../core/ledger/codec.ts";
import type { LedgerQuery } from "../../core/ledger/ledger.ts";
import { COMMIT_BOUNDS, DELAY_BOUNDS } from "../../core/ledger/ledger.ts";
import type { Counted } from "../../core/ledger/recording/tally.ts";
import type { Story, Verdict } from "../../core/ledger/story.ts";
import { newId, shortId } from "../../core/model/id.ts";

export const WEEK = 7 * 86_400_000, NOW = Date.UTC(2026, 10, 30), BEGIN = NOW - WEEK;

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

export function lineOf(at: number): { readonly lines: string; readonly verdict: Verdict; readonly id: string } {
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

export function countedOf(at: number, verdicts: readonly Verdict[]): Counted {
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

/** `sample`: the id of a refused message, `known` its story; `deep`: one of those taken five days ago. */
export function queriesOf(
  { sample, known, deep }: { readonly sample: string; readonly known: Story; readonly deep: string },
): readonly (readonly [name: string, query: LedgerQuery])[] {
  return [
    ["nothing asked for", {}],
    ["verdict, very common", { verdict: "accepted" }],
    ["verdict, rare", { verdict: "abandoned" }],
    ["verdict, common, five days back", { verdict: "accepted", before: deep }],
    ["sender", { from: known.sender! }],
    ["sender that nobody has", { from: "nobody@nowhere.example" }],
    ["domain of senders", { from: `@${known.sender!.split("@")[1]}` }],
    ["recipient, often", { to: "person0@dept0.example.org" }],
    ["domain of recipients, very common", { to: "@dept0.example.org" }],
    ["the same, refused, by a plugin that never did", {
      to: "@dept0.example.org",
      verdict: "refused",
      plugin: "nobody",
    }],
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
}
