/**
 * Every sentence of a report, for somebody who writes letters and has never heard of SMTP: what happened, to whom, what to
 * do. The reasons go by the enhanced status codes (RFC 3463, RFC 5248); another server's words are quoted, never believed.
 * Non-job: what machines read (status.ts), the message around it (report.ts).
 */
import { type Address, formatAddress } from "../model/address.ts";
import { formatDate } from "../model/trace.ts";
import { type DeliveryEvent, type ReportedMessage, statusOf } from "./event.ts";
import type { Notification } from "./notify.ts";
import { quotable, wrap } from "./text.ts";

/** Who writes. */
export const DISPLAY_NAME = "Mail Delivery System";
/** Descriptions of the parts (RFC 2183 leaves them to us), as mail programs show them. */
export const PART_NAMES = { status: "Details for administrators", returned: "Your message" } as const;

type Advice = readonly [happened: string, whatToDo: string];

const CHECK = "Check the address for typing errors.";
const OTHERWISE = "Ask the recipient by other means, such as the telephone.";
const THEIR_ADMIN = "Only the recipient's mail administrator can mend this. Tell the recipient by other means.";
const OUR_ADMIN = "Show this report to your mail administrator.";
const LATER = "Send it again later. If that does not help, ask the recipient by other means.";
const SMALLER = "Send it again without large attachments, or put the files where the recipient can fetch them.";
const REWRITE = "Ask the recipient by other means whether such messages are wanted, or write it in another way.";

/** By subject and detail of the status; what is not here goes by its subject alone. */
const REASONS: Readonly<Record<string, Advice>> = {
  "0.0": ["The recipient's mail server gave no reason that is known here.", LATER],
  "1.0": ["There is something wrong with the address.", CHECK],
  "1.1": ["There is no mailbox with this address.", `${CHECK} If it is right, the mailbox is gone.`],
  "1.2": ["The part of the address behind the @ does not exist, or takes no mail.", CHECK],
  "1.3": ["The address is not written as addresses are.", CHECK],
  "1.4": ["The address stands for more than one mailbox.", "Ask the recipient for the full address."],
  "1.6": ["The mailbox has moved, and nobody knows where to.", OTHERWISE],
  "1.7": ["Your own address was not accepted as the sender.", OUR_ADMIN],
  "1.8": ["The mail server of the recipient could not find your own address.", OUR_ADMIN],
  "1.10": ["The part of the address behind the @ takes no mail at all.", CHECK],
  "2.0": ["There is something wrong with the mailbox.", OTHERWISE],
  "2.1": ["The mailbox is closed, or takes no messages now.", OTHERWISE],
  "2.2": ["The mailbox is full.", `${OTHERWISE} Send it again when there is space.`],
  "2.3": ["The message is too large for this mailbox.", SMALLER],
  "2.4": ["The address is a list, and the list does not work.", OTHERWISE],
  "3.0": ["The recipient's mail server has a fault of its own.", LATER],
  "3.1": ["The recipient's mail server has no space left.", LATER],
  "3.2": ["The recipient's mail server takes no messages now.", LATER],
  "3.3": ["The recipient's mail server cannot do what this message asks of it.", OUR_ADMIN],
  "3.4": ["The message is too large for the recipient's mail server.", SMALLER],
  "3.5": ["The recipient's mail server is set up in a wrong way.", THEIR_ADMIN],
  "4.0": ["The recipient's mail server could not be reached.", LATER],
  "4.1": ["The recipient's mail server does not answer.", `${CHECK} ${LATER}`],
  "4.2": ["The connection to the recipient's mail server broke off.", LATER],
  "4.3": ["It could not be found out which server takes mail for this address.", `${CHECK} ${LATER}`],
  "4.4": ["There is no way to a mail server for this address.", CHECK],
  "4.5": ["The recipient's mail server is too busy.", LATER],
  "4.6": ["The message went around in a circle.", "Tell the recipient by other means: somebody's forwarding is wrong."],
  "4.7": ["It took longer than messages are kept for.", LATER],
  "5.0": ["The two mail servers did not understand each other.", OUR_ADMIN],
  "5.3": ["The message has too many recipients for that server.", "Send it to fewer recipients at once."],
  "6.0": ["The recipient's mail server does not accept what is in the message.", REWRITE],
  "6.1": ["The recipient's mail server does not accept this kind of content.", REWRITE],
  "6.2": ["The message would have to be changed on its way, and may not be.", OUR_ADMIN],
  "6.3": ["The message would have to be changed on its way, and cannot be.", OUR_ADMIN],
  "6.7": [
    "The recipient's mail server does not know addresses with letters beyond A to Z.",
    "Use an address without such letters, yours or the recipient's, if there is one.",
  ],
  "7.0": ["The recipient's mail server refused the message by its rules.", REWRITE],
  "7.1": [
    "The recipient's mail server does not take messages from you, or not for this address.",
    `${CHECK} ${OTHERWISE}`,
  ],
  "7.2": ["You may not write to this list.", "Ask the owner of the list."],
  "7.4": ["The recipient's mail server cannot do what the protection of this message asks.", OUR_ADMIN],
  "7.5": ["The protection of this message does not work with the recipient's mail server.", OUR_ADMIN],
  "7.8": ["Your server could not log in where it hands its mail on.", OUR_ADMIN],
  "7.10": ["The message may only travel encrypted, and the recipient's mail server cannot do that.", OTHERWISE],
  "7.20": ["Your server's signature on the message was not accepted.", OUR_ADMIN],
  "7.23": ["Your server is not among those that may send for your address.", OUR_ADMIN],
  "7.25": ["Your server's name and number do not fit together.", OUR_ADMIN],
  "7.26": ["The recipient's mail server could not make sure that the message comes from you.", OUR_ADMIN],
  "7.27": ["Your own address takes no mail, so nothing is taken from it.", OUR_ADMIN],
  "7.28": ["Too much mail came at once.", LATER],
  "7.30": ["The message may only travel encrypted all the way, and there is no such way to the recipient.", OTHERWISE],
};
/** Codes that mean to a person what another one means (RFC 5248, RFC 7372, RFC 7505). */
const SAME: Readonly<Record<string, string>> = {
  "1.9": "3.0",
  "5.1": "5.0",
  "5.2": "5.0",
  "7.11": "7.10",
  "7.21": "7.20",
  "7.22": "7.20",
  "7.24": "7.23",
  "7.29": "7.26",
};

/** Nobody else was asked, and it is a matter of policy: what we noted is all there is to say, as a postmaster's own words. */
const OURS_ALONE: Advice = ["This server did not deliver it, for the reason below.", OUR_ADMIN];
const OURS_BY_POLICY: ReadonlySet<string> = new Set(["5.0.0", "5.7.0", "5.7.1"]);

function adviceFor(event: DeliveryEvent): Advice {
  const status = statusOf(event);
  if (event.action === "failed" && event.remote === null && event.words !== null && OURS_BY_POLICY.has(status)) {
    return OURS_ALONE;
  }
  const [, subject, detail] = status.split("."), key = `${subject}.${detail}`;
  return REASONS[SAME[key] ?? key] ?? REASONS[`${subject}.0`] ?? REASONS["0.0"]!;
}

export function subjectOf({ kind, double, events }: Notification): string {
  if (double) return "Mail from nobody could not be delivered";
  if (kind === "failure") return "Your message could not be delivered";
  if (kind === "delay") return "Your message is delayed";
  return events.every(({ action }) => action === "delivered")
    ? "Your message was delivered"
    : "Your message was passed on";
}

/** Whom the reader may ask, and where this was written. */
export interface Writer {
  readonly host: string;
  /** Null: nobody reads mail for the postmaster. */
  readonly contact: Address | null;
}

/** The part that people read; LF ends its lines. */
export function textOf(
  notification: Notification,
  message: ReportedMessage,
  options: Writer & { readonly returned: "message" | "header" | null },
): string {
  const { kind, double } = notification;
  return [
    wrap(opening(notification)),
    about(message, double),
    ...groups(notification, message),
    wrap(closing(kind, options.returned)),
    wrap(
      `This report was written by the mail server ${options.host}. ${
        options.contact === null
          ? `Nobody reads answers to it. Its reference is ${message.id}.`
          : `Nobody reads answers to it; for help write to ${
            formatAddress(options.contact)
          } and give the reference ${message.id}.`
      }`,
    ),
  ].join("\n");
}

function opening({ kind, double, events }: Notification): string {
  const who = events.length === 1 ? "the recipient below" : `the ${events.length} recipients below`;
  if (double) {
    return `A message without a sender's address, such as a report or an automatic answer, could not be delivered to ${who}. ` +
      "There is nobody else who could be told.";
  }
  if (kind === "failure") {
    return `Your message could not be delivered to ${who}. It will not be tried again. ` +
      "Recipients that are not named here are not affected.";
  }
  if (kind === "delay") {
    return `Your message has not reached ${who} yet. You need not do anything; please do not send it again.`;
  }
  return events.every(({ action }) => action === "delivered")
    ? `Your message was delivered to ${who}.`
    : `This is a report about your message to ${who}. Nothing went wrong.`;
}

function about({ sender, receivedAt, summary }: ReportedMessage, double: boolean): string {
  const line = (name: string, value: string) =>
    value === "" ? "" : `    ${`${name}:`.padEnd(10)}${quotable(value, 200)}\n`;
  return line("Subject", summary.subject) + line("To", summary.to) +
    line("From", double ? summary.from : formatAddress(sender)) +
    line("Received", formatDate(receivedAt));
}

/** Recipients about whom there is the same to say stand together; after so many of them the machine's part has the rest. */
const MAX_TOLD = 100, MAX_QUOTE = 500;

function groups(notification: Notification, message: ReportedMessage): string[] {
  const { events } = notification;
  const told = new Map<string, string>();
  for (const event of events.slice(0, MAX_TOLD)) {
    const said = saying(notification, event, message);
    told.set(said, `${told.get(said) ?? ""}${nameOf(event)}\n`);
  }
  const paragraphs = [...told].map(([said, names]) => names + said);
  const more = events.length - MAX_TOLD;
  return more > 0 ? [...paragraphs, wrap(`And ${more} more: the attached details name them all.`)] : paragraphs;
}

/** As the sender knows it; where mail for it went is said too. */
function nameOf({ recipient: { address, original } }: DeliveryEvent): string {
  const named = quotable(formatAddress(original), 400), went = quotable(formatAddress(address), 400);
  return named.toLowerCase() === went.toLowerCase() ? named : `${named} (passed on to ${went})`;
}

function saying(notification: Notification, event: DeliveryEvent, message: ReportedMessage): string {
  const { remote, words } = event;
  let out = sentences(notification, event, message).map((each) => wrap(each, "    ")).join("");
  const quote = words === null ? "" : quotable(words, MAX_QUOTE);
  if (quote !== "") {
    const server = remote === null ? "" : quotable(remote.name, 255);
    const ip = remote?.ip ? ` (${quotable(remote.ip, 64)})` : "";
    out += wrap(remote === null ? "This server noted:" : `The mail server ${server}${ip} said:`, "    ");
    out += wrap(quote, "        ");
  }
  return out;
}

function sentences({ double }: Notification, event: DeliveryEvent, { parameters }: ReportedMessage): string[] {
  const [happened, todo] = adviceFor(event), { cause, retryUntil, at, peer } = event;
  const { notify } = event.recipient.parameters;
  const hears = notify === null || notify.includes("FAILURE"); // of a failure that comes later
  const deadline = parameters.deliverBy === undefined ? "" : formatDate(parameters.deliverBy.at);
  switch (event.action) {
    case "failed": {
      const what = cause === "overdue"
        ? `You wanted it delivered by ${deadline || "a certain moment"}, and that was not possible.`
        : cause === "expired"
        ? `This server tried again and again, and gave up on ${formatDate(at)}. ${happened}`
        : happened;
      return double ? [what] : [what, `What to do: ${cause === "overdue" ? LATER : todo}`]; // the postmaster knows
    }
    case "delayed": {
      const wish = cause === "overdue" && deadline !== "" ? ` You wanted it delivered by ${deadline}.` : "";
      const until = retryUntil === undefined
        ? ""
        : ` This server goes on trying until ${formatDate(retryUntil)}${
          hears ? "; if it has not arrived by then, you are told." : "."
        }`;
      return [`${happened}${wish}${until}`];
    }
    case "expanded":
      return [
        "This address stands for several recipients, and the message goes on to all of them." +
        (hears ? " You are told if one of them cannot be reached." : ""),
      ];
    case "relayed":
      return [
        peer?.dsn === true
          ? "The message was passed on to the next mail server on its way."
          : "The message was passed on to a place that does not report what becomes of it. Expect no report of its arrival.",
      ];
    case "delivered":
      return ["The message is where the recipient can read it. Whether it was read is not known here."];
  }
}

function closing(kind: Notification["kind"], returned: "message" | "header" | null): string {
  const details = "The details for administrators are attached";
  if (returned === null) return `${details}.`;
  if (returned === "message") return `${details}, and so is the message as it came.`;
  return kind === "failure"
    ? `${details}, and so is the head of the message, without its text.`
    : `${details}, and so is the head of the message.`;
}
