/**
 * `postern try --ip IP --helo H --from A --to B < mail.eml`: one message through the plugins of a listener, without a socket:
 * what each of them says, and what would become of it. Nothing is stored, counted or sent; name service and scanners are
 * asked, for asking is reading. Exit code 1 when the message would be refused. Non-job: recorded sessions (cli/replay).
 */
import { Command, InvalidArgumentError } from "commander";
import { type Config, formatEndpoint, type ListenerConfig } from "../../core/config/config.ts";
import { loadConfig } from "../../core/config/load.ts";
import { SampleNames } from "../../core/dns/sample_names.ts";
import { systemResolver } from "../../core/dns/system_resolver.ts";
import { type Address, formatAddress, parseAddress } from "../../core/model/address.ts";
import { canonicalIp } from "../../core/model/ip.ts";
import type { Story } from "../../core/ledger/story.ts";
import { SILENT_RESOLVER } from "../../core/replay/asking.ts";
import { attempt, type Attempted } from "../../core/replay/attempt.ts";
import { openStoredCounters, type StoredCounters } from "../../core/replay/stored_counters.ts";
import { dryStage } from "../dry_stage.ts";
import { CommandError, DONE, type ExitCode, NO, type Terminal, USAGE } from "../terminal.ts";
import { linesOf, storyOf } from "./telling.ts";

interface TryOptions {
  readonly ip: string;
  readonly helo: string;
  readonly from: Address | null;
  readonly to: readonly Address[];
  readonly tls?: true;
  readonly auth?: string;
  readonly role?: string;
  readonly listener?: string;
  readonly dns: string;
  readonly config?: string;
  readonly json?: true;
}

export function tryCommand(terminal: Terminal, finish: (code: ExitCode) => void): Command {
  return new Command("try")
    .description("take a message from standard input through the plugins, and print every verdict; nothing is kept")
    .requiredOption("--ip <address>", "where it comes from", ipIn)
    .requiredOption("--helo <name>", "what the client calls itself", heloIn)
    .requiredOption("--from <address>", "the sender; <> for none", senderIn)
    .requiredOption("--to <address>", "a recipient; may be said several times", recipientsIn)
    .option("--tls", "it comes by TLS")
    .option("--auth <user>", "it comes from a login of this user")
    .option(
      "--role <role>",
      "by the first listener of this role: mx, submission, lmtp (default mx; with --auth submission)",
    )
    .option("--listener <name>", "by this listener")
    .option("--dns <how>", "name service: live, or none (every question fails)", "live")
    .option("-c, --config <file>", "configuration file (default: POSTERN_CONFIG, else ./postern.yaml if it is there)")
    .option("--json", "print JSON")
    .action(async (options: TryOptions) => finish(await tryMessage(options, terminal)));
}

async function tryMessage(options: TryOptions, terminal: Terminal): Promise<ExitCode> {
  if (options.dns !== "none" && options.dns !== "live") throw new CommandError("--dns: is none or live", USAGE);
  const file = options.config === undefined ? {} : { file: options.config };
  const trouble = (where: string, message: string) => terminal.err(`postern: ${where}: ${message}`);
  const config = await loadConfig({ ...file, env: terminal.env, cwd: terminal.cwd, trouble });
  const listener = listenerFor(options, config), login = loginFor(options, listener);
  const content = await terminal.input(), at = Date.now();
  const live = options.dns === "none" ? SILENT_RESOLVER : systemResolver(config.dns ?? {});
  await using counters = await countersOf(config, at);
  const { ip, helo, from, to, tls = false } = options;
  const tried = await attempt(
    {
      ...{ ip, helo, from, to, content, tls, login, at },
      ...{ listener: listener.name, role: listener.role, hostname: config.hostname },
    },
    dryStage(config, { dns: live, scanners: true }).houseOf({ listener: listener.name, role: listener.role }),
    { dns: config.devInbox ? new SampleNames(live) : live, counters },
  );
  const story = await storyOf(tried, () => at);
  if (options.json) terminal.out(JSON.stringify(jsonOf(tried, { listener, story }, options), null, 2));
  else for (const line of [headline(listener, options), ...linesOf(tried, story)]) terminal.out(line);
  return tried.kept === null ? NO : DONE;
}

/** What is known of earlier mail, to read: of the data folder, or of the database that nodes share. */
async function countersOf(config: Config, at: number): Promise<StoredCounters & AsyncDisposable> {
  if (typeof config.store !== "object") {
    const stored = openStoredCounters(config.data, () => at);
    return { ...stored, [Symbol.asyncDispose]: () => Promise.resolve(stored[Symbol.dispose]()) };
  }
  const { openFolder } = await import("../data_folder.ts"), store = await openFolder(config);
  return {
    missing: null,
    get: (name) => store.counters.get(name),
    list: (query) => store.counters.list(query),
    [Symbol.dispose]: () => {},
    [Symbol.asyncDispose]: () => store.close(),
  };
}

function headline(listener: ListenerConfig, { ip, helo }: TryOptions): string {
  const address = formatEndpoint(listener.address),
    where = listener.name === address ? address : `${listener.name} (${address})`;
  return `${ip} as ${helo.replace(/\p{C}/gu, "?")}, by ${where}, role ${listener.role}`;
}

function jsonOf(
  { turns, kept }: Attempted,
  { listener: { name, role }, story }: { readonly listener: ListenerConfig; readonly story: Story | null },
  { ip, helo, from, to }: TryOptions,
) {
  return {
    ...{ listener: name, role, ip, helo, from: formatAddress(from), to: to.map(formatAddress) },
    verdict: kept === null ? "refused" : kept.held === null ? "accepted" : "held",
    turns: turns.map(({ command, reply }) => ({ command, reply })),
    kept,
    story,
  };
}

function listenerFor({ listener: name, role: wanted, auth }: TryOptions, { listeners }: Config): ListenerConfig {
  if (name !== undefined) {
    const found = listeners.find((each) => each.name === name);
    if (found !== undefined) return found;
    throw new CommandError(
      `--listener: there is none called "${name}", but ${listeners.map((each) => each.name).join(", ")}`,
    );
  }
  const role = wanted ?? (auth === undefined ? "mx" : "submission");
  const found = listeners.find((each) => each.role === role);
  if (found !== undefined) return found;
  if (wanted === undefined) return listeners[0]!;
  throw new CommandError(`--role: no listener is for ${role}`);
}

function loginFor({ auth: user }: TryOptions, { name, mechanisms }: ListenerConfig) {
  if (user === undefined) return null;
  const mechanism = mechanisms.find((each) => !each.endsWith("-PLUS") && each !== "EXTERNAL");
  if (mechanism === undefined) throw new CommandError(`--auth: the listener ${name} takes no logins`);
  return { user, mechanism };
}

function ipIn(text: string): string {
  const ip = canonicalIp(text);
  if (ip === null) throw new InvalidArgumentError(`"${text}" is no IP address`);
  return ip;
}
function heloIn(text: string): string {
  if (text === "" || /[\p{Cc}\s]/u.test(text)) throw new InvalidArgumentError("it is one word");
  return text;
}
function senderIn(text: string): Address | null {
  return text === "" || text === "<>" ? null : addressIn(text);
}
function recipientsIn(text: string, before: readonly Address[] | undefined): readonly Address[] {
  return [...before ?? [], addressIn(text)];
}
function addressIn(text: string): Address {
  const address = parseAddress(text.replace(/^<(.*)>$/, "$1"));
  if (address === null) throw new InvalidArgumentError(`"${text}" is no address such as you@example.org`);
  return address;
}
