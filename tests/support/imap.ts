/**
 * As much of an IMAP client (RFC 3501) as reads every message of a mailbox: LOGIN, SELECT, FETCH with literals.
 */
import { join, latin1, octets } from "./bytes.ts";
import { within } from "./wait.ts";

/** The messages of `mailbox` as the server serves them, in its order. */
export async function imapFetchAll(
  port: number,
  account: { readonly user: string; readonly password: string },
  mailbox = "INBOX",
): Promise<Uint8Array<ArrayBuffer>[]> {
  const conn = await Deno.connect({ hostname: "127.0.0.1", port });
  try {
    const session = new ImapSession(conn);
    await session.line();
    await session.run(`LOGIN ${account.user} ${account.password}`);
    const count = (await session.run(`SELECT ${mailbox}`)).lines
      .map((line) => /^\* (\d+) EXISTS/.exec(line)?.[1]).find((found) => found !== undefined);
    if (!Number(count)) return [];
    const { literals } = await session.run("FETCH 1:* (BODY.PEEK[])");
    await session.run("LOGOUT");
    return literals;
  } finally {
    conn.close();
  }
}

class ImapSession {
  #held = new Uint8Array(0);
  #tag = 0;

  constructor(readonly conn: Deno.Conn) {}

  /** Sends a command, reads to its tagged answer. @throws unless that is OK. */
  async run(command: string): Promise<{ lines: string[]; literals: Uint8Array<ArrayBuffer>[] }> {
    const tag = `a${++this.#tag}`;
    const lines: string[] = [], literals: Uint8Array<ArrayBuffer>[] = [];
    await this.conn.write(octets(`${tag} ${command}\r\n`));
    for (;;) {
      const line = await this.line();
      lines.push(line);
      const literal = /\{(\d+)\}$/.exec(line);
      if (literal) literals.push(await this.#take(Number(literal[1])));
      else if (line.startsWith(`${tag} `)) {
        if (!line.startsWith(`${tag} OK`)) throw new Error(`IMAP ${command.split(" ")[0]}: ${line}`);
        return { lines, literals };
      }
    }
  }

  async line(): Promise<string> {
    for (let from = 0;;) {
      const end = this.#held.indexOf(10, from);
      if (end >= 0) return latin1(await this.#take(end + 1)).trimEnd();
      from = this.#held.length;
      await this.#fill();
    }
  }

  async #take(count: number): Promise<Uint8Array<ArrayBuffer>> {
    while (this.#held.length < count) await this.#fill();
    const taken = this.#held.slice(0, count);
    this.#held = this.#held.slice(count);
    return taken;
  }

  async #fill(): Promise<void> {
    const chunk = new Uint8Array(65_536);
    const count = await within("IMAP", this.conn.read(chunk), 20_000, () => this.conn.close());
    if (count === null) throw new Error("the IMAP server closed the connection");
    this.#held = join(this.#held, chunk.subarray(0, count));
  }
}
