/**
 * A mail server that says at each step what the test wants and keeps what it heard, for deliveries over real sockets.
 * Non-job: the rules of the protocol; our own engine has them (MailSink of mail_sink.ts).
 */
import { type HandmadePeer, HandmadeServer } from "./mail_sink.ts";

export type TalkStep = "greeting" | "ehlo" | "starttls" | "auth" | "mail" | "rcpt" | "data" | "dot" | "rset" | "quit";
/** What is said to a line: a reply, null for hanging up, undefined for what everybody says. */
export type Says = (step: TalkStep, line: string, connection: number) => Said | Promise<Said>;
type Said = string | null | undefined;

export interface TalkOptions {
  /** An address of this machine (default 127.0.0.1), and a port (default a free one). */
  readonly host?: string;
  readonly port?: number;
  readonly path?: string;
  /** Words after EHLO. */
  readonly offers?: readonly string[];
  readonly says?: Says;
}

const STEPS: Readonly<Record<string, TalkStep>> = {
  EHLO: "ehlo",
  LHLO: "ehlo",
  STARTTLS: "starttls",
  AUTH: "auth",
  MAIL: "mail",
  RCPT: "rcpt",
  DATA: "data",
  RSET: "rset",
  QUIT: "quit",
};

export class TalkingHost implements AsyncDisposable {
  /** Lines of all connections, content aside. */
  readonly lines: string[] = [];
  /** Contents as they stood on the wire, the dot with them. */
  readonly contents: string[] = [];
  says: Says;

  private constructor(readonly server: HandmadeServer, says: Says) {
    this.says = says;
  }

  static async open(options: TalkOptions = {}): Promise<TalkingHost> {
    const { host, port, path, offers = ["PIPELINING", "8BITMIME", "SIZE"], says = () => undefined } = options;
    const opened = Promise.withResolvers<TalkingHost>();
    const server = await HandmadeServer.open(
      async (peer, connection) => (await opened.promise).#talk(peer, connection, offers),
      { ...host !== undefined && { host }, ...port !== undefined && { port }, ...path !== undefined && { path } },
    );
    const made = new TalkingHost(server, says);
    opened.resolve(made);
    return made;
  }

  get port(): number {
    return this.server.port;
  }
  get connections(): number {
    return this.server.connections;
  }
  /** The lines that begin so. */
  heard(verb: string): string[] {
    return this.lines.filter((line) => line.startsWith(verb));
  }

  async #talk(peer: HandmadePeer, connection: number, offers: readonly string[]): Promise<void> {
    let begun = false, accepted = 0, lmtp = false;
    const answer = async (step: TalkStep, line: string, usual: string): Promise<string | null> => {
      const reply = await this.says(step, line, connection), said = reply === undefined ? usual : reply;
      if (said === null) peer.socket.destroySoon();
      else peer.say(said);
      return said;
    };
    if (await answer("greeting", "", "220 mx.test") === null) return;
    for (;;) {
      const line = (await peer.hear("\r\n"))?.slice(0, -2);
      if (line === undefined) return peer.socket.destroySoon();
      this.lines.push(line);
      const step = STEPS[line.slice(0, 8).split(" ")[0]!.toUpperCase()];
      if (step === undefined) {
        peer.say("500 what?");
        continue;
      }
      if (step === "ehlo") lmtp = line.startsWith("LHLO");
      if (step === "mail") accepted = 0;
      const usual = step === "ehlo"
        ? ["mx.test", ...offers].map((word, at) => `250${at < offers.length ? "-" : " "}${word}`).join("\r\n")
        : step === "data"
        ? accepted > 0 ? "354 go on" : "503 nobody"
        : step === "quit"
        ? "221 bye"
        : step === "starttls"
        ? "220 go on"
        : step === "auth"
        ? "235 you are"
        : "250 fine";
      if (!begun && (step === "rcpt" || step === "data")) { // pipelined behind a MAIL that was refused
        peer.say("503 no MAIL");
        continue;
      }
      const said = await answer(step, line, usual);
      if (said === null) return;
      if (step === "mail") begun = said.startsWith("2");
      if (step === "rcpt" && said.startsWith("2")) accepted++;
      if (step === "quit") return peer.socket.destroySoon();
      if (step === "starttls" && said.startsWith("220")) { // the client's hello is answered by no TLS
        await peer.hear("\x16");
        peer.say("500 what?");
        return peer.socket.destroySoon();
      }
      if (step !== "data" || !said.startsWith("354")) continue;
      const content = await peer.hear("\r\n.\r\n");
      if (content === null) return peer.socket.destroySoon();
      this.contents.push(content);
      for (let replies = lmtp ? accepted : 1; replies > 0; replies--) {
        if (await answer("dot", content, "250 taken") === null) return;
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server[Symbol.asyncDispose]();
  }
}
