/** What stands beside a story: refusals of single recipients, logins, facts that plugins left, what people did. */
import type { Story } from "../../../ledger/story.ts";
import { longTime, plural } from "../format.ts";
import { foreign } from "../foreign.ts";
import { type Html, markup } from "../html.ts";
import { verdict } from "../icons.ts";
import { milliseconds, replyParts } from "../sessions/words.ts";

const ROWS = 100; // in each table

/** The cards that have something to say. */
export function besideStory(story: Story): readonly Html[] {
  return [refusals(story), logins(story), facts(story), rewritten(story), people(story)].filter((each) =>
    each !== null
  );
}

function refusals({ refusals }: Story): Html | null {
  if (refusals.length === 0) return null;
  return card(
    markup`What the peer was refused <span>${plural(refusals.length, "reply", "replies")}</span>`,
    "What the peer was refused",
    markup`<thead><tr><th scope="col">Reply</th><th scope="col" class="num">ms</th></tr></thead><tbody>${
      refusals.slice(0, ROWS).map((each) => {
        const [code, text] = replyParts(each.reply);
        return markup`<tr><td class="brk"><code>${foreign(each.command, 24)}</code> <b>${code}</b> <bdi>${
          foreign(text, 200)
        }</bdi>${
          each.recipients.length > 0 &&
          markup`<small class="sub">to <bdi>${foreign(each.recipients.slice(0, 3).join(", "), 300)}</bdi>${
            each.recipients.length > 3 && ` and ${each.recipients.length - 3} more`
          }</small>`
        }${
          (each.plugin !== null || each.reason !== null) &&
          markup`<small class="sub">${each.plugin !== null && markup`<code>${foreign(each.plugin, 64)}</code> `}<bdi>${
            foreign(each.reason ?? "", 300)
          }</bdi>${each.delayedFrom !== null && `, decided in ${foreign(each.delayedFrom, 24)}`}</small>`
        }</td><td class="num dim">${milliseconds(each.offset)}</td></tr>`;
      })
    }</tbody>`,
  );
}

function logins({ logins }: Story): Html | null {
  if (logins.length === 0) return null;
  return card(
    markup`Logins <span>${plural(logins.length, "try", "tries")}</span>`,
    "Logins",
    markup`<thead><tr><th scope="col">Account</th><th scope="col">By</th><th scope="col">Result</th></tr></thead><tbody>${
      logins.slice(0, ROWS).map((each) =>
        markup`<tr><th scope="row" class="brk"><bdi>${foreign(each.user, 100)}</bdi></th><td>${
          foreign(each.mechanism, 32)
        }</td><td>${each.ok ? verdict("ok", "signed in") : verdict("bad", "refused")}${
          !each.ok && markup`<small class="sub"><bdi>${foreign(each.reason, 200)}</bdi></small>`
        }</td></tr>`
      )
    }</tbody>`,
  );
}

function facts({ steps }: Story): Html | null {
  const all = steps.flatMap((step) => step.facts.map(([name, words]) => ({ name, words, plugin: step.plugin })));
  if (all.length === 0) return null;
  return card(
    markup`Facts the plugins left <span>for those that follow</span>`,
    "Facts the plugins left",
    markup`<thead><tr><th scope="col">Fact</th><th scope="col">Value</th><th scope="col">From</th></tr></thead><tbody>${
      all.slice(0, ROWS).map(({ name, words, plugin }) =>
        markup`<tr><th scope="row">${foreign(name, 64)}</th><td class="mono brk"><bdi>${
          foreign(words, 300)
        }</bdi></td><td class="soft">${foreign(plugin, 64)}</td></tr>`
      )
    }</tbody>`,
    "known",
  );
}

function rewritten({ rewritten }: Story): Html | null {
  if (rewritten.length === 0) return null;
  return card(
    markup`Rewritten <span>signatures over the body are broken</span>`,
    "Rewritten",
    markup`<thead><tr><th scope="col">By</th><th scope="col">Why</th></tr></thead><tbody>${
      rewritten.slice(0, ROWS).map((each) =>
        markup`<tr><th scope="row"><code>${foreign(each.plugin, 64)}</code></th><td><bdi>${
          foreign(each.reason, 300)
        }</bdi></td></tr>`
      )
    }</tbody>`,
  );
}

function people({ audit }: Story): Html | null {
  if (audit.length === 0) return null;
  return card(
    markup`What people did <span>through this site and its API, <a href="/audit">all of it</a></span>`,
    "What people did",
    markup`<thead><tr><th scope="col">When</th><th scope="col">Who</th><th scope="col">What</th></tr></thead><tbody>${
      audit.slice(0, ROWS).map((each) =>
        markup`<tr><td class="nb">${longTime(each.at)}</td><th scope="row" class="brk"><bdi>${
          foreign(each.by, 64)
        }</bdi><small class="sub">${foreign(each.ip, 60)}</small></th><td><bdi>${
          foreign(each.action, 64)
        }</bdi></td></tr>`
      )
    }</tbody>`,
  );
}

function card(caption: Html, label: string, body: Html, kind = ""): Html {
  return markup`<section class="card tw" tabindex="0" aria-label="${label}"><table class="${kind}"><caption>${caption}</caption>${body}</table></section>`;
}
