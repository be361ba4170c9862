/**
 * A house in which nothing is kept, counted or sent, by construction: storage plugins are never asked, a commit keeps
 * nothing, what is counted stays in memory, other hosts are not asked, observers, jobs and lessons are not there.
 * Non-job: who speaks in it (player.ts), what counters and names it knows (asking.ts).
 */
import type { LoginServices } from "../auth/authentication.ts";
import type { Config, ListenerConfig } from "../config/config.ts";
import type { Resolver } from "../dns/resolver.ts";
import type { ReceptionOptions } from "../net/reception.ts";
import type { Event } from "../observe/events.ts";
import { COMBINED, type Combined } from "../pipeline/compile.ts";
import type { CallAhead } from "../pipeline/contexts/contexts.ts";
import type { Outside } from "../pipeline/contexts/outside.ts";
import type { TransactionContext } from "../pipeline/contexts/transaction_context.ts";
import { Pipeline } from "../pipeline/pipeline.ts";
import type { Answer, Handlers, Phase, Plugin } from "../pipeline/plugin.ts";
import type { Passwords } from "../smtp/sasl/mechanism.ts";
import type { ServerOptions } from "../smtp/server.ts";
import { Spool } from "../store/spool.ts";
import type { Counters } from "../store/store.ts";
import { type LoginOutcome, recordedLogin, recordedMechanisms } from "./login.ts";

/** What is played against. */
export interface HouseOptions {
  readonly config: Config;
  readonly listener: ListenerConfig;
  /** The engine's settings for a peer, with a clock. */
  engines(now: () => number): (ip: string) => ServerOptions;
  /** Plugins that talk to a program beside the server, and not by `ctx.outside`, are asked. */
  readonly scanners: boolean;
}
/** What a session is given. */
export interface SessionServices {
  readonly dns: Resolver;
  readonly counters: Counters;
  readonly callAhead: CallAhead;
  /** Absent: what plugins ask outside is asked. */
  readonly outside?: Outside;
  /** How the login that is under way ends. */
  login(): LoginOutcome;
  now(): number;
  emit(event: Event): void;
  pause(milliseconds: number): Promise<boolean>;
  /** A message was taken, and would be kept. */
  taken(transaction: TransactionContext): void;
}

/** The pipeline of a listener, whose phase `queue` asks nobody. */
class DryPipeline extends Pipeline {
  readonly #nobody = new Pipeline([], { partial: true });

  override run(phase: Phase, ctx: TransactionContext): Answer {
    return phase === "queue" ? this.#nobody.run(phase, ctx) : super.run(phase, ctx);
  }
}

/** One session at a time. */
export class DryHouse {
  readonly listener: ListenerConfig;
  /** Plugins that were not asked because they would ask a program beside the server. */
  readonly unasked: Set<string> = new Set();
  readonly #options: HouseOptions;
  readonly #pipeline: Pipeline;
  readonly #spool: Spool;
  readonly #mechanisms = recordedMechanisms(() => this.#login());
  #login: () => LoginOutcome = () => ({ user: null, reply: null });

  constructor(options: HouseOptions) {
    const { config: { limits }, listener: { plugins, role, delayRefusals }, scanners } = options;
    this.#options = options;
    this.listener = options.listener;
    this.#spool = new Spool({ folder: null, budget: 4 * limits.messageSize, memoryLimit: 2 * limits.messageSize });
    const list = scanners ? plugins : plugins.map((each) => this.#withoutScanners(each));
    this.#pipeline = new DryPipeline([recordedLogin(() => this.#login()), ...list], {
      role,
      delayRefusals,
      budget: limits.pluginsTime,
    });
  }

  /** The engine's settings for a peer. */
  engine(ip: string, now: () => number): ServerOptions {
    return this.#options.engines(now)(ip);
  }

  /** What a reception is given for one session. */
  reception({ login, taken, ...services }: SessionServices): ReceptionOptions {
    const { config: { hostname: name, domains, postmaster, limits }, listener } = this.#options;
    const receive = (id: string) => this.#spool.receive(id);
    this.#login = login;
    return {
      pipeline: this.#pipeline,
      services: { ...services, host: { name, domains, postmaster }, receive, suppress: () => Promise.resolve() },
      role: listener.role,
      listener: listener.name,
      hops: limits.received,
      recipients: limits.recipients,
      hideClient: listener.hideClient,
      mechanisms: this.#mechanisms,
      bindingOffered: listener.mechanisms.some((each) => each.endsWith("-PLUS")),
      passwords: NO_PASSWORDS,
      logins: NO_LOCKOUT,
      receive,
      commit(transaction) {
        taken(transaction);
        transaction.received!.body.discard();
        transaction.rewritten?.discard();
        return Promise.resolve(null);
      },
      storeRefusal(error) {
        throw error; // memory that is full is no verdict
      },
      overload: () => null,
    };
  }

  /** The same plugin, or one that says nothing in its place; members of combinations too. */
  #withoutScanners(plugin: Plugin): Plugin {
    const combined = (plugin as { readonly [COMBINED]?: Combined })[COMBINED];
    if (combined !== undefined) {
      const made: Combined = { ...combined, members: combined.members.map((each) => this.#withoutScanners(each)) };
      return { ...plugin, [COMBINED]: made } as Plugin;
    }
    if (!plugin.asksEngine) return plugin;
    const silent = (ctx: { note(sentence: string): void }, next: () => Answer) => {
      this.unasked.add(plugin.name);
      ctx.note("asks a program beside the server, which a replay does not");
      return next();
    };
    const handlers = Object.fromEntries(Object.keys(plugin.handlers).map((phase) => [phase, silent]));
    return { ...plugin, handlers: handlers as Handlers };
  }
}

const NO_PASSWORDS: Passwords = { matches: () => Promise.resolve(false) };
/** Nobody is shut out, nothing is counted, nobody waits. */
const NO_LOCKOUT: LoginServices = {
  lockout: {
    before: () => Promise.resolve({ delay: 0 }),
    failed: () => Promise.resolve({ delay: 0 }),
    succeeded: () => Promise.resolve(),
    abandoned: () => Promise.resolve(),
  },
  pseudonym: () => "somebody",
  sleep: () => Promise.resolve(),
};
