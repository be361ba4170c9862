/**
 * How the peers are started that have more than one configuration: Postfix, Haraka, Exim. Non-job: which (servers.ts,
 * relays.ts), and the peers that have one.
 */
import { programOf } from "../tests/support/debian.ts";
import { EXIM_ACCOUNT } from "../tests/support/exim.ts";
import { freePort } from "../tests/support/ports.ts";
import { inWorld, unpacked } from "../tests/support/unpacked.ts";
import { ControlGroup } from "./cgroup.ts";
import { versionOf } from "./machine.ts";
import { fill, freshFolder, type Running, runProgram } from "./running.ts";
import { BENCH, BUILD, keyPair } from "./tools.ts";

interface PeerOptions {
  readonly under?: readonly string[] | undefined;
  readonly facts?: Record<string, string>;
}

/** The key pair, for the `@KEY@` and `@CERT@` of a configuration. */
async function tlsFiles(): Promise<{ KEY: string; CERT: string }> {
  const { key, cert } = await keyPair();
  return { KEY: key, CERT: cert };
}

export function postfixMissing(): string | null {
  if (!programOf("postfix")) return "apt-get install postfix";
  return Deno.uid() === 0 ? null : "Postfix starts as root only";
}

/** `transport`: where all goes, as main.cf has it. */
export async function startPostfix(
  { transport, under, facts = {} }: PeerOptions & { readonly transport: string },
): Promise<Running> {
  const folder = await freshFolder("postfix"), port = freePort();
  await fill(`${BENCH}/peers/postfix`, `${folder}/etc`, {
    FOLDER: folder,
    PORT: port,
    PROCESSES: 200,
    TRANSPORT: transport,
    ...await tlsFiles(),
  });
  await Deno.mkdir(`${folder}/spool`);
  await Deno.mkdir(`${folder}/data`);
  await new Deno.Command("chown", { args: ["postfix", `${folder}/data`] }).output();
  const program = programOf("postfix")!;
  const end = [program, "-c", `${folder}/etc`, "stop"];
  return await runProgram([program, "-c", `${folder}/etc`, "start-fg"], { port, folder, under, facts, end });
}

export function installed(module: string): string | null {
  try {
    Deno.statSync(`${BUILD}/node_modules/${module}/package.json`);
    return null;
  } catch {
    return "deno task bench --install-peers";
  }
}

export function moduleVersion(module: string): string {
  const { version } = JSON.parse(Deno.readTextFileSync(`${BUILD}/node_modules/${module}/package.json`));
  return `${version}, Node ${versionOf("node", "--version")}`;
}

interface HarakaOptions extends PeerOptions {
  /** Worker processes; 0: one process alone. */
  readonly nodes: number;
  /** The plugin that takes the messages; "": Haraka's own queue to other hosts. */
  readonly queue: string;
  readonly env: Record<string, string>;
}

export async function startHaraka({ nodes, queue, env, under, facts = {} }: HarakaOptions): Promise<Running> {
  const folder = await freshFolder("haraka"), port = freePort();
  await fill(`${BENCH}/peers/haraka`, folder, { PORT: port, NODES: nodes, QUEUE: queue, ...await tlsFiles() });
  return await runProgram(["node", `${BUILD}/node_modules/Haraka/bin/haraka`, "-c", folder], {
    port,
    folder,
    under,
    env,
    facts: { processes: String(Math.max(1, nodes)), ...facts },
  });
}

/** Relays to `next`. Nobody waits for the processes of its deliveries, so a control group counts what they use. */
export async function startExim(
  { next, under = [], facts = {} }: PeerOptions & { readonly next: number },
): Promise<Running> {
  const group = ControlGroup.make("exim");
  if (group === null) throw new Error("no control group to count the CPU of its processes with");
  const folder = await freshFolder("exim"), port = freePort();
  await fill(`${BENCH}/peers/exim`, folder, { FOLDER: folder, PORT: port, NEXT: next });
  for (const name of ["spool", "log"]) {
    await Deno.mkdir(`${folder}/${name}`);
    await Deno.chown(`${folder}/${name}`, EXIM_ACCOUNT["Debian-exim"].id, EXIM_ACCOUNT["Debian-exim"].id);
  }
  await Deno.copyFile(unpacked("exim4"), `${folder}/exim4`);
  const exim = [`${folder}/exim4`, "-C", `${folder}/exim.conf`, "-bdf", "-q5m"];
  const command = group.around(await inWorld(folder, { accounts: EXIM_ACCOUNT }, exim));
  const running = await runProgram(command, { port, folder, under, facts });
  return {
    ...running,
    cpuSeconds: () => group.cpuSeconds(),
    async stop() {
      await running.stop();
      await group.remove();
    },
  };
}
