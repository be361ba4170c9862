/**
 * The servers under measurement: Postern as it is shipped, and the peers. Job: start each on a loopback port of its own
 * with data on a real disk under .build/, say what it is, stop it. Non-job: load and figures (main.ts).
 */
import { programOf } from "../tests/support/debian.ts";
import { freePort } from "../tests/support/ports.ts";
import { Server } from "../tests/support/server.ts";
import { SmtpClient } from "../tests/support/smtp_client.ts";
import { waitFor, within } from "../tests/support/wait.ts";
import { tree, versionOf } from "./machine.ts";
import { BENCH, BUILD, compiled, keyPair } from "./tools.ts";

export interface Running {
  readonly port: number;
  /** The process whose tree is the server. */
  readonly pid: number;
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
  readonly over: "plain" | "tls" | "both";
  /** Null when it is there, else what to do about it. */
  missing(): string | null;
  version(): string;
  /** `under`: a command that runs the server as its child (strace). */
  start(under?: readonly string[]): Promise<Running>;
}

/** A fresh folder on the disk that holds the checkout. */
async function freshFolder(name: string): Promise<string> {
  const folder = `${BUILD}/run/${name}-${crypto.randomUUID().slice(0, 8)}`;
  await Deno.mkdir(folder, { recursive: true });
  return folder;
}

async function remove(folder: string): Promise<void> {
  await Deno.remove(folder, { recursive: true }).catch(() => {});
}

/** Copies a tree of small text files with `@NAME@` replaced. */
async function fill(from: string, to: string, values: Readonly<Record<string, string | number>>): Promise<void> {
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

/** The key pair, for the `@KEY@` and `@CERT@` of a configuration. */
async function tlsFiles(): Promise<{ KEY: string; CERT: string }> {
  const { key, cert } = await keyPair();
  return { KEY: key, CERT: cert };
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
async function runProgram(command: readonly string[], options: ProgramOptions): Promise<Running> {
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

const postern: Candidate = {
  name: "postern",
  promise: "durable",
  over: "both",
  missing: () => null,
  version: () => {
    const { version } = JSON.parse(Deno.readTextFileSync(`${BENCH}/../deno.json`));
    const commit = versionOf("git", "-C", BENCH, "rev-parse", "--short", "HEAD");
    return `${version} (${commit})`;
  },
  async start(under) {
    const folder = await freshFolder("postern");
    const server = await Server.start({ data: `${folder}/data`, ...under ? { under } : {} });
    const matrix = await server.api.json<{ listeners: { plugins: { name: string }[] }[] }>("/api/v1/plugins");
    const plugins = matrix.listeners.flatMap((listener) => listener.plugins.map(({ name }) => name)).join(", ");
    const schema = await Deno.readTextFile(`${BENCH}/../core/store/schema.ts`);
    const synchronous = /pragma synchronous = (\w+)/.exec(schema)?.[1] ?? "?";
    return {
      port: server.ports.smtp,
      pid: server.pid,
      facts: {
        configuration: "none, the dev inbox as shipped",
        plugins,
        store: `SQLite, write-ahead log, synchronous=${synchronous}`,
      },
      died: () => server.hasEnded ? server.output.slice(-2000) : null,
      async stop() {
        await server.stop().catch(() => server.kill());
        await server[Symbol.asyncDispose]();
        await remove(folder);
      },
    };
  },
};

const postfix: Candidate = {
  name: "postfix",
  promise: "durable",
  over: "both",
  missing() {
    if (!programOf("postfix")) return "apt-get install postfix";
    return Deno.uid() === 0 ? null : "Postfix starts as root only";
  },
  version: () => versionOf("postconf", "-hd", "mail_version"),
  async start(under) {
    const folder = await freshFolder("postfix"), port = freePort();
    await fill(`${BENCH}/peers/postfix`, `${folder}/etc`, {
      FOLDER: folder,
      PORT: port,
      PROCESSES: 200,
      ...await tlsFiles(),
    });
    await Deno.mkdir(`${folder}/spool`);
    await Deno.mkdir(`${folder}/data`);
    await new Deno.Command("chown", { args: ["postfix", `${folder}/data`] }).output();
    const program = programOf("postfix")!;
    return await runProgram([program, "-c", `${folder}/etc`, "start-fg"], {
      port,
      folder,
      under,
      facts: { transport: "discard, after the queue file is synced" },
      end: [program, "-c", `${folder}/etc`, "stop"],
    });
  },
};

function installed(module: string): string | null {
  try {
    Deno.statSync(`${BUILD}/node_modules/${module}/package.json`);
    return null;
  } catch {
    return "deno task bench --install-peers";
  }
}

function moduleVersion(module: string): string {
  const { version } = JSON.parse(Deno.readTextFileSync(`${BUILD}/node_modules/${module}/package.json`));
  return `${version}, Node ${versionOf("node", "--version")}`;
}

const smtpServer: Candidate = {
  name: "smtp-server",
  promise: "durable (file, fsync, rename; folder not synced)",
  over: "both",
  missing: () => installed("smtp-server"),
  version: () => moduleVersion("smtp-server"),
  async start(under) {
    const folder = await freshFolder("smtp-server"), port = freePort();
    const script = `${BENCH}/peers/smtp_server/server.mjs`, { key, cert } = await keyPair();
    const command = ["node", script, String(port), `${folder}/spool`, BUILD, key, cert];
    return await runProgram(command, { port, folder, under });
  },
};

/** The least that one can write over node:tls: what a runtime's TLS, sockets and files cost by themselves. */
function bare(name: string, runtime: readonly [program: string, ...args: string[]]): Candidate {
  return {
    name,
    promise: "durable (file, fsync, rename, folder synced), no limits and no policy",
    over: "tls",
    missing: () => versionOf(runtime[0], "--version") === "?" ? `${runtime[0]} is not there` : null,
    version: () => `bench/peers/node_tls, ${versionOf(runtime[0], "--version")}`,
    async start(under) {
      const folder = await freshFolder(name), port = freePort(), { key, cert } = await keyPair();
      const script = `${BENCH}/peers/node_tls/server.mjs`;
      return await runProgram([...runtime, script, String(port), `${folder}/spool`, key, cert], {
        port,
        folder,
        under,
      });
    },
  };
}

function haraka(name: string, nodes: number): Candidate {
  return {
    name,
    promise: "keeps nothing",
    over: "both",
    missing: () => installed("Haraka"),
    version: () => moduleVersion("Haraka"),
    async start(under) {
      const folder = await freshFolder(name), port = freePort();
      await fill(`${BENCH}/peers/haraka`, folder, { PORT: port, NODES: nodes, ...await tlsFiles() });
      return await runProgram(["node", `${BUILD}/node_modules/Haraka/bin/haraka`, "-c", folder], {
        port,
        folder,
        under,
        env: { YES_REALLY_DO_DISCARD: "1" },
        facts: { processes: String(Math.max(1, nodes)) },
      });
    },
  };
}

const sink: Candidate = {
  name: "sink",
  promise: "keeps nothing: bare replies in C, the ceiling of this machine and generator",
  over: "plain",
  missing: () => null,
  version: () => "bench/tools/smtpsink.c",
  async start(under) {
    const folder = await freshFolder("sink"), port = freePort();
    return await runProgram([await compiled("smtpsink"), "--port", String(port)], { port, folder, under });
  },
};

/** In the order of the report. */
export const CANDIDATES: readonly Candidate[] = [
  postern,
  postfix,
  smtpServer,
  haraka("haraka", 0),
  haraka("haraka-2", 2),
  sink,
  bare("node-tls", ["node"]),
  bare("deno-tls", [Deno.execPath(), "run", "-A"]),
];

/** Installs the peers of the npm registry into .build/, as peers/package.json says. */
export async function installPeers(): Promise<void> {
  await Deno.mkdir(BUILD, { recursive: true });
  await Deno.copyFile(`${BENCH}/peers/package.json`, `${BUILD}/package.json`);
  const { success } = await new Deno.Command("npm", {
    args: ["install", "--no-audit", "--no-fund", "--ignore-scripts"],
    cwd: BUILD,
  }).output();
  if (!success) throw new Error("npm install of the peers failed");
}
