/** Entries of the ledger as rows of a table: one for each message, and for each session that brought none. */
import type { Entry } from "../../../ledger/story.ts";
import { shortId } from "../../../model/id.ts";
import { shortTime } from "../format.ts";
import { foreign } from "../foreign.ts";
import { type Html, markup } from "../html.ts";
import { icon } from "../icons.ts";
import { clientOf, milliseconds, recipientsOf, replyParts, senderOf, sumOf, verdictOf, whyShort } from "./words.ts";

export interface RowsOptions {
  readonly caption: string;
  /** What stands behind the caption; without it the caption is for readers of words only. */
  readonly note?: string;
  readonly now: number;
}

/** A table that scrolls by itself where it is too wide, so it can have the focus. */
export function entryTable(entries: readonly Entry[], options: RowsOptions): Html {
  return markup`<div class="tw" tabindex="0" role="region" aria-label="${options.caption}">
  <table class="rows sess" id="entries">
    <caption${options.note === undefined && markup` class="vh"`}>${options.caption}${
    options.note !== undefined && markup` <span>${options.note}</span>`
  }</caption>
    <thead><tr><th scope="col" class="wide">Time</th><th scope="col">Verdict</th><th scope="col" class="wide">Id</th><th scope="col" class="c-from">From</th><th scope="col" class="wide c-to">To</th><th scope="col" class="wide c-ip">Client</th><th scope="col" class="wide">Reply</th><th scope="col" class="wide c-why">Decided by, and why</th><th scope="col" class="num wide">Points</th><th scope="col" class="num wide">ms</th></tr></thead>
    <tbody>${entries.map((entry) => row(entry, options.now))}</tbody>
  </table></div>`;
}

function row(entry: Entry, now: number): Html {
  const time = clock(entry.at, now), link = storyLink(entry), why = whyShort(entry);
  const code = entry.reply === null ? "" : foreign(replyParts(entry.reply)[0] || entry.reply, 24);
  const by = entry.plugin !== null &&
    markup`<code>${foreign(entry.plugin, 64)}</code> <small>${foreign(entry.phase ?? "", 24)}</small> `;
  return markup`<tr data-id="${entry.id}">
<td class="nb wide">${time}</td><td>${verdictOf(entry)}${
    entry.observed !== null && observed(entry.observed)
  }</td><td class="wide">${link}</td>
<td class="cut c-from"><span class="phone">${time} ${link} <code>${code}</code></span>${
    senderOf(entry)
  }<span class="phone">${entry.sender === null ? clientOf(entry) : markup`to ${recipientsOf(entry)}`}</span>${
    why !== "" && markup`<span class="phone dim"><bdi>${why}</bdi></span>`
  }</td><td class="cut c-to wide">${recipientsOf(entry)}</td>
<td class="wide cut c-ip">${clientOf(entry)}</td>
<td class="wide nb">${
    code === "" ? markup`<span class="dim">–</span>` : markup`<code>${code}</code>`
  }</td><td class="wide cut c-why">${by}<bdi>${why}</bdi></td>
<td class="num wide">${
    entry.points === 0 ? markup`<span class="dim">–</span>` : sumOf(entry.points)
  }</td><td class="num wide">${milliseconds(entry.ms)}</td></tr>`;
}

/** The sign of what a plugin that only watches would have done; the word is there for who does not see it. */
function observed(what: NonNullable<Entry["observed"]>): Html {
  return markup` <span class="v v-seen" title="would have been ${what}">${
    icon("seen")
  }<span class="vh">would have been ${what}</span></span>`;
}

export function storyLink(entry: Pick<Entry, "id">): Html {
  return markup`<a href="/explain/${encodeURIComponent(entry.id)}"><code>${entry.id.startsWith("s") && "s"}${
    foreign(shortId(entry.id), 8)
  }</code></a>`;
}

/** `09:41:07` today, else the day too. */
export function clock(at: number, now: number): string {
  const time = new Date(at).toISOString().slice(11, 19), day = shortTime(at, now);
  return day.includes(":") ? time : `${day} ${time.slice(0, 5)}`;
}
