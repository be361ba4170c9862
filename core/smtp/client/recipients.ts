/**
 * The recipients of a transaction: who is asked for, who was accepted, what became of whom. Each has its own state
 * (RFC 5321 3.3). Non-job: what is said when (open_transaction.ts).
 */
import type { Line } from "./line.ts";
import { unmet, unmetFor } from "./needs.ts";
import { found, type Outcome, said, saidForNow } from "./outcome.ts";
import type { PeerReply } from "./peer_reply.ts";
import { type Inquiry, rcptCommand } from "./transaction.ts";

const TOO_MANY = found("untried", "4.5.3", "This server takes fewer recipients at a time", "envelope");
const TOO_MANY_DOMAINS = found("untried", "4.5.3", "This server takes fewer domains in a session", "envelope");

export class Recipients {
  readonly outcomes: (Outcome | null)[];
  /** RCPT of those that are tried, in order. */
  readonly commands: readonly string[];
  /** Somebody was left out since the session has had its share of domains. */
  readonly tooManyDomains: boolean;
  readonly #tried: readonly number[];
  readonly #accepted: number[] = [];
  /** The answer to RCPT is all that is wanted. */
  readonly #final: boolean;
  #answered = 0;
  #ended = 0;

  /** @throws {TypeError} when a command cannot be said. */
  constructor(transaction: Inquiry, line: Line) {
    const { recipients } = transaction, { peer, secure, domains } = line, { limits } = peer;
    const commands = recipients.map((each) => rcptCommand(each, peer));
    const nobody = unmet(transaction, peer, { secure, now: line.options.now() });
    const tried: number[] = [];
    this.outcomes = recipients.map((each, place) => {
      const lacking = nobody ?? unmetFor(each, peer);
      if (lacking !== null) return lacking;
      if (tried.length >= limits.recipients) return TOO_MANY; //                                          RFC 9422 4
      if (limits.domains !== Infinity) {
        const { domain } = each.address;
        if (!domains.has(domain) && domains.size >= limits.domains) return TOO_MANY_DOMAINS;
        domains.add(domain);
      }
      tried.push(place);
      return null;
    });
    this.#final = transaction.content === null;
    this.#tried = tried;
    this.commands = tried.length === commands.length ? commands : tried.map((place) => commands[place]!);
    this.tooManyDomains = this.outcomes.includes(TOO_MANY_DOMAINS);
  }

  /** How many the content is for. */
  get accepted(): number {
    return this.#accepted.length;
  }
  /** Every RCPT has its answer. */
  get decided(): boolean {
    return this.#answered === this.#tried.length;
  }

  /** The answer to the next RCPT. */
  replied(reply: PeerReply, mailAccepted: boolean): void {
    const place = this.#tried[this.#answered++]!;
    if (!mailAccepted) return; // whatever it says, the refusal of MAIL says more
    if (reply.verdict === "accept") this.#accepted.push(place);
    if (reply.verdict !== "accept") this.outcomes[place] = this.#refused(reply);
    else if (this.#final) this.outcomes[place] = said(reply, "rcpt");
  }

  #refused(reply: PeerReply): Outcome {
    const { code } = reply, own = reply.ownStatus?.slice(1);
    // 552 was once said for 452, and means that the rest is to come in another transaction        RFC 5321 4.5.3.1.10
    const tooMany = code === 452 ? own === ".5.3" : code === 552 && (own === ".5.3" || own === undefined);
    if (!tooMany) return said(reply, "rcpt");
    return saidForNow(reply, "rcpt", this.#accepted.length > 0 ? "untried" : "defer");
  }

  /** The answer to the end of the content in LMTP: that of the next who was accepted (RFC 2033 4.2). */
  ended(reply: PeerReply): void {
    this.outcomes[this.#accepted[this.#ended++]!] = said(reply, "dot");
  }

  /** What it is for all who have no outcome yet. */
  settle(outcome: Outcome): void {
    for (let place = 0; place < this.outcomes.length; place++) this.outcomes[place] ??= outcome;
  }
}
