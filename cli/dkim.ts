/**
 * `postern dkim`: keys for the plugin `dkim_sign`, and the DNS records by which others check what they sign (RFC 6376
 * 3.6). A private key goes into a file that its owner alone can read, and never over another.
 * Non-job: publishing records, asking for them.
 */
import { dirname, resolve } from "node:path";
import { Command, Option } from "commander";
import type { Config } from "../core/config/config.ts";
import { ConfigError } from "../core/config/issue.ts";
import { loadConfig } from "../core/config/load.ts";
import { REGISTRY } from "../core/config/registry.ts";
import { canonicalDomain, definePlugin, type Schema } from "../core/pipeline/mod.ts";
import { syncFolder, writeAll } from "../core/store/durable_write.ts";
import { dkim_sign } from "../plugins/outbound/dkim_sign/mod.ts";
import { KeyError, PrivateKey, recordName, recordText, type SigningKey, zoneRecord } from "../core/dkim/mod.ts";
import { type KeyEntry, readKey } from "../plugins/outbound/key_source.ts";
import { CommandError, DONE, type ExitCode, type Terminal, USAGE } from "./terminal.ts";

interface KeygenOptions {
  readonly domain: string;
  readonly selector: string;
  readonly type: "rsa" | "ed25519";
  readonly bits?: string;
  readonly out?: string;
}
interface DnsOptions {
  readonly config?: string;
  readonly domain?: string;
}

export function dkimCommand(terminal: Terminal, finish: (code: ExitCode) => void): Command {
  const command = new Command("dkim").description("keys that sign mail, and their DNS records");

  command.command("keygen").description("make a key; print its DNS record and the lines for the configuration")
    .requiredOption("--domain <domain>", "whose mail it signs")
    .requiredOption("--selector <selector>", "a name for this key of the domain, such as s2026")
    .addOption(
      new Option("--type <type>", "what every verifier knows, or what is short").choices(["rsa", "ed25519"])
        .default("rsa"),
    )
    .addOption(new Option("--bits <bits>", "of an RSA key (default: 2048)").choices(["2048", "3072", "4096"]))
    .option("--out <file>", "where it goes (default: DOMAIN.SELECTOR.pem)")
    .action(async (options: KeygenOptions) => {
      const { type, bits } = options;
      if (type === "ed25519" && bits !== undefined) throw new CommandError("--bits is for --type rsa", USAGE);
      const domain = nameOf("--domain", options.domain), selector = nameOf("--selector", options.selector);
      const file = options.out ?? `${domain}.${selector}.pem`;
      const text = await makeKey(type, Number(bits ?? 2048));
      await writeNew(resolve(terminal.cwd, file), file, text);
      const path = /^\.{0,2}\//.test(file) ? file : `./${file}`;
      const [d, s, k] = [domain, selector, path].map(scalar);
      [
        `The private key is in ${file}. Publish this record:`,
        "",
        zoneRecord(recordName(domain, selector), await recordText(PrivateKey.parse(text))),
        "",
        "When name service has it, let the last plugin of the configuration be:",
        "",
        "  - dkim_sign:",
        "      keys:",
        `        - { domain: ${d}, selector: ${s}, key: ${k} }`,
      ].forEach((line) => terminal.out(line));
      finish(DONE);
    });

  command.command("dns").description("print the TXT records of the keys in the configuration, as a zone file has them")
    .option("-c, --config <file>", "configuration file of the server")
    .option("--domain <domain>", "those of this domain only")
    .action(async (options: DnsOptions) => {
      const domain = options.domain === undefined ? null : nameOf("--domain", options.domain);
      const records = await recordsOf(options.config, terminal);
      const wanted = records.filter((each) => domain === null || each.domain === domain);
      if (wanted.length === 0) throw new CommandError(`dkim_sign has no key of ${domain} in the configuration`);
      for (const { line } of wanted) terminal.out(line);
      finish(DONE);
    });
  return command;
}

function nameOf(option: string, text: string): string {
  const name = canonicalDomain(text);
  if (name === null) throw new CommandError(`${option}: ${JSON.stringify(text)} is no name for DNS`, USAGE);
  return name;
}

/** A text as YAML has it: what might be a number or a word of YAML's own in quotes. */
function scalar(text: string): string {
  const plain = /^[a-z./][\w./-]*$/i.test(text) && !/^(?:true|false|null|yes|no|on|off|[yn])$/i.test(text);
  return plain ? text : JSON.stringify(text);
}

/** PKCS#8 in PEM (RFC 7468 10). */
async function makeKey(type: "rsa" | "ed25519", modulusLength: number): Promise<string> {
  const algorithm = type === "ed25519"
    ? { name: "Ed25519" }
    : { name: "RSASSA-PKCS1-v1_5", modulusLength, publicExponent: Uint8Array.of(1, 0, 1), hash: "SHA-256" };
  const pair = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]) as CryptoKeyPair;
  const octets = new Uint8Array(await crypto.subtle.exportKey("pkcs8", pair.privateKey));
  return `-----BEGIN PRIVATE KEY-----\n${
    octets.toBase64().replace(/.{64}(?=.)/g, "$&\n")
  }\n-----END PRIVATE KEY-----\n`;
}

/** Durable when it resolves: its record is published for as long as the key is. */
async function writeNew(path: string, name: string, text: string): Promise<void> {
  try {
    const file = await Deno.open(path, { write: true, createNew: true, mode: 0o600 });
    try {
      await writeAll(file, new TextEncoder().encode(text));
      await file.sync();
      await syncFolder(dirname(path));
    } catch (error) {
      await Deno.remove(path).catch(() => {});
      throw error;
    } finally {
      file.close();
    }
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) {
      throw new CommandError(`${name} is there already, and may be a key in use: name another file with --out`);
    }
    throw new CommandError(`${name}: ${(error instanceof Error ? error.message : String(error)).replace(/\s+/g, " ")}`);
  }
}

/** A record for each key of each `dkim_sign`, whatever else is wrong in the configuration. */
async function recordsOf(
  config: string | undefined,
  terminal: Terminal,
): Promise<{ readonly domain: string; readonly line: string }[]> {
  const { keys } = await signingKeys(config, terminal);
  if (keys.length === 0) throw new CommandError("the configuration has no dkim_sign: postern dkim keygen makes a key");
  const records = new Map<string, { domain: string; line: string }>();
  for (const { domain, selector, key } of keys) {
    const line = zoneRecord(recordName(domain, selector), await recordText(key));
    records.set(line, { domain, line }); // listeners with lists of their own may have it again
  }
  return [...records.values()];
}

/**
 * The keys of each `dkim_sign`; the configuration too, unless something else is wrong in it.
 *
 * @throws {CommandError} for a key that cannot be read, {ConfigError} where nothing signs and something is wrong.
 */
export async function signingKeys(
  file: string | undefined,
  terminal: Terminal,
): Promise<{ readonly keys: readonly SigningKey[]; readonly config: Config | null }> {
  const found: { readonly entry: KeyEntry; readonly base: string }[] = [];
  // In place of the plugin, which would read every key before anything can be said of one
  const recorder = definePlugin({
    name: dkim_sign.pluginName,
    options: dkim_sign.options as Schema<unknown, { readonly keys: readonly KeyEntry[] }>,
    create({ keys }, { base }) {
      found.push(...keys.map((entry) => ({ entry, base })));
      return { deliver: (_, next) => next() };
    },
  });
  let config: Config | null = null;
  try {
    const registry = new Map([...REGISTRY, [dkim_sign.pluginName, recorder] as const]);
    const named = file === undefined ? {} : { file };
    config = await loadConfig({ ...named, env: terminal.env, cwd: terminal.cwd, registry, read: true });
  } catch (error) {
    if (!(error instanceof ConfigError) || found.length === 0) throw error;
  }
  const trouble = (message: string) => terminal.err(`warning: ${message}`);
  const keys = found.map(({ entry, base }) => {
    try {
      return readKey(entry, { base, trouble });
    } catch (error) {
      throw error instanceof KeyError ? new CommandError(error.message) : error;
    }
  });
  return { keys, config };
}
