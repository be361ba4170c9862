/**
 * The page "Errors on purpose": which answers the dev inbox gives wrongly, how often, one more as a form, and the
 * addresses that ask for errors by themselves. Works without script.
 */
import type { UsedRule } from "../../../config/chaos.ts";
import { count, plural } from "../format.ts";
import { type Html, markup } from "../html.ts";
import { icon, MARK } from "../icons.ts";
import { action, ask, hidden, page, type PageContext } from "../layout.ts";

/** The fields of the form, as they were filled in. */
export type RuleForm = Partial<
  Readonly<Record<"phase" | "who" | "answer" | "text" | "delay" | "rate" | "times", string>>
>;
export interface ErrorsData {
  readonly rules: readonly UsedRule[];
  /** The plugin is in a list. */
  readonly isThere: boolean;
  /** Why the form was turned down. */
  readonly fault: string | null;
  readonly form: RuleForm;
}

const PHASES: readonly (readonly [name: string, label: string])[] = [
  ["rcpt", "RCPT: a recipient"],
  ["data", "DATA: the whole message"],
  ["mail", "MAIL: a sender"],
  ["auth", "AUTH: a login"],
  ["helo", "EHLO"],
  ["connect", "Connection"],
];
const ANSWERS: readonly string[] = [
  "550 5.1.1 No such mailbox",
  "452 4.2.2 Mailbox is full",
  "451 4.7.1 Greylisted, try again later",
  "421 4.3.2 Service not available, closing the channel",
  "554 5.7.1 Refused as spam",
  "535 5.7.8 Authentication credentials invalid",
  "hang up",
  "pass",
];
/** What tests need most, by the address alone. */
const ADDRESSES: readonly (readonly [address: string, does: string])[] = [
  ["reject-550-5.1.1@example.org", "is refused at RCPT"],
  ["you+defer-451-once@example.org", "is put off the first time, and taken the second"],
  ["data-554-5.7.1@example.org", "is refused after the message"],
  ["hangup-data@example.org", "hears nothing after the message: the connection is gone"],
  ["slow-10s@example.org", "waits 10 seconds at RCPT"],
  ["mail-421@example.org", "as the sender: the server closes at MAIL"],
];

export function errorsPage(context: PageContext, data: ErrorsData): Html {
  const { rules, isThere } = data;
  const main = markup`
    <p class="crumb"><a href="/inbox">Inbox</a></p>
    <div class="head">
      <h1>Errors on purpose</h1>
      <p class="note">Make this server answer as a difficult one would, to see what your program does.</p>
    </div>
    ${isThere ? markup`${table(context, rules)}${form(context, data)}` : absent()}
    ${isThere && addresses()}
  `;
  return page(context, { title: "Errors on purpose", current: "inbox", main });
}

function absent(): Html {
  return markup`
    <div class="card pad none-here"><p>No plugin here makes errors on purpose. Put <code>chaos</code> first into <code>plugins</code>, on a server for tests.</p></div>
  `;
}

function table(context: PageContext, rules: readonly UsedRule[]): Html {
  if (rules.length === 0) {
    return markup`
      <section class="card pad calm">${MARK}<p>All is well: no rule is set. Add one below, or write to an address that asks for an error.</p></section>
    `;
  }
  return markup`
    <section class="card tw" aria-labelledby="rules">
      <table class="rows">
        <caption id="rules">${
    plural(rules.length, "rule")
  } <span>the first that suits counts; they go by themselves after a week</span></caption>
        <thead>
          <tr>
            <th scope="col">When</th>
            <th scope="col">Phase</th>
            <th scope="col">Answer</th>
            <th scope="col" class="wide">How often</th>
            <th scope="col" class="num">Used</th>
            <th scope="col"><span class="vh">Change</span></th>
          </tr>
        </thead>
        <tbody>${rules.map((each, n) => row(context, each, n + 1))}</tbody>
      </table>
      <div class="pad">${
    ask(context, {
      to: "/chaos/clear",
      label: "Remove all",
      effect: "Everything is answered as it should be again.",
      sure: `Remove ${count(rules.length)}`,
    })
  }</div>
    </section>
  `;
}

function row(context: PageContext, { rule, used }: UsedRule, n: number): Html {
  const fields = markup`<input type="hidden" name="n" value="${n}">`;
  return markup`
    <tr${!rule.on && markup` class="rests"`}>
      <td class="brk">${whoOf(rule)}</td>
      <td><code>${rule.phase}</code></td>
      <td class="brk"><code>${answerOf(rule)}</code></td>
      <td class="wide">${oftenOf(rule)}</td>
      <td class="num">${count(used)}</td>
      <td><div class="btns">${
    action(context, {
      to: "/chaos/turn",
      label: markup`${rule.on ? "Rest" : "Turn on"}<span class="vh"> rule ${n}</span>`,
      kind: "quiet",
      fields,
    })
  }${
    action(context, {
      to: "/chaos/remove",
      label: markup`Remove<span class="vh"> rule ${n}</span>`,
      kind: "quiet",
      fields,
    })
  }</div></td>
    </tr>
  `;
}

function whoOf({ to, from, user, ip }: UsedRule["rule"]): Html {
  const parts = [
    ...to === undefined ? [] : [markup`to <code>${to}</code>`],
    ...from === undefined ? [] : [markup`from <code>${from}</code>`],
    ...user === undefined ? [] : [markup`login <code>${user}</code>`],
    ...ip === undefined ? [] : [markup`client <code>${ip}</code>`],
  ];
  return parts.length === 0 ? markup`always` : markup`${parts.map((each, n) => markup`${n > 0 && ", "}${each}`)}`;
}
function answerOf({ answer, delay }: UsedRule["rule"]): string {
  const what = answer === "pass" ? "as it should be" : /^(?:hang|drop)/i.test(answer) ? "no word, hangs up" : answer;
  return delay === undefined ? what : `${what}, after ${delay}`;
}
function oftenOf({ on, rate, times }: UsedRule["rule"]): string {
  if (!on) return "rests";
  const share = rate === 1 ? "always" : `${Math.round(rate * 1000) / 10} % of the time`;
  return times === undefined ? share : `${share}, the first ${plural(times, "time")}`;
}

function form(context: PageContext, { fault, form: filled }: ErrorsData): Html {
  const { phase = "rcpt", who = "", answer = ANSWERS[0]!, text = "", delay = "", rate = "", times = "" } = filled;
  const option = (value: string, label: string, chosen: string) =>
    markup`<option value="${value}"${value === chosen && markup` selected`}>${label}</option>`;
  return markup`
    <section class="card pad gap" aria-labelledby="add">
      <h2 id="add">Add a rule</h2>
      ${fault !== null && markup`<p class="strip warn" role="alert"><span>${icon("warn")}${fault}</span></p>`}
      <form class="rule" method="post" action="/chaos">${hidden(context)}
        <div><label for="rule-phase">Phase</label><select id="rule-phase" name="phase">${
    PHASES.map(([value, label]) => option(value, label, phase))
  }</select></div>
        <div><label for="rule-who">For whom</label><input type="text" id="rule-who" name="who" maxlength="320" value="${who}" placeholder="full@*" aria-describedby="who-help" autocomplete="off" spellcheck="false"></div>
        <div><label for="rule-answer">Answer</label><select id="rule-answer" name="answer">${
    ANSWERS.map((each) => option(each, labelOf(each), answer))
  }${option("other", "Another, as written below", answer)}</select></div>
        <div><label for="rule-text">Another answer</label><input type="text" id="rule-text" name="text" maxlength="450" value="${text}" placeholder="450 4.2.1 Come back later" autocomplete="off" spellcheck="false"></div>
        <div><label for="rule-delay">Wait before</label><input type="text" id="rule-delay" name="delay" maxlength="8" value="${delay}" placeholder="5s" autocomplete="off"></div>
        <div><label for="rule-rate">How often, %</label><input id="rule-rate" name="rate" type="number" min="0.1" max="100" step="0.1" value="${rate}" placeholder="100"></div>
        <div><label for="rule-times">First times only</label><input id="rule-times" name="times" type="number" min="1" max="1000" value="${times}" placeholder="always"></div>
        <button class="btn main">${icon("plus")}Add the rule</button>
      </form>
      <p class="soft" id="who-help">For whom: a recipient for RCPT and DATA, a sender for MAIL, a login for AUTH, a client's network else; <code>full@*</code>, <code>*@example.org</code>. Empty: everybody.</p>
    </section>
  `;
}
function labelOf(answer: string): string {
  return answer === "hang up" ? "No word, hang up" : answer === "pass" ? "As it should be, only later" : answer;
}

function addresses(): Html {
  return markup`
    <section class="card tw gap" aria-labelledby="by-address">
      <table class="rows">
        <caption id="by-address">By the address alone <span>no rule is needed: write to one of these</span></caption>
        <thead>
          <tr>
            <th scope="col">Address</th>
            <th scope="col">What happens</th>
          </tr>
        </thead>
        <tbody>${
    ADDRESSES.map(([address, does]) => markup`<tr><td class="brk"><code>${address}</code></td><td>${does}</td></tr>`)
  }</tbody>
      </table>
    </section>
  `;
}
