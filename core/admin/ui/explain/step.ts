/** One step of a story: a plugin in a phase, what it decided and found, whom it asked, and how long it took. */
import type { Lookup, Step } from "../../../ledger/story.ts";
import { changeWords, wouldHave } from "../../../ledger/watched.ts";
import { foreign } from "../foreign.ts";
import { type Html, markup } from "../html.ts";
import { icon, type IconName, type Tone, verdict } from "../icons.ts";
import { milliseconds, points } from "../sessions/words.ts";

/** What a step is drawn with. */
export interface StepView {
  /** Where its phase begins, milliseconds from the beginning of the story. */
  readonly begins: number;
  /** The milliseconds of a full bar. */
  readonly scale: number;
  /** Those that ran at the same time. */
  readonly beside: readonly string[];
  /** It decided what became of all of it; its tone. */
  readonly decided: Tone | null;
}

const WORDS: Readonly<Record<Step["verdict"], readonly [Tone, string]>> = {
  accept: ["ok", "taken"],
  next: ["none", "no objection"],
  defer: ["wait", "deferred"],
  reject: ["bad", "refused"],
  error: ["wait", "failed"],
};

export function stepItem(step: Step, view: StepView): Html {
  const { observed, ms } = step, [tone, word] = WORDS[step.verdict];
  const watched = observed && (step.verdict !== "next" || step.held.length > 0);
  const sign: IconName = watched
    ? "seen"
    : view.decided !== null
    ? view.decided as IconName
    : step.verdict === "next" || step.verdict === "accept"
    ? "pass"
    : step.verdict === "error"
    ? "warn"
    : tone as IconName;
  const kind = watched ? " seen" : view.decided === null ? "" : ` last ${view.decided}`;
  const total = step.points.reduce((sum, each) => sum + each.points, 0);
  const x = bounded((step.offset - view.begins) / view.scale * 100, 99.2);
  const width = Math.max(0.8, bounded(ms / view.scale * 100, 100 - x));
  return markup`<li class="step${kind}">${icon(sign)}<h4><code>${foreign(step.plugin, 64)}</code>${
    watched
      ? markup`<span class="v v-seen">${wouldHaveWords(step)}</span>`
      : step.verdict === "next"
      ? markup`<span class="dim">${word}</span>`
      : verdict(
        view.decided ?? tone,
        view.decided === "hold" ? "held" : word,
        step.verdict === "error" ? "warn" : undefined,
      )
  }${observed && markup`<span class="tag seen">${watched ? "observe: held back" : "observe"}</span>`}${
    step.recipient !== null && markup`<span class="dim"><bdi>${foreign(step.recipient, 120)}</bdi></span>`
  }${view.beside.length > 0 && markup`<span class="par">beside ${foreign(view.beside.join(", "), 120)}</span>`}</h4>${
    total !== 0 && markup`<span class="pt">${points(total)}</span>`
  }<span class="ms"><svg class="hb" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true"><rect class="bg" width="100" height="6"/><rect class="f-${
    watched ? "seen" : "acc"
  }" x="${rounded(x)}" width="${rounded(width)}" height="6"/></svg>${milliseconds(ms)} ms</span>
${step.reason !== "" && markup`<p><bdi>${foreign(step.reason, 600)}</bdi></p>`}${pointsList(step)}${
    step.dns.length > 0 && markup`<ul class="dns" aria-label="DNS answers">${step.dns.map(lookup)}</ul>`
  }${
    step.held.length > 0 &&
    markup`<p>It would have ${
      step.held.slice(0, 8).map((change, i) => markup`${i > 0 && "; "}<bdi>${foreign(changeWords(change), 240)}</bdi>`)
    }${step.held.length > 8 && ` and ${step.held.length - 8} more`}</p>`
  }</li>`;
}

function wouldHaveWords(step: Step): string {
  if (step.verdict === "error") return "failed, which would have deferred";
  const what = wouldHave(step);
  return what !== null ? `would have ${what}` : step.verdict === "accept" ? "would have taken" : "would have changed";
}

/** What each of several points was for; of a single one the step says it itself. */
function pointsList({ points: given, reason }: Step): Html | false {
  if (given.length === 0 || given.length === 1 && reason !== "") return false;
  return markup`<ul class="dns" aria-label="Points">${
    given.map((each) =>
      markup`<li><b class="num">${points(each.points)}</b> <bdi>${foreign(each.reason, 200)}</bdi></li>`
    )
  }</ul>`;
}

const FAULTS: Readonly<Record<string, string>> = {
  nxdomain: "no such name",
  nodata: "no such record",
  servfail: "name service failed",
  timeout: "no answer in time",
};

function lookup({ question, answers, fault, ms }: Lookup): Html {
  return markup`<li><span class="q"><bdi>${foreign(question, 320)}</bdi></span>${
    fault !== null
      ? markup`<b>${Object.hasOwn(FAULTS, fault) ? FAULTS[fault] : foreign(fault, 80)}</b>`
      : answers.length === 0
      ? markup`<b>nothing</b>`
      : answers.map((answer, i) => markup`<b><bdi>${foreign(answer, 255)}</bdi>${i < answers.length - 1 && ","}</b>`)
  }<small class="dim">${milliseconds(ms)} ms</small></li>`;
}

function bounded(value: number, max: number): number {
  return Number.isFinite(value) ? Math.min(Math.max(0, value), Math.max(0, max)) : 0;
}
function rounded(value: number): number {
  return Math.round(value * 100) / 100;
}
