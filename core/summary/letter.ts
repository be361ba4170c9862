/**
 * The daily summary as a mail: text/plain that a person reads in a minute, what wants him first. Pure. Words of peers
 * cannot end a line. Non-job: gathering (day.ts).
 */
import { type Address, formatAddress } from "../model/address.ts";
import { newId } from "../model/id.ts";
import { formatDate } from "../model/trace.ts";
import { printable } from "../observe/escape.ts";
import type { Day, Said } from "./day.ts";

export interface LetterOptions {
  /** This host's name. */
  readonly hostname: string;
  readonly to: Address;
}

const WIDTH = 76, MEBI = 2 ** 20;

/** Header and body with CRLF. */
export function letterOf(day: Day, { hostname, to }: LetterOptions): Uint8Array<ArrayBuffer> {
  const date = new Date(day.until).toISOString().slice(0, 10);
  const { findings } = day;
  const subject = `${hostname} on ${date}: ${
    findings.length === 0
      ? "all is well"
      : `${findings.length} ${findings.length === 1 ? "thing wants" : "things want"} you`
  }`;
  const body = textOf(day, hostname);
  const isAscii = /^[\x20-\x7e\n]*$/.test(body), wide = /[^\x00-\x7f]/.test(to.local);
  const octets = new TextEncoder().encode(body.replaceAll("\n", "\r\n"));
  const header = [
    `From: "Postern at ${hostname}" <postmaster@${hostname}>`,
    `To: <${formatAddress(to)}>`,
    `Date: ${formatDate(day.until)}`,
    `Message-ID: <${newId(day.until)}@${hostname}>`,
    `Subject: ${subject}`,
    "Auto-Submitted: auto-generated", //                                                                  RFC 3834 5
    "MIME-Version: 1.0",
    `Content-Type: text/plain; charset=${isAscii ? "us-ascii" : "utf-8"}`,
    `Content-Transfer-Encoding: ${isAscii ? wide ? "8bit" : "7bit" : "base64"}`,
    "",
    "",
  ].join("\r\n");
  const content = isAscii ? octets : new TextEncoder().encode(
    (octets.toBase64().match(/.{1,76}/g) ?? []).join("\r\n") + "\r\n",
  );
  const all = new Uint8Array(new TextEncoder().encode(header).length + content.length);
  all.set(new TextEncoder().encode(header));
  all.set(content, all.length - content.length);
  return all;
}

/** The body, lines that end with LF. */
export function textOf(day: Day, hostname: string): string {
  const { traffic, queue, quarantine, oldest } = day;
  const sections: string[] = [
    `The mail of ${hostname} from ${moment(day.from)} to ${moment(day.until)} (UTC).`,
    section("What wants you", day.findings.length === 0 ? ["Nothing."] : day.findings.map((each) => `- ${each}`)),
  ];
  if (traffic !== null) {
    const { now, before } = traffic;
    const row = (what: string, name: Exclude<keyof typeof now, "octets">) =>
      `${what.padEnd(26)}${count(now[name])}   (the day before ${before[name].toLocaleString("en")})`;
    sections.push(
      section("What came in", [
        row("sessions", "sessions"),
        row("accepted", "accepted"),
        row("held in quarantine", "held"),
        row("refused", "refused"),
        row("told to come again", "deferred"),
        `${"MiB accepted".padEnd(26)}${count(Math.round(now.octets / MEBI))}`,
      ]),
      section("What went out of the queue", [
        row("recipients delivered", "delivered"),
        row("put off", "postponed"),
        row("failed for good", "bounced"),
      ]),
    );
  } else sections.push(section("What came in", ["There is no ledger, so nobody counted."]));
  const acting = day.plugins.filter((each) =>
    each.refused + each.deferred + each.held + each.wouldRefuse + each.wouldDefer + each.wouldHold + each.errors > 0
  );
  if (acting.length > 0) {
    sections.push(section("Who refused", [
      `${"plugin".padEnd(26)}${["refused", "deferred", "held", "would have", "errors"].map(right).join("")}`,
      ...acting.toSorted((a, b) => b.refused - a.refused).map((each) =>
        `${each.plugin.slice(0, 24).padEnd(26)}${
          [each.refused, each.deferred, each.held, each.wouldRefuse + each.wouldDefer + each.wouldHold, each.errors]
            .map((n) => right(n.toLocaleString("en"))).join("")
        }`
      ),
    ]));
  }
  if (day.refusals.length > 0) sections.push(section("Why (of the newest 500 refusals)", said(day.refusals)));
  const states = Object.entries(queue).filter(([, n]) => n > 0);
  sections.push(section("The queue now", [
    states.length === 0 ? "It is empty." : states.map(([state, n]) => `${n.toLocaleString("en")} ${state}`).join(", "),
    ...oldest === null ? [] : [`The oldest has waited for ${age(oldest)}.`],
    ...day.destinations.map(({ destination, waiting, reason }) =>
      wrap(`- ${line(destination)}: ${waiting} waiting${reason === null ? "" : `, ${line(reason)}`}`)
    ),
  ]));
  sections.push(section("The quarantine", [
    quarantine.messages === 0
      ? "It is empty."
      : `${quarantine.messages.toLocaleString("en")} messages, ${
        Math.ceil(quarantine.octets / MEBI)
      } MiB, wait for a person.`,
  ]));
  if (day.certificates.length > 0) {
    sections.push(
      section(
        "Certificates",
        day.certificates.map(({ path, names, notAfter }) =>
          wrap(
            `- ${line(names.slice(0, 3).join(", "))} until ${new Date(notAfter).toISOString().slice(0, 10)} (${
              line(path)
            })`,
          )
        ),
      ),
    );
  }
  if (day.alerts.length > 0) sections.push(section("Alerts", said(day.alerts)));
  if (day.troubles.length > 0) sections.push(section("Troubles", said(day.troubles)));
  if (day.warnings.length > 0) {
    sections.push(
      section("What the configuration says and probably does not mean", day.warnings.map((each) => wrap(`- ${each}`))),
    );
  }
  return `${sections.join("\n\n")}\n`;
}

function section(title: string, lines: readonly string[]): string {
  return `${title}\n${"-".repeat(title.length)}\n${lines.join("\n")}`;
}
function said(all: readonly Said[]): string[] {
  return all.map(({ words, times }) => wrap(`- ${times > 1 ? `${times} times ` : ""}${line(words)}`));
}
/** One line that ends nothing and turns nothing round, in 300 characters. */
function line(text: string): string {
  return printable(text.replace(/\s+/g, " "), 300).replace(/^"([\s\S]*)"$/, "$1").replaceAll('\\"', '"');
}
/** At spaces; a word that is longer than a line stays whole. */
function wrap(text: string): string {
  const lines: string[] = [""];
  for (const word of text.split(" ")) {
    const last = lines.length - 1, open = lines[last]!;
    if (open !== "" && open.length + 1 + word.length > WIDTH) lines.push(`  ${word}`);
    else lines[last] = open === "" ? word : `${open} ${word}`;
  }
  return lines.join("\n");
}
function count(n: number): string {
  return n.toLocaleString("en").padStart(9);
}
function right(text: string): string {
  return text.padStart(11);
}
function moment(at: number): string {
  return new Date(at).toISOString().slice(0, 16).replace("T", " ");
}
function age(milliseconds: number): string {
  const minutes = Math.round(milliseconds / 60_000);
  return minutes < 120 ? `${minutes} minutes` : `${Math.floor(minutes / 60)} hours`;
}
