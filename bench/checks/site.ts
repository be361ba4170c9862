/**
 * A sender that does all as it should, for the benchmark of the checks: its zone with SPF, a DKIM key, a DMARC policy and
 * an empty block list, on real name servers of loopback, and its message, signed with RSA of 2,048 bits.
 * Non-job: who receives it (main.ts).
 */
import { runPhase } from "../../core/pipeline/mod.ts";
import { dkim_sign } from "../../plugins/outbound/dkim_sign/mod.ts";
import { NameServers } from "../../tests/support/name_servers.ts";

/** Who sends, from where. */
export const SENDER = { domain: "sender.example", ip: "192.0.2.10", helo: "mx.sender.example" };
/** A list of addresses in which nobody stands. */
export const LIST = "bl.example";

export interface Site extends AsyncDisposable {
  /** The port of a caching name server of loopback. */
  readonly dns: number;
  /** Header and body, signed, CRLF. */
  readonly message: Uint8Array<ArrayBuffer>;
}

export async function openSite(size: number): Promise<Site> {
  const { publicKey, privateKey } = await crypto.subtle.generateKey(
    { name: "RSASSA-PKCS1-v1_5", modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]), hash: "SHA-256" },
    true,
    ["sign", "verify"],
  );
  const base64 = async (format: "spki" | "pkcs8", key: CryptoKey) =>
    new Uint8Array(await crypto.subtle.exportKey(format, key)).toBase64();
  const record = `v=DKIM1; k=rsa; p=${await base64("spki", publicKey)}`;
  const pem = `-----BEGIN PRIVATE KEY-----\n${await base64("pkcs8", privateKey)}\n-----END PRIVATE KEY-----\n`;
  const servers = await NameServers.start({
    [SENDER.domain]: {
      records: `@ A ${SENDER.ip}
mx A ${SENDER.ip}
@ MX 10 mx
@ TXT "v=spf1 ip4:${SENDER.ip} -all"
_dmarc TXT "v=DMARC1; p=reject; rua=mailto:dmarc@${SENDER.domain}"
s1._domainkey TXT ${record.match(/.{1,250}/g)!.map((part) => `"${part}"`).join(" ")}`,
    },
    "2.0.192.in-addr.arpa": { records: `10 PTR mx.${SENDER.domain}.` },
    // A list is alive when it names the test address and not its neighbour                              RFC 5782 5
    [LIST]: { records: `2.0.0.127 A 127.0.0.2\n2.0.0.127 TXT "a test"` },
    // What rspamd asks besides, its own lists: no such names, answered at once and by nobody outside of this machine
    ...Object.fromEntries(["com", "net", "org", "cz", "de", "eu", "io"].map((name) => [name, { records: "" }])),
  });
  return {
    dns: servers.port,
    message: await signed(letter(size), pem),
    [Symbol.asyncDispose]: () => servers[Symbol.asyncDispose](),
  };
}

async function signed(text: string, key: string): Promise<Uint8Array<ArrayBuffer>> {
  const plugin = dkim_sign({ keys: [{ domain: SENDER.domain, selector: "s1", key }] });
  const { departure } = await runPhase(plugin, "deliver", {
    identity: "news",
    from: `news@${SENDER.domain}`,
    message: text,
    now: Date.now,
  });
  return new TextEncoder().encode(departure!.signatures + text.replaceAll("\n", "\r\n"));
}

/** What people write: words of changing length in lines, text and HTML beside each other. */
function letter(size: number): string {
  const words =
    "the meeting of next week is moved to thursday morning please bring your notes about a budget for spring and say hello to all who could not come last time we will have coffee"
      .split(" ");
  let seed = 7, text = "";
  const word = () => words[(seed = seed * 1103515245 + 12345 & 0x7fffffff) % words.length]!;
  const lines = (octets: number, end: string) => {
    let out = "";
    while (out.length < octets) out += `${Array.from({ length: 10 }, word).join(" ")}${end}\n`;
    return out;
  };
  const half = Math.floor((size - 1200) / 2);
  text += `From: News <news@${SENDER.domain}>
To: Bob <bob@bench.example>
Subject: Minutes of the meeting
Date: ${new Date().toUTCString().replace("GMT", "+0000")}
Message-ID: <1@${SENDER.domain}>
MIME-Version: 1.0
Content-Type: multipart/alternative; boundary="b1"

--b1
Content-Type: text/plain; charset=utf-8

${lines(half, "")}
--b1
Content-Type: text/html; charset=utf-8

<html><body>
<p><a href="https://www.${SENDER.domain}/notes">Notes</a></p>
${lines(half, "<br>")}
</body></html>
--b1--
`;
  return text;
}
