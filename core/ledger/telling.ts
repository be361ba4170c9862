/**
 * A story as text, for a terminal and for a ticket: the verdict, the reply as it was given, why in one sentence, who and
 * whence, then the phases in their order with every plugin, what it asked and found, then what the queue did. Pure. All
 * text of others is made safe to print. Non-job: the page of the site, colours of other tables.
 */
import { shortId } from "../model/id.ts";
import { cut } from "../observe/escape.ts";
import type { Attempt, Entry, Refusal, Step, Story, Verdict } from "./story.ts";
import { changeWords, watchedOf, wouldHave } from "./watched.ts";

export interface TellOptions {
  /** With the terminal's colours (default: no). */
  readonly colour?: boolean;
}

const PHASES = ["connect", "helo", "auth", "mail", "rcpt", "data", "queue", "deliver"];
/** The longest text of others in a line. */
const LONGEST = 400;
/** Recipients, steps of a phase and attempts that are told. */
const RECIPIENTS = 10, STEPS = 100, ATTEMPTS = 50;

const UNSAFE = /[\p{C}\p{Zl}\p{Zp}]/gu;
/** One line, no control of the terminal, no reordering. */
function safe(text: string): string {
  return cut(text, LONGEST).replace(UNSAFE, (char) => `\\u{${char.codePointAt(0)!.toString(16)}}`);
}

// ---- One sentence ----------------------------------------------------------------------------------------------------

/**
 * Why it came out as it did, in one sentence for people.
 *
 * @example
 * ```ts
 * import { whyOf } from "./telling.ts";
 * import { assertEquals } from "@std/assert";
 * const entry = { verdict: "refused", plugin: "spf", phase: "mail", reason: "fail for example.net", observed: null } as const;
 * assertEquals(whyOf(entry), "spf refused it at MAIL: fail for example.net.");
 * ```
 */
export function whyOf(
  entry:
    & Pick<Entry, "verdict" | "plugin" | "phase" | "reason" | "observed">
    & Partial<Pick<Story, "steps" | "refusals">>,
): string {
  const { verdict, phase } = entry, reason = safe(entry.reason);
  const who = entry.plugin === null || entry.plugin === "core" ? "Postern itself" : safe(entry.plugin);
  const at = phase === null ? "" : ` ${PLACES[phase] ?? `in ${phase}`}`;
  const because = reason === "" ? "" : `: ${reason}`;
  if (verdict === "refused" || verdict === "deferred") {
    const fault = faultOf(entry);
    if (fault !== null) return ended(`${who} failed ${PLACES[fault.phase] ?? `in ${fault.phase}`}${because}`);
  }
  switch (verdict) {
    case "refused":
      return ended(`${who} refused it${at}${because}`);
    case "deferred":
      return ended(`${who} asked to come again later${at}${because}`);
    case "held":
      return ended(`${who === "Postern itself" ? "A plugin" : who} holds it for a person${because}`);
    case "abandoned":
      return ended(`The client began a message and sent none${because}`);
    case "none":
      return "The client came and went without a message, and nobody refused it anything.";
    case "accepted":
      return ended(`${taken(entry)}${entry.observed === null ? "" : `; ${watching(entry)}`}`);
  }
}
/** Nobody decided anything: a plugin threw, was late or gave no reply. */
function faultOf({ plugin, reason, steps = [] }: Parameters<typeof whyOf>[0]): Step | null {
  return steps.find((each) =>
    each.verdict === "error" && !each.observed && each.plugin === plugin && each.reason === reason
  ) ?? null;
}
/** Of a message that has its 250: for whom it was refused all the same. */
function taken({ observed, refusals = [] }: Parameters<typeof whyOf>[0]): string {
  const refused = refusals.filter(({ recipients }) => recipients.length > 0), [first] = refused;
  if (first === undefined) return observed === null ? "Nobody had anything against it" : "It was taken";
  const all = new Set(refused.flatMap(({ recipients }) => recipients)), [one] = all;
  const more = all.size === 1 ? "" : ` and ${all.size - 1} more`;
  return `It was taken, but not for ${safe(one!)}${more}: ${safe(first.reply)}`;
}
/** Who would have had it otherwise, and why, as far as its steps are at hand. */
function watching({ observed, steps = [] }: Parameters<typeof whyOf>[0]): string {
  const watched = watchedOf(steps);
  if (watched === null) return `a plugin in mode observe would have ${observed} it`;
  const { what, plugin, reason, others } = watched;
  const names = [plugin, ...others].map(safe), last = names.pop()!;
  const who = names.length === 0
    ? `${last}, which only watches,`
    : `${names.join(", ")} and ${last}, which only watch,`;
  return `${who} would have ${what} it${reason === "" ? "" : `: ${safe(reason)}`}`;
}
function ended(sentence: string): string {
  return /[.!?]$/.test(sentence) ? sentence : `${sentence}.`;
}
const PLACES: Readonly<Record<string, string>> = {
  connect: "when it connected",
  helo: "at HELO",
  auth: "at its login",
  mail: "at MAIL",
  rcpt: "at RCPT",
  data: "when the message had come",
  queue: "when it was to be stored",
  deliver: "on its way out",
};

// ---- The story -------------------------------------------------------------------------------------------------------

/** The whole story; lines end with \n. */
export function tellStory(story: Story, options: TellOptions = {}): string {
  const paint = options.colour ? coloured : plain;
  const lines: string[] = [];
  lines.push(`${paint(story.verdict, WORDS[story.verdict].toUpperCase())}  ${safe(story.id)}   ${moment(story.at)}`);
  if (story.reply !== null) {
    lines.push(`${safe(story.reply)}${hasReference(story) ? ` (ref ${safe(shortId(story.id))})` : ""}`);
  }
  lines.push(whyOf(story), "");
  lines.push(...factsOf(story).map(([name, words]) => `${name.padEnd(9)}${words}`), "");
  for (const phase of PHASES) lines.push(...phaseLines(story, phase, paint));
  if (story.cut) lines.push("           there was more than is kept");
  if (story.refusals.length > 1 || story.refusals.length === 1 && story.verdict === "accepted") {
    lines.push("", "The client was told");
    lines.push(...story.refusals.slice(0, STEPS).map(refusalLine));
  }
  if (story.attempts.length > 0) {
    lines.push("", "Deliveries");
    for (const attempt of story.attempts.slice(-ATTEMPTS)) lines.push(...attemptLines(attempt, paint));
  }
  if (story.messages.length > 0) {
    lines.push("", "Messages");
    for (const each of story.messages) {
      lines.push(
        `  ${safe(shortId(each.id))}  ${WORDS[each.verdict].padEnd(10)} ${
          each.sender === null ? "" : sender(each.sender)
        } > ${recipients(each)}`,
      );
    }
  }
  if (story.audit.length > 0) {
    lines.push("", "Done by people");
    for (const { at, by, ip, action, subject } of story.audit) {
      lines.push(`  ${moment(at)}  ${safe(by)} (${safe(ip)}) ${safe(action)} ${safe(subject)}`);
    }
  }
  return lines.map((line) => line.trimEnd()).join("\n") + "\n";
}

/** The peer saw a reference behind the text of a refusal. */
export function hasReference({ verdict }: Pick<Entry, "verdict">): boolean {
  return verdict === "refused" || verdict === "deferred";
}

const WORDS: Readonly<Record<Verdict, string>> = {
  accepted: "accepted",
  held: "held",
  refused: "refused",
  deferred: "deferred",
  abandoned: "abandoned",
  none: "no message",
};

function factsOf(story: Story): (readonly [string, string])[] {
  const facts: [string, string][] = [];
  if (story.sender !== null) facts.push(["from", sender(story.sender)]);
  if (story.recipientCount > 0) facts.push(["to", recipients(story)]);
  if (story.ip !== "") {
    const helo = story.helo === "" ? "said no HELO" : `called itself ${safe(story.helo)}`;
    const tls = story.tls === null
      ? "in clear"
      : [story.tls, story.cipher].filter((each) => each !== null).map((each) => safe(each!)).join(", ");
    const who = story.identity === null ? "not signed in" : `signed in as ${safe(story.identity)}`;
    facts.push(["client", `${safe(story.ip)}, ${helo}, ${tls}, ${who}`]);
    if (story.proxy !== null) facts.push(["proxy", safe(story.proxy)]);
    if (story.listener !== "") facts.push(["listener", `${safe(story.listener)}, role ${safe(story.role)}`]);
  } else if (story.parent === null) facts.push(["client", "none: a letter of this site's own"]);
  if (story.parent !== null) facts.push(["report", `about ${safe(story.parent)}`]);
  if (story.size !== null) facts.push(["size", `${story.size.toLocaleString("en")} octets, not kept here`]);
  if (story.messageId !== null) facts.push(["id", safe(story.messageId)]);
  if (story.commitMs !== null) facts.push(["stored", `${milliseconds(story.commitMs)} after the last octet`]);
  if (story.session !== story.id) facts.push(["session", safe(story.session)]);
  if (story.seconds !== null) {
    facts.push([
      "lasted",
      `${story.seconds.toFixed(1)} s${story.ended === null ? "" : `, ended: ${safe(story.ended)}`}`,
    ]);
  } else if (story.ip !== "") facts.push(["lasted", "the session is open, or its end was not written"]);
  for (const { mechanism, user, ok, reason } of story.logins) {
    facts.push(["login", `${safe(user)} by ${safe(mechanism)}: ${ok ? "ok" : safe(reason) || "no"}`]);
  }
  for (const { plugin, reason } of story.rewritten) facts.push(["rewritten", `by ${safe(plugin)}: ${safe(reason)}`]);
  if (story.points !== 0) facts.push(["points", points(story.points)]);
  return facts;
}

function sender(address: string): string {
  return address === "" ? "<> (a report)" : safe(address);
}
function recipients({ recipients, recipientCount }: Pick<Entry, "recipients" | "recipientCount">): string {
  const shown = recipients.slice(0, RECIPIENTS).map(safe).join(", ");
  return recipientCount > RECIPIENTS ? `${shown} and ${recipientCount - RECIPIENTS} more` : shown;
}

function phaseLines(story: Story, phase: string, paint: Paint): string[] {
  const steps = story.steps.filter((each) => each.phase === phase);
  if (steps.length === 0) return isOver(story, phase) ? [`${phase.padEnd(9)}not reached`] : [];
  const ms = steps.reduce((sum, each) => sum + each.ms, 0);
  const lines = [`${phase.padEnd(9)}${milliseconds(ms).padStart(9)}`];
  for (const step of steps.slice(0, STEPS)) lines.push(...stepLines(step, paint));
  if (steps.length > STEPS) lines.push(`           and ${steps.length - STEPS} more`);
  return lines;
}

/** It had been decided before this phase. */
function isOver({ verdict, phase }: Story, asked: string): boolean {
  return phase !== null && (verdict === "refused" || verdict === "deferred") &&
    PHASES.indexOf(asked) > PHASES.indexOf(phase);
}

function stepLines(step: Step, paint: Paint): string[] {
  const sum = step.points.reduce((all, each) => all + each.points, 0);
  const about = step.recipient === null ? "" : `${safe(step.recipient)}${step.reason === "" ? "" : ": "}`;
  const head = `  ${(sum === 0 ? "" : points(sum)).padStart(6)}  ${safe(step.plugin).padEnd(16)} ${
    paint(toneOf(step), decision(step).padEnd(22))
  }${milliseconds(step.ms).padStart(10)}  ${about}${safe(step.reason)}`;
  const lines = [head];
  const inner = (text: string) => lines.push(`${" ".repeat(27)}${text}`);
  for (const each of step.points) inner(`${points(each.points)} ${safe(each.reason)}`);
  if (step.facts.length > 0) inner(step.facts.map(([name, words]) => `${safe(name)}: ${safe(words)}`).join("; "));
  for (const { question, answers, fault, ms } of step.dns) {
    const said = fault !== null ? FAULTS[fault] ?? safe(fault) : answers.map((each) => `"${safe(each)}"`).join(", ");
    inner(`${safe(question)} = ${said} (${milliseconds(ms)})`);
  }
  for (const each of step.held) inner(`would have ${safe(changeWords(each))}`);
  return lines;
}

const FAULTS: Readonly<Record<string, string>> = {
  nxdomain: "no such name",
  nodata: "no such record",
  servfail: "name service failed",
  timeout: "no answer in time",
};

function decision(step: Step): string {
  const { verdict, observed } = step;
  const words = {
    next: "no objection",
    accept: "accepted",
    defer: observed ? "would have deferred" : "DEFERRED",
    reject: observed ? "would have refused" : "REFUSED",
    error: "FAILED",
  }[verdict];
  if (verdict === "next" && observed && step.held.length > 0) {
    return wouldHave(step) === "held" ? "would have held" : "would have changed";
  }
  return observed && (verdict === "next" || verdict === "accept") ? `${words} (observe)` : words;
}
function toneOf({ verdict, observed }: Step): Tone {
  if (observed) return "seen";
  return ({ reject: "refused", defer: "deferred", error: "refused", accept: "accepted", next: "none" } as const)[
    verdict
  ];
}

function refusalLine({ command, reply, recipients, plugin, delayedFrom }: Refusal): string {
  const to = recipients.length === 0
    ? ""
    : ` to ${recipients.slice(0, 3).map(safe).join(", ")}${
      recipients.length > 3 ? ` and ${recipients.length - 3} more` : ""
    }`;
  const by = plugin === null ? "" : `, by ${safe(plugin)}`;
  return `  ${safe(command)}: ${safe(reply)}${to}${by}${
    delayedFrom === null ? "" : `, decided in ${safe(delayedFrom)}`
  }`;
}

function attemptLines({ at, recipient, outcome, relay, reply, tls, attempts, next }: Attempt, paint: Paint): string[] {
  const tone =
    ({ delivered: "accepted", deferred: "deferred", bounced: "refused", expired: "refused", held: "held" } as const)[
      outcome
    ];
  const which = attempts === 0 ? "" : `, attempt ${attempts}`;
  const lines = [
    `  ${moment(at)}  ${paint(tone, outcome)}  ${safe(recipient)}${which}${
      relay === null ? "" : `, by ${safe(relay)}`
    }${tls === null ? "" : `, ${safe(tls)}`}`,
  ];
  if (reply !== "") lines.push(`    ${safe(reply)}`);
  if (next !== null) lines.push(`    next attempt ${moment(next)}`);
  return lines;
}

// ---- Numbers and colours ---------------------------------------------------------------------------------------------

function moment(at: number): string {
  const date = new Date(at);
  return Number.isNaN(date.getTime()) ? "at no moment" : `${date.toISOString().slice(0, 19).replace("T", " ")} UTC`;
}
function milliseconds(ms: number): string {
  return ms >= 10_000 ? `${(ms / 1000).toFixed(1)} s` : `${ms.toFixed(1)} ms`;
}
function points(sum: number): string {
  return `${sum > 0 ? "+" : ""}${Number(sum.toFixed(2))}`;
}

type Tone = Verdict | "seen";
type Paint = (tone: Tone, text: string) => string;
const plain: Paint = (_, text) => text;
const CODES: Readonly<Record<Tone, string>> = {
  accepted: "32",
  held: "35",
  refused: "31",
  deferred: "33",
  abandoned: "2",
  none: "0",
  seen: "36",
};
const coloured: Paint = (tone, text) => `\x1b[${CODES[tone]}m${text}\x1b[0m`;
