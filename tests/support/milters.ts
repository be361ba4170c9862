/**
 * Real milters as tests want them, each on a port of loopback: OpenDKIM that signs or checks, OpenDMARC with a name server
 * of its own, and one made of python3-milter (libmilter) that does what a message's subject says.
 * Non-job: starting and stopping (engine_process.ts), a milter that misbehaves on the wire (fake_milter.ts).
 */
import type { NameServer53 } from "./name_server_53.ts";
import { programOf } from "./debian.ts";
import { EngineProcess, exchange } from "./engine_process.ts";
import { inWorld } from "./unpacked.ts";

/** The first words of a server, all in ASCII; what a milter says to them begins in the same way. */
const HELLO = "\0\0\0\rO\0\0\0\x06\0\0\0\x7f\0\0\0\x7f";
const alive = async (port: number) => (await exchange(port, HELLO, 17)).slice(3, 5) === "\rO";

export interface OpenDkimOptions {
  /** PEM of an RSA key, and where its record would be: mail from `domain` is signed. */
  readonly sign?: { readonly domain: string; readonly selector: string; readonly pem: string };
  /** Records by their names, `s._domainkey.d`: signatures are checked. */
  readonly records?: Readonly<Record<string, string>>;
  /** Header and body. */
  readonly canonicalization?: string;
}

/** OpenDKIM with the authserv-id mx.example.org. Clients at 192.0.2.1 and on loopback are its own where it signs. */
export function startOpenDkim(
  { sign, records = {}, canonicalization = "simple/simple" }: OpenDkimOptions,
): Promise<EngineProcess> {
  return EngineProcess.start({
    name: "opendkim",
    async prepare(folder, port) {
      const keys = await folder.file("keys", Object.entries(records).map((each) => each.join(" ") + "\n").join(""));
      const settings = [
        `Mode ${sign ? "s" : "v"}`,
        `Socket inet:${port}@127.0.0.1`,
        `Canonicalization ${canonicalization}`,
        "AuthservID mx.example.org",
        "AlwaysAddARHeader yes",
        "Background no",
        "Syslog no",
        "RequireSafeKeys no",
        `TestPublicKeys ${keys}`,
        "InternalHosts csl:192.0.2.1,127.0.0.1",
      ];
      if (sign) {
        const key = await folder.file("key.pem", sign.pem);
        settings.push(`Domain ${sign.domain}`, `Selector ${sign.selector}`, `KeyFile ${key}`);
      }
      return [programOf("opendkim")!, "-f", "-x", await folder.file("opendkim.conf", `${settings.join("\n")}\n`)];
    },
    alive,
  });
}

/**
 * OpenDMARC that refuses what the owner of a domain wants refused. `zones`: records of `_dmarc` and the like, by zone. It
 * believes what mx.example.org says in Authentication-Results. Root only: it sees a resolv.conf of its own.
 */
export async function startOpenDmarc(names: NameServer53): Promise<EngineProcess> {
  return await EngineProcess.start({
    name: "opendmarc",
    async prepare(folder, port) {
      const settings = [
        `Socket inet:${port}@127.0.0.1`,
        "AuthservID mx.example.org",
        "TrustedAuthservIDs mx.example.org",
        "RejectFailures true",
        "SPFSelfValidate false",
        "Background false",
        "Syslog false",
        `IgnoreHosts ${await folder.file("ignored", "203.0.113.1\n")}`,
        `PidFile ${folder.at("pid")}`,
      ];
      const conf = await folder.file("opendmarc.conf", `${settings.join("\n")}\n`);
      const resolv = await folder.file("resolv.conf", `nameserver ${names.address}\noptions timeout:5 attempts:2\n`);
      const world = { accounts: {}, over: { "/etc/resolv.conf": resolv } };
      return await inWorld(folder.path, world, [programOf("opendmarc")!, "-f", "-c", conf]);
    },
    alive,
  });
}

/** Words of a subject that begins with "do", and what comes of them at the end of the message. */
const PYTHON = `
import sys, Milter

@Milter.header_leading_space
class Wish(Milter.Base):
    def connect(self, host, family, address):
        self.macros = {"j": self.getsymval("j"), "addr": self.getsymval("{client_addr}")}
        return Milter.CONTINUE
    def hello(self, name):
        return Milter.REJECT if name == "bad.example.net" else Milter.CONTINUE
    def envfrom(self, path, *words):
        self.wishes, self.body_octets, self.paths = [], b"", [path]
        if path == "<late@example.net>":
            self.setreply("450", "4.7.0", "Come later, 100%% sure")
            return Milter.TEMPFAIL
        return Milter.CONTINUE
    def envrcpt(self, path, *words):
        self.paths.append(path)
        if path.startswith("<unwanted@"):
            self.setreply("550", "5.1.1", "Nobody wants that", "Nobody at all")
            return Milter.REJECT
        return Milter.DISCARD if path.startswith("<hole@") else Milter.CONTINUE
    def header(self, name, value):
        if name.lower() == "subject" and value.strip().startswith("do "):
            self.wishes = value.split()[1:]
        return Milter.REJECT if name == "X-Refuse" else Milter.CONTINUE
    def eoh(self):
        return Milter.CONTINUE
    def body(self, chunk):
        self.body_octets += chunk
        return Milter.CONTINUE
    def eom(self):
        if b"BAD WORD" in self.body_octets:
            self.setreply("550", "5.7.1", "There is a bad word in it")
            return Milter.REJECT
        for wish in self.wishes:
            if wish == "add":
                self.addheader("X-Added", " one;\\n\\ttwo")
            elif wish == "insert":
                self.addheader("X-Top", " " + str(len(self.body_octets)), 0)
                self.addheader("X-Second", " 2", 1)
            elif wish == "change":
                self.chgheader("X-Here", 2, " changed")
            elif wish == "delete":
                self.chgheader("X-Here", 1, "")
                self.chgheader("X-Here", 3, "")
            elif wish == "body":
                self.replacebody(b"another body\\r\\n" * 10000)
            elif wish == "sender":
                self.chgfrom("<new@example.net>")
            elif wish == "recipients":
                self.delrcpt("<b@example.org>")
                self.addrcpt("<d@example.org>")
            elif wish == "quarantine":
                self.quarantine("looks odd")
            elif wish == "slowly":
                for _ in range(3):
                    self.progress()
            elif wish == "macros":
                self.addheader("X-Macros", " %s %s %s %s" % (
                    self.macros["j"], self.macros["addr"], self.getsymval("i"), " ".join(self.paths)))
            elif wish == "discard":
                return Milter.DISCARD
            elif wish == "tempfail":
                return Milter.TEMPFAIL
            elif wish == "reject":
                self.setreply("554", "5.6.0", "As you wish")
                return Milter.REJECT
        return Milter.ACCEPT if "accept" in self.wishes else Milter.CONTINUE

Milter.factory = Wish
Milter.set_flags(Milter.ADDHDRS + Milter.CHGHDRS + Milter.CHGBODY + Milter.ADDRCPT + Milter.DELRCPT +
                 Milter.CHGFROM + Milter.QUARANTINE)
Milter.runmilter("wish", "inet:%s@127.0.0.1" % sys.argv[1], 600)
`;

/** It does what a subject such as "do add body" says, and refuses a body with BAD WORD in it. */
export function startWishes(python: string): Promise<EngineProcess> {
  return EngineProcess.start({
    name: "wishes",
    prepare: async (folder, port) => [python, await folder.file("wishes.py", PYTHON), String(port)],
    alive,
  });
}
