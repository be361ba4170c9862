/**
 * `postern user`: accounts in the file or the store that the plugin `accounts` reads. Passwords come from a prompt that shows nothing,
 * or from standard input, never from the command line, where every process could read them.
 * Non-job: where they are kept (book.ts), computing hashes (core/auth/passwords.ts).
 */
import { resolve } from "node:path";
import { Command } from "commander";
import { hashPassword, scramOfPassword } from "../../core/auth/passwords.ts";
import type { Config } from "../../core/config/config.ts";
import { ConfigError } from "../../core/config/issue.ts";
import { loadConfig } from "../../core/config/load.ts";
import { REGISTRY } from "../../core/config/registry.ts";
import { definePlugin, type Schema } from "../../core/pipeline/mod.ts";
import { saslprep } from "../../core/smtp/sasl/prepare.ts";
import { certificateOf, type Line, nameFault, senderFault } from "../../plugins/auth/accounts/line.ts";
import { accounts } from "../../plugins/auth/accounts/mod.ts";
import { CommandError, DONE, type ExitCode, NO, type Terminal, USAGE } from "../terminal.ts";
import type { AccountsPlace } from "./accounts_file.ts";
import { type AccountBook, FileBook } from "./book.ts";
import type { StoredPlace } from "./stored.ts";

interface FileOptions {
  readonly config?: string;
  readonly file?: string;
}
interface SecretOptions {
  /** False after --no-scram. */
  readonly scram: boolean;
  readonly cramMd5?: true;
}
interface AddOptions extends FileOptions, SecretOptions {
  readonly sender?: readonly string[];
  readonly certificate?: readonly string[];
  readonly disabled?: true;
  /** False after --no-password. */
  readonly password: boolean;
}

/** Characters that a password has at least (NIST SP 800-63B 5.1.1.2), and octets at most: mechanisms take no more. */
const SHORTEST = 8, LONGEST = 1024;
const random = (length: number) => crypto.getRandomValues(new Uint8Array(length));

export function userCommand(terminal: Terminal, finish: (code: ExitCode) => void): Command {
  const command = new Command("user").description("accounts that may log in");
  const add = (name: string, description: string) =>
    command.command(name).description(description)
      .option("-c, --config <file>", "configuration file of the server")
      .option("--file <file>", "the accounts file (default: the one that the configuration names)");
  const secrets = (each: Command) =>
    each.option("--no-scram", "no keys for SCRAM: log in by PLAIN and LOGIN only")
      .option("--cram-md5", "keep the password readable too, for clients that know nothing better");

  secrets(add("add", "add an account; asks for its password")).argument("<name>")
    .option("--sender <address...>", "whom it may send as: an address, a pattern such as @example.org, or * for any")
    .option("--certificate <sha256...>", "fingerprint of a client certificate that it logs in with (EXTERNAL)")
    .option("--no-password", "no password: it logs in by certificate, or through another plugin")
    .option("--disabled", "it may not log in yet")
    .action(async (text: string, options: AddOptions) => {
      const name = nameOf(text), line = emptyLine(name, options);
      finish(
        await inBook(options, terminal, async (book) => {
          const secret = options.password ? await secretsOf(await askPassword(terminal, name), options) : {};
          await book.change({ create: true }, async (accounts) => {
            if (await accounts.find(name) !== null) throw new CommandError(`${name} is in ${book.name} already`);
            await accounts.keepSecret(() => random(32).toBase64());
            await accounts.set(name, { ...line, ...secret });
          });
          terminal.out(`${name} is added to ${book.name}`);
        }),
      );
    });

  secrets(add("passwd", "give an account another password")).argument("<name>")
    .action(async (text: string, options: FileOptions & SecretOptions) => {
      const name = nameOf(text);
      finish(
        await inBook(options, terminal, async (book) => {
          known(book, name, await book.find(name)); // before anybody types for nothing
          const secret = await secretsOf(await askPassword(terminal, name), options);
          const line = await book.change({ create: false }, async (accounts) => {
            const line = known(book, name, await accounts.find(name));
            await accounts.keepSecret(() => random(32).toBase64());
            await accounts.set(name, { ...line, ...secret });
            return line;
          });
          terminal.out(`${line.name} has a new password`);
        }),
      );
    });

  add("list", "accounts, and what they log in with").option("--json", "print JSON")
    .action(async (options: FileOptions & { readonly json?: true }) => {
      finish(
        await inBook(options, terminal, async (book) => {
          const accounts = await book.list();
          if (options.json) terminal.out(JSON.stringify({ accounts: accounts.map(accountJson) }));
          else if (accounts.length === 0) terminal.out("There are no accounts.");
          else describe(accounts).forEach((line) => terminal.out(line));
        }),
      );
    });

  add("remove", "take an account away").argument("<name>")
    .action(async (text: string, options: FileOptions) => {
      const name = nameOf(text, "query");
      finish(
        await inBook(options, terminal, async (book) => {
          const line = await book.change({ create: false }, async (accounts) => {
            const line = known(book, name, await accounts.find(name));
            await accounts.set(name, null);
            return line;
          });
          terminal.out(`${line.name} is removed from ${book.name}`);
        }),
      );
    });
  return command;
}

/** The name as every mechanism will prepare it (RFC 4616 2). */
function nameOf(text: string, kind: "stored" | "query" = "stored"): string {
  const name = saslprep(text, kind);
  const fault = name === null ? "SASLprep (RFC 4013) forbids one of its characters" : nameFault(name);
  if (fault !== null) throw new CommandError(`${JSON.stringify(text)} is no name for an account: ${fault}`, USAGE);
  return name!;
}

function emptyLine(name: string, { sender = [], certificate = [], disabled, password }: AddOptions): Line {
  for (const each of sender) {
    const fault = senderFault(each);
    if (fault !== null) throw new CommandError(`--sender: ${JSON.stringify(each)}: ${fault}`, USAGE);
  }
  const certificates = certificate.map((each) => {
    const found = certificateOf(each);
    if (found !== null) return found;
    throw new CommandError(`--certificate: ${JSON.stringify(each)} is no SHA-256 fingerprint of 64 hex digits`, USAGE);
  });
  if (!password && certificates.length + sender.length === 0) {
    throw new CommandError("--no-password: say what else it has, with --certificate or --sender", USAGE);
  }
  return { name, scrypt: null, scram: null, cramMd5: null, certificates, senders: sender, disabled: disabled === true };
}

/** What to store of a password: all that a line may hold of one, so that nothing of an older one stays. */
async function secretsOf(
  password: string,
  options: SecretOptions,
): Promise<Pick<Line, "scrypt" | "scram" | "cramMd5">> {
  return {
    scrypt: await hashPassword(password, { random }),
    scram: options.scram ? await scramOfPassword(password, { random }) : null,
    cramMd5: options.cramMd5 ? password : null,
  };
}

async function askPassword(terminal: Terminal, name: string): Promise<string> {
  const typed = await terminal.secret(`Password for ${name}: `);
  if (typed === null) return goodPassword(await pipedPassword(terminal));
  const password = goodPassword(typed);
  if (await terminal.secret("The same again: ") !== typed) throw new CommandError("the two are not the same");
  return password;
}

async function pipedPassword(terminal: Terminal): Promise<string> {
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(await terminal.input());
    return text.replace(/\r?\n$/, "");
  } catch {
    throw new CommandError("the password on standard input is no UTF-8 text");
  }
}

/** Prepared, or refused; the words hold nothing of it. */
function goodPassword(text: string): string {
  if (text === "") throw new CommandError("the password is empty: give one at the prompt or on standard input");
  const password = saslprep(text, "stored");
  if (password === null || /\p{Cc}/u.test(password)) {
    throw new CommandError(
      "the password holds characters that SASLprep (RFC 4013) forbids, such as control characters",
    );
  }
  if ([...password].length < SHORTEST) throw new CommandError(`the password is weak: ${SHORTEST} characters at least`);
  if (new TextEncoder().encode(password).length > LONGEST) {
    throw new CommandError(`the password is too long: ${LONGEST} octets at most`);
  }
  return password;
}

function known(book: AccountBook, name: string, line: Line | null): Line {
  if (line === null) throw new CommandError(`${book.name} has no account ${name}`, NO);
  return line;
}

/** Work with the accounts that the command is about. */
async function inBook(
  options: FileOptions,
  terminal: Terminal,
  work: (book: AccountBook) => Promise<void>,
): Promise<ExitCode> {
  const book = await openBook(options, terminal);
  try {
    await work(book);
    return DONE;
  } finally {
    await book.close();
  }
}

/** The file that is named, or what the plugin in the configuration has, whatever else is wrong there. */
async function openBook({ file, config }: FileOptions, terminal: Terminal): Promise<AccountBook> {
  const at = (path: string, name: string, caseSensitive: boolean) => ({ path, name, caseSensitive });
  if (file !== undefined) return new FileBook(at(resolve(terminal.cwd, file), file, false));
  const files = new Map<string, AccountsPlace>(), kept = new Map<string, StoredPlace>();
  // In place of the plugin: the file that it would want need not be there yet
  const recorder = definePlugin({
    name: accounts.pluginName,
    options: accounts.options as Schema<unknown, PlaceOptions>,
    create({ file, store, caseSensitive }, { base, name }) {
      const path = file === undefined ? null : resolve(base, file);
      if (path !== null) files.set(path, at(path, file!, caseSensitive));
      if (store) kept.set(name, { plugin: name, caseSensitive });
      return { auth: (_, next) => next() };
    },
  });
  let read: Config | null = null;
  try {
    const named = config === undefined ? {} : { file: config };
    const registry = new Map([...REGISTRY, [accounts.pluginName, recorder] as const]);
    read = await loadConfig({ ...named, env: terminal.env, cwd: terminal.cwd, registry, read: true });
  } catch (error) {
    if (!(error instanceof ConfigError) || files.size === 0) throw error;
  }
  const names = [...[...files.values()].map((each) => each.name), ...kept.size > 0 ? ["the store"] : []];
  if (names.length > 1 || kept.size > 1) {
    throw new CommandError(`the configuration names ${names.join(" and ")}: say which with --file`);
  }
  const [place] = files.values(), [stored] = kept.values();
  if (stored !== undefined) {
    const { openStoredAccounts } = await import("./stored.ts"); // brings the database along: only where it is needed
    return await openStoredAccounts(read!, stored);
  }
  if (place === undefined) throw new CommandError("the configuration names no accounts file: name one with --file");
  return new FileBook(place);
}

interface PlaceOptions {
  readonly file?: string;
  readonly store: boolean;
  readonly caseSensitive: boolean;
}

/** Never a hash. */
function accountJson({ name, scrypt, scram, cramMd5, certificates, senders, disabled }: Line) {
  return {
    name,
    password: scrypt !== null,
    scram: scram !== null,
    cramMd5: cramMd5 !== null,
    certificates,
    senders,
    disabled,
  };
}

function describe(accounts: readonly Line[]): string[] {
  const names = Math.max(...accounts.map(({ name }) => name.length));
  return accounts.map(({ name, scrypt, scram, cramMd5, certificates, senders, disabled }) => {
    const by = [
      scrypt === null ? null : "password",
      scram === null ? null : "SCRAM",
      cramMd5 === null ? null : "CRAM-MD5",
      certificates.length === 0 ? null : "certificate",
    ].filter((each) => each !== null).join(", ") || "nothing here";
    const as = senders.length === 0 ? "" : `; sends as ${senders.join(", ")}`;
    return `${name.padEnd(names)}  ${disabled ? "disabled; " : ""}${by}${as}`;
  });
}
