/**
 * How a server under measurement runs: its folder on the disk of the checkout, its configuration filled in, its process
 * started, greeting and ended. Non-job: which servers there are (servers.ts, relays.ts).
 */
import { SmtpClient } from "../tests/support/smtp_client.ts";
import { waitFor, within } from "../tests/support/wait.ts";
import { tree } from "./machine.ts";
import { BUILD } from "./tools.ts";

export interface Running {
  readonly port: number;
  /** The process whose tree is the server. */
  readonly pid: number;
  /** CPU seconds so far, where the process tree does not tell. */
  cpuSeconds?(): number;
  /** What it runs, for the report: plugins and the like. */
  readonly facts: Readonly<Record<string, string>>;
  /** Its last words when it has ended by itself, else null. */
  died(): string | null;
  stop(): Promise<void>;
}

export interface Candidate {
  readonly name: string;
  /** What its 250 promises. */
  readonly promise: string;
  /** The workloads that it can take, or is there for. */
  readonly over: "plain" | "tls" | "both" | "relay";
  /** Null when it is there, else what to do about it. */
  missing(): string | null;
  version(): string;
  start(options?: StartOptions): Promise<Running>;
}

export interface StartOptions {
  /** A command that runs the server as its child (strace). */
  readonly under?: readonly string[] | undefined;
  /** The port of loopback that a relay hands everything on to. */
  readonly next?: number | undefined;
}

/** A fresh folder on the disk that holds the checkout. */
export async function freshFolder(name: string): Promise<string> {
  const folder = `${BUILD}/run/${name}-${crypto.randomUUID().slice(0, 8)}`;
  await Deno.mkdir(folder, { recursive: true });
  return folder;
}

export async function remove(folder: string): Promise<void> {
  await Deno.remove(folder, { recursive: true }).catch(() => {});
}

/** Copies a tree of small text files with `@NAME@` replaced. */
export async function fill(from: string, to: string, values: Readonly<Record<string, string | number>>): Promise<void> {
  await Deno.mkdir(to, { recursive: true });
  for await (const entry of Deno.readDir(from)) {
    if (entry.isDirectory) await fill(`${from}/${entry.name}`, `${to}/${entry.name}`, values);
    else {
      const text = await Deno.readTextFile(`${from}/${entry.name}`);
      await Deno.writeTextFile(
        `${to}/${entry.name}`,
        text.replaceAll(/@([A-Z]+)@/g, (_, name) => String(values[name])),
      );
    }
  }
}

async function greets(port: number): Promise<boolean> {
  try {
    using client = await SmtpClient.connect(port, { deadline: 2000 });
    await client.expect(220);
    await client.command("QUIT", 221);
    return true;
  } catch {
    return false;
  }
}

interface ProgramOptions {
  readonly port: number;
  readonly folder: string;
  readonly env?: Record<string, string>;
  readonly facts?: Record<string, string>;
  /** The command that ends it, where SIGTERM is not it. */
  readonly end?: readonly string[];
  /** A command that runs the program as its child. */
  readonly under?: readonly string[] | undefined;
}

/** Starts a program, waits for its greeting; `stop` ends it by SIGTERM, by SIGKILL after 10 s. */
export async function runProgram(command: readonly string[], options: ProgramOptions): Promise<Running> {
  const { port, folder, env = {}, facts = {}, end, under = [] } = options;
  const [program, ...args] = [...under, ...command];
  const child = new Deno.Command(program!, {
    args,
    env,
    cwd: folder,
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  let gone = false;
  child.status.then(() => gone = true);
  /** To the program itself: a tracer would end alone and leave it running. */
  const signal = (name: Deno.Signal) => {
    const all = gone ? [] : tree(child.pid);
    for (const { pid } of under.length > 0 ? all.filter(({ parent }) => parent === child.pid) : all.slice(0, 1)) {
      Deno.kill(pid, name);
    }
  };
  const stop = async () => {
    if (end) await new Deno.Command(end[0]!, { args: end.slice(1), stdout: "null", stderr: "null" }).output();
    else signal("SIGTERM");
    await within(`the end of ${program}`, child.status, 10_000).catch(() => signal("SIGKILL"));
    await child.status;
    await remove(folder);
  };
  try {
    await waitFor(`the greeting of ${command.join(" ")}`, () => {
      if (gone) throw new Error(`${program} ended at once`);
      return greets(port);
    }, { deadline: 20_000, every: 50 });
  } catch (error) {
    await stop();
    throw error;
  }
  return { port, pid: child.pid, facts, died: () => gone ? `${program} has ended` : null, stop };
}
