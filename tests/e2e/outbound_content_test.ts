/**
 * Content on its way through: in by BDAT and out by DATA and the other way round, for peers that take less than what came,
 * and what of it stands on the wire. The whole server. Non-job: how content is converted (tests/unit/mime).
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import PostalMime from "postal-mime";
import { addedOnly, mail, octets } from "../support/bytes.ts";
import { testWith } from "../support/debian.ts";
import { MailHost } from "../support/mail_host.ts";
import { NAME_SERVERS } from "../support/name_servers.ts";
import { queuedAs, SmtpClient } from "../support/smtp_client.ts";
import { Wiretap } from "../support/wiretap.ts";
import { type Site, World } from "../support/world.ts";

const HOSTS = {
  all: {},
  data: { hide: ["CHUNKING"] },
  eight: { hide: ["BINARYMIME"] },
  seven: { hide: ["8BITMIME", "CHUNKING", "SMTPUTF8"] },
  small: { size: 2000 },
} as const;
type Name = keyof typeof HOSTS;

const DOTS = mail(`From: me@home.example
Subject: dots

.
..
.one
CRLF in two pieces
.`);

testWith(NAME_SERVERS, "Content through the server: BDAT and DATA, bits, sizes, line ends", async (t) => {
  await using world = await World.make();
  await using opened = new AsyncDisposableStack();
  const hosts = {} as Record<Name, MailHost>, taps = {} as Record<Name, Wiretap>;
  const lines: string[] = [];
  for (const [index, [name, options]] of Object.entries(HOSTS).entries()) {
    const host = hosts[name as Name] = opened.use(await MailHost.open(options));
    taps[name as Name] = opened.use(await Wiretap.open(world.place(index + 1), host.port));
    lines.push(`${name} MX 10 mx.${name}`, `mx.${name} A ${world.ip(index + 1)}`);
  }
  await using _names = await world.nameServers({ "peers.example": { records: lines.join("\n") } });
  await using site = await world.start({ listener: ", binarymime: true" });
  const arrived = async (name: Name, id: string) => {
    await site.attempt("delivered", id, `you@${name}.peers.example`);
    return hosts[name].taken.at(-1)!;
  };

  await t.step(
    "case 51: chunks that cut a CRLF and begin with dots; out by DATA they are stuffed, by BDAT not",
    async () => {
      for (const name of ["data", "all"] as const) {
        const { content } = await arrived(name, await byChunks(site, name, DOTS));
        assertEquals(addedOnly(content, mail(`${new TextDecoder().decode(DOTS)}\n`)), null, name);
      }
      assertMatch(taps.data.said, /\r\nDATA\r\n[\s\S]*\r\n\r\n\.\.\r\n\.\.\.\r\n\.\.one\r\n[\s\S]*\r\n\.\.\r\n\.\r\n/);
      assertMatch(taps.all.said, /\r\nBDAT \d+ LAST\r\n[\s\S]*\r\n\r\n\.\r\n\.\.\r\n\.one\r\n/);
      assert(!taps.all.said.includes("DATA\r\n"));
    },
  );
  await t.step("case 51: BDAT 0 LAST ends a message", async () => {
    const { content } = await arrived("data", await byChunks(site, "data", DOTS, { emptyLast: true }));
    assertEquals(addedOnly(content, mail(`${new TextDecoder().decode(DOTS)}\n`)), null);
  });
  await t.step("BINARYMIME goes as it is to whom takes it, else coded so that nothing is lost", async () => {
    const image = Uint8Array.from({ length: 3000 }, (_, at) => at * 7 % 256);
    const head = mail(
      "From: me@home.example\nMIME-Version: 1.0\nContent-Type: image/x-test\nContent-Transfer-Encoding: binary\n\n",
    );
    const message = new Uint8Array([...head, ...image]);
    const binary = await arrived("all", await byChunks(site, "all", message, { body: "BINARYMIME" }));
    assertEquals([binary.parameters.body, addedOnly(binary.content, message)], ["BINARYMIME", null]);
    for (const name of ["eight", "seven", "data"] as const) {
      const { content, parameters } = await arrived(name, await byChunks(site, name, message, { body: "BINARYMIME" }));
      assert(parameters.body !== "BINARYMIME");
      const [attachment] = (await PostalMime.parse(content)).attachments;
      assertEquals(new Uint8Array(attachment!.content as ArrayBuffer), image, name);
    }
  });
  const text = "Grüße aus Köln";
  const eightBit = `From: me@home.example
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit

${text}
`;
  await t.step("case 66: 8-bit content for a peer without 8BITMIME is coded, and says the same", async () => {
    const send = (name: Name) =>
      site.submit("<me@home.example> BODY=8BITMIME", [`<you@${name}.peers.example>`], eightBit);
    const kept = await arrived("data", await send("data"));
    assertEquals([kept.parameters.body, addedOnly(kept.content, mailUtf8(eightBit))], ["8BITMIME", null]);
    const coded = await arrived("seven", await send("seven"));
    assertEquals([coded.parameters.body, /[\x80-\xff]/.test(coded.text)], ["7BIT", false]);
    assertEquals((await PostalMime.parse(coded.content)).text!.trim(), text);
  });
  await t.step(
    "case 66: 8-bit content that is signed goes to nobody who would have to have it changed: 5.6.3",
    async () => {
      const signed = `From: me@home.example
MIME-Version: 1.0
Content-Type: multipart/signed; boundary=b; protocol="application/pgp-signature"; micalg=pgp-sha256

--b
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit

${text}
--b
Content-Type: application/pgp-signature

x
--b--
`;
      const before = hosts.seven.taken.length;
      const to = [`<you@seven.peers.example>`, `<you@data.peers.example>`];
      const id = await site.submit("<me@home.example> BODY=8BITMIME", to, signed);
      const { recipient, status } = await site.attempt("bounced", id);
      assertEquals([recipient, status], ["you@seven.peers.example", "5.6.3"]);
      assertEquals(addedOnly((await arrived("data", id)).content, mailUtf8(signed)), null);
      assertEquals(hosts.seven.taken.length, before);
    },
  );
  await t.step(
    "case 66: a message that is too big for the peer's SIZE: 5.3.4, and not a word of it is said",
    async () => {
      const big = mail(`From: me@home.example\n\n${"a line of it\n".repeat(200)}`);
      const { event, status } = await site.first(await site.send({ to: ["you@small.peers.example"], message: big }));
      assertEquals([event, status], ["bounced", "5.3.4"]);
      assertEquals(hosts.small.asked.filter((each) => each === "mail"), []);
      await arrived("small", await site.send({ to: ["you@small.peers.example"] }));
    },
  );
  await t.step("case 67: bare CR and LF that came in never leave, and nothing ends a command but CRLF", async () => {
    const bare = octets(
      "From: me@home.example\r\nSubject: bare\r\n\r\none\ntwo\rthree\n.\nMAIL FROM:<x@y.example>\r\r\nend\r\n",
    );
    for (const name of ["data", "all"] as const) {
      const { text } = await arrived(name, await site.send({ to: [`you@${name}.peers.example`], message: bare }));
      assert(!/[^\r]\n|\r[^\n]/.test(text), JSON.stringify(text));
    }
    for (const name of ["data", "seven", "small"] as const) {
      assert(!/[^\r]\n|\r[^\n]|\0/.test(taps[name].said), `bare line ends to ${name}`);
    }
    assertEquals(taps.data.said.match(/^MAIL FROM:/gm)?.length, hosts.data.taken.length + 1, "the one in the content");
  });
});

/** With chunks of unequal size, one of which ends inside a CRLF. */
async function byChunks(
  site: Site,
  name: Name,
  message: Uint8Array,
  options: { readonly body?: string; readonly emptyLast?: boolean } = {},
): Promise<string> {
  using client = await SmtpClient.ready(site.server.ports.smtp);
  await client.command(`MAIL FROM:<me@home.example>${options.body ? ` BODY=${options.body}` : ""}`, 250);
  await client.command(`RCPT TO:<you@${name}.peers.example>`, 250);
  const cut = message.lastIndexOf(10);
  const pieces = [message.subarray(0, 10), message.subarray(10, cut), message.subarray(cut)];
  if (!options.body) pieces.push(octets("\r\n")); // lines want an end
  if (options.emptyLast) pieces.push(octets(""));
  for (const [index, piece] of pieces.entries()) {
    await client.send(`BDAT ${piece.length}${index === pieces.length - 1 ? " LAST" : ""}\r\n`);
    await client.send(piece);
    const reply = await client.expect(250);
    if (index === pieces.length - 1) return queuedAs(reply)!;
  }
  throw new Error("nothing to send");
}

function mailUtf8(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text.replaceAll("\n", "\r\n"));
}
