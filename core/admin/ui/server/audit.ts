/** What people did through the site and its API, the newest first: who, from where, what, to what. */
import type { AuditRow } from "../../../ledger/story.ts";
import { longTime, plural } from "../format.ts";
import { foreign } from "../foreign.ts";
import { type Html, markup } from "../html.ts";
import { page, type PageContext } from "../layout.ts";

export interface AuditData {
  readonly rows: readonly AuditRow[];
  /** It is the first page. */
  readonly first: boolean;
  /** Where the next page begins, milliseconds since 1970; null: there is none. */
  readonly next: number | null;
}

export function auditPage(context: PageContext, data: AuditData): Html {
  const main = markup`<div class="head">
  <div><h1>Audit</h1><p>Who looked at what a mail says, and who changed something, through this site and its API. Looks of one token at one message within a minute are one look.</p></div>
</div>
${data.rows.length === 0 ? none(data) : table(data)}`;
  return page(context, { title: "Audit", current: "audit", main });
}

function none({ first }: AuditData): Html {
  return first
    ? markup`<section class="card pad"><h2>Nobody did anything yet</h2><p class="soft">Opening a message, a button on a page and a call of the <a href="/api">API</a> that changes something stand here, by the name of the token. Give each person and program a token of their own: <code>admin: { tokens: [...] }</code>.</p></section>`
    : markup`<section class="card pad"><h2>Nothing older is kept</h2><p><a href="/audit">The newest</a></p></section>`;
}

function table({ rows, first, next }: AuditData): Html {
  return markup`<section class="card tw" tabindex="0" aria-label="What people did">
  <table class="rows">
    <caption>What people did <span>${plural(rows.length, "act")}, the newest first</span></caption>
    <thead><tr><th scope="col">When</th><th scope="col">Who</th><th scope="col">What</th><th scope="col">To what</th></tr></thead>
    <tbody>${
    rows.map(({ at, by, ip, action, subject }) =>
      markup`<tr><td class="nb">${longTime(at)}</td><th scope="row" class="brk"><bdi>${
        foreign(by, 64)
      }</bdi><small class="sub">${foreign(ip, 60)}</small></th><td><bdi>${
        foreign(action, 64)
      }</bdi></td><td class="brk">${
        /^[0-9A-HJKMNP-TV-Z]{26}$/.test(subject)
          ? markup`<a href="/explain/${subject}"><code>${subject}</code></a>`
          : markup`<bdi>${foreign(subject, 300)}</bdi>`
      }</td></tr>`
    )
  }</tbody>
  </table>
${
    (!first || next !== null) &&
    markup`<nav class="pager" aria-label="Pages of the list"><span>${
      !first && markup`<a href="/audit">Newest</a>`
    }</span><span>${next !== null && markup`<a rel="next" href="/audit?before=${String(next)}">Older</a>`}</span></nav>`
  }
</section>`;
}
