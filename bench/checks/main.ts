/**
 * What the checks of incoming mail cost: `deno run -A bench/checks/main.ts [--messages N] [--reps R] [--size OCTETS]
 * [--only NAME]`.
 * CPU of all processes of a server for a signed message of 10 KB, with the checks and without them; what lies between is
 * their cost. Beside it Haraka with its own plugins for the same checks, and rspamd, which is asked over HTTP. All in one
 * run, one after the other, repetitions interleaved. Non-job: what the checks find (tests/).
 */
import { parseArgs } from "node:util";
import { freePort } from "../../tests/support/ports.ts";
import { waitFor } from "../../tests/support/wait.ts";
import { cpuSeconds, describeMachine, untilIdle, versionOf } from "../machine.ts";
import { installed, moduleVersion } from "../peers.ts";
import { posternVersion, startPostern } from "../postern.ts";
import { fill, freshFolder, remove, type Running, runProgram } from "../running.ts";
import { BENCH, BUILD } from "../tools.ts";
import { send } from "./load.ts";
import { LIST, openSite, SENDER, type Site } from "./site.ts";

interface Subject {
  readonly name: string;
  /** What lies between it and this one is the cost of its checks; null: it has no other. */
  readonly beside: string | null;
  readonly version: string;
  start(site: Site): Promise<Running>;
  /** Checks the message once. */
  check(running: Running, site: Site, count: number): Promise<void>;
}

const SETS: Readonly<Record<string, string>> = {
  "postern, nothing": "",
  "postern, spf": "  - spf\n",
  "postern, dkim": "  - dkim\n",
  "postern, spf dkim dmarc": "  - spf\n  - dkim\n  - dmarc\n",
  "postern, dnsbl": `  - dnsbl: { zones: { ${LIST}: 4 } }\n`,
  "postern, spam_score": "  - spam_score\n",
  "postern, default set": `  - dnsbl: { zones: { ${LIST}: 4 } }\n  - spf\n  - dkim\n  - dmarc\n  - spam_score\n`,
};

function postern(name: string, checks: string): Subject {
  return {
    name,
    beside: checks === "" ? null : "postern, nothing",
    version: posternVersion(),
    start: ({ dns }) =>
      startPostern({
        facts: {},
        config: `hostname: mx.bench.example
domains: [bench.example]
listeners: [{ address: "127.0.0.1:2525", xclient: ["127.0.0.0/8"] }]
admin: { address: "127.0.0.1:8025", token: "\${POSTERN_ADMIN_TOKEN}" }
dns: { servers: ["127.0.0.1:${dns}"] }
limits: { connectionsPerIp: 1000 }
plugins:
${checks}  - inbox: { everything: true }
`,
      }),
    check: ({ port }, { message }, count) => send(port, message, count),
  };
}

/** Haraka 3 has no DMARC of its own. */
function haraka(name: string, checks: readonly string[]): Subject {
  return {
    name,
    beside: checks.length === 0 ? null : "haraka, nothing",
    version: moduleVersion("Haraka"),
    async start({ dns }) {
      const folder = await freshFolder("haraka"), port = freePort(), config = `${folder}/config`;
      await fill(`${BENCH}/peers/haraka`, folder, { PORT: port, NODES: 0, QUEUE: "queue/discard", KEY: "", CERT: "" });
      await Deno.writeTextFile(
        `${config}/plugins`,
        ["xclient", ...checks, "accept_all", "queue/discard"].join("\n") + "\n",
      );
      await Deno.writeTextFile(`${config}/xclient.hosts`, "127.0.0.1\n");
      await Deno.writeTextFile(
        `${config}/dns-list.ini`,
        `[main]\nzones = ${LIST}\nperiodic_checks = 0\n[${LIST}]\ntype=block\n`,
      );
      // Node asks the name servers of the host; ours are on a port of their own
      await Deno.writeTextFile(
        `${folder}/dns.cjs`,
        `const dns = require("node:dns"); dns.setServers(["127.0.0.1:${dns}"]); dns.promises.setServers(["127.0.0.1:${dns}"]);`,
      );
      return await runProgram([
        "node",
        "-r",
        `${folder}/dns.cjs`,
        `${BUILD}/node_modules/Haraka/bin/haraka`,
        "-c",
        folder,
      ], {
        port,
        folder,
        env: { YES_REALLY_DO_DISCARD: "1" },
      });
    },
    check: ({ port }, { message }, count) => send(port, message, count),
  };
}

/** Asked over HTTP as a mail server asks it: SPF, DKIM, DMARC, the list, and its own rules. */
const rspamd: Subject = {
  name: "rspamd, over HTTP",
  beside: null,
  version: versionOf("rspamd", "--version"),
  async start({ dns }) {
    const folder = await freshFolder("rspamd"), port = freePort();
    await Deno.chmod(folder, 0o777);
    await Deno.writeTextFile(
      `${folder}/rspamd.conf`,
      `
.include "/etc/rspamd/common.conf"
options {
  pidfile = "${folder}/rspamd.pid"; tempdir = "${folder}"; filters = "dkim,spf";
  dns { nameserver = ["127.0.0.1:${dns}:1"]; timeout = 1s; }
}
logging { type = "file"; filename = "${folder}/rspamd.log"; level = "error"; }
worker "normal" { bind_socket = "127.0.0.1:${port}"; count = 1; task_timeout = 20s; }
rbl { rbls { bench { rbl = "${LIST}"; ipv4 = true; checks = ["from"]; symbol = "BENCH"; } } }
`,
    );
    const args = ["-f", "-c", `${folder}/rspamd.conf`, "-i", "--var=DBDIR=" + folder, "--var=RUNDIR=" + folder];
    const child = new Deno.Command("rspamd", { args, stdout: "null", stderr: "null" }).spawn();
    let gone = false;
    child.status.then(() => gone = true);
    const stop = async () => {
      if (!gone) Deno.kill(child.pid, "SIGTERM");
      await child.status;
      await remove(folder);
    };
    try {
      await waitFor("rspamd", async () => {
        if (gone) throw new Error(`it ended: ${await Deno.readTextFile(`${folder}/rspamd.log`).catch(() => "")}`);
        const answer = await fetch(`http://127.0.0.1:${port}/ping`).catch(() => null);
        await answer?.body?.cancel();
        return answer?.ok ?? false;
      }, { deadline: 60_000, every: 100 });
    } catch (error) {
      await stop();
      throw error;
    }
    return { port, pid: child.pid, facts: {}, died: () => gone ? "it has ended" : null, stop };
  },
  async check({ port }, { message }, count) {
    let left = count;
    await Promise.all(Array.from({ length: 10 }, async () => {
      while (left-- > 0) {
        const answer = await fetch(`http://127.0.0.1:${port}/checkv2`, {
          method: "POST",
          body: message,
          headers: {
            IP: SENDER.ip,
            Helo: SENDER.helo,
            Hostname: SENDER.helo,
            From: `news@${SENDER.domain}`,
            Rcpt: "bob@bench.example",
          },
        });
        const { symbols } = await answer.json();
        if (!symbols?.R_DKIM_ALLOW || !symbols?.R_SPF_ALLOW) {
          throw new Error(`rspamd did not check: ${Object.keys(symbols ?? {}).join(" ")}`);
        }
      }
    }));
  },
};

const { values } = parseArgs({
  args: Deno.args,
  options: {
    messages: { type: "string", default: "2000" },
    reps: { type: "string", default: "3" },
    size: { type: "string", default: "10000" },
    only: { type: "string", default: "" },
  },
});
const messages = Number(values.messages), reps = Number(values.reps);
const subjects: Subject[] = Object.entries(SETS).map(([name, checks]) => postern(name, checks));
if (installed("Haraka") === null) {
  subjects.push(haraka("haraka, nothing", []), haraka("haraka, spf dkim dns-list", ["dns-list", "spf", "dkim"]));
} else console.log("Haraka is not there: deno task bench --install-peers");
if (rspamd.version !== "?") subjects.push(rspamd);
else console.log("rspamd is not there: apt-get install rspamd");

const chosen = subjects.filter(({ name }) => name.includes(values.only));
await Deno.mkdir(BUILD, { recursive: true });
await using site = await openSite(Number(values.size));
console.log(
  `${
    JSON.stringify(describeMachine(BUILD))
  }\na message of ${site.message.length} octets, ${messages} in each of ${reps} repetitions`,
);
const running: { readonly subject: Subject; readonly running: Running; readonly cost: number[] }[] = [];
try {
  for (const subject of chosen) {
    const started = await subject.start(site).catch((error) => void console.log(`${subject.name}: ${error.message}`));
    if (!started) continue;
    running.push({ subject, running: started, cost: [] });
    console.error(`warming ${subject.name}`);
    await subject.check(started, site, Math.ceil(messages / 2)); // warm: code, caches, name service
  }
  for (let repetition = 0; repetition < reps; repetition++) {
    for (const { subject, running: each, cost } of running) {
      console.error(`${repetition + 1}: ${subject.name}`);
      await untilIdle(each.pid);
      const before = cpuSeconds(each.pid);
      await subject.check(each, site, messages);
      await untilIdle(each.pid);
      cost.push((cpuSeconds(each.pid) - before) / messages * 1000);
    }
  }
} finally {
  for (const { running: each } of running) await each.stop();
}
const median = (list: readonly number[]) => list.toSorted((a, b) => a - b)[Math.floor(list.length / 2)] ?? NaN;
const costOf = (name: string) => median(running.find(({ subject }) => subject.name === name)?.cost ?? []);
console.log("\n| | CPU ms per message | the checks alone | version |\n|---|---:|---:|---|");
for (const { subject, cost } of running) {
  const own = subject.beside === null ? "-" : (median(cost) - costOf(subject.beside)).toFixed(2);
  console.log(`| ${subject.name} | ${median(cost).toFixed(2)} | ${own} | ${subject.version} |`);
}
