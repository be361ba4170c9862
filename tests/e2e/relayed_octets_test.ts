/**
 * Case 2: whatever came in, what is handed on has CRLF only and no line that a next hop could take for the end, octet by
 * octet as it stands on the wire; a next hop that is none of ours records it (raw_sink.ts).
 */
import { assert, assertEquals } from "@std/assert";
import { join, latin1, octets } from "../support/bytes.ts";
import { PLAIN, RawSink } from "../support/raw_sink.ts";
import { Server } from "../support/server.ts";
import { SmtpClient } from "../support/smtp_client.ts";
import { readVectors } from "../support/vectors.ts";
import { waitFor } from "../support/wait.ts";

interface Ending {
  readonly id: string;
  readonly bytes_b64: string;
}
const endings = readVectors<Ending[]>("smtp-smuggling/endings.json");
/** Hold a true CRLF.CRLF: what stands behind it is the client's next command, in every server. */
const TRUE_ENDS = ["smug-01", "smug-13"];

/** Line ends of any kind that are not CRLF. */
const BARE = /\r(?!\n)|(?<!\r)\n/;
const HEAD = "From: outer@sender.example\r\nDate: Sun, 22 Nov 2026 09:40:12 +0000\r\nSubject: outer\r\n\r\n";
const SMUGGLED = "MAIL FROM:<evil@sender.example>\r\nRCPT TO:<victim@remote.example>\r\nDATA\r\n" +
  "From: evil@sender.example\r\nSubject: smuggled\r\n\r\nsmuggled\r\n";
/** More that a line may be made of. */
const ODD: readonly (readonly [id: string, text: string])[] = [
  ["dots", ".\r\n..\r\n...\r\n.x\r\n..x\r\n. \r\n.\t.\r\n"],
  ["a dot in front and at the end", ".first\r\n\r\n.\r\n.last"],
  ["bare LF", "one\n.\ntwo\n"],
  ["bare CR", "one\r.\rtwo\r."],
  ["LF CR", "one\n\r.\n\rtwo"],
  ["no end of line", "no end"],
  ["NUL", "\r\n\0.\r\n.\0\r\n"],
];

function config(port: number): string {
  return `hostname: mx.local.example
domains: [local.example]
postmaster: box@local.example
listeners: [{ address: "127.0.0.1:2525", binarymime: true }]
admin: { address: "127.0.0.1:8025", token: "\${POSTERN_ADMIN_TOKEN}" }
nextHops: { sink: { hosts: ["smtp://127.0.0.1:${port}"] } }
delivery: { retry: [1s], routes: [{ to: remote, via: sink }] }
plugins: [{ relay: { networks: ["127.0.0.0/8"] } }]
`;
}

/** By DATA, dots stuffed only where a client that knows no line end but CRLF would; or by BDAT, as it is. Its code. */
async function send(client: SmtpClient, text: string, by: "DATA" | "BDAT" | "BINARYMIME"): Promise<number> {
  const body = by === "BINARYMIME" ? " BODY=BINARYMIME" : "";
  await client.command(`MAIL FROM:<outer@sender.example>${body}`, 250);
  await client.command("RCPT TO:<reader@remote.example>", 250);
  if (by !== "DATA") {
    await client.send(join(octets(`BDAT ${text.length} LAST\r\n`), octets(text)));
    return (await client.reply()).code;
  }
  await client.command("DATA", 354);
  await client.send(`${ended(text)}.\r\n`);
  return (await client.reply()).code;
}

/** What clients of our own networks get: a bare LF is the end of a line, a bare CR a space (SEMANTICS 21). */
function normalized(text: string): string {
  return text.replaceAll(/\r(?!\n)/g, " ").replaceAll(/(?<!\r)\n/g, "\r\n");
}
function ended(text: string): string {
  return text.endsWith("\r\n") ? text : `${text}\r\n`;
}

for (const [offer, extensions] of [["no CHUNKING", PLAIN], ["CHUNKING", [...PLAIN, "CHUNKING"]]] as const) {
  Deno.test(`case 2: what is relayed has CRLF only, and no dot ends it early (a next hop with ${offer})`, async () => {
    await using sink = new RawSink({ extensions });
    await using server = await Server.start({ config: config(sink.port) });
    const texts = [
      ...(endings ?? []).filter(({ id }) => !TRUE_ENDS.includes(id))
        .map(({ id, bytes_b64 }) => [id, `${HEAD}outer${atob(bytes_b64)}${SMUGGLED}`] as const),
      ...ODD.map(([id, text]) => [id, HEAD + text] as const),
    ];
    let sent = 0;
    for (const [id, text] of texts) {
      for (const by of ["DATA", "BDAT", "BINARYMIME"] as const) {
        const what = `${id} by ${by}`;
        using client = await SmtpClient.ready(server.ports.smtp);
        const code = await send(client, by === "DATA" ? text.replaceAll(/(^|\r\n)\./g, "$1..") : text, by);
        assertEquals(code, 250, what);
        await client.command("NOOP", 250); // in step: nothing inside was a command
        const { from, to, wire, message } = await waitFor(what, () => sink.taken[sent]);
        sent++;
        assertEquals([from, to], ["outer@sender.example", ["reader@remote.example"]], what);
        const onTheWire = latin1(wire);
        assert(!BARE.test(onTheWire), `${what}: ${JSON.stringify(onTheWire)}`);
        if (extensions === PLAIN) assert(!/(^|\r\n)\.(?!\.)/.test(onTheWire), `${what}: ${JSON.stringify(onTheWire)}`);
        if (by === "BINARYMIME") continue;
        const whole = normalized(by === "DATA" ? ended(text) : text); // chunks need no end of a line, DATA does
        assertEquals(body(latin1(message)), body(extensions === PLAIN ? ended(whole) : whole), what);
      }
    }
    assertEquals(sink.taken.length, sent, "one for one");
  });
}

function body(message: string): string {
  return message.slice(message.indexOf("\r\n\r\n"));
}
