/** `postern send`: one message to a server, to see what it says. Non-job: the dialogue (smtp_client.ts). */
import { Command } from "commander";
import { resolve } from "node:path";
import { formatAddress, parseAddress } from "../core/model/address.ts";
import { newId } from "../core/model/id.ts";
import { parseTcp } from "../core/config/schema.ts";
import { canonical, DialogueError, SmtpDialogue } from "./smtp_client.ts";
import { CommandError, DONE, type ExitCode, NO, type Terminal, USAGE } from "./terminal.ts";

interface SendOptions {
  readonly to: readonly string[];
  readonly from: string;
  readonly server?: string;
  readonly file?: string;
  readonly helo: string;
  readonly trace?: true;
}

export function sendCommand(terminal: Terminal, finish: (code: ExitCode) => void): Command {
  return new Command("send")
    .description("send a message to a server, to test it")
    .requiredOption("--to <address...>", "recipients")
    .option("--from <address>", "sender; an empty one is the null sender", "postern@localhost")
    .option("--server <host:port>", "server (default: POSTERN_SMTP, else 127.0.0.1:2525)")
    .option("--file <file>", "the message, - for standard input (default: a short one)")
    .option("--helo <name>", "name to give in EHLO", "localhost")
    .option("--trace", "print the dialogue")
    .action(async (options: SendOptions) => finish(await send(options, terminal)));
}

async function send(options: SendOptions, terminal: Terminal): Promise<ExitCode> {
  const to = options.to.map((text) => addressOf(text, "--to"));
  const from = options.from === "" || options.from === "<>" ? null : addressOf(options.from, "--from");
  if (!/^[\w.:[\]-]+$/.test(options.helo)) throw new CommandError("--helo: is no host name", USAGE);
  const server = options.server ?? terminal.env["POSTERN_SMTP"] ?? "127.0.0.1:2525";
  const address = parseTcp(server);
  if (address === null) throw new CommandError(`--server: "${server}" is not host:port`, USAGE);
  const content = options.file === undefined ? greeting(from ?? "", to) : await contentOf(options.file, terminal);

  const connection = await connect(address.host, address.port);
  try {
    const trace = options.trace ? (line: string) => terminal.out(line.replace(/[^\P{C}\t]/gu, "?")) : () => {};
    const outcome = await new SmtpDialogue(connection, trace).deliver(
      { from, to, content: canonical(content) },
      options.helo,
    );
    for (const { address, reply } of outcome.refused) terminal.err(`postern: ${address} was refused: ${plain(reply)}`);
    if (outcome.accepted) terminal.out(plain(outcome.reply));
    else if (outcome.refused.length < to.length) {
      terminal.err(`postern: the message was refused: ${plain(outcome.reply)}`);
    }
    return outcome.accepted && outcome.refused.length === 0 ? DONE : NO;
  } catch (error) {
    if (
      !(error instanceof DialogueError || error instanceof Deno.errors.ConnectionReset ||
        error instanceof Deno.errors.BrokenPipe)
    ) throw error;
    throw new CommandError(`${server}: ${error.message}`);
  } finally {
    connection.close();
  }
}

function addressOf(text: string, option: string): string {
  const address = parseAddress(text.replace(/^<(.*)>$/, "$1"));
  if (address === null) throw new CommandError(`${option}: "${text}" is no address such as you@example.org`, USAGE);
  return formatAddress(address);
}

async function connect(hostname: string, port: number): Promise<Deno.Conn> {
  try {
    return await Deno.connect({ hostname, port });
  } catch (error) {
    const why = error instanceof Deno.errors.ConnectionRefused
      ? "nobody listens there; is the server running?"
      : String(error instanceof Error ? error.message : error);
    throw new CommandError(`${hostname}:${port}: ${why}`);
  }
}

async function contentOf(file: string, terminal: Terminal): Promise<Uint8Array> {
  if (file === "-") return await terminal.input();
  try {
    return await Deno.readFile(resolve(terminal.cwd, file));
  } catch (error) {
    throw new CommandError(`${file}: ${error instanceof Deno.errors.NotFound ? "there is no such file" : error}`);
  }
}

function greeting(from: string, to: readonly string[]): Uint8Array {
  const now = new Date();
  const lines = [
    `From: <${from || "postmaster@localhost"}>`,
    `To: ${to.map((each) => `<${each}>`).join(",\r\n ")}`,
    "Subject: A message from postern send",
    `Date: ${now.toUTCString().replace("GMT", "+0000")}`,
    `Message-ID: <${newId(now.getTime())}@localhost>`,
    "",
    "If you can read this, mail works here.",
    "",
  ];
  return new TextEncoder().encode(lines.join("\r\n"));
}

/** A server's words on our terminal: no controls. */
function plain(text: string): string {
  return text.replace(/\p{C}/gu, "?").slice(0, 1000);
}
