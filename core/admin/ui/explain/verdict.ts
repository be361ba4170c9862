/** The head of a story: what came of it, why in one sentence, the reply as it was given, and six facts. */
import type { Story } from "../../../ledger/story.ts";
import { hasReference, whyOf } from "../../../ledger/telling.ts";
import { shortId } from "../../../model/id.ts";
import { longTime, plural, size } from "../format.ts";
import { address, foreign } from "../foreign.ts";
import { type Html, markup } from "../html.ts";
import { icon } from "../icons.ts";
import { milliseconds, outcomes, replyParts, tlsWords, VERDICT_WORDS } from "../sessions/words.ts";
import type { Gates } from "./gates.ts";
import { ladder } from "./ladder.ts";

/** Where else it is. */
export interface StoryLinks {
  readonly queue: boolean;
  readonly inbox: boolean;
  readonly quarantine: boolean;
}

export interface VerdictOptions {
  readonly gates: Gates | null;
  readonly links: StoryLinks;
  /** There is a section that says what would have to change. */
  readonly change: boolean;
  /** There is a dialogue. */
  readonly talk: boolean;
}

export function verdictCard(story: Story, { gates, links, change, talk }: VerdictOptions): Html {
  const [tone, sign, word] = VERDICT_WORDS[story.verdict];
  const steps = ladder(story, gates);
  const [code, said] = story.reply === null ? ["", ""] : replyParts(story.reply);
  const id = encodeURIComponent(story.id);
  return markup`<section class="verdict ${tone}" aria-labelledby="verdict-title">
  <div class="verdict-top${steps === null && " alone"}">
    <div class="pad">
      <h1 id="verdict-title"><span class="v v-${tone}">${icon(sign)}${capital(word)}</span> <code>${
    story.id.startsWith("s") && "s"
  }${foreign(shortId(story.id), 8)}</code></h1>
      <p class="why"><bdi>${why(story)}</bdi></p>
      ${
    story.observed !== null && story.verdict !== "accepted" &&
    markup`<p class="note v-seen">${icon("seen")}A plugin that only watches would have had it ${story.observed}.</p>`
  }
      ${
    story.reply !== null &&
    markup`<p class="said ${tone}">${code !== "" && markup`<span>${code}</span>`}<bdi>${foreign(said, 600)}${
      hasReference(story) && ` (ref ${foreign(shortId(story.id), 8)})`
    }</bdi></p>`
  }
      <div class="btns">${
    change && markup`<a class="btn main" href="#change">What would have to change?</a>`
  }<a class="btn" href="#story">The story</a>${talk && markup`<a class="btn" href="#talk">Dialogue</a>`}${
    links.quarantine && markup`<a class="btn" href="/quarantine/${id}">In the quarantine</a>`
  }${links.queue && !links.quarantine && markup`<a class="btn" href="/queue/${id}">In the queue</a>`}${
    links.inbox && markup`<a class="btn" href="/inbox/${id}">In the inbox</a>`
  }${markup`<a class="btn" href="#text">As text</a>`}<a class="btn quiet" href="/api/v1/explain/${id}">JSON</a></div>
    </div>
    ${steps}
  </div>
  ${facts(story)}
</section>`;
}

/** One sentence, as the text form has it; and of what was taken, what became of it. */
function why(story: Story): string {
  const { messages, verdict } = story, became = outcomes(story);
  if (verdict === "none" && messages.length > 0) return `The session brought ${plural(messages.length, "message")}.`;
  return `${whyOf(story)}${verdict === "accepted" && became !== "" ? ` Since then: ${became}.` : ""}`;
}

function facts(story: Story): Html {
  const dns = story.steps.reduce((sum, { dns }) => sum + dns.reduce((ms, each) => ms + each.ms, 0), 0);
  return markup`<dl class="facts">
  <div><dt>When</dt><dd>${longTime(story.at)}<small>${
    story.seconds === null ? "still under way" : `session of ${seconds(story.seconds)}`
  }${story.ended !== null && markup`, <bdi>${foreign(story.ended, 80)}</bdi>`}</small></dd></div>
  <div><dt>From</dt><dd class="brk">${
    story.sender === null
      ? markup`<span class="dim">no message</span>`
      : story.sender === ""
      ? markup`<code>&lt;&gt;</code>`
      : address(story.sender)
  }${story.messageId !== null && markup`<small><bdi>${foreign(story.messageId, 120)}</bdi></small>`}</dd></div>
  <div><dt>To</dt><dd class="brk">${recipients(story)}</dd></div>
  <div><dt>Client</dt><dd class="brk">${
    story.ip === ""
      ? markup`<span class="dim">this server</span>`
      : markup`<a href="/sessions?ip=${encodeURIComponent(story.ip)}">${foreign(story.ip, 60)}</a>`
  }<small><bdi>${foreign(story.helo, 120)}</bdi>${
    story.proxy !== null && markup` through <bdi>${foreign(story.proxy, 60)}</bdi>`
  }</small></dd></div>
  <div><dt>Connection</dt><dd>${tlsWords(story.tls)}, ${
    story.identity === null ? "not signed in" : markup`<bdi>${foreign(story.identity, 100)}</bdi> signed in`
  }<small>${story.cipher !== null && markup`${foreign(story.cipher, 60)}, `}listener ${
    foreign(story.listener, 60)
  }, role ${foreign(story.role, 20)}</small></dd></div>
  <div><dt>Plugins took</dt><dd>${milliseconds(story.ms)} ms<small>${
    story.commitMs !== null ? `250 after ${milliseconds(story.commitMs)} ms` : `of which DNS ${milliseconds(dns)} ms`
  }${story.size !== null && `, ${size(story.size)}`}</small></dd></div>
</dl>`;
}

const NAMED = 5;
function recipients({ recipients, recipientCount }: Story): Html {
  if (recipients.length === 0) return markup`<span class="dim">no recipient</span>`;
  const rest = recipientCount - 1;
  if (rest === 0) return address(recipients[0]!);
  const others = recipients.slice(1, 1 + NAMED), more = rest - others.length;
  return markup`${address(recipients[0]!)}<small>${
    others.map((each, i) => markup`${i > 0 && ", "}${address(each, 120)}`)
  }${more > 0 && ` and ${more.toLocaleString("en-US")} more`}</small>`;
}

function seconds(n: number): string {
  return n < 60 ? `${n.toFixed(n < 10 ? 2 : 1)} s` : `${Math.floor(n / 60)} min ${Math.round(n % 60)} s`;
}
function capital(word: string): string {
  return word[0]!.toUpperCase() + word.slice(1);
}
