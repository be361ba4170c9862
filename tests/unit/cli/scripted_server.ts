/** A server on loopback that answers by rules, in clear and in TLS, for tests of the client. */
import { createServer, type Server, type Socket } from "node:net";
import { createSecureContext, TLSSocket } from "node:tls";

export interface Script {
  /**
   * Answers by the word that a line begins with; "greeting", and "." for the end of the message. A list is used up from
   * its front, its last one stays. `(hangs up)` closes. What is not here is answered with goodwill.
   */
  readonly rules?: Readonly<Record<string, string | readonly string[]>>;
  /** The certificate for STARTTLS, or for TLS from the first octet. */
  readonly certificate?: { readonly cert: string; readonly key: string };
  readonly implicit?: boolean;
  /** More octets in clear behind the 220 to STARTTLS, in the same segment. */
  readonly stray?: string;
  /** Computes the answer to a line that none of the rules knows by heart; undefined: the rules answer. */
  answer?(line: string, secured: TLSSocket | null): string | undefined;
  /** Listen here instead of on a port. */
  readonly path?: string;
}

const GOODWILL = {
  greeting: "220 test",
  EHLO: "250-test\r\n250-SIZE 1000\r\n250 8BITMIME",
  LHLO: "250-test\r\n250-SIZE 1000\r\n250 8BITMIME",
  HELO: "250 test",
  STAR: "220 go ahead",
  MAIL: "250 2.1.0 OK",
  RCPT: "250 2.1.5 OK",
  DATA: "354 go",
  ".": "250 2.0.0 queued as X",
  QUIT: "221 bye",
};

/** Serves while `work` runs. Returns the lines that were heard; those in TLS begin with `tls `. */
export async function session(script: Script, work: (server: string) => Promise<void>): Promise<readonly string[]> {
  const heard: string[] = [], sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket.on("close", () => sockets.delete(socket)));
    serve(socket, script, heard);
  });
  await new Promise<void>((resolve) => script.path ? server.listen(script.path, resolve) : listen(server, resolve));
  try {
    await work(script.path ? `unix:${script.path}` : `127.0.0.1:${(server.address() as { port: number }).port}`);
  } finally {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  }
  return heard;
}

function listen(server: Server, done: () => void): void {
  server.listen(0, "127.0.0.1", done);
}

function serve(bare: Socket, script: Script, heard: string[]): void {
  const rules: Record<string, string | readonly string[]> = { ...GOODWILL, ...script.rules };
  let socket = bare, secured: TLSSocket | null = null, buffer = "", data = false;
  const next = (word: string): string => {
    const rule = rules[word] ?? "500 5.5.1 what";
    if (typeof rule === "string") return rule;
    if (rule.length > 1) rules[word] = rule.slice(1);
    return rule[0]!;
  };
  const say = (text: string, then?: () => void) => {
    if (text === "(hangs up)") socket.end();
    else if (text !== "(silence)") socket.write(`${text}\r\n`, () => then?.());
  };
  const hear = (octets: Uint8Array) => {
    buffer += new TextDecoder().decode(octets);
    for (let end; (end = buffer.indexOf("\r\n")) >= 0;) {
      const line = buffer.slice(0, end);
      buffer = buffer.slice(end + 2);
      heard.push(secured ? `tls ${line}` : line);
      const word = data ? (line === "." ? "." : "") : line.slice(0, 4);
      if (word === "") continue;
      const answer = script.answer?.(line, secured) ?? next(word);
      data = word === "DATA" && answer.startsWith("354");
      if (word !== "STAR" || !answer.startsWith("220")) {
        say(answer);
        continue;
      }
      bare.removeListener("data", hear).pause();
      bare.write(`${answer}\r\n${script.stray ?? ""}`, secure);
    }
  };
  const secure = () => {
    const { cert, key } = script.certificate!;
    const secureContext = createSecureContext({ cert, key });
    socket = secured = new TLSSocket(bare, {
      isServer: true,
      secureContext,
      requestCert: true,
      rejectUnauthorized: false,
    });
    attend();
  };
  const attend = () => void socket.on("data", hear).on("error", () => {}).on("end", () => socket.end());
  bare.on("error", () => {});
  if (script.implicit) {
    bare.pause();
    secure();
  } else attend();
  say(next("greeting"));
}
