/**
 * Runs SMTP conversations written as scripts (tests/dialogues/*.txt). A line is one of
 *
 *   # text           a comment; empty lines are ignored
 *   C: text          the client sends `text` and CRLF
 *   C<< text         the client sends exactly this, no CRLF: \r \n \t \0 \\ \xHH (one octet), and \{N:text} is text N times
 *   S: 250 text      the server's next line; `...` stands for anything, `S: 250` alone for any text, `S: *` for any line
 *   S: close         the server closes the connection and has said nothing more
 *   (new)            a new connection follows; the old one stays open until the end
 */
import { latin1, octets } from "./bytes.ts";
import { ConnectionClosed, SmtpClient } from "./smtp_client.ts";

export interface Step {
  /** 1-based line of the script. */
  readonly at: number;
  readonly does: "send" | "expect" | "close" | "new";
  readonly text: string;
}

/** @throws with name and line when a line is none of the above. */
export function parseDialogue(script: string, name = "dialogue"): Step[] {
  const steps: Step[] = [];
  for (const [index, written] of script.split("\n").entries()) {
    const at = index + 1;
    const line = latin1(new TextEncoder().encode(written)); // a character an octet from here on
    if (line.trim() === "" || line.startsWith("#")) continue;
    if (line === "(new)") steps.push({ at, does: "new", text: "" });
    else if (line.startsWith("C: ") || line === "C:") steps.push({ at, does: "send", text: `${line.slice(3)}\r\n` });
    else if (line.startsWith("C<< ")) steps.push({ at, does: "send", text: unescaped(line.slice(4), `${name}:${at}`) });
    else if (line === "S: close") steps.push({ at, does: "close", text: "" });
    else if (line.startsWith("S: ")) steps.push({ at, does: "expect", text: line.slice(3) });
    else throw new Error(`${name}:${at}: neither C:, C<<, S:, (new) nor a comment`);
  }
  return steps;
}

/** Whether a line of the server is as a script's pattern says. */
export function lineMatches(pattern: string, line: string): boolean {
  if (pattern === "*") return true;
  if (/^\d{3}$/.test(pattern)) return line === pattern || line.startsWith(`${pattern} `);
  if (/^\d{3}-$/.test(pattern)) return line.startsWith(pattern);
  const pieces = pattern.split("...").map((piece) => piece.replaceAll(/[\\^$.*+?()[\]{}|]/g, "\\$&"));
  return new RegExp(`^${pieces.join(".*")}$`, "s").test(line);
}

/** Plays the script against a server. @throws at the first line that is not as the script says. */
export async function runDialogue(script: string, port: number, name = "dialogue"): Promise<void> {
  const open: SmtpClient[] = [];
  try {
    let client = await SmtpClient.connect(port);
    open.push(client);
    for (const step of parseDialogue(script, name)) {
      const wrong = await play(client, step);
      if (wrong) throw new Error(`${name}:${step.at}: ${wrong}`);
      if (step.does === "new") open.push(client = await SmtpClient.connect(port));
    }
  } finally {
    for (const client of open) client.close();
  }
}

async function play(client: SmtpClient, step: Step): Promise<string | null> {
  try {
    if (step.does === "send") await client.send(octets(step.text));
    else if (step.does === "expect") {
      const line = await client.line();
      if (!lineMatches(step.text, line)) return `expected ${step.text}, got ${JSON.stringify(line)}`;
    } else if (step.does === "close") {
      const rest = await client.closed();
      if (rest !== "") return `expected the end of the connection, got ${JSON.stringify(rest)}`;
    }
    return null;
  } catch (error) {
    if (error instanceof ConnectionClosed) return `expected ${step.text}, but the connection is ${error.message}`;
    return (error as Error).message;
  }
}

function unescaped(text: string, where: string): string {
  const single: Record<string, string> = { r: "\r", n: "\n", t: "\t", "0": "\0", "\\": "\\" };
  return text.replaceAll(
    /\\(?:x([0-9a-fA-F]{2})|\{(\d+):((?:[^}\\]|\\[^{])*)\}|(.))/g,
    (whole, hex, times, part, one) => {
      if (hex !== undefined) return String.fromCharCode(parseInt(hex, 16));
      if (times !== undefined) return unescaped(part, where).repeat(Number(times));
      const char = single[one];
      if (char === undefined) throw new Error(`${where}: unknown escape ${whole}`);
      return char;
    },
  );
}
