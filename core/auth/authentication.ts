/**
 * One login, from AUTH to its last word: lets the mechanism talk to the client, asks the lock-outs, runs the phase
 * `auth` with what the client claims, and says how it ended. RFC 4954. Non-job: base64 and 334 (core/smtp), what a
 * mechanism says (core/smtp/sasl), who may (plugins).
 */
import { reject, Reply } from "../model/reply.ts";
import type { Login } from "../observe/events.ts";
import type { Credentials } from "../pipeline/contexts/contexts.ts";
import type { TransactionContext } from "../pipeline/contexts/transaction_context.ts";
import type { Pipeline } from "../pipeline/pipeline.ts";
import { Challenge } from "../smtp/events.ts";
import {
  type Claim,
  type Mechanism,
  SaslCancelled,
  type SaslConnection,
  SaslMalformed,
  type SaslPeer,
} from "../smtp/sasl/mechanism.ts";
import type { Attempt, Lockout } from "./lockout.ts";

/** What logins need from the house; given once per server. */
export interface LoginServices {
  readonly lockout: Pick<Lockout, "before" | "failed" | "succeeded" | "abandoned">;
  /** What stands in a log for a name that may be a password (SEMANTICS 28). */
  pseudonym(user: string): string;
  /** Resolves after so many milliseconds, or at once when the signal says so. */
  sleep(milliseconds: number, signal: AbortSignal): Promise<void>;
}

/** Milliseconds that a client has for a response while a plugin waits for it. */
const RESPONSE_TIME = 20_000;

export class Authentication implements SaslPeer {
  readonly #mechanism: Mechanism;
  readonly #context: TransactionContext;
  readonly #pipeline: Pipeline;
  readonly #services: LoginServices;
  readonly #over = new AbortController();
  /** Whoever waits for what we say next. */
  #turn = Promise.withResolvers<Reply | Challenge>();
  /** Whoever waits for what the client says next. */
  #response: PromiseWithResolvers<Uint8Array> | null = null;
  #running: Promise<void> | null = null;
  #last: Reply = LOCAL_ERROR;
  #verifying = false;

  constructor(mechanism: Mechanism, context: TransactionContext, pipeline: Pipeline, services: LoginServices) {
    this.#mechanism = mechanism;
    this.#context = context;
    this.#pipeline = pipeline;
    this.#services = services;
  }

  /** Starts with the initial response, if there was one. Resolves with what the client is told; never rejects. */
  begin(initial: Uint8Array | null, connection: SaslConnection): Promise<Reply | Challenge> {
    this.#running = this.#run(initial, connection).then((reply) => this.#ended(reply));
    return this.#turn.promise;
  }

  /** What the client says to the last challenge. */
  respond(octets: Uint8Array): Promise<Reply | Challenge> {
    const response = this.#response;
    this.#response = null;
    if (response === null) return Promise.resolve(this.#last); // nobody waits for it: it is over, by a deadline
    this.#turn = Promise.withResolvers();
    response.resolve(octets);
    return this.#turn.promise;
  }

  /** The client gave up, or left. Resolves when nothing of the login runs any more. */
  async end(): Promise<void> {
    this.#over.abort();
    this.#response?.reject(new SaslCancelled("cancelled"));
    this.#response = null;
    await this.#running;
  }

  async challenge(octets: Uint8Array): Promise<Uint8Array> {
    if (this.#over.signal.aborted) throw new SaslCancelled("cancelled");
    const response = this.#response = Promise.withResolvers<Uint8Array>();
    const timer = this.#verifying
      ? setTimeout(() => response.reject(new SaslCancelled("no response in time")), RESPONSE_TIME)
      : undefined;
    this.#turn.resolve(new Challenge(octets));
    try {
      return await response.promise;
    } finally {
      clearTimeout(timer);
    }
  }

  #ended(reply: Reply): void {
    this.#last = reply;
    this.#response?.reject(new SaslCancelled("over"));
    this.#response = null;
    this.#turn.resolve(reply);
  }

  async #run(initial: Uint8Array | null, connection: SaslConnection): Promise<Reply> {
    try {
      const claim = await this.#mechanism.claim(initial, this, connection);
      return await this.#check(claim);
    } catch (error) {
      this.#context.forgetIdentity();
      if (error instanceof SaslMalformed) return reject("5.5.2", error.message, { code: 501 });
      if (error instanceof SaslCancelled) return CANCELLED;
      // Its message may hold what the client sent: the name of the error has to do
      this.#context.services.emit({
        type: "trouble",
        where: this.#mechanism.name,
        message: `a login failed with ${error instanceof Error ? error.name : typeof error}`,
      });
      return LOCAL_ERROR;
    }
  }

  async #check(claim: Claim): Promise<Reply> {
    const { lockout, sleep } = this.#services;
    const attempt: Attempt = { ip: this.#context.client.ip, user: claim.user };
    const before = await lockout.before(attempt);
    if ("refused" in before) {
      this.#tell(claim, false, false, before.refused);
      return before.busy ? TOO_MANY : LOCKED_OUT;
    }
    await sleep(before.delay, this.#over.signal);
    if (this.#over.signal.aborted) { // who does not wait for the check has none
      await lockout.abandoned(attempt);
      return CANCELLED;
    }
    const credentials = new ClaimedCredentials(this.#mechanism.name, claim, (busy) => this.#verifying = busy);
    let reply: Reply = LOCAL_ERROR, untold = true;
    try {
      // Nobody acts for another here: whose mail somebody may send is asked at MAIL
      const another = claim.authzid !== "" && claim.authzid.toLowerCase() !== claim.user.toLowerCase();
      reply = another ? FOR_ANOTHER : await this.#ask(credentials);
      untold = reply.verdict === "defer" || credentials.cancelled;
      if (reply.verdict !== "defer") await claim.conclude?.(reply.verdict === "accept");
    } catch (error) {
      if (!(error instanceof SaslCancelled || error instanceof SaslMalformed)) throw error;
      this.#context.forgetIdentity();
      if (reply.verdict === "accept") untold = true; // it was right, and never heard of it
      reply = error instanceof SaslCancelled ? CANCELLED : reject("5.5.2", error.message, { code: 501 });
    } finally {
      // A wrong password counts, also when its client has left; what showed nothing does not
      if (untold) await lockout.abandoned(attempt);
    }
    if (untold) return reply;
    // Whoever left before the answer has failed, right or wrong: what is counted would tell the next one which it was
    const left = this.#over.signal.aborted && reply.verdict === "accept";
    const ok = reply.verdict === "accept" && !left;
    if (ok) await lockout.succeeded(attempt);
    this.#tell(
      claim,
      ok,
      credentials.known,
      ok ? "" : left ? "left before the answer" : reply.options.reason ?? reply.text,
    );
    if (!ok) {
      this.#context.forgetIdentity();
      const { delay } = await lockout.failed(attempt, { exists: credentials.asked ? credentials.known : null });
      await sleep(delay, this.#over.signal);
    }
    return left ? CANCELLED : reply;
  }

  #ask(credentials: Credentials): Reply | Promise<Reply> {
    this.#context.authenticate(credentials);
    return this.#pipeline.run("auth", this.#context);
  }

  #tell(claim: Claim, ok: boolean, known: boolean, reason: string): void {
    const { session, client } = this.#context;
    const user = ok ? client.identity ?? claim.user : known ? claim.user : this.#services.pseudonym(claim.user);
    const event: Login = { type: "login", session, ip: client.ip, mechanism: this.#mechanism.name, user, ok, reason };
    this.#context.services.emit(event);
  }
}

/** A claim as plugins see it. */
class ClaimedCredentials implements Credentials {
  readonly #claim: Claim;
  readonly #busy: (busy: boolean) => void;
  /** A plugin knows the account. */
  known = false;
  /** A plugin compared, with something stored or with a decoy: so `known` means something. */
  asked = false;
  /** The client gave up before it had shown anything. */
  cancelled = false;

  constructor(readonly mechanism: string, claim: Claim, busy: (busy: boolean) => void) {
    this.#claim = claim;
    this.#busy = busy;
  }
  get user(): string {
    return this.#claim.user;
  }
  verify(stored: string): Promise<boolean> {
    this.known = true;
    return this.#compare(stored);
  }
  async decoy(stored: string): Promise<false> {
    await this.#compare(stored);
    return false;
  }
  reveal(): string | null {
    return this.#claim.reveal();
  }

  async #compare(stored: string): Promise<boolean> {
    this.asked = true;
    this.#busy(true);
    try {
      return await this.#claim.verify(stored);
    } catch (error) {
      if (error instanceof SaslMalformed) return false;
      if (!(error instanceof SaslCancelled)) throw error;
      this.cancelled = true;
      return false;
    } finally {
      this.#busy(false);
    }
  }
}

const CANCELLED = reject("5.7.0", "Authentication cancelled", { code: 501 });
const LOCAL_ERROR = new Reply(454, "4.7.0", "Temporary authentication failure");
const LOCKED_OUT = new Reply(421, "4.7.0", "Too many failed logins, try again later", { close: true });
const TOO_MANY = new Reply(454, "4.7.0", "Too many logins at once, try again in a minute");
const FOR_ANOTHER = reject("5.7.8", "Authentication failed", { code: 535, reason: "wanted to act for another" });
