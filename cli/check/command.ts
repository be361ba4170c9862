/**
 * `postern check`: reads the configuration as `serve` would, tells every fault, and shows what would run: listeners,
 * warnings, which plugin speaks in which phase, and where mail for other hosts goes (core/config/describe.ts).
 */
import { Command } from "commander";
import type { Config } from "../../core/config/config.ts";
import { describeDelivery } from "../../core/config/delivery/describe.ts";
import { describe } from "../../core/config/describe.ts";
import { loadConfig } from "../../core/config/load.ts";
import { unanswered } from "../../core/dns/answer.ts";
import { NameResolver } from "../../core/dns/name_resolver.ts";
import { resolverOptions } from "../../core/dns/system_resolver.ts";
import { Certificates } from "../../core/net/tls/certificates.ts";
import { certificatesIn, PairError, readPem } from "../../core/net/tls/pair.ts";
import { accept, formatAddress, runPhase } from "../../core/pipeline/mod.ts";
import { CommandError, DONE, type ExitCode, type Terminal } from "../terminal.ts";

export function checkCommand(terminal: Terminal, finish: (code: ExitCode) => void): Command {
  return new Command("check")
    .description("check the configuration; print listeners, routes, warnings and the plugins of each phase")
    .option("-c, --config <file>", "configuration file (default: POSTERN_CONFIG, else ./postern.yaml if it is there)")
    .action(async (options: { config?: string }) => {
      const file = options.config === undefined ? {} : { file: options.config };
      const troubles: string[] = [];
      const trouble = (where: string, message: string) => void troubles.push(`${where}: ${message}`);
      const config = await loadConfig({ ...file, env: terminal.env, cwd: terminal.cwd, trouble });
      const delivery = ["", ...describeDelivery(config, resolverOptions(config.dns ?? {}))];
      for (const line of [...describe(config), ...delivery, ...await describeTls(config, trouble)]) terminal.out(line);
      await checkAuthorities(config.delivery.tls.ca);
      for (const warning of [...config.warnings, ...troubles, ...await unreachable(config)]) {
        terminal.err(`warning: ${warning}`);
      }
      finish(DONE);
    });
}

/**
 * What clients of TLS will be shown, and until when.
 *
 * @throws {CommandError} when a pair cannot be used: the server would not start.
 */
async function describeTls({ tls }: Config, trouble: (where: string, message: string) => void): Promise<string[]> {
  if (tls === null || tls.certificates.length === 0) return [];
  const pairs = tls.certificates.map(({ cert, key }) => ({ certificate: cert, key }));
  try {
    const certificates = await Certificates.open({ pairs, trouble: (message) => trouble("tls", message), period: 0 });
    if (tls.clientCa !== null) await certificates.trust(tls.clientCa);
    certificates.close();
    return [
      "",
      ...certificates.list.map(({ names, notAfter, path }) =>
        `certificate    ${names.join(", ")} until ${new Date(notAfter).toISOString().slice(0, 10)} (${path})`
      ),
    ];
  } catch (error) {
    if (error instanceof PairError) throw new CommandError(`tls: ${error.message}`);
    throw error;
  }
}

/** @throws {CommandError} when the file has no authorities: deliveries could not start. */
async function checkAuthorities(file: string | null): Promise<void> {
  if (file === null) return;
  try {
    if (certificatesIn(await readPem(file), file).length === 0) throw new PairError(`${file}: no certificate in it`);
  } catch (error) {
    if (error instanceof PairError) throw new CommandError(`delivery.tls.ca: ${error.message}`);
    throw error;
  }
}

/** The host behind a gateway is not asked: what it takes is its own matter. */
const askingNobody = () => Promise.resolve(accept("OK"));

/**
 * Asks each mx listener's plugins about mail for postmaster, as a stranger's server would (RFC 5321 4.5.1). Nothing is
 * stored, counted or looked up for it: what only name service knows is not known, and no warning.
 */
export async function unreachable(config: Config): Promise<string[]> {
  const { hostname: name, domains, postmaster } = config;
  if (postmaster === null) return [];
  const host = { name, domains, postmaster };
  const warnings: string[] = [];
  for (const listener of config.listeners.filter((each) => each.role === "mx")) {
    const facts = { role: "mx", listener: listener.name, host, from: null, to: formatAddress(postmaster) } as const;
    const stranger = { ...facts, ip: "192.0.2.1", helo: "mx.example.net" };
    let asked = false;
    const dns = new NameResolver({ ask: (_, name) => (asked = true, Promise.resolve(unanswered("servfail", name))) });
    const { reply } = await runPhase(listener.plugins, "rcpt", { ...stranger, dns, callAhead: askingNobody });
    if (reply.verdict !== "accept" && !(asked && reply.verdict === "defer")) {
      warnings.push(`postmaster: ${listener.name} takes no mail for ${facts.to}: ${reply}`);
    }
  }
  return warnings;
}
