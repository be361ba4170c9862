/**
 * Messages that show what checks find: what a newcomer sends to a dev inbox to see real verdicts without a network. Their
 * domains are those of core/dns/sample_names.ts. Non-job: sending them (command.ts).
 */
import { PrivateKey, sign } from "../../core/dkim/mod.ts";
import { newId } from "../../core/model/id.ts";

/** What is filled into a sample. */
export interface SampleMail {
  /** The sender; empty for the null sender. */
  readonly from: string;
  readonly to: readonly string[];
  /** Milliseconds since 1970. */
  readonly now: number;
}
export interface Sample {
  /** For the help: what one sees. */
  readonly about: string;
  /** The sender unless another is given. */
  readonly from: string;
  /** Whose connection it is unless another is given; null: one's own. */
  readonly ip: string | null;
  /** The message with CRLF line ends. */
  content(mail: SampleMail): Promise<Uint8Array<ArrayBuffer>>;
}

/** An address that is nobody's (RFC 5737). */
const STRANGER = "192.0.2.7";
/** The key of RFC 8463 A.2, which everybody has. */
const KEY = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n" +
  "-----END PRIVATE KEY-----\n";
/** In two pieces, as in rules.ts: this file is no spam. */
const GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*" + "GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X";

export const SAMPLES: Readonly<Record<string, Sample>> = {
  hello: {
    about: "a short text",
    from: "postern@localhost",
    ip: null,
    content: (mail) => plain(mail, "A message from postern send", "If you can read this, mail works here."),
  },
  newsletter: {
    about: "HTML with pictures, one of them elsewhere, a style, an attachment and a way out",
    from: "news@spf-pass.test",
    ip: STRANGER,
    content: newsletter,
  },
  gtube: {
    about: "what every spam filter takes for spam",
    from: "offers@spf-pass.test",
    ip: STRANGER,
    content: (mail) => plain(mail, "Test of the spam filter", GTUBE),
  },
  "spf-pass": {
    about: "from a host that its domain permits",
    from: "alice@spf-pass.test",
    ip: STRANGER,
    content: (mail) => plain(mail, "From a permitted host", "Every host may send for spf-pass.test."),
  },
  "spf-fail": {
    about: "from a host that its domain does not permit",
    from: "ceo@spf-fail.test",
    ip: STRANGER,
    content: (mail) => plain(mail, "Wire the money today", "No host at all may send for spf-fail.test."),
  },
  "dkim-pass": {
    about: "signed, and as it was signed",
    from: "bank@dkim-pass.test",
    ip: STRANGER,
    content: (mail) => signed(mail, "dkim-pass.test"),
  },
  "dkim-fail": {
    about: "signed, and changed on its way",
    from: "bank@dkim-fail.test",
    ip: STRANGER,
    content: async (mail) => {
      const text = decode(await signed(mail, "dkim-fail.test"));
      return encode(text.replace("account 1001", "account 6666"));
    },
  },
};

function head({ from, to, now }: SampleMail, subject: string): string[] {
  return [
    `From: <${from || "postmaster@localhost"}>`,
    `To: ${to.map((each) => `<${each}>`).join(",\r\n ")}`,
    `Subject: ${subject}`,
    `Date: ${new Date(now).toUTCString().replace("GMT", "+0000")}`,
    `Message-ID: <${newId(now)}@${from.slice(from.lastIndexOf("@") + 1) || "localhost"}>`,
  ];
}

function plain(mail: SampleMail, subject: string, text: string): Promise<Uint8Array<ArrayBuffer>> {
  return Promise.resolve(encode([...head(mail, subject), "", text, ""].join("\r\n")));
}

async function signed(mail: SampleMail, domain: string): Promise<Uint8Array<ArrayBuffer>> {
  const octets = await plain(mail, "Your transfer", "100 euros go to account 1001.");
  const key = { domain, selector: "sample", key: PrivateKey.parse(KEY) };
  const field = await sign({ head: octets, memory: octets, stream: () => ReadableStream.from([octets]) }, [key], {
    now: mail.now,
  });
  return encode(field! + decode(octets));
}

/** A gate, 48 by 48 pixels. */
const PICTURE = [
  "iVBORw0KGgoAAAANSUhEUgAAADAAAAAwCAMAAABg3Am1AAAABlBMVEX///+KOxJ2a9NYAAAASUlE",
  "QVR42u3PMQ4AIAgEQfb/nzaxVASuM8qVLlNo9uqY067LhmXieUZAE6AJEMXWE+DVSPgtEIeSAfVd",
  "CNnnGjRo0OBqQHHfggHGXgL1Rsu/NgAAAABJRU5ErkJggg==",
].join("\r\n");

function newsletter(mail: SampleMail): Promise<Uint8Array<ArrayBuffer>> {
  const outer = "=_sample_mixed", inner = "=_sample_alternative", related = "=_sample_related";
  const link = "https://shop.example.org/unsubscribe/4711";
  return Promise.resolve(encode([
    ...head(mail, "=?utf-8?Q?Ten_percent_off_until_Sunday_=E2=9C=82?="),
    `List-Unsubscribe: <${link}>`,
    "List-Unsubscribe-Post: List-Unsubscribe=One-Click",
    "List-Id: News of the shop <news.shop.example.org>",
    "MIME-Version: 1.0",
    `Content-Type: multipart/mixed; boundary="${outer}"`,
    "",
    `--${outer}`,
    `Content-Type: multipart/alternative; boundary="${inner}"`,
    "",
    `--${inner}`,
    "Content-Type: text/plain; charset=utf-8",
    "",
    "Ten percent off everything until Sunday.",
    "",
    `No more of this: ${link}`,
    "",
    `--${inner}`,
    `Content-Type: multipart/related; boundary="${related}"`,
    "",
    `--${related}`,
    "Content-Type: text/html; charset=utf-8",
    "",
    "<!doctype html><html><head><style>",
    "  .card { max-width: 480px; margin: 24px auto; padding: 24px; border: 1px solid #ddd; font-family: sans-serif }",
    "  h1 { margin: 0 0 12px; color: #8a3b12 }",
    "  a.go { display: inline-block; padding: 10px 18px; background: #8a3b12; color: #fff; text-decoration: none }",
    "</style></head><body><div class=card>",
    '<p><img src="cid:mark@shop.example.org" width=48 height=48 alt="The shop"></p>',
    "<h1>Ten percent off</h1><p>On everything, until Sunday.</p>",
    '<p><img src="https://img.example.net/banner.png" width=400 height=80 alt="A banner from elsewhere"></p>',
    '<p><a class=go href="https://shop.example.org/">To the shop</a></p>',
    `<p><small><a href="${link}">No more of this</a></small></p></div></body></html>`,
    "",
    `--${related}`,
    "Content-Type: image/png",
    "Content-Transfer-Encoding: base64",
    "Content-ID: <mark@shop.example.org>",
    "Content-Disposition: inline; filename=mark.png",
    "",
    PICTURE,
    `--${related}--`,
    `--${inner}--`,
    `--${outer}`,
    'Content-Type: text/csv; charset=utf-8; name="prices.csv"',
    'Content-Disposition: attachment; filename="prices.csv"',
    "",
    "article,price",
    "gate,90.00",
    `--${outer}--`,
    "",
  ].join("\r\n")));
}

function encode(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}
function decode(octets: Uint8Array): string {
  return new TextDecoder().decode(octets);
}
