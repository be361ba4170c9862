/**
 * Senders as mail servers are: who is told 4xx or cut off comes again in a moment with the next message, at the node that
 * he belongs to. What got a 250 is remembered with its node and its id. Non-job: the servers (cluster.ts).
 */
import { setTimeout as timer } from "node:timers/promises";
import { messageOf, nameOf } from "../crash/messages.ts";
import { dotStuffed, join, octets } from "../support/bytes.ts";
import type { Random } from "../support/random.ts";
import { ConnectionClosed, queuedAs, SmtpClient } from "../support/smtp_client.ts";
import { waitFor } from "../support/wait.ts";
import { peopleOf } from "./cluster.ts";

export interface PatientOptions {
  /** Of the nodes. */
  readonly ports: readonly { readonly smtp: number }[];
  /** Connections to each. */
  readonly count: number;
  readonly random: Random;
  readonly sizes: readonly number[];
}

/** Before one that was put off or cut off comes again, milliseconds. */
const LATER = 100;

export class Patient {
  /** Name of each message that got a 250. */
  readonly accepted = new Map<string, { readonly node: number; readonly id: string }>();
  /** Names of all messages of which at least one octet was sent. */
  readonly begun = new Set<string>();
  /** Replies 4xx, by their first words. */
  readonly putOff = new Map<string, number>();
  /** Replies that nobody deserved. */
  readonly faults: string[] = [];
  readonly #options: PatientOptions;
  #index = 0;
  #over = false;
  readonly #all: Promise<void>[];

  constructor(options: PatientOptions) {
    this.#options = options;
    this.#all = options.ports.flatMap(({ smtp }, node) =>
      Array.from({ length: options.count }, () => this.#send(smtp, node))
    );
  }

  /** No new messages; resolves when every sender has ended. */
  async end(): Promise<void> {
    this.#over = true;
    await Promise.all(this.#all);
  }

  /** Resolves when so many more than now were accepted, by that node or by any. */
  async more(count: number, { node, deadline = 60_000 }: { node?: number; deadline?: number } = {}): Promise<void> {
    const taken = () => node === undefined ? this.accepted.size : this.#of(node), from = taken();
    await waitFor(`${count} messages more`, () => taken() >= from + count, { deadline, every: 5 });
  }

  #of(node: number): number {
    let count = 0;
    for (const each of this.accepted.values()) if (each.node === node) count++;
    return count;
  }

  async #send(port: number, node: number): Promise<void> {
    while (!this.#over) {
      try {
        using client = await SmtpClient.connect(port, { deadline: 120_000 });
        if (await this.#refused(client) || await this.#refused(client, "EHLO client.example")) continue;
        while (!this.#over && await this.#message(client, node));
      } catch (error) {
        if (!(error instanceof ConnectionClosed || isNetworkError(error))) throw error;
        await timer(LATER);
      }
    }
  }

  /** False: this connection has no more to give. */
  async #message(client: SmtpClient, node: number): Promise<boolean> {
    const { random, sizes } = this.#options, name = nameOf(random.seed, this.#index++, random.pick(sizes));
    const commands = ["MAIL FROM:<crash@client.example>", ...peopleOf(name).map((to) => `RCPT TO:<${to}>`)];
    for (const command of commands) if (await this.#refused(client, command)) return false;
    const go = await client.command("DATA");
    if (go.code !== 354) return !this.#put(go.raw);
    this.begun.add(name);
    await client.send(join(dotStuffed(messageOf(name)), octets(".\r\n")));
    const reply = await client.reply();
    if (reply.code !== 250) return !this.#put(reply.raw);
    this.accepted.set(name, { node, id: queuedAs(reply) ?? "" });
    return true;
  }

  async #refused(client: SmtpClient, command?: string): Promise<boolean> {
    const reply = command === undefined ? await client.reply() : await client.command(command);
    if (reply.code < 400) return false;
    this.#put(reply.raw);
    await timer(LATER);
    return true;
  }

  #put(raw: string): true {
    const words = raw.slice(0, 60).replace(/\(ref \w+\)/, "(ref)").trim();
    if (raw.startsWith("4")) this.putOff.set(words, (this.putOff.get(words) ?? 0) + 1);
    else this.faults.push(words);
    return true;
  }
}

function isNetworkError(error: unknown): boolean {
  const { ConnectionReset, ConnectionRefused, ConnectionAborted, BrokenPipe, NotConnected, TimedOut } = Deno.errors;
  return [ConnectionReset, ConnectionRefused, ConnectionAborted, BrokenPipe, NotConnected, TimedOut]
    .some((type) => error instanceof type);
}
