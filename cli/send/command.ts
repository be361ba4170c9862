/**
 * `postern send`: one message to a server, to see what it says. Non-job: the dialogue (smtp/dialogue.ts), what samples
 * hold (samples.ts).
 */
import { Command, Option } from "commander";
import { resolve } from "node:path";
import { formatAddress, parseAddress } from "../../core/model/address.ts";
import { canonicalIp } from "../../core/model/ip.ts";
import { MECHANISMS } from "../../core/smtp/sasl/mod.ts";
import { isLocal } from "../../core/config/config.ts";
import { parseEndpoint } from "../../core/config/values.ts";
import { DialogueError, SmtpConnection, type TlsOptions, UntrustedError } from "../smtp/connection.ts";
import { canonical } from "../smtp/content.ts";
import { type Manner, SmtpDialogue } from "../smtp/dialogue.ts";
import type { Login } from "../smtp/login.ts";
import { SAMPLES } from "./samples.ts";
import { CommandError, DONE, type ExitCode, NO, type Terminal, USAGE } from "../terminal.ts";

interface SendOptions {
  readonly to: readonly string[];
  readonly from?: string;
  readonly server?: string;
  readonly file?: string;
  readonly sample?: string;
  readonly helo: string;
  readonly asIp?: string;
  readonly asHelo?: string;
  readonly lmtp?: true;
  readonly tls?: true;
  readonly starttls?: true;
  readonly servername?: string;
  readonly ca?: string;
  readonly insecure?: true;
  readonly cert?: string;
  readonly key?: string;
  readonly auth?: string;
  readonly mechanism?: string;
  readonly trace?: true;
}

export function sendCommand(terminal: Terminal, finish: (code: ExitCode) => void): Command {
  return new Command("send")
    .description("send a message to a server, to test it; in clear unless told otherwise, whatever the server offers")
    .requiredOption("--to <address...>", "recipients")
    .option("--from <address>", "sender; an empty one is the null sender (default: postern@localhost, or the sample's)")
    .option("--server <host:port>", "server, or unix:PATH (default: POSTERN_SMTP, else 127.0.0.1:2525)")
    .option("--file <file>", "the message, - for standard input (default: a short one)")
    .addOption(
      new Option("--sample <name>", "a message that shows what checks find; those from strangers come by --as-ip")
        .choices(Object.keys(SAMPLES)).conflicts("file"),
    )
    .option("--helo <name>", "name to give in EHLO", "localhost")
    .option("--as-ip <address>", "as if it came from there (XCLIENT: the server must trust us, as a dev inbox does)")
    .option("--as-helo <name>", "as if the client there had called itself so")
    .option("--lmtp", "speak LMTP: an answer for each recipient")
    .option("--tls", "TLS from the first octet, as on port 465")
    .option("--starttls", "TLS by STARTTLS; nothing is sent without it")
    .option("--servername <name>", "name to ask for, and to find in the certificate (default: the host)")
    .option("--ca <file>", "trust these authorities (PEM), and no others")
    .option("--insecure", "take any certificate")
    .option("--cert <file>", "a certificate of our own (PEM)")
    .option("--key <file>", "its key (PEM)")
    .option(
      "--auth <user[:password]>",
      "log in; without a password: POSTERN_SEND_PASSWORD, else it is asked for, or the first line of standard input",
    )
    .option("--mechanism <name>", "log in by this one, offered or not (default: the best that is offered)")
    .option("--trace", "print the dialogue, without secrets")
    .action(async (options: SendOptions) => finish(await send(options, terminal)));
}

async function send(options: SendOptions, terminal: Terminal): Promise<ExitCode> {
  const to = options.to.map((text) => addressOf(text, "--to"));
  const sample = SAMPLES[options.sample ?? "hello"]!, sender = options.from ?? sample.from;
  const from = sender === "" || sender === "<>" ? null : addressOf(sender, "--from");
  const helo = heloOf(options.helo, "--helo"),
    as = clientOf(options, { ip: sample.ip, domain: sender.slice(sender.lastIndexOf("@") + 1) });
  const server = options.server ?? terminal.env["POSTERN_SMTP"] ?? "127.0.0.1:2525";
  const address = parseEndpoint(server);
  if (address === null) throw new CommandError(`--server: "${server}" is not host:port`, USAGE);
  const tls = await tlsOf(options, "host" in address ? address.host : "localhost", terminal);
  const login = await loginOf(options, terminal);
  const content = options.file === undefined
    ? await sample.content({ from: from ?? "", to, now: Date.now() })
    : await contentOf(options.file, terminal);

  try {
    using connection = await SmtpConnection.open(address);
    if (options.tls) await connection.secure(tls);
    const trace = options.trace ? (line: string) => terminal.out(line.replace(/[^\P{C}\t]/gu, "?")) : () => {};
    const mail = { from, to, content: canonical(content) };
    const outcome = await new SmtpDialogue(connection, trace).deliver(mail, {
      helo,
      as,
      lmtp: options.lmtp,
      starttls: options.starttls && tls,
      login,
      local: isLocal(address),
      server: "host" in address ? address : { host: "localhost", port: 0 },
    });
    for (const { address, reply } of outcome.refused) terminal.err(`postern: ${address} was refused: ${plain(reply)}`);
    if (outcome.accepted) terminal.out(plain(outcome.reply));
    else if (outcome.refused.length < to.length) {
      terminal.err(`postern: the message was refused: ${plain(outcome.reply)}`);
    }
    return outcome.accepted && outcome.refused.length === 0 ? DONE : NO;
  } catch (error) {
    if (!(error instanceof DialogueError)) throw error;
    const hint = error instanceof UntrustedError
      ? "; --ca names the authority to trust, --servername the name to expect, --insecure takes any certificate"
      : "";
    throw new CommandError(`${server}: ${plain(error.message)}${hint}`);
  }
}

function heloOf(text: string, option: string): string {
  if (!/^[\w.:[\]-]+$/.test(text)) throw new CommandError(`${option}: is no host name`, USAGE);
  return text;
}

/** For whom we speak, where it is not for ourselves. */
function clientOf(
  { asIp, asHelo }: SendOptions,
  sampled: { readonly ip: string | null; readonly domain: string },
): Manner["as"] {
  const ip = asIp === undefined ? sampled.ip : canonicalIp(asIp);
  if (asIp !== undefined && ip === null) throw new CommandError(`--as-ip: "${asIp}" is no IP address`, USAGE);
  const helo = asHelo !== undefined ? heloOf(asHelo, "--as-helo") : sampled.ip === null || sampled.domain === "" // the null sender has none
    ? null
    : `mail.${sampled.domain}`;
  return ip === null && helo === null ? undefined : { ip, helo };
}

async function tlsOf(options: SendOptions, host: string, terminal: Terminal): Promise<TlsOptions> {
  const { tls, starttls, insecure, servername, ca, cert, key } = options;
  if (tls && starttls) throw new CommandError("--tls and --starttls: TLS begins at once or later, not both", USAGE);
  if (!tls && !starttls && [insecure, servername, ca, cert, key].some((each) => each !== undefined)) {
    throw new CommandError("what is said of certificates wants --tls or --starttls", USAGE);
  }
  if (insecure && ca !== undefined) throw new CommandError("--insecure trusts more than --ca: leave one out", USAGE);
  if ((cert === undefined) !== (key === undefined)) throw new CommandError("--cert and --key go together", USAGE);
  if (servername !== undefined && !/^[\w.:-]+$/.test(servername)) {
    throw new CommandError(`--servername: "${servername}" is no host name`, USAGE);
  }
  const [caText, certText, keyText] = await Promise.all([ca, cert, key].map((file) => pemOf(file, terminal)));
  return { name: servername ?? host, insecure, ca: caText, cert: certText, key: keyText };
}

async function loginOf(options: SendOptions, terminal: Terminal): Promise<Login | undefined> {
  const { auth, file } = options, mechanism = options.mechanism?.toUpperCase();
  if (mechanism !== undefined && auth === undefined) throw new CommandError("--mechanism wants --auth", USAGE);
  if (mechanism !== undefined && !MECHANISMS.has(mechanism)) {
    throw new CommandError(
      `--mechanism: "${options.mechanism}" is none of ${[...MECHANISMS.keys()].join(", ")}`,
      USAGE,
    );
  }
  if (auth === undefined) return undefined;
  const colon = auth.indexOf(":"), user = colon < 0 ? auth : auth.slice(0, colon);
  if (colon >= 0) return { user, secret: auth.slice(colon + 1), mechanism };
  if (mechanism === "EXTERNAL") return { user, secret: "", mechanism }; // the certificate is the proof
  const set = terminal.env["POSTERN_SEND_PASSWORD"];
  if (set !== undefined) return { user, secret: set, mechanism };
  const typed = await terminal.secret(`Password for ${plain(user)}: `);
  if (typed !== null) return { user, secret: typed, mechanism };
  if (file === "-") throw new CommandError("--auth: set POSTERN_SEND_PASSWORD: standard input is the message", USAGE);
  const [secret] = new TextDecoder().decode(await terminal.input()).split(/\r?\n/);
  if (!secret) throw new CommandError("--auth: there is no password on standard input", USAGE);
  return { user, secret, mechanism };
}

async function pemOf(file: string | undefined, terminal: Terminal): Promise<string | undefined> {
  if (file === undefined) return undefined;
  const text = new TextDecoder().decode(await contentOf(file, terminal));
  if (!text.includes("-----BEGIN ")) throw new CommandError(`${file}: is no PEM file`);
  return text;
}

function addressOf(text: string, option: string): string {
  const address = parseAddress(text.replace(/^<(.*)>$/, "$1"));
  if (address === null) throw new CommandError(`${option}: "${text}" is no address such as you@example.org`, USAGE);
  return formatAddress(address);
}

async function contentOf(file: string, terminal: Terminal): Promise<Uint8Array> {
  if (file === "-") return await terminal.input();
  try {
    return await Deno.readFile(resolve(terminal.cwd, file));
  } catch (error) {
    throw new CommandError(`${file}: ${error instanceof Deno.errors.NotFound ? "there is no such file" : error}`);
  }
}

/** A server's words on our terminal: no controls. */
function plain(text: string): string {
  return text.replace(/\p{C}/gu, "?").slice(0, 1000);
}
