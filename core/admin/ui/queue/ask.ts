/**
 * The pages that ask again before a message is bounced, sent another way or deleted: what happens, to which messages, and
 * what else must be said for it. No script is needed. Non-job: the change itself (core/admin/queue/change.ts).
 */
import { saying } from "../foreign.ts";
import { formatAddress } from "../../../model/address.ts";
import { shortId } from "../../../model/id.ts";
import type { QueueItem, QueueQuery } from "../../../store/store.ts";
import { BOUNCE_REASON, MOST_REASON, type QueueVerb } from "../../queue/change.ts";
import type { Ways } from "../../queue/ways.ts";
import { count, longTime, plural, shownOf } from "../format.ts";
import { type Html, markup } from "../html.ts";
import { hidden, page, type PageContext } from "../layout.ts";
import { STATE_WORDS, stateWord, telling } from "./recipient.ts";
import { filterFields, queuePath } from "./view.ts";

/** Verbs that ask again. */
export const ASKED = ["bounce", "route", "delete"] as const;
export type AskedVerb = typeof ASKED[number];

export interface AskData {
  readonly verb: AskedVerb;
  /** Null: it is about one message, the only one of `items`. */
  readonly filter: QueueQuery | null;
  /** Messages that it is about. */
  readonly total: number;
  /** The newest of them. */
  readonly items: readonly QueueItem[];
  readonly ways: Ways;
}

/** What the form of such a page says, as the body that the API takes for it. */
export function formBodyOf(verb: QueueVerb, form: URLSearchParams): unknown {
  if (verb === "bounce") return { reason: form.get("reason") ?? "" };
  if (verb !== "route") return null;
  const [, kind, name] = /^(via|local):(.*)$/s.exec(form.get("way") ?? "") ?? [];
  if (kind === undefined) return form.get("way") === "rules" ? { to: "remote" } : {};
  return kind === "via" ? { to: "remote", via: name } : { to: "local", plugin: name };
}

interface Question {
  readonly title: string;
  readonly effect: string;
  /** What else must be said; null: nothing. */
  readonly fields: Html | null;
  /** The button; null where there is nothing to choose from. */
  readonly sure: string | null;
}

/** `one`: about one message. */
function questionOf({ verb, ways }: AskData, one: boolean): Question {
  const it = one ? "it" : "them";
  switch (verb) {
    case "bounce":
      return {
        title: "Bounce",
        effect: one
          ? "Its sender is told, in a report with this reason, that it was not delivered; then it is gone. A delivery that is under way goes on."
          : "Each sender is told, in a report with this reason, that the message was not delivered; then it is gone. Deliveries that are under way go on.",
        fields: reason(),
        sure: `Bounce ${it}`,
      };
    case "route":
      return {
        title: "Send another way",
        effect:
          "What waits goes this way at once, and keeps to it until it leaves the queue. What is held stays held until you release it.",
        fields: choices(ways),
        sure: ways.leaves || ways.storages.length > 0 ? `Send ${it} this way` : null,
      };
    case "delete":
      return {
        title: "Delete",
        effect: `${one ? "It is" : "They are"} gone for good. Nobody is told.`,
        fields: null,
        sure: `Delete ${it}`,
      };
  }
}

export function askPage(context: PageContext, data: AskData): Html {
  const { filter, total, items } = data, id = filter === null ? items[0]!.message.id : null;
  const back = filter === null ? `/queue/${id}` : queuePath(filter), question = questionOf(data, total === 1);
  const main = markup`
    <p class="crumb"><a href="/queue">Queue</a>${
    id !== null && markup` / <a href="${back}"><code>${shortId(id)}</code></a>`
  }</p>
    <div class="head"><h1>${question.title}: ${plural(total, "message")}</h1></div>
    ${total === 0 ? nothing(back) : form(context, data, { question, back })}
    ${total > 0 && list(data)}
  `;
  return page(context, { title: question.title, current: "queue", main });
}

function nothing(back: string): Html {
  return markup`
    <section class="card pad"><p>No message matches any more. <a href="${back}">Back to the queue</a></p></section>
  `;
}

function form(
  context: PageContext,
  { verb, filter, total }: AskData,
  { question: { effect, fields, sure }, back }: { readonly question: Question; readonly back: string },
): Html {
  const leave = total === 1 ? "Leave it as it is" : "Leave them as they are";
  return markup`
    <section class="card pad sure">
      ${filter !== null && markup`<p class="soft">${filterWords(filter)}</p>`}
      <p>${effect}</p>
      <form method="post" action="${filter === null ? `${back}/${verb}` : `/queue/${verb}`}">${hidden(context)}${
    filter !== null && filterFields(filter)
  }${fields}
        <div class="btns">${
    sure !== null && markup`<button class="btn ${verb === "route" ? "main" : "danger"}">${sure}</button>`
  }<a class="btn quiet" href="${back}">${leave}</a></div>
      </form>
    </section>
  `;
}

function reason(): Html {
  return markup`<label for="reason">Reason, for the sender</label><input id="reason" name="reason" type="text" maxlength="${MOST_REASON}" value="${BOUNCE_REASON}" autocomplete="off">`;
}

function choices({ leaves, nextHops, storages }: Ways): Html {
  const choice = (way: string, name: Html | string, what: string) =>
    markup`<label class="choice"><input type="radio" name="way" value="${way}" required><span>${name} <small>${what}</small></span></label>`;
  if (!leaves && storages.length === 0) {
    return markup`<p class="soft">Nothing leaves this machine, and no plugin stores mail: there is no other way.</p>`;
  }
  return markup`<fieldset><legend>Where to</legend>${
    leaves && choice("rules", "As the configuration says", "its routes, else the hosts of the domain by MX")
  }${nextHops.map((name) => choice(`via:${name}`, markup`<code>${name}</code>`, "next hop"))}${
    storages.map((name) => choice(`local:${name}`, markup`<code>${name}</code>`, "stores it on this machine"))
  }</fieldset>`;
}

/** `All with a recipient at example.org that waits, which came before 22 Nov 2026 09:41:00.` */
function filterWords({ state, domain, q, receivedBefore, ids }: QueueQuery): Html {
  if (ids !== undefined) return markup`Those that you chose.`;
  return markup`All with a recipient${domain !== undefined && markup` at <b>${domain}</b>`}${
    state !== undefined && markup` that is <b>${STATE_WORDS[state].word}</b>`
  }${q !== undefined && markup`, with <q>${q}</q> in an address or as their id`}${
    receivedBefore !== undefined && markup`, which came before ${longTime(receivedBefore)}`
  }.`;
}

/** Which messages; of many the newest. */
function list({ items, total }: AskData): Html {
  return markup`
    <section class="card tw gap">
      <table class="rows">
        <caption>Messages <span>${shownOf(items.length, total)}</span></caption>
        <thead>
          <tr><th scope="col">Id</th><th scope="col">From</th><th scope="col">To</th><th scope="col" class="wide">Subject</th></tr>
        </thead>
        <tbody>${
    items.map(({ message, recipients }) => {
      const first = telling(recipients), more = recipients.length - 1;
      return markup`
          <tr>
            <td><a href="/queue/${message.id}"><code>${shortId(message.id)}</code></a></td>
            <td class="brk"><bdi>${formatAddress(message.sender) || "null sender"}</bdi></td>
            <td class="brk">${
        first !== undefined &&
        markup`<bdi>${formatAddress(first.address)}</bdi>${
          more > 0 && markup` <small>and ${count(more)} more</small>`
        } ${stateWord(first.state)}`
      }</td>
            <td class="wide brk"><bdi>${saying(message.summary.subject.trim()) || "(no subject)"}</bdi></td>
          </tr>
        `;
    })
  }</tbody>
      </table>
    </section>
  `;
}
