/**
 * Live traffic: the newest messages and sessions as they end. The script (live.js) looks again when the server says that
 * something happened; without script the page loads itself anew, unless it is paused.
 */
import type { Entry } from "../../../ledger/story.ts";
import { count } from "../format.ts";
import { type Html, markup } from "../html.ts";
import { icon } from "../icons.ts";
import { page, type PageContext } from "../layout.ts";
import { FILTER_NAMES, FILTER_WORDS, type Filters, filterValue, sessionsPath, without } from "./filters.ts";
import { entryTable } from "./rows.ts";

export interface LiveData {
  readonly filters: Filters;
  readonly entries: readonly Entry[];
  /** Sessions of the last whole minutes, for one of them. */
  readonly perMinute: number;
  readonly paused: boolean;
}

const SECONDS = 5; // between two looks without script

export function livePage(context: PageContext, { filters, entries, perMinute, paused }: LiveData): Html {
  const here = sessionsPath(filters, "/live"), pause = `${here}${here.includes("?") ? "&" : "?"}paused=1`;
  const set = FILTER_NAMES.filter((name) => filters[name] !== undefined);
  const main = markup`<div class="head">
  <h1>Live</h1>
  <div class="btns"><span class="live" id="live-rate">${
    paused
      ? "Paused"
      : markup`<span class="dot"></span>Newest on top, ${
        perMinute < 10 && perMinute > 0 ? perMinute.toFixed(1) : count(Math.round(perMinute))
      } sessions a minute`
  }</span><a class="btn" id="live-pause" role="button" href="${paused ? here : pause}">${
    icon(paused ? "pass" : "hold")
  }<span>${paused ? "Go on" : "Pause"}</span></a><a class="btn quiet" href="${sessionsPath(filters)}">Search</a></div>
</div>
${
    set.length > 0 && markup`<div class="head"><div class="chips" role="group" aria-label="Filters">${
      set.map((name) =>
        markup`<span class="chip"><span class="k">${FILTER_WORDS[name]}</span> <bdi>${
          filterValue(filters, name)
        }</bdi> <a class="x" href="${sessionsPath(without(filters, name), "/live")}" aria-label="Remove filter: ${
          FILTER_WORDS[name]
        } ${filterValue(filters, name)}">${icon("x")}</a></span>`
      )
    }</div></div>`
  }
<p class="vh" role="status" id="live-said"></p>
<section class="card" id="live"${paused && markup` data-paused`}>${
    entries.length === 0
      ? markup`<div class="pad"><h2>Nothing yet</h2><p class="soft">${
        set.length > 0
          ? "What matches stands here as soon as it has ended."
          : "Each message and each session stands here as soon as it has ended."
      }</p></div>`
      : entryTable(entries, { caption: "Live traffic, newest first", now: context.now })
  }</section>`;
  return page(context, { title: "Live", current: "live", main, ...!paused && { refresh: SECONDS } });
}
