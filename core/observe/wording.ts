/**
 * One line per event: for people (short ids, key=value), and as a JSON object for machines. Values only, no output.
 * Non-job: safe text (escape.ts).
 */
import { formatAddress } from "../model/address.ts";
import { shortId } from "../model/id.ts";
import { cut, printable } from "./escape.ts";
import type { Bounced, Deferred, Delivered, Event } from "./events.ts";

export type EventLevel = "debug" | "info" | "warning" | "error";

/** Addresses that a line shows; a message may have a thousand. */
const MAX_SHOWN = 5, MAX_LISTED = 50;
/** The longest reply of a peer. */
const MAX_SAID = 512;
/** The longest value in a JSON line. */
const MAX_JSON = 1024;
/** Ends of a session that need no attention. */
const QUIET = new Set(["quit", "drained"]);

/** What a JSON line has in another form, or leaves to the ledger. */
const UNLISTED = new Set(["reply", "held", "recipient", "asked", "facts"]);

/** What an event is worth: decisions and the course of a session are detail. */
export function levelOf(event: Event): EventLevel {
  switch (event.type) {
    case "accepted":
    case "refused":
      return "info";
    case "trouble":
      return "error";
    case "delivered":
    case "deferred":
    case "bounced":
    case "held":
      return "info";
    case "session-closed":
      return QUIET.has(event.reason) ? "debug" : "info";
    case "rewritten":
      return "info";
    case "scored":
      return "debug";
    case "decision":
      return event.verdict === "error" ? "error" : "debug";
    case "login":
    case "notice":
      return "info";
    case "alert":
      return "warning";
    case "session-secured":
      return event.distrust === null ? "debug" : "info";
    case "audit":
      return "info";
    case "abandoned":
    case "session-opened":
    case "session-greeted":
    case "session-proxied":
      return "debug";
  }
}

function path(address: string): string {
  return `<${address === "" ? "" : printable(address)}>`;
}
/** Where what a peer said stands by itself, quotes show where it ends. */
function quoted(text: string): string {
  const safe = printable(text);
  return safe.startsWith('"') ? safe : `"${safe}"`;
}
function paths(addresses: readonly string[]): string {
  if (addresses.length === 1) return path(addresses[0]!);
  const shown = addresses.slice(0, MAX_SHOWN).map(path).join(",");
  return addresses.length > MAX_SHOWN ? `${shown},+${addresses.length - MAX_SHOWN}` : shown;
}
function milliseconds(ms: number): string {
  return ms < 10 ? ms.toFixed(1) : String(Math.round(ms));
}

/** A promise to programs that read logs: docs/operations.md. What was said stands last, for nothing can end it. */
function delivery(event: Delivered | Deferred | Bounced, status: string): string {
  const { type, transaction, sender, recipient, relay, delay, reply } = event;
  const said = printable(reply, MAX_SAID).replace(/^"(.*)"$/, "$1");
  return `${shortId(transaction)} ${type.padEnd(9)} id=${transaction} from=${path(sender)} to=${
    path(recipient)
  } relay=${relay === null ? "none" : printable(relay)} delay=${(delay / 1000).toFixed(1)} dsn=${
    printable(event.status)
  } status=${status} (${said})`;
}

/** Short id, word, and the facts. */
export function textOf(event: Event): string {
  switch (event.type) {
    case "accepted":
      return `${shortId(event.transaction)} ${event.held === null ? "accepted " : "held     "} from=${
        path(event.sender)
      } to=${paths(event.recipients)} size=${event.size} ms=${milliseconds(event.ms)} ip=${event.ip}${
        event.held === null ? "" : ` reason=${printable(event.held)}`
      }`;
    case "refused": {
      const { reply, plugin, reason, delayedFrom } = event;
      return `${shortId(event.transaction ?? event.session)} refused   ${
        printable(event.command)
      } ${reply.code} ${reply.status} ${printable(reply.text)}${plugin === null ? "" : ` by=${printable(plugin)}`}${
        delayedFrom === null ? "" : ` phase=${delayedFrom}`
      }${reason !== null && reason !== reply.text ? ` reason=${printable(reason)}` : ""}${
        event.sender === null ? "" : ` from=${path(event.sender)}`
      }${event.recipients.length > 0 ? ` to=${paths(event.recipients)}` : ""} ip=${printable(event.ip)}`;
    }
    case "delivered":
      return delivery(event, "sent");
    case "deferred":
      return delivery(event, "deferred");
    case "bounced":
      return delivery(event, event.expired ? "expired" : "bounced");
    case "held":
      return `${shortId(event.transaction)} held      id=${event.transaction} to=${path(event.recipient)} reason=${
        printable(event.reason)
      }`;
    case "session-opened":
      return `${shortId(event.session)} connected ip=${printable(event.ip)} listener=${
        printable(event.listener)
      } role=${printable(event.role)}`;
    case "session-greeted":
      return `${shortId(event.session)} greeted   ${event.verb} ${quoted(event.helo)}`;
    case "abandoned":
      return `${shortId(event.transaction)} abandoned from=${path(event.sender)}${
        event.recipients.length > 0 ? ` to=${paths(event.recipients)}` : ""
      } reason=${printable(event.reason)}`;
    case "audit":
      return `-------- audit     ${printable(event.action)} ${printable(event.subject)} by=${printable(event.by)} ip=${
        printable(event.ip)
      }`;
    case "session-secured":
      return `${shortId(event.session)} secured   ip=${printable(event.ip)} tls=${event.version} cipher=${
        printable(event.cipher)
      }${event.resumed ? " resumed" : ""}${
        event.distrust === null ? "" : ` certificate=refused reason=${printable(event.distrust)}`
      }`;
    case "session-proxied":
      return `${shortId(event.session)} proxied   ip=${printable(event.ip)} by=${printable(event.by)}`;
    case "login":
      return `${shortId(event.session)} ${event.ok ? "login    " : "no login "} user=${
        printable(event.user)
      } mechanism=${printable(event.mechanism)}${event.reason === "" ? "" : ` reason=${printable(event.reason)}`} ip=${
        printable(event.ip)
      }`;
    case "alert":
      return `-------- alert     ${printable(event.where)} ${printable(event.subject)}: ${
        printable(event.message, 1024)
      }`;
    case "scored":
      return `${shortId(event.transaction)} scored    ${printable(event.plugin)} points=${event.points} reason=${
        printable(event.reason)
      }`;
    case "rewritten":
      return `${shortId(event.transaction)} rewritten id=${event.transaction} by=${printable(event.plugin)} size=${
        event.sizes.join("->")
      } reason=${printable(event.reason)}`;
    case "session-closed":
      return `${shortId(event.session)} closed    ip=${printable(event.ip)} reason=${
        printable(event.reason)
      } messages=${event.messages} seconds=${event.seconds.toFixed(1)}`;
    case "decision":
      return `${shortId(event.transaction ?? event.session)} decided   ${event.phase} ${
        printable(event.plugin)
      }=${event.verdict}${event.reason === "" ? "" : ` reason=${printable(event.reason)}`} ms=${
        milliseconds(event.ms)
      }${event.observed ? " observed" : ""}`;
    case "notice":
      return `-------- notice    ${printable(event.where)} ${printable(event.message, 1024)}`;
    case "trouble":
      return `-------- trouble   ${printable(event.where)} ${printable(event.message, 1024)}`;
  }
}

/** The facts of an event as plain data, cut to a sane size. */
export function fieldsOf(event: Event): Record<string, unknown> {
  const { type, ...rest } = event;
  const fields: Record<string, unknown> = { event: type };
  for (const [name, value] of Object.entries(rest)) {
    if (typeof value === "string") fields[name] = cut(value, MAX_JSON);
    else if (typeof value === "number") fields[name] = Number.isInteger(value) ? value : Number(value.toFixed(3));
    else if (name === "recipients") {
      const list = value as readonly string[];
      fields[name] = list.slice(0, MAX_LISTED).map((each) => cut(each, MAX_JSON));
      if (list.length > MAX_LISTED) fields["recipientCount"] = list.length;
    } else if (!UNLISTED.has(name)) fields[name] = value;
  }
  if (type === "accepted") fields["held"] = event.held === null ? null : cut(event.held, MAX_JSON);
  delete fields["began"]; // a moment of this process's own clock
  if (type === "decision") {
    if (event.held) fields["held"] = event.held.length;
    if (event.recipient) fields["recipient"] = cut(formatAddress(event.recipient), MAX_JSON);
  }
  if (type === "refused") {
    const { code, status, text } = event.reply;
    Object.assign(fields, { code, status, text: cut(text, MAX_JSON) });
    for (const name of ["plugin", "reason", "delayedFrom"] as const) if (event[name] === null) delete fields[name];
  }
  return fields;
}
