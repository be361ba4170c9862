/**
 * What would have to change for a message to fare better, worked out from its story alone: nothing is asked again, and
 * where the story does not say what would have followed, neither does this. Pure, but for the table.
 */
import type { Story } from "../../../ledger/story.ts";
import { foreign } from "../foreign.ts";
import { type Html, markup } from "../html.ts";
import { type Tone, verdict } from "../icons.ts";
import { sumOf } from "../sessions/words.ts";
import { type Gates, rounded, sharesOf, verdictAt } from "./gates.ts";
import { decider } from "./phases.ts";

export interface Change {
  readonly condition: Html;
  /** Who can bring it about: the sender, or whoever reads this. */
  readonly who: "the sender" | "you" | "either";
  /** Points then; null where points do not decide. */
  readonly points: number | null;
  /** What becomes of it then; null: the story does not tell, because nobody behind was asked. */
  readonly then: "accepted" | "held" | "refused" | "deferred" | null;
  /** About a plugin that only watches. */
  readonly observed: boolean;
}

/** What the sender's side alone can put right: how it is named, listed, authorized and signed. */
const SENDERS = new Set([
  "spf",
  "dkim",
  "dmarc",
  "arc",
  "fcrdns",
  "helo",
  "dnsbl",
  "early_talker",
  "headers",
  "attachments",
]);

/** Nothing for what was taken and would have been by all who watch. */
export function changesOf(story: Story, gates: Gates | null): readonly Change[] {
  const changes: Change[] = [];
  if (story.verdict === "refused" || story.verdict === "held" || story.verdict === "deferred") {
    const byPoints = gates !== null && story.plugin === gates.plugin &&
      verdictAt(rounded(story.points), gates) !== "accepted";
    changes.push(...byPoints ? fewerPoints(story, gates) : otherwise(story));
  }
  return [...changes, ...enforced(story)];
}

/** Without the points of each, then of the heaviest together, until it passes. */
function fewerPoints(story: Story, gates: Gates): readonly Change[] {
  const changes: Change[] = [];
  const shares = sharesOf(story).filter(({ points }) => points > 0).toSorted((a, b) => b.points - a.points).slice(0, 6);
  let left = rounded(story.points);
  for (const [i, share] of shares.entries()) {
    left = rounded(left - share.points);
    const name = markup`<code>${foreign(share.plugin, 64)}</code>`;
    changes.push({
      condition: i === 0
        ? markup`${name} has nothing against it`
        : markup`${i === 1 ? "and" : "all of these, and"} ${name} has nothing against it either`,
      who: SENDERS.has(share.plugin) ? "the sender" : "either",
      points: left,
      then: verdictAt(left, gates),
      observed: false,
    });
    if (verdictAt(left, gates) === "accepted") break;
  }
  const plugin = markup`<code>${foreign(gates.plugin, 64)}</code>`;
  changes.push({
    condition: markup`you except such mail from ${plugin} (<code>unless</code>), or raise its limits above ${
      sumOf(story.points)
    }`,
    who: "you",
    points: rounded(story.points),
    then: "accepted",
    observed: false,
  });
  return changes;
}

/** One plugin, or the core, said no. */
function otherwise(story: Story): readonly Change[] {
  const step = story.steps[decider(story)], reason = foreign(story.reason || step?.reason || "", 200);
  const then = story.phase === "data" || story.phase === "queue" || story.verdict === "held" ? "accepted" : null;
  if (story.plugin === null || story.plugin === "core") {
    return [{
      condition: markup`what the reply says is put right${reason !== "" && markup`: <bdi>${reason}</bdi>`}`,
      who: "the sender",
      points: null,
      then: null,
      observed: false,
    }];
  }
  const name = markup`<code>${foreign(story.plugin, 64)}</code>`;
  const fixes: Change = {
    condition: markup`what ${name} found is no longer so${reason !== "" && markup`: <bdi>${reason}</bdi>`}`,
    who: SENDERS.has(story.plugin) ? "the sender" : "either",
    points: null,
    then,
    observed: false,
  };
  const again: Change = {
    condition: markup`the sender comes again later, as every mail server does by itself`,
    who: "the sender",
    points: null,
    then: null,
    observed: false,
  };
  const except: Change = {
    condition: markup`you except such mail from ${name}: <code>unless</code>, or <code>mode: observe</code>`,
    who: "you",
    points: null,
    then,
    observed: false,
  };
  return story.verdict === "deferred" ? [again, fixes, except] : [fixes, except];
}

/** Those that only watch, were they to act. */
function enforced({ steps }: Story): readonly Change[] {
  const changes: Change[] = [], seen = new Set<string>();
  for (const step of steps) {
    const then = !step.observed
      ? null
      : step.verdict === "reject"
      ? "refused"
      : step.verdict === "defer"
      ? "deferred"
      : null;
    if (then === null || seen.has(step.plugin)) continue;
    seen.add(step.plugin);
    changes.push({
      condition: markup`<code>${foreign(step.plugin, 64)}</code>, now only watching${
        step.reason !== "" && markup`: <bdi>${foreign(step.reason, 200)}</bdi>`
      }`,
      who: "you",
      points: null,
      then,
      observed: true,
    });
  }
  return changes;
}

const TONES: Readonly<Record<NonNullable<Change["then"]>, Tone>> = {
  accepted: "ok",
  held: "hold",
  refused: "bad",
  deferred: "wait",
};

export interface ChangeOptions {
  readonly gates: Gates | null;
  /** The file in which the session was recorded; null: it was not. */
  readonly recording: string | null;
}

export function changeTable(changes: readonly Change[], { gates, recording }: ChangeOptions): Html {
  const points = changes.some((each) => each.points !== null);
  const limits = gates === null || !points ? "" : [
    gates.held === null ? "" : `held from ${gates.held} points on`,
    gates.refused === null ? "" : `refused from ${gates.refused}`,
  ].filter((each) => each !== "").join(", ");
  const yours = changes.some(({ who }) => who !== "the sender");
  return markup`<section class="card tw gap" id="change" tabindex="0" aria-label="What would have to change">
  <table>
    <caption>What would have to change <span>worked out from this story, nothing was asked again${
    limits !== "" && `; ${limits}`
  }</span></caption>
    <thead><tr><th scope="col">If</th><th scope="col" class="wide">Who can do it</th>${
    points && markup`<th scope="col" class="num">Points then</th>`
  }<th scope="col">Then it is</th></tr></thead>
    <tbody>${
    changes.map((each) =>
      markup`<tr${each.observed && markup` class="obs"`}><td class="brk">${
        each.observed && markup`${verdict("seen", "but if you enforce")} `
      }${each.condition}</td><td class="soft wide">${each.who}</td>${
        points &&
        markup`<td class="num">${each.points === null ? markup`<span class="dim">any</span>` : sumOf(each.points)}</td>`
      }<td class="nb">${
        each.then === null
          ? markup`<span class="dim">not known: nobody behind was asked</span>`
          : verdict(TONES[each.then], each.then)
      }</td></tr>`
    )
  }</tbody>
  </table>
  ${yours && tryIt(recording)}
</section>`;
}

/** A change of the configuration is tried before it is made. */
function tryIt(recording: string | null): Html {
  const how = recording !== null
    ? markup`<code>postern replay ${recording} --config new.yaml</code> plays this session against another configuration`
    : markup`<code>postern replay --config new.yaml</code> plays recorded sessions against another configuration (this one was not recorded: <code>recordings</code> makes some), and <code>postern try</code> takes one message through it`;
  return markup`<p class="pad soft"><small>Try it before you change it: ${how}. Neither stores, counts or sends.</small></p>`;
}
