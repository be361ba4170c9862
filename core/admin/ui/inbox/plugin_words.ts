/**
 * What the ledger says of the open message: what plugins in mode observe would have done in earnest, and what each plugin
 * found, with its points and the answers of name service. Non-job: the whole story (the page of a session).
 */
import type { Step, Story } from "../../../ledger/story.ts";
import { type Html, markup } from "../html.ts";
import { icon, type Tone, verdict } from "../icons.ts";

const MOST_STEPS = 60, MOST_WORDS = 12;

/** Those that say something: a step without a word is nobody's business here. */
export function tellingSteps({ steps }: Story): readonly Step[] {
  return steps.filter(({ verdict, reason, points, facts, dns, held }) =>
    verdict === "defer" || verdict === "reject" || verdict === "error" || reason !== "" ||
    points.length + facts.length + dns.length + held.length > 0
  ).slice(0, MOST_STEPS);
}

/** What would have become of it, were all plugins in earnest; null when it would have come in all the same. */
export function inEarnest(story: Story): Html | null {
  const worst = ["reject", "defer"].map((word) => story.steps.find((each) => each.observed && each.verdict === word))
    .find((each) => each !== undefined);
  const held = story.steps.find((each) => each.observed && isHeld(each));
  const step = worst ?? held;
  if (step === undefined) return null;
  const what = step.verdict === "reject" ? "refused" : step.verdict === "defer" ? "put off" : "held";
  return markup`<p class="strip warn"><span>${
    icon("seen")
  }A strict server would have ${what} this message: <code>${step.plugin}</code> says ${
    step.reason || "no more"
  }</span><a href="/explain/${story.id}">Why?</a></p>`;
}

/** The changes that a plugin in mode observe would have made, as far as they are of the kind `kind`. */
function wishes({ held }: Step, kind: string): readonly Readonly<Record<string, unknown>>[] {
  return held.filter((each): each is Record<string, unknown> =>
    typeof each === "object" && each !== null && (each as { do?: unknown }).do === kind
  );
}
function isHeld(step: Step): boolean {
  return wishes(step, "hold").length > 0;
}

export function pluginWords(story: Story): Html {
  const steps = tellingSteps(story);
  return markup`
    <h4>What plugins found</h4>
    ${
    steps.length === 0 ? markup`<p class="pad soft">No plugin had anything to say of it.</p>` : markup`
      <div class="tw">
        <table class="fields">
          <caption class="vh">What plugins found, in the order in which they were asked</caption>
          <tbody>${steps.map(row)}</tbody>
        </table>
      </div>
    `
  }
    <p class="pad"><a href="/explain/${story.id}">The whole story of this message</a></p>
  `;
}

function row(step: Step): Html {
  const { plugin, phase, reason, points, facts, dns } = step;
  const found = [
    ...wishes(step, "score").map(({ points, reason }) => `would give ${points} points: ${reason}`),
    ...wishes(step, "hold").map(({ reason }) => `would hold it: ${reason}`),
    ...points.map((each) => `${each.points > 0 ? "+" : ""}${each.points} ${each.reason}`),
    ...facts.map(([name, words]) => `${name}: ${words}`),
    ...dns.map(({ question, answers, fault }) => `${question}: ${fault ?? answers.join(", ")}`),
  ];
  return markup`
    <tr>
      <th scope="row">${plugin}<span class="why">${phase}</span></th>
      <td>${wordOf(step)}</td>
      <td class="brk">${reason}${
    found.slice(0, MOST_WORDS).map((each) => markup`<span class="why">${each}</span>`)
  }</td>
    </tr>
  `;
}

function wordOf(step: Step): Html {
  const words: Readonly<Record<Step["verdict"], readonly [tone: Tone | null, word: string]>> = {
    accept: ["ok", "yes"],
    next: [null, ""],
    defer: ["wait", "put off"],
    reject: ["bad", "refused"],
    error: ["bad", "failed"],
  };
  const [tone, word] = words[step.verdict];
  if (step.observed && isHeld(step) && step.verdict === "next") return verdict("seen", "would hold");
  if (tone === null) return markup``;
  if (!step.observed || step.verdict === "accept") return verdict(tone, word);
  return verdict(
    "seen",
    step.verdict === "reject" ? "would refuse" : step.verdict === "defer" ? "would put off" : word,
  );
}
