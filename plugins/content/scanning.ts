/**
 * What the plugins that let an engine look at mail have in common: whose mail is looked at, how long that may take, and
 * what happens when no engine answers: nothing passes unseen unless the operator says so.
 * Non-job: protocols (each plugin), sockets (engine.ts), which server is asked (failover.ts).
 */
import { z } from "zod";
import {
  type DataContext,
  defer,
  isNetwork,
  type MessageContext,
  Networks,
  OutsideError,
  parseDuration,
  parseSize,
  type Reply,
  type Setup,
} from "../../core/pipeline/mod.ts";
import { EngineError } from "./engine_error.ts";
import type { Failover } from "./failover.ts";

const SHORTEST = 100, LONGEST = 100_000; // milliseconds; `data` and `queue` together have 120 s
/** Milliseconds between two words to the operator about the same server. */
const REMINDER = 60_000;

/** An address or a network in options, such as 192.0.2.0/24. */
export const network: z.ZodString = z.string().refine(isNetwork, {
  error: (issue) => `"${issue.input}" is no IP address or network like 192.0.2.0/24`,
});

/** A size in options; octets after parsing. */
export const sizeOption: z.ZodPipe<z.ZodString, z.ZodTransform<number, string>> = z.string().transform(
  (text, context) => {
    const octets = parseSize(text);
    if (octets !== null && octets > 0) return octets;
    context.addIssue("must be a size such as 512KiB or 25MiB");
    return z.NEVER;
  },
);

/** Options of every engine. */
export const SCANNING = {
  timeout: z.string().prefault("20s").transform((text, context) => {
    const time = parseDuration(text);
    if (time !== null && time >= SHORTEST && time <= LONGEST) return time;
    context.addIssue("must be a time from 100ms to 100s");
    return z.NEVER;
  }).describe("How long the servers together may take for a message"),
  unavailable: z.enum(["defer", "skip"]).default("defer").describe(
    "No server answers: ask the client to come again, or take mail that nobody has looked at",
  ),
  networks: z.array(network).default([]).describe("Clients whose mail is not looked at"),
} as const;

/** What the operator said. */
export interface ScanningOptions {
  /** Milliseconds. */
  readonly timeout: number;
  readonly unavailable: "defer" | "skip";
  readonly networks: readonly string[];
  /** Whether mail of clients that have logged in is looked at. */
  readonly authenticated: boolean;
}

const LOGGED_IN = "Not looked at: the client has logged in";
const LEFT_ALONE = "Not looked at: the client is in a network that is left alone";
/** What an engine is asked about one message. */
export interface Examination<S, T extends object> {
  /** What a recording calls it, the same for every message: `rspamd checkv2`. */
  readonly question: string;
  /** Asks one server. */
  readonly ask: (server: S, signal: AbortSignal) => Promise<string>;
  /** What its words mean. @throws {EngineError} when that is nothing: another server is asked. */
  readonly read: (answer: string) => T;
}

/** The engines of one plugin instance. */
export class Scanning<S> {
  readonly #servers: Failover<S>;
  readonly #options: ScanningOptions;
  readonly #setup: Pick<Setup, "name" | "trouble">;
  readonly #networks: Networks;
  readonly #told = new Map<string, number>();

  constructor(servers: Failover<S>, options: ScanningOptions, setup: Pick<Setup, "name" | "trouble">) {
    this.#servers = servers;
    this.#options = options;
    this.#setup = setup;
    this.#networks = new Networks(options.networks);
  }

  /** Says that this client's mail is not looked at. */
  skip(ctx: Pick<DataContext, "client" | "note">): void {
    ctx.note(ctx.client.identity !== null ? LOGGED_IN : LEFT_ALONE);
  }

  /** Whether mail of this client is looked at. */
  concerns({ client }: Pick<DataContext, "client">): boolean {
    return (this.#options.authenticated || client.identity === null) && !this.#networks.has(client.ip);
  }

  /** What the engine says; a deferral, or null for "go on without", when none says anything. */
  async ask<T extends object>(
    ctx: DataContext,
    { question, ask, read }: Examination<S, T>,
  ): Promise<T | Reply<"defer"> | null> {
    const now = () => ctx.now(), { timeout } = this.#options;
    const failed = (name: string, why: string) => this.#tell(name, why, now());
    const understood = new Map<string, T>();
    try {
      const answer = await ctx.outside(question, (signal) =>
        this.#servers.ask(async (server, stop) => {
          const text = await ask(server, stop);
          understood.set(text, read(text));
          return text;
        }, { timeout, signal, now, failed }));
      return understood.get(answer) ?? read(answer);
    } catch (error) {
      const away = error instanceof EngineError || error instanceof OutsideError;
      if (!away || ctx.signal.aborted) throw error;
      if (this.#options.unavailable === "defer") {
        return defer("4.3.0", "The message cannot be checked at the moment, try again later", {
          reason: error.message,
        });
      }
      this.pass(ctx, error.message);
      return null;
    }
  }

  /** Says in the log that nobody looked at the message, and why: no points, but a line with the plugin's name. */
  pass(ctx: MessageContext, why: string): void {
    ctx.score(0, `${this.#setup.name}: not checked: ${why}`);
  }

  #tell(name: string, why: string, now: number): void {
    if (now < (this.#told.get(name) ?? 0)) return;
    this.#told.set(name, now + REMINDER);
    this.#setup.trouble(`${name}: ${why}`);
  }
}

/** Whoever has trouble with us must reach somebody: such mail is never refused for what is in it.    RFC 5321 4.5.1 */
export function isForPostmaster({ recipients }: Pick<MessageContext, "recipients">): boolean {
  return recipients.every(({ original }) => original.local.toLowerCase() === "postmaster");
}
