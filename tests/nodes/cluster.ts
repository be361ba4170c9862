/**
 * Several nodes as an operator has them: servers as processes, each with a data folder of its own, on one PostgreSQL
 * database, all relaying to one sink. Each life of a node says hello by a name of its own, so that a copy at the sink tells
 * who brought it. Non-job: the mail (patient.ts), the account of it (tests/crash/relay.ts).
 */
import { partsOf } from "../crash/messages.ts";
import { freePort } from "../support/ports.ts";
import { Server } from "../support/server.ts";
import { TempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";

/** Destinations of the mail: some fall to each node. */
const DOMAINS = 6;

export interface ClusterOptions {
  readonly count: number;
  /** Of the database. */
  readonly store: string;
  /** Where all mail goes. */
  readonly sink: number;
  /** Further lines of the configuration: whole sections. */
  readonly sections?: string;
  /** Plugins behind `relay`, one a line. */
  readonly plugins?: readonly string[];
  /** Of the listener, beside its address: `, xclient: [...]`. */
  readonly listener?: string;
  /** A second listener, at the port `submission`, for logins in clear. */
  readonly submission?: boolean;
  /** Of the section `delivery`, beside its routes. */
  readonly delivery?: string;
}

export class Cluster implements AsyncDisposable {
  readonly ports: readonly { readonly smtp: number; readonly admin: number; readonly submission: number }[];
  readonly #options: ClusterOptions;
  readonly #folder: TempFolder;
  readonly #servers: (Server | null)[];
  /** How often each was started. */
  readonly #lives: number[];

  private constructor(options: ClusterOptions, folder: TempFolder) {
    this.#options = options;
    this.#folder = folder;
    const all = Array.from({ length: options.count });
    this.ports = all.map(() => ({ smtp: freePort(), admin: freePort(), submission: freePort() }));
    this.#servers = all.map(() => null);
    this.#lives = all.map(() => 0);
  }

  /** Resolves when all are ready. They start at the same time, on a database that may be empty. */
  static async start(options: ClusterOptions): Promise<Cluster> {
    const cluster = new Cluster(options, await TempFolder.make("postern-nodes-"));
    try {
      await Promise.all(cluster.ports.map((_, at) => cluster.start(at)));
      return cluster;
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** One that runs. */
  at(at: number): Server {
    return this.#servers[at]!;
  }

  /** In a new life, with the folder that it had. */
  async start(at: number): Promise<Server> {
    await this.#servers[at]?.[Symbol.asyncDispose]();
    this.#servers[at] = null;
    return this.#servers[at] = await Server.start({
      config: this.#config(at),
      data: this.#folder.at(`node${at}`),
      ports: this.ports[at]!,
      deadline: 60_000,
    });
  }

  /** By which name the life that it has, or had last, says hello. */
  helo(at: number): string {
    return `mx-${at}-${this.#lives[at]! - 1}.local.example`;
  }

  /** What the nodes that run printed of a message. */
  toldOf(id: string): readonly string[] {
    return this.#servers.flatMap((each, at) =>
      (each?.output ?? "").split("\n").filter((line) => line.includes(id)).map((line) => `node ${at}: ${line}`)
    );
  }

  /** Of those that run, in a sentence for whoever looks for a fault. */
  get output(): string {
    return this.#servers.map((each, at) => each === null ? "" : `node ${at}:\n${each.output.slice(-4000)}`).join("\n");
  }

  /** Waits until nothing is left that will be tried; returns the milliseconds. Asks the first that answers. */
  async drained(deadline: number): Promise<number> {
    const since = performance.now();
    let waiting = -1;
    await waitFor("an empty queue", async () => {
      for (const server of this.#servers) {
        if (server === null || server.hasEnded) continue;
        const found = await server.api.queue().catch(() => null);
        if (found === null) continue;
        waiting = found.items.filter(({ recipients }) => recipients.some(({ state }) => state !== "failed")).length;
        return waiting === 0;
      }
      return false;
    }, { deadline, every: 50 }).catch((error) => {
      throw new Error(`${error.message}: ${waiting} messages are left\n${this.output}`);
    });
    return performance.now() - since;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#servers.map((each) => each?.[Symbol.asyncDispose]()));
    await this.#folder[Symbol.asyncDispose]();
  }

  #config(at: number): string {
    const second = `\n  - { address: "127.0.0.1:${
      this.ports[at]!.submission
    }", role: submission, tls: "off", auth: { withoutTls: true } }`;
    const { store, sink, sections = "", plugins = [], delivery = "", listener = "", submission = false } =
      this.#options;
    const hops = Array.from({ length: DOMAINS }, (_, n) => n);
    return `hostname: mx-${at}-${this.#lives[at]!++}.local.example
store: "${store}"
domains: [local.example]
postmaster: box@local.example
listeners:
  - { address: "127.0.0.1:2525"${listener} }${submission ? second : ""}
admin: { address: "127.0.0.1:8025", token: "\${POSTERN_ADMIN_TOKEN}" }
nextHops:
${hops.map((n) => `  sink${n}: { hosts: ["smtp://127.0.0.1:${sink}"] }`).join("\n")}
delivery:
  retry: [1s]
${delivery}
  routes:
${hops.map((n) => `    - { domain: "d${n}.example", to: remote, via: sink${n} }`).join("\n")}
    - { to: remote, via: sink0 }
${sections}
plugins:
  - relay: { networks: ["127.0.0.0/8"] }
${plugins.map((each) => `  - ${each}`).join("\n")}
`;
  }
}

/** Recipients of the message of that name: one or several, some of whom the sink knows later or never. */
export function peopleOf(name: string): readonly string[] {
  const { index } = partsOf(name);
  const kinds = [["ok"], ["ok", "too"], ["ok", "later"], ["ok", "no", "later"]][index % 4]!;
  return kinds.map((kind, n) => `${kind}-${name}@d${(index + n) % DOMAINS}.example`);
}
