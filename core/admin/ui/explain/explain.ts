/**
 * The story of a message or a session: what came of it, who decided and why, what became of it since, and what would
 * have to change. Everything in it may come from strangers.
 */
import type { Story } from "../../../ledger/story.ts";
import { shortId } from "../../../model/id.ts";
import { plural } from "../format.ts";
import { foreign } from "../foreign.ts";
import { type Html, markup } from "../html.ts";
import { icon } from "../icons.ts";
import { page, type PageContext } from "../layout.ts";
import { entryTable } from "../sessions/rows.ts";
import { VERDICT_WORDS } from "../sessions/words.ts";
import { besideStory } from "./beside.ts";
import { changesOf, changeTable } from "./change.ts";
import { gatesOf } from "./gates.ts";
import { phaseList } from "./phases.ts";
import { type Talk, talkCard } from "./talk.ts";
import { type StoryLinks, verdictCard } from "./verdict.ts";

export interface ExplainData {
  readonly story: Story;
  readonly links: StoryLinks;
  /** The same story for a terminal and a ticket. */
  readonly text: string;
  readonly talk: Talk;
}

export function explainPage(context: PageContext, { story, links, text, talk }: ExplainData): Html {
  const gates = gatesOf(story), changes = changesOf(story, gates), spoken = talkCard(talk);
  const beside = [...spoken === null ? [] : [spoken], ...besideStory(story)];
  const recording = talk.recorded ? `${context.site.data}/recordings/${story.session}.jsonl` : null;
  const word = VERDICT_WORDS[story.verdict][2];
  const main = markup`${crumb(story)}
${verdictCard(story, { gates, links, change: changes.length > 0, talk: spoken !== null })}
${
    story.messages.length > 0 && markup`<section class="card gap">${
      entryTable(story.messages, {
        caption: "What this session brought",
        note: plural(story.messages.length, "message"),
        now: context.now,
      })
    }</section>`
  }
<div class="story${beside.length === 0 && " alone"}">
  ${phaseList(story, context.now)}
  ${beside.length > 0 && markup`<div class="side">${beside}</div>`}
</div>
${changes.length > 0 && changeTable(changes, { gates, recording })}
${markup`<section class="card gap" id="text" aria-labelledby="text-title">
  <header><h2 id="text-title">As text</h2><button class="btn quiet" type="button" data-copy="as-text" hidden>${
    icon("copy")
  }<span>Copy</span></button></header>
  <pre class="term" id="as-text" tabindex="0" role="region" aria-label="The story as text">${text}</pre>
</section>`}`;
  return page(context, {
    title: `${word[0]!.toUpperCase()}${word.slice(1)} ${foreign(shortId(story.id), 8)}`,
    current: "sessions",
    main,
  });
}

function crumb(story: Story): Html {
  const whole = story.id === story.session;
  return markup`<nav class="crumb brk" aria-label="You are here"><a href="/sessions">Sessions</a> / ${
    whole
      ? foreign(story.session, 40)
      : story.ip === ""
      ? "a letter of this server"
      : markup`<a href="/explain/${encodeURIComponent(story.session)}">${foreign(story.session, 40)}</a>`
  }${!whole && markup` / ${foreign(story.id, 40)}`}${
    story.parent !== null &&
    markup` / a report on <a href="/explain/${encodeURIComponent(story.parent)}">${foreign(story.parent, 40)}</a>`
  }</nav>`;
}
