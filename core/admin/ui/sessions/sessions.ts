/** The page of sessions: search, filters, and what the ledger finds. Works without script. */
import type { LedgerPage } from "../../../ledger/ledger.ts";
import { VERDICTS } from "../../../ledger/story.ts";
import { count } from "../format.ts";
import { type Html, markup } from "../html.ts";
import { icon } from "../icons.ts";
import { page, type PageContext } from "../layout.ts";
import {
  FILTER_NAMES,
  FILTER_WORDS,
  type FilterName,
  type Filters,
  filterValue,
  sessionsPath,
  SPANS,
  without,
} from "./filters.ts";
import { entryTable } from "./rows.ts";
import { VERDICT_WORDS } from "./words.ts";

export interface SessionsData {
  readonly filters: Filters;
  /** The page begins behind this entry. */
  readonly before: string | undefined;
  readonly found: LedgerPage;
  /** Milliseconds that the search took. */
  readonly took: number;
  /** When nothing is found: the filter without which the most would be, and whether that is anything. */
  readonly hides: { readonly name: FilterName; readonly count: number; readonly more: boolean } | null;
  /** Nothing has ever been written down. */
  readonly fresh: boolean;
}

export function sessionsPage(context: PageContext, data: SessionsData): Html {
  const { filters, before, found } = data;
  const main = markup`<div class="head">
  <div>
    <h1>Sessions</h1>
    <p>Every message, and every session that brought none, the newest first.</p>
  </div>
  <div class="btns">${
    context.pages.includes("live") && markup`<a class="btn" href="${sessionsPath(filters, "/live")}">Watch live</a>`
  }</div>
</div>
${
    data.fresh ? nothingYet(context) : markup`${searchForm(data)}
${
      found.entries.length === 0
        ? none(data)
        : markup`<section class="card">${
          entryTable(found.entries, { caption: "Sessions, newest first", now: context.now })
        }
  ${
          (found.more || before !== undefined) &&
          markup`<nav class="pager" aria-label="Pages of the list"><span>${
            before !== undefined && markup`<a href="${sessionsPath(filters)}">Newest</a>`
          }</span><span>${
            found.more &&
            markup`<a rel="next" href="${sessionsPath({ ...filters, before: found.entries.at(-1)!.id })}">Older</a>`
          }</span></nav>`
        }</section>`
    }`
  }`;
  return page(context, { title: "Sessions", current: "sessions", main });
}

/** `action`: where the form leads, and the way back from each filter. */
export function searchForm({ filters, found, took, before }: SessionsData, action = "/sessions"): Html {
  const set = FILTER_NAMES.filter((name) => name !== "q" && filters[name] !== undefined);
  const n = found.entries.length;
  return markup`<form role="search" aria-label="Sessions by what they have" action="${action}">
  <div class="searchbar">
    <div class="find">${
    icon("find")
  }<label class="vh" for="q">Search sessions</label><input id="q" name="q" type="search" maxlength="200" value="${
    filters.q ?? ""
  }" placeholder="address, domain, IP, id, or words of a reason" autocomplete="off" spellcheck="false"></div>
    <button class="btn main">Search</button>
  </div>
  <div class="head">
    <div class="chips" role="group" aria-label="Filters">${
    set.map((name) =>
      markup`<span class="chip"><span class="k">${FILTER_WORDS[name]}</span> <bdi>${
        filterValue(filters, name)
      }</bdi> <a class="x" href="${sessionsPath(without(filters, name), action)}" aria-label="Remove filter: ${
        FILTER_WORDS[name]
      } ${filterValue(filters, name)}">${icon("x")}</a></span>`
    )
  }
      <details class="filters"><summary class="chip add">${icon("plus")}Filter</summary>
        <div class="menu">${fields(filters)}<button class="btn main">Search</button></div>
      </details>
    </div>
    <p class="dim" role="status">${
    n === 0
      ? "nothing found"
      : `${before === undefined ? "the newest" : "the next"} ${count(n)}${found.more ? " of more" : ""}`
  }, in ${took < 1 ? "less than 1" : count(Math.round(took))} ms</p>
  </div>
</form>`;
}

function fields(filters: Filters): Html {
  const text = (name: FilterName, label: string, hint: string) =>
    markup`<label for="f-${name}">${label}</label><input id="f-${name}" name="${name}" type="text" value="${
      filters[name] ?? ""
    }" placeholder="${hint}" maxlength="320" autocomplete="off" spellcheck="false">`;
  const choice = (name: FilterName, label: string, choices: readonly (readonly [string, string])[]) =>
    markup`<label for="f-${name}">${label}</label><select id="f-${name}" name="${name}"><option value="">any</option>${
      choices.map(([value, words]) =>
        markup`<option value="${value}"${filters[name] === value && markup` selected`}>${words}</option>`
      )
    }</select>`;
  const time = (name: "since" | "until", label: string) =>
    markup`<label for="f-${name}">${label}</label><input id="f-${name}" name="${name}" type="datetime-local" value="${
      filters[name] ?? ""
    }">`;
  return markup`${choice("verdict", "Verdict", VERDICTS.map((each) => [each, VERDICT_WORDS[each][2]]))}${
    choice("when", "When", Object.entries(SPANS).map(([value, [words]]) => [value, words]))
  }${text("from", "From", "ada@example.org or @example.org")}${text("to", "To", "ada@example.org or @example.org")}${
    text("ip", "Client", "192.0.2.7 or 192.0.2.0/24")
  }${text("plugin", "Decided by", "spf")}${time("since", "Since, UTC")}${
    time("until", "Until, UTC")
  }<span></span><label class="check"><input type="checkbox" name="observed" value="1"${
    filters.observed !== undefined && markup` checked`
  }> A plugin that only watches would have acted</label>`;
}

function none({ filters, before, hides }: SessionsData): Html {
  if (before !== undefined) {
    return markup`<section class="card pad"><h2>Nothing older</h2><p class="soft"><a href="${
      sessionsPath(filters)
    }">Back to the newest</a></p></section>`;
  }
  const set = FILTER_NAMES.filter((name) => filters[name] !== undefined);
  return markup`<section class="card pad" id="none"><h2>Nothing matches</h2>
  <p class="soft">${
    hides === null
      ? set.length > 1
        ? markup`No single filter hides anything. <a href="/sessions">Remove all of them</a>`
        : markup`Nothing that is kept has this. <a href="/sessions">Look at all</a>`
      : markup`The filter that hides most is <b>${FILTER_WORDS[hides.name]} <bdi>${
        filterValue(filters, hides.name)
      }</bdi></b>. <a href="${sessionsPath(without(filters, hides.name))}">Remove it: ${
        hides.more ? "more than " : ""
      }${count(hides.count)} match then</a>`
  }</p></section>`;
}

function nothingYet(context: PageContext): Html {
  const to = context.site.smtp[0];
  return markup`<section class="card pad" id="none"><h2>Nobody has knocked yet</h2>
  <p class="soft">Each session stands here as soon as it has ended: who connected, what was asked of whom, and why it was taken or not.${
    to !== undefined && markup` Send mail to <code>${to}</code>, and look again.`
  }</p></section>`;
}
