/** Cases 32, 33: structures made to hurt who takes them apart. The plugins, the page and the neighbours stay well. */
import { assert, assertEquals } from "@std/assert";
import { octets } from "../support/bytes.ts";
import { strangersConfig, Target } from "../support/target.ts";

const DATE = new Date().toUTCString().replace("GMT", "+0000");
/** Once with those that look into a message, once without, so that everything gets as far as the page. */
const PLUGINS = {
  "headers and spam_score": "headers, { spam_score: { reject: never, quarantine: never } }, ",
  "inbox alone": "",
};
const CRLF = "\r\n";

interface Bomb {
  readonly name: string;
  /** Instead of the usual From, To and Content-Type. */
  readonly header?: string;
  readonly body?: string;
}
const FROM = `From: a@sender.example${CRLF}`;
const multipart = (boundary: string): string =>
  `${FROM}MIME-Version: 1.0${CRLF}Content-Type: multipart/mixed; boundary="${boundary}"${CRLF}`;

function nested(levels: number, inner: string): string {
  let head = "", tail = "";
  for (let i = 0; i < levels; i++) {
    head += `--b${i}${CRLF}Content-Type: multipart/mixed; boundary="b${i + 1}"${CRLF}${CRLF}`;
    tail = `--b${i}--${CRLF}${tail}`;
  }
  return `${head}--b${levels}${CRLF}${CRLF}${inner}${CRLF}--b${levels}--${CRLF}${tail}`;
}

function rfc822Chain(levels: number): string {
  let message = `Subject: the last${CRLF}${CRLF}x`;
  for (let i = 0; i < levels && message.length < 2_000_000; i++) {
    const coded = btoa(message).replaceAll(/.{76}/g, (line) => line + CRLF);
    message = `Content-Type: message/rfc822${CRLF}Content-Transfer-Encoding: base64${CRLF}${CRLF}${coded}`;
  }
  return message;
}

/** Case 32. */
const MIME_BOMBS: readonly Bomb[] = [
  { name: "10,000 levels", header: multipart("b0"), body: nested(10_000, "deep") },
  { name: "90 levels", header: multipart("b0"), body: nested(90, "deep") },
  { name: "100,000 parts", header: multipart("p"), body: `--p${CRLF}${CRLF}x${CRLF}`.repeat(100_000) + `--p--${CRLF}` },
  {
    name: "a boundary of 1 MB",
    header: multipart("b".repeat(1_000_000)),
    body: `--${"b".repeat(1_000_000)}${CRLF}${CRLF}x${CRLF}`,
  },
  {
    name: "boundary in boundary",
    header: multipart("b"),
    body:
      `--b${CRLF}Content-Type: multipart/mixed; boundary="bb"${CRLF}${CRLF}--bb${CRLF}${CRLF}x${CRLF}--b--${CRLF}--bb--${CRLF}`,
  },
  { name: "no end", header: multipart("b"), body: `--b${CRLF}Content-Type: text/html${CRLF}${CRLF}<p>no end` },
  { name: "no boundary", header: `${FROM}Content-Type: multipart/mixed${CRLF}`, body: "--b" + CRLF },
  {
    name: "message/rfc822 in base64 in message/rfc822",
    header: `${FROM}Content-Type: message/rfc822${CRLF}Content-Transfer-Encoding: base64${CRLF}`,
    body: btoa(rfc822Chain(40)).replaceAll(/.{76}/g, (line) => line + CRLF),
  },
  {
    name: "half of a base64 quantum, a million times",
    header: `${FROM}Content-Transfer-Encoding: base64${CRLF}`,
    body: `=${CRLF}`.repeat(300_000),
  },
  {
    name: "soft line ends of quoted-printable",
    header: `${FROM}Content-Type: text/html${CRLF}Content-Transfer-Encoding: quoted-printable${CRLF}`,
    body: `=${CRLF}`.repeat(300_000),
  },
  { name: "HTML that never closes", header: `${FROM}Content-Type: text/html${CRLF}`, body: "<div a=".repeat(300_000) },
  { name: "HTML of 100,000 levels", header: `${FROM}Content-Type: text/html${CRLF}`, body: "<div>".repeat(100_000) },
  { name: "a link storm", header: FROM, body: "http://a.example/(".repeat(100_000) },
];
/** Case 33. */
const ADDRESS_BOMBS: readonly Bomb[] = [
  { name: "a million addresses", header: `From: ${"a@b,".repeat(1_000_000)}a@b${CRLF}` },
  { name: "100,000 groups in groups", header: `${FROM}To: ${"g:".repeat(100_000)}${";".repeat(100_000)}${CRLF}` },
  { name: "100,000 comments in comments", header: `From: ${"(".repeat(100_000)}a@b${")".repeat(100_000)}${CRLF}` },
  { name: "a million open comments", header: `From: ${"(".repeat(1_000_000)}${CRLF}` },
  { name: "a million angle brackets", header: `From: ${"<".repeat(1_000_000)}${CRLF}` },
  { name: "a million quotes", header: `From: ${'"'.repeat(1_000_001)}${CRLF}` },
  { name: "a million at signs", header: `From: ${"@".repeat(1_000_000)}${CRLF}` },
  { name: "a million spaces", header: `From: a${" ".repeat(1_000_000)}b${CRLF}` },
  { name: "a million backslashes in quotes", header: `From: "${"\\".repeat(1_000_000)}${CRLF}` },
  { name: "an encoded-word storm", header: `${FROM}Subject: ${"=?utf-8?q?=41?= ".repeat(60_000)}${CRLF}` },
  { name: "encoded words that are none", header: `${FROM}Subject: ${"=?a?q?".repeat(150_000)}${CRLF}` },
  { name: "half encoded words", header: `${FROM}Subject: ${"=?".repeat(500_000)}${CRLF}` },
  {
    name: "RFC 2231 with gaps",
    header: `${FROM}Content-Type: text/plain; ${
      Array.from({ length: 20_000 }, (_, i) => `name*${i * 3}*=a`).join("; ")
    }${CRLF}`,
  },
  {
    name: "RFC 2231 names over lines",
    header: `${FROM}Content-Disposition: attachment${
      Array.from({ length: 20_000 }, (_, i) => `;${CRLF} filename*${i}="a"`).join("")
    }${CRLF}`,
  },
  { name: "a million parameters", header: `${FROM}Content-Type: text/plain${";a=b".repeat(250_000)}${CRLF}` },
  { name: "a million semicolons", header: `${FROM}Content-Type: text/plain${";".repeat(1_000_000)}${CRLF}` },
  { name: "a Date without end", header: `${FROM}X: y${CRLF}`.replace("X: y", `Date: ${"(".repeat(500_000)}`) },
  { name: "a Message-ID without end", header: `${FROM}References: ${"<a@b> ".repeat(100_000)}${CRLF}` },
];

/** Normal sessions one after the other while `work` runs; the longest one took so many milliseconds. */
async function neighbours(target: Target, work: () => Promise<void>): Promise<number> {
  let working = true, longest = 0;
  const probing = (async () => {
    while (working) {
      const start = performance.now();
      await target.probe();
      longest = Math.max(longest, performance.now() - start);
    }
  })();
  try {
    await work();
  } finally {
    working = false;
    await probing;
  }
  return longest;
}

for (
  const [title, bombs] of [
    ["case 32: MIME structures made to hurt", MIME_BOMBS],
    ["case 33: address lists and words made to hurt", ADDRESS_BOMBS],
  ] as const
) {
  for (const [which, plugins] of Object.entries(PLUGINS)) {
    Deno.test(`${title} (${which}): a reply, a page or a word why there is none, neighbours notice little`, async (t) => {
      const rest = `plugins: [${plugins}{ inbox: { everything: true } }]`;
      const config = strangersConfig({ limits: `headerBytes: "16MiB"`, rest });
      await using target = await Target.start({ config });
      const { api } = target.server;
      for (const { name, header = FROM, body = `x${CRLF}` } of bombs) {
        await t.step(name, async () => {
          const longest = await neighbours(target, async () => {
            using client = await target.open();
            await client.begin({ from: "a@sender.example", to: ["bomb@example.org"] });
            const date = header.includes("Date:") ? "" : `Date: ${DATE}${CRLF}`;
            await client.send(octets(`${date}Message-ID: <1@a.example>${CRLF}${header}${CRLF}${body}${CRLF}.${CRLF}`));
            const reply = await client.reply();
            assert([250, 550, 554].includes(reply.code), reply.raw);
            await client.command("NOOP", 250);
            if (reply.code !== 250) return;
            const id = /queued as (\S+)/.exec(reply.raw)![1]!;
            const shown = await api.get(`/api/v1/messages/${id}`);
            assertEquals(shown.status, 200);
            await shown.body?.cancel();
            const html = await api.get(`/api/v1/messages/${id}/html`);
            assert([200, 404].includes(html.status), String(html.status));
            await html.body?.cancel();
            const page = await api.get(`/messages/${id}`);
            assert([200, 404].includes(page.status), String(page.status));
            await page.body?.cancel();
            assertEquals((await api.json<{ total: number }>("/api/v1/messages?q=x&limit=5")).total >= 0, true);
          });
          assert(longest < 3000, `a neighbour waited ${Math.round(longest)} ms`);
        });
      }
      const big = (await api.messages()).filter((each) => each.size > 256 * 1024).length;
      await target.unharmed(title, { spooled: big, slack: 768 * 1024 * 1024 }); // the reader's thread keeps its heap for a minute
    });
  }
}

Deno.test("case 34: an archive is octets: neither the way in nor the page unpacks one", async () => {
  await using target = await Target.start();
  const zeros = new Blob([new Uint8Array(64 * 1024 * 1024)]).stream().pipeThrough(new CompressionStream("gzip"));
  const packed = await new Response(zeros).bytes();
  let coded = "";
  for (const octet of packed) coded += String.fromCharCode(octet);
  coded = btoa(coded).replaceAll(/.{76}/g, (line) => line + CRLF);
  target.resetPeak();
  const before = target.memory();
  using client = await target.open();
  await client.begin({ from: "a@sender.example", to: ["bomb@example.org"] });
  const part =
    `--p${CRLF}Content-Type: application/gzip; name=zeros.gz${CRLF}Content-Transfer-Encoding: base64${CRLF}${CRLF}`;
  await client.send(`${multipart("p")}${CRLF}${part}${coded}${CRLF}--p--${CRLF}.${CRLF}`);
  const id = /queued as (\S+)/.exec((await client.expect(250)).raw)![1]!;
  const shown = await target.server.api.json<{ parts: { name: string; size: number }[] }>(`/api/v1/messages/${id}`);
  assertEquals(shown.parts.map(({ name, size }) => [name, size]), [["zeros.gz", packed.length]]);
  assertEquals(
    (await target.server.api.get(`/api/v1/messages/${id}/parts/1`).then((each) => each.bytes())).length,
    packed.length,
  );
  assert(target.peak() < before + 60 * 1024 * 1024, `${target.peak() - before} octets more at the peak`);
  client.close();
  await target.unharmed("an archive");
});
