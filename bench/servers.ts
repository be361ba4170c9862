/**
 * The servers under measurement: Postern plain and as it is shipped, and the peers; all of them accept, none hands on. Job: start
 * each on a loopback port of its own with data on a real disk under .build/, say what it is, stop it. Non-job: load and
 * figures (main.ts), relaying (relays.ts).
 */
import { freePort } from "../tests/support/ports.ts";
import { versionOf } from "./machine.ts";
import { installed, moduleVersion, postfixMissing, startHaraka, startPostfix } from "./peers.ts";
import { posternVersion, startPostern } from "./postern.ts";
import { RELAYS } from "./relays.ts";
import { type Candidate, freshFolder, runProgram } from "./running.ts";
import { BENCH, BUILD, compiled, type KeyPair, keyPair } from "./tools.ts";

/** What the peers do: take mail and keep it. The ledger is on, as it is unless told otherwise. */
export const inboxConfiguration = ({ key, cert }: KeyPair, policy: readonly string[] = []) =>
  `hostname: mx.bench.example
domains: ["*"]
listeners:
  - { address: "127.0.0.1:2525" }
tls: { certificates: [{ cert: ${cert}, key: ${key} }] }
admin: { address: "127.0.0.1:8025", token: "\${POSTERN_ADMIN_TOKEN}" }
limits: { connectionsPerIp: 10000 }
plugins:
${policy.map((each) => `  - ${each}\n`).join("")}  - inbox: { everything: true }
`;

const postern: Candidate = {
  name: "postern",
  promise: "durable",
  over: "both",
  missing: () => null,
  version: posternVersion,
  start: async ({ under } = {}) =>
    await startPostern({
      under,
      config: inboxConfiguration(await keyPair()),
      facts: { configuration: "everything into an inbox" },
    }),
};

const dev: Candidate = {
  name: "postern-dev",
  promise: "durable, with SPF, DKIM, DMARC, header checks and a spam filter that only note",
  over: "both",
  missing: () => null,
  version: posternVersion,
  start: ({ under } = {}) => startPostern({ under, facts: { configuration: "none, the dev inbox as shipped" } }),
};

const postfix: Candidate = {
  name: "postfix",
  promise: "durable",
  over: "both",
  missing: postfixMissing,
  version: () => versionOf("postconf", "-hd", "mail_version"),
  start: ({ under } = {}) =>
    startPostfix({ under, transport: "discard:", facts: { transport: "discard, after the queue file is synced" } }),
};

const smtpServer: Candidate = {
  name: "smtp-server",
  promise: "durable (file, fsync, rename; folder not synced)",
  over: "both",
  missing: () => installed("smtp-server"),
  version: () => moduleVersion("smtp-server"),
  async start({ under } = {}) {
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
    async start({ under } = {}) {
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
    start: ({ under } = {}) =>
      startHaraka({ under, nodes, queue: "queue/discard", env: { YES_REALLY_DO_DISCARD: "1" } }),
  };
}

const sink: Candidate = {
  name: "sink",
  promise: "keeps nothing: bare replies in C, the ceiling of this machine and generator",
  over: "plain",
  missing: () => null,
  version: () => "bench/tools/smtpsink.c",
  async start({ under } = {}) {
    const folder = await freshFolder("sink"), port = freePort();
    return await runProgram([await compiled("smtpsink"), "--port", String(port)], { port, folder, under });
  },
};

/** In the order of the report. */
export const CANDIDATES: readonly Candidate[] = [
  postern,
  dev,
  postfix,
  smtpServer,
  haraka("haraka", 0),
  haraka("haraka-2", 2),
  sink,
  bare("node-tls", ["node"]),
  bare("deno-tls", [Deno.execPath(), "run", "-A"]),
  ...RELAYS,
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
