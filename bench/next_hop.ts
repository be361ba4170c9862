/**
 * The next hop of relays under measurement: the sink in C, and what it says of what came. Job: start, ask, stop. Non-job:
 * load on the relays (main.ts).
 */
import { freePort } from "../tests/support/ports.ts";
import { SmtpClient } from "../tests/support/smtp_client.ts";
import { waitFor } from "../tests/support/wait.ts";
import { freshFolder, type Running, runProgram } from "./running.ts";
import { compiled } from "./tools.ts";

/** Since the last `reset`. */
export interface Arrived {
  readonly messages: number;
  readonly connections: number;
  /** When the last message came, CLOCK_MONOTONIC seconds. */
  readonly last: number;
}

export class NextHop implements AsyncDisposable {
  private constructor(private readonly running: Running, private readonly client: SmtpClient) {}

  static async start(): Promise<NextHop> {
    const port = freePort();
    const command = [await compiled("smtpsink"), "--port", String(port)];
    const running = await runProgram(command, { port, folder: await freshFolder("next-hop") });
    const client = await SmtpClient.connect(port);
    await client.expect(220);
    return new NextHop(running, client);
  }

  get port(): number {
    return this.running.port;
  }

  async reset(): Promise<void> {
    await this.client.command("XRESET", 250);
  }

  async arrived(): Promise<Arrived> {
    const { lines: [line = ""] } = await this.client.command("XSTAT", 250);
    const value = (name: string) => Number(new RegExp(`\\b${name}=([\\d.]+)`).exec(line)?.[1]);
    return { messages: value("messages"), connections: value("conns"), last: value("last") };
  }

  /** Waits until so many messages are there, or none has come for ten seconds: what there is then. */
  async waitForAll(messages: number): Promise<Arrived> {
    let arrived = await this.arrived(), since = performance.now();
    await waitFor("the messages at the next hop", async () => {
      const now = await this.arrived();
      if (now.messages > arrived.messages) since = performance.now();
      arrived = now;
      return arrived.messages >= messages || performance.now() - since > 10_000;
    }, { deadline: 600_000 });
    return arrived;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.client.close();
    await this.running.stop();
  }
}
