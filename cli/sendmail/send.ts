/**
 * Hands a message in: to the running server, else into the maildrop, where the server finds it when it runs again.
 * What the server puts off waits there too: cron and PHP do not ask twice. Non-job: the command line (arguments.ts).
 */
import type { LocalSite } from "../../core/config/local_site.ts";
import { DropError, leaveDrop } from "../../core/maildrop/drop.ts";
import { submit } from "../../core/maildrop/submit.ts";
import { parseAddress } from "../../core/model/address.ts";
import { newId } from "../../core/model/id.ts";
import { formatDate } from "../../core/model/trace.ts";
import { CommandError, DONE, type ExitCode, type Terminal } from "../terminal.ts";
import { addressesOf, withDomain } from "./addresses.ts";
import type { Arguments } from "./arguments.ts";
import { beforeDot, prepare } from "./message.ts";
import { whoRuns } from "./person.ts";
import { EX_CONFIG, EX_DATAERR, EX_NOUSER, EX_TEMPFAIL, EX_UNAVAILABLE, EX_USAGE } from "./sysexits.ts";

/** Of what a program says of a server that is not there, milliseconds. */
const PATIENCE = 10_000;

export async function send(wanted: Arguments, site: LocalSite, terminal: Terminal): Promise<ExitCode> {
  if (site.door === null) {
    throw new CommandError(
      "sendmail: every listener wants a login or TLS; one on 127.0.0.1 without them takes mail of this machine",
      EX_CONFIG,
    );
  }
  const named = wanted.recipients.flatMap((each) => addressesOf(each, site.origin));
  if (named.length === 0 && !wanted.fromHeader) throw new CommandError("sendmail: no recipients", EX_USAGE);
  const person = await whoRuns(terminal.env["LOGNAME"] ?? terminal.env["USER"]);
  const own = `${person.login}@${site.origin}`, at = Date.now();
  const from = wanted.sender === null ? own : withDomain(wanted.sender, site.origin);
  if (from !== "" && parseAddress(from) === null) {
    throw new CommandError(`sendmail: -f: ${JSON.stringify(from)} is no address`, EX_USAGE);
  }
  const octets = await terminal.input(site.messageSize);
  const { content, recipients } = prepare(wanted.dots ? octets : beforeDot(octets), {
    from: from === "" ? own : from,
    name: wanted.name ?? (from === own ? person.name : ""),
    origin: site.origin,
    date: formatDate(at),
    messageId: `<${newId(at)}@${site.hostname}>`,
  });
  if (content.length > site.messageSize) {
    throw new CommandError(`sendmail: the message has more than ${site.messageSize} octets`, EX_DATAERR);
  }
  const to = [...new Set([...named, ...wanted.fromHeader ? recipients : []])];
  if (to.length === 0) throw new CommandError("sendmail: To, Cc and Bcc name no recipient", EX_DATAERR);
  const { notify, ret } = wanted;
  const mail = { from, to, notify: notify && [...notify], ret, envid: wanted.envid && xtext(wanted.envid), content };
  const outcomes = await submit(mail, { door: site.door, hostname: site.hostname, connectTimeout: PATIENCE });

  let code: ExitCode = DONE;
  const left: string[] = [];
  for (const [place, { verdict, status, text, reply }] of outcomes.entries()) {
    if (verdict === "accept") continue;
    if (verdict !== "reject") {
      left.push(to[place]!);
      continue;
    }
    const words = reply === null ? text : `${reply.code} ${text}`;
    terminal.err(`sendmail: ${plain(to[place]!)}: ${plain(words)}`);
    code = codeOf(status);
  }
  if (left.length === 0) return code;
  const why = outcomes.find(({ verdict }) => verdict !== "accept" && verdict !== "reject")!.text;
  if (site.maildrop === null) {
    throw new CommandError(`sendmail: ${plain(why)}, and the store of the server is in memory`, EX_TEMPFAIL);
  }
  try {
    await leaveDrop(site.maildrop, { ...mail, to: left, at });
  } catch (error) {
    if (!(error instanceof DropError)) throw error;
    throw new CommandError(`sendmail: ${plain(why)}, and ${error.message}`, EX_TEMPFAIL);
  }
  return code;
}

/** By RFC 3463. */
function codeOf(status: string): ExitCode {
  if (/^5\.1\.(?:1|2|3|6|10)$/.test(status)) return EX_NOUSER;
  return /^5\.(?:6\.|3\.4|2\.3|1\.[78]$)/.test(status) ? EX_DATAERR : EX_UNAVAILABLE;
}

/** RFC 3461 4. */
function xtext(text: string): string {
  return text.replace(
    /[^!-*,-<>-~]/g,
    (char) => `+${(char.charCodeAt(0) & 255).toString(16).toUpperCase().padStart(2, "0")}`,
  )
    .slice(0, 100);
}

/** Peers and messages wrote some of this. */
function plain(text: string): string {
  return text.replace(/\p{C}/gu, "?").slice(0, 1000);
}
