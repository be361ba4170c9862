/**
 * For every plugin that comes with Postern, and for one that uses everything, what is asked of it in each phase that it
 * handles: the same questions are put to it inside of a sandbox and outside. Non-job: comparing (contract.ts).
 */
import { key, MemoryResolver, type Phase, type Simulated } from "postern";
import type { PLUGINS } from "../../../plugins/mod.ts";
import { FakeEngine } from "../../support/fake_engine.ts";
import { FakeMilter } from "../../support/fake_milter.ts";
import { mmdb } from "../../support/mmdb.ts";
import { TempFolder } from "../../support/temp.ts";
import { RFC_ED25519_PEM } from "../dkim/keys.ts";
import { reject } from "postern";

/** A plugin with its options, and what it is asked. */
export interface Row {
  readonly options?: unknown;
  /** What its sandbox needs. */
  readonly net?: readonly string[];
  readonly read?: readonly string[];
  readonly scenes: readonly (readonly [phase: Phase, facts: Simulated])[];
}
/** What lives as long as the scenarios. */
export class Stage implements AsyncDisposable {
  private constructor(
    readonly folder: TempFolder,
    readonly clamd: FakeEngine,
    readonly milter: FakeMilter,
    readonly http: Deno.HttpServer<Deno.NetAddr>,
  ) {}

  static async open(): Promise<Stage> {
    const folder = await TempFolder.make("postern-contract-");
    await Deno.writeFile(folder.at("country.mmdb"), mmdb({ "192.0.2.0/24": { country: { iso_code: "CH" } } }));
    await folder.file("names.yaml", "accounts: [b]\naliases: { info: [b, c@example.net] }\n");
    const clamd = FakeEngine.answering((heard) => heard.endsWith("\0\0\0\0"), "stream: Eicar-Signature FOUND\0");
    const http = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {} },
      () => Response.json({ ok: true, user: "bob", senders: ["bob@example.org"] }),
    );
    return new Stage(folder, clamd, new FakeMilter(), http);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.clamd[Symbol.asyncDispose]();
    await this.milter[Symbol.asyncDispose]();
    await this.http.shutdown();
    await this.folder[Symbol.asyncDispose]();
  }
}

/** Nobody listens there. */
const CLOSED = "127.0.0.1:1";
const dns = new MemoryResolver({
  "a.example": { a: ["192.0.2.1"], mx: [[10, "a.example"]], txt: ["v=spf1 ip4:192.0.2.1 -all"] },
  "spoofed.example": { txt: ["v=spf1 -all"] },
  "_dmarc.spoofed.example": { txt: ["v=DMARC1; p=reject"] },
  "1.2.0.192.in-addr.arpa": { ptr: ["a.example"] },
  "1.2.0.192.bl.example.net": { a: ["127.0.0.2"], txt: ["listed"] },
  "bad.example.uri.example.org": { a: ["127.0.0.2"] },
  "null.example": { mx: [[0, ""]] },
});
const CLEAN = "From: Amy <amy@a.example>\nTo: b@example.org\nSubject: Hello\nDate: Thu, 1 Jan 2026 00:00:00 +0000\n" +
  "Message-ID: <1@a.example>\n\nHello\n";
const SIGNED = "DKIM-Signature: v=1; a=rsa-sha256; d=a.example; s=s; h=from; bh=x; b=eA==\n" + CLEAN;
const MIXED = 'From: amy@a.example\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="x"\n\n--x\n\nBuy at ' +
  "http://www.bad.example/ now\n--x\nContent-Disposition: attachment; filename=invoice.exe\n\nMZ\n--x--\n";
const login = { user: "bob", password: "password" };
const from = "amy@a.example";
const bounce: Simulated = {
  from: null,
  to: "b@example.org",
  message: "From: x@a.example\nSubject: Undelivered\n\nNo\n",
};

/** Of the one that uses everything. */
export function verbs(): readonly (readonly [options: unknown, Row["scenes"]])[] {
  const two = ["b@example.org", "c@example.org"];
  const message = "From: a@example.net\nX-Gone: yes\nSubject: test\n\nHello\n";
  const uncloned = key<unknown>("somebody's");
  return [
    [{}, [
      ["connect", {}],
      ["helo", { dns }],
      ["helo", { dns, outside: { "what is it": "this" } }],
      ["auth", { login }],
      ["auth", { login: { user: "bob", password: "wrong" } }],
      ["mail", { from }],
      ["mail", { from: null, parameters: { smtputf8: true } }],
      ["rcpt", { to: "b@example.com", callAhead: () => Promise.resolve(reject("5.1.1", "Nobody")) }],
      ["rcpt", { to: ["list@example.org", "b@example.org"] }],
      ["data", { to: two, message }],
      ["data", { to: two, message, keys: [[uncloned, () => 1]] }],
      ["queue", { to: two, tries: 2 }],
      ["deliver", { to: two }],
      ["deliver", { to: "b@example.net", attempt: () => reject("5.1.1", "Nobody") }],
    ]],
    ...["a text", "nothing", "next twice", "no wait", "a mistake"].map((does) =>
      [{ does }, [["auth", { login }]]] satisfies [unknown, Row["scenes"]]
    ),
    [{ does: "refuse" }, [["helo", {}]]],
    [{ does: "rewrite" }, [["data", { to: two, message }]]],
    [{ does: "hold" }, [["data", { message }]]],
    [{ does: "drop" }, [["data", { message }]]],
    [{ does: "drop the refusal" }, [["data", { message }]]],
    [{ does: "over" }, [["data", { message }]]],
    [{ does: "postpone" }, [["deliver", { to: two }]]],
  ];
}

/** By the plugin's name in a configuration. */
export function scenarios({ folder, clamd, milter, http }: Stage): Readonly<Record<keyof typeof PLUGINS, Row>> {
  const mapped = { canonical: { both: { "amy@a.example": "amy@b.example" } }, generic: { "b@here": "b@example.org" } };
  const place = (url: string) => url.replace("tcp://", "");
  return {
    accounts: {
      options: { accounts: ["bob $scrypt$ln=15,r=8,p=1$c2FsdHNhbHRzYWx0c2FsdA$hm9XXUOsvSSJ3jnBZLGoXw"] },
      scenes: [["auth", { login: { ...login, verify: () => true } }], ["auth", { login }], [
        "auth",
        { login: { user: "eve", password: "x" } },
      ]],
    },
    http_auth: {
      options: { url: `http://127.0.0.1:${http.addr.port}/` },
      net: [`127.0.0.1:${http.addr.port}`],
      scenes: [["auth", { login }]],
    },
    dovecot_auth: { options: { socket: CLOSED }, net: [CLOSED], scenes: [["auth", { login }]] },
    ldap_auth: {
      options: { url: `ldap://${CLOSED}`, dn: "uid={user},dc=example" },
      net: [CLOSED],
      scenes: [["auth", { login }]],
    },
    oauth: {
      options: { jwks: `http://${CLOSED}/keys`, issuer: "https://id.example.org", audience: ["mail"] },
      net: [CLOSED],
      scenes: [["auth", { login: { mechanism: "OAUTHBEARER", user: "", password: "a.b.c" } }]],
    },
    certificates: {
      options: { users: { bob: ["AB:".repeat(31) + "AB"] } },
      scenes: [
        ["auth", {
          login: { mechanism: "EXTERNAL", user: "bob", password: "" },
          tls: {
            version: "TLSv1.3",
            cipher: "TLS_AES_128_GCM_SHA256",
            serverName: null,
            resumed: false,
            certificate: { fingerprint: "AB:".repeat(31) + "AB", commonName: "bob", emails: [] },
          },
        }],
        ["auth", { login }],
      ],
    },
    any_login: { scenes: [["auth", { ip: "127.0.0.1", login }], ["auth", { login }]] },
    chaos: {
      options: { rules: [{ to: "full@*", answer: "452 4.2.2 Mailbox full" }] },
      scenes: [
        ["connect", {}],
        ["helo", {}],
        ["auth", { login }],
        ["mail", { from: "reject-550@example.net" }],
        ["rcpt", { to: ["full@example.org", "slow-5s@example.org", "you+defer-451-once@example.org"] }],
        ["data", { to: "b@example.org" }],
      ],
    },
    ban: {
      options: { list: ["192.0.2.9"] },
      scenes: [["connect", {}], ["connect", { ip: "192.0.2.9" }], ["mail", {}]],
    },
    rate_limit: {
      options: { connectionsPerIp: "1/1m", messagesPerIp: "1/1m", recipientsPerIp: "1/1m", messagesPerSender: "1/1m" },
      scenes: [["connect", {}], ["mail", {}], ["rcpt", { to: ["b@example.org", "c@example.org"] }]],
    },
    geoip: {
      options: { files: ["country.mmdb"], required: true, rules: [{ countries: ["CH"], points: 2 }] },
      read: [folder.path],
      scenes: [["connect", {}], ["data", {}], ["data", { ip: "198.51.100.1" }]],
    },
    dnsbl: {
      options: { zones: { "bl.example.net": 5 } },
      scenes: [["connect", { dns }], ["helo", { dns }], ["mail", { dns }], ["rcpt", { dns }], ["data", { dns }]],
    },
    early_talker: { scenes: [["connect", {}], ["connect", { pause: () => Promise.resolve(true) }]] },
    tarpit: { scenes: [["mail", {}], ["rcpt", { to: ["b@example.org", "c@example.org"] }]] },
    account_guard: {
      options: { messages: ["1/1h"] },
      scenes: [["mail", { identity: "bob" }], ["rcpt", { identity: "bob" }], ["data", { identity: "bob" }]],
    },
    sender_login: {
      scenes: [
        ["mail", { identity: "bob", from: "eve@example.org" }],
        ["mail", { identity: "bob", from: "bob@example.org" }],
        ["data", { identity: "bob", from: "bob@example.org", message: CLEAN }],
      ],
    },
    address_map: {
      options: mapped,
      scenes: [["mail", { from }], ["rcpt", { to: "amy@a.example" }], ["data", { from, message: CLEAN }], [
        "deliver",
        { from: "b@here", message: "From: b@here\n\nhi\n", to: "amy@a.example" },
      ]],
    },
    srs: {
      options: { domain: "example.org", secrets: ["a secret of some length"] },
      scenes: [["rcpt", { from: null, to: "SRS0=x=y=a.example=amy@example.org" }], ["deliver", {
        from,
        to: { address: "c@example.com", original: "b@example.org" },
      }]],
    },
    verp: {
      options: { senders: ["news-bounces@example.org"] },
      scenes: [["rcpt", { from: null, to: "news-bounces+c=example.com@example.org" }], ["deliver", {
        from: "news-bounces@example.org",
        to: "c@example.com",
      }]],
    },
    bounce: {
      options: { secrets: ["a secret of some length"] },
      scenes: [["rcpt", bounce], ["data", bounce], ["deliver", { from: "b@example.org", to: "c@example.com" }]],
    },
    relay: {
      options: { networks: ["192.0.2.1"] },
      scenes: [["rcpt", { to: "c@example.com" }], ["rcpt", { ip: "198.51.100.1", to: "c@example.com" }]],
    },
    spam_trap: {
      options: { addresses: ["old-*@example.org"] },
      scenes: [
        ["rcpt", { to: ["old-1@example.org", "b@example.org"] }],
        ["data", { to: "old-1@example.org" }],
        ["queue", { to: "old-1@example.org" }],
      ],
    },
    recipients: {
      options: { file: folder.at("names.yaml") },
      read: [folder.path],
      scenes: [["rcpt", { to: ["b@example.org", "info@example.org", "nobody@example.org", "x@example.net"] }]],
    },
    verify_recipient: {
      options: { domains: ["example.com"] },
      scenes: [["rcpt", { to: "c@example.com", callAhead: () => Promise.resolve(reject("5.1.1", "Nobody")) }]],
    },
    greylist: { scenes: [["rcpt", { from }], ["data", { from: null }]] },
    null_mx: {
      scenes: [["mail", { from: "x@null.example", dns }], ["mail", { from, dns }], ["rcpt", {
        to: "c@null.example",
        dns,
      }]],
    },
    fcrdns: {
      options: { fail: "score" },
      scenes: [["connect", { dns }], ["helo", { dns }], ["mail", { dns }], ["data", { dns }]],
    },
    helo: {
      options: { own: "reject", unresolved: "score" },
      scenes: [
        ["helo", { helo: "mx.example.org" }],
        ["helo", { helo: "[192.0.2.9]" }],
        ["mail", { helo: "localhost" }],
        [
          "data",
          { helo: "nothing.example", dns },
        ],
      ],
    },
    spf: {
      options: { fail: "reject", helo: true },
      scenes: [["mail", { from, dns, helo: "a.example" }], ["mail", { from: "x@spoofed.example", dns }], ["data", {
        from,
        dns,
      }]],
    },
    dkim: {
      options: { score: { permerror: 1 } },
      scenes: [["data", { dns, message: SIGNED }], ["data", { message: CLEAN }]],
    },
    arc: { scenes: [["data", { dns, message: "ARC-Seal: i=1; cv=none; d=a.example; s=s; b=eA==\n" + CLEAN }]] },
    dmarc: {
      options: { reject: "reject" },
      scenes: [["data", { dns, message: "From: x@spoofed.example\n\nhi\n" }], ["data", { dns, message: CLEAN }]],
    },
    reputation: { scenes: [["connect", {}], ["mail", { from }], ["data", { from, message: CLEAN }]] },
    headers: {
      options: { missingDate: "reject" },
      scenes: [["data", { message: "From: x@a.example\n\nhi\n" }], ["data", { message: CLEAN }]],
    },
    submission: {
      scenes: [["mail", { from: "amy@host" }], ["rcpt", { to: "b@example.org" }], ["data", {
        message:
          "Date: Thu, 1 Jan 2026 00:00:00 +0000\nMessage-ID: <1@a>\nFrom: amy@a.example\nBcc: c@d.example\n\nhi\n",
      }]],
    },
    feedback: {
      scenes: [["data", bounce], ["queue", bounce], ["deliver", { to: "c@example.com", from: "b@example.org" }]],
    },
    archive: {
      options: { to: "journal@archive.example", direction: "both" },
      scenes: [["data", {}], ["deliver", { to: "journal@archive.example" }]],
    },
    attachments: { scenes: [["data", { message: MIXED }], ["data", { message: CLEAN }]] },
    uribl: { options: { zones: { "uri.example.org": 3 } }, scenes: [["data", { dns, message: MIXED }]] },
    rewrite: {
      options: { footer: { text: "Example Ltd" }, dropParts: [{ names: ["*.exe"] }], direction: "both" },
      scenes: [["data", { message: MIXED, identity: "bob" }], ["data", { message: CLEAN }]],
    },
    clamav: { options: { servers: [clamd.place] }, net: [place(clamd.place)], scenes: [["data", { message: CLEAN }]] },
    rspamd: {
      options: { servers: [`http://${CLOSED}`] },
      scenes: [["data", {
        message: CLEAN,
        outside: {
          "rspamd checkv2": JSON.stringify({ action: "add header", score: 7, required_score: 15, symbols: {} }),
        },
      }]],
    },
    spamassassin: {
      options: { servers: [`tcp://${CLOSED}`], unavailable: "skip" },
      net: [CLOSED],
      scenes: [["data", { message: CLEAN }]],
    },
    milter: {
      options: { connect: milter.place },
      net: [place(milter.place)],
      scenes: [["connect", {}], ["helo", {}], ["auth", { login }], ["mail", {}], ["rcpt", {}], ["data", {
        message: CLEAN,
      }]],
    },
    spam_score: {
      options: { quarantine: 6, rules: { gold: { in: "text", matches: "gold (bars|coins)", points: 7 } } },
      scenes: [["data", { message: "Subject: Hello\n\nBuy gold coins\n" }], ["data", { message: CLEAN }]],
    },
    maildir: {
      options: { root: folder.at("mail") },
      read: [folder.path],
      scenes: [["rcpt", { to: "b@example.org" }], ["queue", {
        to: { address: "b@example.org", route: { to: "remote" } },
      }]],
    },
    inbox: {
      options: { everything: true },
      scenes: [["rcpt", { to: "b@example.org" }], ["queue", { to: "b@example.org" }]],
    },
    discard: {
      options: { addresses: ["b@*"] },
      scenes: [["rcpt", { to: "b@example.org" }], ["queue", { to: "b@example.org" }]],
    },
    arc_seal: {
      options: { domain: "example.org", selector: "s", key: RFC_ED25519_PEM },
      scenes: [["deliver", { to: "c@example.com", message: CLEAN }]],
    },
    dkim_sign: {
      options: { keys: [{ domain: "a.example", selector: "s", key: RFC_ED25519_PEM }] },
      scenes: [["deliver", { to: "c@example.com", from, message: CLEAN, origin: { identity: "amy" } }]],
    },
  };
}
