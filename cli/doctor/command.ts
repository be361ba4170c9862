/**
 * `postern doctor DOMAIN`: what the world sees of a mail domain, what is wrong with it, and the record to publish.
 * Exit code 1 when something is wrong, or nobody knows. Non-job: the examination (examine.ts).
 */
import { Command } from "commander";
import { httpsFetch } from "../../core/net/https_fetch.ts";
import { canonicalDomain } from "../../core/model/domain.ts";
import { canonicalIp } from "../../core/model/ip.ts";
import { parseHttpsServer } from "../../core/dns/doh.ts";
import { parseServer } from "../../core/dns/resolv_conf.ts";
import type { Resolver } from "../../core/dns/resolver.ts";
import { systemResolver } from "../../core/dns/system_resolver.ts";
import { CommandError, DONE, type ExitCode, NO, type Terminal, USAGE } from "../terminal.ts";
import { BoundedResolver } from "./bounded.ts";
import { lookAt } from "./connect.ts";
import { examine } from "./examine.ts";
import { type Finding, zoneLine } from "./finding.ts";
import { type OwnSite, readOwn } from "./own.ts";
import type { Patient } from "./patient.ts";

interface DoctorOptions {
  readonly selector?: readonly string[];
  readonly ip?: readonly string[];
  readonly config?: string;
  readonly server?: string;
  readonly list?: readonly string[];
  readonly connect?: true;
  readonly json?: true;
}
/** What a test has otherwise. */
export interface DoctorServices {
  readonly dns?: Resolver;
  readonly fetch?: Patient["fetch"];
  readonly connect?: Patient["connect"];
  /** Milliseconds since 1970. */
  readonly now?: number;
}

/** Milliseconds for one question, and for the whole examination. */
const EACH = 10_000, ALL = 60_000;
/** Questions of one examination: a stranger's records may lead on and on. */
const MOST_QUESTIONS = 500;
const GIVEN = { selector: 20, ip: 10, list: 20 };

export function doctorCommand(
  terminal: Terminal,
  finish: (code: ExitCode) => void,
  services: DoctorServices = {},
): Command {
  return new Command("doctor").description("what the world sees of a mail domain, what is wrong, what to publish")
    .argument("<domain>")
    .option("-c, --config <file>", "configuration of the server: its name, keys and certificates are compared")
    .option("--selector <selector...>", "of DKIM (default: those of the configuration)")
    .option("--ip <address...>", "addresses that mail is sent from (default: those of the configuration)")
    .option("--server <address>", "name server to ask (default: as the configuration or this host has it)")
    .option("--list <zone...>", "DNS lists to ask about the addresses, such as zen.spamhaus.org")
    .option("--connect", "look at the certificates of the mail hosts, too, on port 25")
    .option("--json", "print JSON")
    .action(async (text: string, options: DoctorOptions) => finish(await doctor(text, options, terminal, services)));
}

async function doctor(
  text: string,
  options: DoctorOptions,
  terminal: Terminal,
  services: DoctorServices,
): Promise<ExitCode> {
  const domain = canonicalDomain(text);
  if (domain === null) throw new CommandError(`${JSON.stringify(text)} is no domain`, USAGE);
  const site = options.config === undefined ? null : await readOwn(options.config, terminal);
  const end = new AbortController(), timer = setTimeout(() => end.abort(), ALL);
  try {
    const findings = await examine(patientOf(domain, options, { site, services, signal: end.signal }));
    const count = (level: Finding["level"]) => findings.filter((each) => each.level === level).length;
    const counts = { wrong: count("wrong"), warnings: count("warning"), unknown: count("unknown") };
    if (options.json) terminal.out(JSON.stringify({ domain, ...counts, findings }, null, 2));
    else for (const line of linesOf(findings, counts)) terminal.out(line);
    return counts.wrong + counts.unknown === 0 ? DONE : NO;
  } finally {
    clearTimeout(timer);
  }
}

function patientOf(
  domain: string,
  options: DoctorOptions,
  { site, services, signal }: {
    readonly site: OwnSite | null;
    readonly services: DoctorServices;
    readonly signal: AbortSignal;
  },
): Patient {
  const ips = few("ip", options.ip).map((text) => {
    const ip = canonicalIp(text);
    if (ip === null) throw new CommandError(`--ip: ${JSON.stringify(text)} is no address`, USAGE);
    return ip;
  });
  const named = few("selector", options.selector).map((each) => nameOf("--selector", each));
  const keys = (site?.keys ?? []).filter((each) => each.domain === domain);
  const known = new Map(keys.map(({ selector, key }) => [selector, key]));
  const dns = new BoundedResolver(services.dns ?? systemResolver(serversOf(options.server) ?? site?.dns ?? {}), {
    each: EACH,
    most: MOST_QUESTIONS,
    signal,
  });
  const helo = site?.own.hostname ?? "localhost";
  return {
    domain,
    dns,
    signal,
    now: services.now ?? Date.now(),
    own: site?.own ?? null,
    addresses: ips.length > 0 ? ips : site?.addresses ?? [],
    selectors: (named.length > 0 ? named : [...known.keys()]).map((selector) => ({
      selector,
      key: known.get(selector) ?? null,
    })),
    lists: few("list", options.list).map((each) => nameOf("--list", each)),
    fetch: services.fetch ?? httpsFetch({ dns }),
    connect: options.connect ? services.connect ?? ((address) => lookAt(address, helo)) : null,
  };
}

function few(name: keyof typeof GIVEN, given: readonly string[] = []): readonly string[] {
  if (given.length <= GIVEN[name]) return given;
  throw new CommandError(`--${name}: ${GIVEN[name]} at most`, USAGE);
}

function nameOf(option: string, text: string): string {
  const name = canonicalDomain(text);
  if (name === null) throw new CommandError(`${option}: ${JSON.stringify(text)} is no name for DNS`, USAGE);
  return name;
}

function serversOf(text: string | undefined) {
  if (text === undefined) return null;
  const server = parseServer(text) ?? parseHttpsServer(text);
  if (server === null) throw new CommandError(`--server: "${text}" is no address of a name server`, USAGE);
  return { servers: [server] };
}

const MARKS: Readonly<Record<Finding["level"], string>> = {
  well: "ok     ",
  warning: "warning",
  wrong: "WRONG  ",
  unknown: "?      ",
};

function linesOf(
  findings: readonly Finding[],
  { wrong, warnings, unknown }: { readonly wrong: number; readonly warnings: number; readonly unknown: number },
): string[] {
  const lines: string[] = [];
  let topic = "";
  for (const each of findings) {
    if (each.topic !== topic) lines.push(...topic === "" ? [] : [""], each.topic);
    topic = each.topic;
    lines.push(`  ${MARKS[each.level]}  ${each.says}${each.rfc === null ? "" : ` (${each.rfc})`}`);
    if (each.publish.length > 0) lines.push("           publish:");
    for (const record of each.publish) {
      for (const line of zoneLine(record).split("\n")) lines.push(`             ${line.trimEnd()}`);
    }
  }
  const open = unknown === 0 ? "" : `, ${unknown} not known`;
  return [...lines, "", `${wrong} wrong, ${warnings} ${warnings === 1 ? "warning" : "warnings"}${open}`];
}
