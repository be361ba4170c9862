/**
 * Asks the next hop of a recipient whether it takes mail for it: MAIL, RCPT and RSET at the places that a message would go
 * to, over the connections that messages go over. Bounded in time and number; never rejects. Only what a host says of the
 * recipient itself counts (RFC 5321 3.3): whatever else goes wrong is a deferral, as it would be for a message.
 * Non-job: who is asked about and what follows, remembering answers (plugins), sending anything (remote.ts).
 */
import { NO_RCPT_PARAMETERS } from "../model/envelope.ts";
import { defer, Reply } from "../model/reply.ts";
import { tlsWish } from "../model/tls_wish.ts";
import type { OutboundConnection } from "../net/outbound.ts";
import type { Question } from "../pipeline/contexts/contexts.ts";
import type { Envelope, Outcome } from "../smtp/client/mod.ts";
import { type ConnectOptions, Connector } from "./connect.ts";
import type { Target, Targets } from "./target.ts";
import { isBarred, type Stop, type Walks } from "./walk.ts";

export interface CallAheadOptions extends ConnectOptions {
  readonly targets: Pick<Targets, "of">;
  readonly walks: Pick<Walks, "of">;
  /** Milliseconds for a question, whatever its signal says (default 30 s). */
  readonly timeout?: number;
  /** Questions at once (default 100): hosts that ask us back about what we ask them get no further than this. */
  readonly atOnce?: number;
}

/** Hosts that are talked to for one question. */
const SESSIONS = 3;
/** Milliseconds for a peer to forget a question that it has answered; then the connection is cut. */
const FORGETTING = 10_000;
/** Words of a host that are repeated, characters. */
const LONGEST = 300;

/** Nobody said yes: mail for this recipient asks nobody on its way (RFC 5321 3.5.3 has this code for it). */
const NOBODY_TO_ASK = new Reply(252, "2.0.0", "No other server has to be asked");
const NO_ANSWER = defer("4.4.1", "No server could be asked");
const NO_TIME = defer("4.4.1", "No server answered in time");
const TOO_MANY = defer("4.4.5", "Too many servers are being asked");

export class CallAhead {
  readonly #options: CallAheadOptions;
  readonly #connector: Connector;
  #running = 0;

  constructor(options: CallAheadOptions) {
    this.#options = options;
    this.#connector = new Connector(options);
  }

  /**
   * 250: its host takes the recipient. 252: nobody has to be asked, as the recipient does not go to a mail server. A
   * rejection: its host refuses the recipient, with the host's code, status and words, and its name. A deferral: the host
   * does so for now, with its own code and status; or, with 451 4.4.x, nobody could be asked or said anything of use.
   */
  async ask(question: Question, signal: AbortSignal): Promise<Reply> {
    const { targets, timeout = 30_000, atOnce = 100 } = this.#options, { sender, recipient, route } = question;
    const target = targets.of({ address: recipient, route }, sender);
    if (target.kind === "nowhere") return defer("4.4.4", target.reason);
    if (target.kind !== "mx" && target.kind !== "hop" || target.kind === "hop" && target.hop.http !== null) {
      return NOBODY_TO_ASK;
    }
    if (this.#running >= atOnce) return TOO_MANY;
    const end = new AbortController(), over = Promise.withResolvers<Reply>();
    const give = () => {
      end.abort();
      over.resolve(NO_TIME);
    };
    const timer = setTimeout(give, timeout);
    signal.addEventListener("abort", give, { once: true });
    if (signal.aborted) give();
    this.#running++;
    const asked = this.#walk(target, question, end.signal)
      .catch((error: Error): Reply => defer("4.4.0", "Local error", { reason: String(error.stack ?? error) }))
      .finally(() => this.#running--); // what outlives its question counts as long as it lives
    const reply = await Promise.race([asked, over.promise]);
    clearTimeout(timer);
    signal.removeEventListener("abort", give);
    return reply;
  }

  async #walk(
    target: Extract<Target, { kind: "mx" | "hop" }>,
    question: Question,
    signal: AbortSignal,
  ): Promise<Reply> {
    const { sender, recipient, parameters } = question;
    const walk = await this.#options.walks.of(target, tlsWish(parameters, []));
    if (walk.fault !== undefined) return unasked(walk.fault, null);
    const envelope: Envelope = {
      sender,
      recipients: [{ address: recipient, parameters: NO_RCPT_PARAMETERS }],
      parameters: {
        ret: null,
        envid: null,
        auth: null,
        ...parameters.requireTls && { requireTls: true }, //                  a name is told only as the message is
      },
    };
    let last: Reply = NO_ANSWER, sessions = 0;
    for (const stop of walk.stops) {
      if (signal.aborted || sessions === SESSIONS) break;
      if (isBarred(stop)) {
        last = unasked(this.#connector.turnAway(stop).outcome, stop.name);
        continue;
      }
      const { reply, talked } = await this.#visit(stop, envelope, signal);
      if (reply.verdict !== "defer") return reply;
      if (talked) sessions++;
      last = reply; // what one host takes later another one may take now
    }
    return last;
  }

  async #visit(
    stop: Stop,
    envelope: Envelope,
    signal: AbortSignal,
  ): Promise<{ readonly reply: Reply; readonly talked: boolean }> {
    for (let fresh = false;; fresh = true) {
      let connection = fresh ? null : this.#connector.take(stop);
      if (connection === null) {
        const opened = await this.#connector.open(stop, signal), failure = opened.failures.at(-1);
        connection = opened.connection;
        if (connection === null) {
          return { reply: failure === undefined ? NO_ANSWER : unasked(failure.outcome, stop.name), talked: false };
        }
      }
      const [outcome] = await this.#say(connection, envelope, signal);
      if (outcome === undefined) return { reply: NO_TIME, talked: true };
      if (!connection.stale) return { reply: answerOf(outcome, stop), talked: true };
    }
  }

  /** Empty when there was no time left. */
  async #say(connection: OutboundConnection, envelope: Envelope, signal: AbortSignal): Promise<readonly Outcome[]> {
    const give = () => connection.destroy("given up");
    try {
      if (signal.aborted) return [];
      signal.addEventListener("abort", give, { once: true });
      return await connection.ask(envelope);
    } finally {
      signal.removeEventListener("abort", give);
      this.#giveBack(connection);
    }
  }

  /** Once the peer has forgotten the question. Nobody waits for it. */
  #giveBack(connection: OutboundConnection): void {
    const cut = setTimeout(() => connection.destroy("the server does not come to an end"), FORGETTING);
    connection.settled().then(() => {
      clearTimeout(cut);
      this.#connector.release(connection);
    });
  }
}

/** What a host said, as far as it is about the recipient. */
function answerOf(outcome: Outcome, { name }: Stop): Reply {
  const { verdict, phase, reply, status, text } = outcome;
  if (reply === null || phase !== "rcpt") return unasked(outcome, name);
  const { code } = reply, words = `${text.slice(0, LONGEST).toWellFormed()} (said ${name})`;
  if (verdict === "accept") return new Reply(250, status, words);
  // Codes below 550 are about how we talk, and 421 about the connection                                  RFC 5321 4.2.3
  if (verdict === "reject") return code >= 550 ? new Reply(code, status, words) : unasked(outcome, name);
  if (code === 421) return unasked(outcome, name);
  return new Reply(code < 500 ? code : 451, status, words); // a 552 that means 452                    RFC 5321 4.5.3.1.10
}

/** Nobody said anything of the recipient, and this is why; `name`: of the host that it is about. */
function unasked(
  { status, text }: { readonly status: string; readonly text: string },
  name: string | null,
): Reply<"defer"> {
  const words = text.slice(0, LONGEST).toWellFormed();
  const routing = /^[45]\.4\.(\d{1,3})$/.exec(status)?.[1];
  return defer(`4.4.${Number(routing ?? 0)}`, name === null ? words : `${words} (${name})`);
}
