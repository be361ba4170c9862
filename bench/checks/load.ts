/**
 * Clients that come from the sender's address, as a proxy tells it (XCLIENT): one message in each
 * connection, so many connections at a time. Non-job: what it costs the server (main.ts).
 */
import { SENDER } from "./site.ts";

const AT_ONCE = 10;
const utf8 = new TextEncoder();

/** Sends the message so many times. @throws when one is not accepted, with the reply. */
export async function send(port: number, message: Uint8Array<ArrayBuffer>, count: number): Promise<void> {
  let left = count;
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    while (left-- > 0) await session(port, message);
  }));
}

async function session(port: number, message: Uint8Array<ArrayBuffer>): Promise<void> {
  using conn = await Deno.connect({ hostname: "127.0.0.1", port });
  const buffer = new Uint8Array(4096);
  let seen = "";
  const write = async (octets: Uint8Array) => {
    for (let at = 0; at < octets.length;) at += await conn.write(octets.subarray(at));
  };
  const expect = async (code: string) => {
    for (;;) {
      const end = /^(\d{3}) [^\r\n]*\r\n/m.exec(seen);
      if (end !== null) {
        if (end[1] !== code) throw new Error(`the server answered ${seen.trim()}`);
        seen = seen.slice(end.index + end[0].length);
        return;
      }
      const got = await conn.read(buffer);
      if (got === null) throw new Error(`the server went away: ${seen}`);
      seen += new TextDecoder().decode(buffer.subarray(0, got));
    }
  };
  const say = async (line: string, code: string) => {
    await write(utf8.encode(`${line}\r\n`));
    await expect(code);
  };
  await expect("220");
  await say("EHLO proxy.bench.example", "250");
  await say(`XCLIENT ADDR=${SENDER.ip} NAME=${SENDER.helo} HELO=${SENDER.helo} PROTO=ESMTP`, "220");
  await say(`EHLO ${SENDER.helo}`, "250");
  await say(`MAIL FROM:<news@${SENDER.domain}>`, "250");
  await say("RCPT TO:<bob@bench.example>", "250");
  await say("DATA", "354");
  await write(message); // no line of it begins with a dot
  await say(".", "250");
  await say("QUIT", "221");
}
