/**
 * The SMTP dialogue of a story, as far as the ledger knows it: who said what and when. What is kept word for word stands
 * there as words of the client or the server; the rest is told as what happened, not made up. Pure.
 * Non-job: the dialogue word for word, which only a recording has (core/replay/dialogue.ts).
 */
import { shortId } from "../model/id.ts";
import type { Refusal, Story } from "./story.ts";

export interface DialogueLine {
  /** `event`: nobody said that; it happened. */
  readonly who: "client" | "server" | "event";
  /** Milliseconds from the beginning; null: not known. */
  readonly at: number | null;
  /** As it came: not safe to print. Several lines stand behind each other with \n. */
  readonly text: string;
  /** A reply that says no. */
  readonly refused: boolean;
}

/** Recipients and messages that are told one by one. */
const NAMED = 20;

/** In the order in which it happened. Empty for a letter of this site's own: nobody spoke. */
export function dialogueOf(story: Story): readonly DialogueLine[] {
  if (story.ip === "") return [];
  const lines = new Lines(story.refusals);
  lines.event(`connected, ${story.ip}${story.proxy === null ? "" : ` by way of ${story.proxy}`}`, 0);
  if (!lines.refusal("connect") && story.listener !== "") {
    lines.event(`greeted by listener ${story.listener}${story.role === "lmtp" ? ", in LMTP" : ""}`);
  }
  if (story.tls !== null) lines.event(`${story.tls}${story.cipher === null ? "" : `, ${story.cipher}`}`);
  if (story.helo !== "") lines.event(`it called itself ${story.helo}`, firstOf(story, "helo"));
  for (const verb of ["HELO", "EHLO", "LHLO", "STARTTLS"]) while (lines.refusal(verb));
  for (const { mechanism, user, ok, reason, offset } of story.logins) {
    lines.client(`AUTH ${mechanism}`, offset);
    if (ok) lines.event(`signed in as ${user}`, offset);
    else if (!lines.refusal("AUTH")) lines.event(`not signed in as ${user}${reason === "" ? "" : `: ${reason}`}`);
  }
  while (lines.refusal("AUTH"));
  if (story.sender !== null) transaction(story, lines);
  for (const each of story.messages.slice(0, NAMED)) {
    lines.event(`message ${shortId(each.id)} from <${each.sender ?? ""}>: ${each.verdict}`, each.at - story.at);
  }
  lines.rest();
  if (story.ended !== null) lines.event(`ended: ${story.ended}`, story.seconds === null ? null : story.seconds * 1000);
  return lines.all;
}

function transaction(story: Story, lines: Lines): void {
  lines.client(`MAIL FROM:<${story.sender}>`, firstOf(story, "mail"));
  if (!lines.refusal("MAIL")) lines.server("250");
  const refused = story.refusals.filter(({ command }) => command === "RCPT").flatMap(({ recipients }) => recipients);
  const asked = story.steps.flatMap(({ phase, recipient }) =>
    phase === "rcpt" && recipient !== null ? [recipient] : []
  );
  const all = [...new Set([...asked.length > 0 ? asked : story.recipients, ...refused])];
  for (const each of all.slice(0, NAMED)) {
    const step = story.steps.find(({ phase, recipient }) => phase === "rcpt" && recipient === each);
    lines.client(`RCPT TO:<${each}>`, step?.offset ?? null);
    if (!lines.refusal("RCPT", each)) lines.server("250");
  }
  if (all.length > NAMED) lines.event(`and ${all.length - NAMED} more recipients`);
  for (const verb of ["RCPT", "DATA"]) while (lines.refusal(verb));
  const came = story.size !== null || story.refusals.some(({ command }) => command === "message");
  if (came) {
    const size = story.size === null ? "the message" : `the message, ${story.size.toLocaleString("en-US")} octets`;
    lines.event(`${size}, not kept here`, firstOf(story, "data"));
  }
  const taken = story.verdict === "accepted" || story.verdict === "held";
  while (lines.refusal("message"));
  if (taken && story.reply !== null) lines.server(story.reply);
}

/** When the first plugin of a phase was asked. */
function firstOf({ steps }: Story, phase: string): number | null {
  return steps.find((each) => each.phase === phase)?.offset ?? null;
}
class Lines {
  readonly all: DialogueLine[] = [];
  readonly #refusals: Refusal[];
  #now = 0;

  constructor(refusals: readonly Refusal[]) {
    this.#refusals = [...refusals];
  }

  client(text: string, at: number | null = null): void {
    this.#add("client", text, at);
  }
  server(text: string, at: number | null = null): void {
    this.#add("server", text, at);
  }
  event(text: string, at: number | null = null): void {
    this.#add("event", text, at);
  }

  /** The next refusal of that command (of that recipient), if there is one. */
  refusal(command: string, recipient?: string): boolean {
    const at = this.#refusals.findIndex((each) =>
      each.command === command && (recipient === undefined || each.recipients.includes(recipient))
    );
    if (at < 0) return false;
    const [{ reply, offset }] = this.#refusals.splice(at, 1) as [Refusal];
    this.#add("server", reply, offset, true);
    return true;
  }
  /** Refusals of commands that stand nowhere in the usual order. */
  rest(): void {
    for (const { command, reply, offset } of this.#refusals.splice(0)) {
      this.client(command, offset);
      this.#add("server", reply, offset, true);
    }
  }

  /** Time goes on: what seems to come before what stands there already has no moment of its own. */
  #add(who: DialogueLine["who"], text: string, at: number | null, refused = false): void {
    const known = at !== null && at >= this.#now;
    if (known) this.#now = at;
    this.all.push({ who, at: known ? at : null, text, refused });
  }
}
