/**
 * The phases of a story on a rail, in their order: who was asked in each, when and for how long on one scale, where it
 * was decided, and what was never reached.
 */
import type { Attempt, Step, Story } from "../../../ledger/story.ts";
import { longTime } from "../format.ts";
import { foreign } from "../foreign.ts";
import { type Html, markup } from "../html.ts";
import { icon, type Tone, verdict } from "../icons.ts";
import { milliseconds } from "../sessions/words.ts";
import { stepItem } from "./step.ts";

const PHASES = ["connect", "helo", "auth", "mail", "rcpt", "data", "queue", "deliver"] as const;
type PhaseName = typeof PHASES[number];

/** The step that decided what became of all of it; -1: none did. */
export function decider(story: Pick<Story, "steps" | "plugin" | "phase" | "verdict">): number {
  const { steps, plugin, phase, verdict } = story;
  if (plugin === null || verdict === "accepted") return -1;
  const wanted = verdict === "refused" ? "reject" : verdict === "deferred" ? "defer" : null;
  const same = (step: Step) => step.plugin === plugin && step.phase === phase && !step.observed;
  const exact = steps.findLastIndex((step) => same(step) && step.verdict === wanted);
  return exact >= 0 ? exact : steps.findLastIndex(same);
}

export function phaseList(story: Story, now: number): Html {
  const byPhase = new Map<string, Step[]>(PHASES.map((phase) => [phase, []]));
  for (const step of story.steps) byPhase.get(step.phase)?.push(step);
  const spans = new Map(PHASES.map((phase) => [phase, spanOf(byPhase.get(phase)!)]));
  const scale = Math.max(1, ...[...spans.values()].map(({ ms }) => ms));
  const last = story.steps[decider(story)] ?? null;
  const over = last !== null && (story.verdict === "refused" || story.verdict === "deferred");
  const reached = lastReached(story);
  return markup`<section class="card" id="story" aria-labelledby="story-title">
  <header><h2 id="story-title">Who decided what</h2><span class="soft">bars: when in its phase, full width ${
    milliseconds(scale)
  } ms</span></header>
  <ol class="phases">${
    PHASES.map((phase, i) => {
      const steps = byPhase.get(phase)!, { begins, ms } = spans.get(phase)!;
      const attempts = phase === "deliver" ? story.attempts : [];
      if (steps.length === 0 && attempts.length === 0) return off(phase, { story, passed: i < reached });
      const beside = parallel(steps);
      return markup`<li class="phase${over && last.phase === phase && " end"}"><h3>${phase}<small>${
        milliseconds(ms)
      } ms</small></h3><ol>${
        steps.map((step, n) =>
          stepItem(step, { begins, scale, beside: beside[n]!, decided: step === last ? toneOf(story) : null })
        )
      }${attempts.map((each) => attempt(each, now))}</ol></li>`;
    })
  }</ol>
  ${story.cut && markup`<p class="pad dim">There were more steps than are kept.</p>`}
</section>`;
}

function toneOf({ verdict }: Story): Tone {
  return verdict === "refused" ? "bad" : verdict === "held" ? "hold" : verdict === "deferred" ? "wait" : "none";
}

/** The number of the last phase that something is known of. */
function lastReached({ steps, attempts }: Story): number {
  if (attempts.length > 0) return PHASES.length;
  return Math.max(-1, ...steps.map(({ phase }) => PHASES.findIndex((each) => each === phase)));
}

function spanOf(steps: readonly Step[]): { readonly begins: number; readonly ms: number } {
  if (steps.length === 0) return { begins: 0, ms: 0 };
  let begins = Infinity, ends = 0;
  for (const { offset, ms } of steps) {
    begins = Math.min(begins, offset);
    ends = Math.max(ends, offset + ms);
  }
  return { begins, ms: Math.max(0, ends - begins) };
}

/** For each step those that ran beside it: the larger part of the shorter one's time is shared. */
function parallel(steps: readonly Step[]): readonly (readonly string[])[] {
  const MANY = 64; // a crowd of recipients is asked about one by one
  if (steps.length > MANY) return steps.map(() => []);
  return steps.map((a) =>
    steps.filter((b) => {
      if (a === b || a.plugin === b.plugin) return false;
      const shared = Math.min(a.offset + a.ms, b.offset + b.ms) - Math.max(a.offset, b.offset);
      return shared > 1 && shared > 0.6 * Math.min(a.ms, b.ms);
    }).map(({ plugin }) => plugin)
  );
}

const NOT_REACHED: Readonly<Partial<Record<PhaseName, string>>> = {
  mail: "No transaction began.",
  rcpt: "Nobody was named.",
  data: "No message came.",
  queue: "Nothing was stored.",
  deliver: "Nothing was sent.",
};

function off(phase: PhaseName, { story, passed }: { readonly story: Story; readonly passed: boolean }): Html {
  const [word, sentence] = phase === "auth" && story.logins.length === 0
    ? ["not used", "Nobody signed in, so nothing was asked."]
    : passed
    ? ["no plugin", "No plugin has a say here, or none was asked."]
    : story.verdict === "accepted" || story.verdict === "held"
    ? phase === "deliver"
      ? [
        "not yet",
        story.verdict === "held"
          ? "It is held: nothing is sent before a person says so."
          : "Nothing was sent yet, or it stayed here.",
      ]
      : ["no plugin", "No plugin has a say here."]
    : ["not reached", NOT_REACHED[phase] ?? "Nobody was asked."];
  return markup`<li class="phase off"><h3>${phase}<small>${word}</small></h3><ol><li class="step">${
    icon("none")
  }<p>${sentence}</p></li></ol></li>`;
}

const OUTCOMES: Readonly<Record<Attempt["outcome"], readonly [Tone, string]>> = {
  delivered: ["ok", "delivered"],
  deferred: ["wait", "waits"],
  bounced: ["bad", "bounced"],
  expired: ["bad", "given up"],
  held: ["hold", "held"],
};

function attempt(each: Attempt, now: number): Html {
  const [tone, word] = OUTCOMES[each.outcome];
  return markup`<li class="step way">${icon(tone as "ok")}<h4><b><bdi>${foreign(each.recipient, 120)}</bdi></b>${
    verdict(tone, word)
  }${each.attempts > 1 && markup`<span class="dim">attempt ${each.attempts}</span>`}</h4><span class="ms when">${
    longTime(each.at)
  }</span>
<p>${
    each.relay === null ? "Nobody was asked: " : markup`<code><bdi>${foreign(each.relay, 160)}</bdi></code> said: `
  }<code><bdi>${foreign(each.reply, 500)}</bdi></code></p>
<p class="dim">${each.tls === null ? each.relay === null ? "" : "without TLS" : `by ${foreign(each.tls, 60)}`}${
    each.next !== null &&
    `${each.tls === null && each.relay === null ? "" : ", "}${
      each.next > now ? `tried again ${longTime(each.next)}` : "tried again since"
    }`
  }</p></li>`;
}
