/**
 * A private OpenLDAP server with a few people, on a port of loopback and in a folder that goes away: plain and StartTLS
 * on one port, ldaps on another. It takes a bind with an empty password for an anonymous one and says yes, as
 * RFC 4513 5.1.2 warns. Job: start, stop, start again. Non-job: asking it.
 */
import { programOf } from "./debian.ts";
import { freePort } from "./ports.ts";
import { TempFolder } from "./temp.ts";
import type { Pair } from "./tls.ts";
import { waitFor, within } from "./wait.ts";

/** What tests with a directory need. */
export const RUNS_SLAPD = ["slapd", "slapadd"] as const;

/** Attributes of a person; the DN is made of uid. */
export interface Person {
  readonly uid: string;
  readonly userPassword?: string;
  readonly mail?: readonly string[];
  readonly mailAlternateAddress?: readonly string[];
}

export const BASE = "ou=people,dc=example,dc=org";
/** May read all of BASE. */
export const READER = { bindDn: "cn=reader,dc=example,dc=org", bindPassword: "the reader's password" };

export class Slapd implements AsyncDisposable {
  #child: Deno.ChildProcess | null = null;

  private constructor(readonly folder: TempFolder, readonly port: number, readonly securePort: number) {}

  /** Starts one that knows these people. `pair`: its certificate. */
  static async start(people: readonly Person[], options: { readonly ca: string; readonly pair: Pair }): Promise<Slapd> {
    const folder = await TempFolder.make("postern-slapd-");
    const slapd = new Slapd(folder, freePort(), freePort());
    try {
      await Deno.mkdir(folder.at("db"));
      await folder.file("slapd.conf", configuration(folder, options));
      const ldif = await folder.file("people.ldif", [ROOT, ...people.map(entry)].join("\n"));
      await run("slapadd", "-f", folder.at("slapd.conf"), "-l", ldif);
      await slapd.begin();
      return slapd;
    } catch (error) {
      await slapd[Symbol.asyncDispose]();
      throw error;
    }
  }

  get url(): string {
    return `ldap://127.0.0.1:${this.port}`;
  }

  /** Again, after `end`. */
  async begin(): Promise<void> {
    const urls = `ldap://127.0.0.1:${this.port}/ ldaps://127.0.0.1:${this.securePort}/`;
    const child = this.#child = new Deno.Command(programOf("slapd")!, {
      args: ["-d", "0", "-f", this.folder.at("slapd.conf"), "-h", urls],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    let ended = false;
    child.status.then(() => ended = true);
    for (const port of [this.port, this.securePort]) {
      await waitFor("slapd", async () => {
        if (ended) throw new Error("slapd ended at once");
        return await Deno.connect({ hostname: "127.0.0.1", port }).then((conn) => (conn.close(), true), () => false);
      });
    }
  }

  signal(name: Deno.Signal): void {
    this.#child?.kill(name);
  }

  async end(): Promise<void> {
    const child = this.#child;
    this.#child = null;
    if (child === null) return;
    child.kill("SIGCONT"); // a stopped one does not hear
    child.kill("SIGTERM");
    await within("slapd's end", child.status, 5000, () => child.kill("SIGKILL")).catch(() => {});
    await child.status;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
    await this.folder[Symbol.asyncDispose]();
  }
}

function configuration(folder: TempFolder, { ca, pair }: { ca: string; pair: Pair }): string {
  return `include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
attributetype ( 2.16.840.1.113730.3.1.13 NAME 'mailAlternateAddress'
  EQUALITY caseIgnoreIA5Match SYNTAX 1.3.6.1.4.1.1466.115.121.1.26 )
objectclass ( 1.3.6.1.4.1.4203.666.1 NAME 'testMailUser' SUP top AUXILIARY MAY mailAlternateAddress )
pidfile ${folder.at("pid")}
argsfile ${folder.at("args")}
modulepath /usr/lib/ldap
moduleload back_mdb
allow bind_anon_cred bind_anon_dn
TLSCACertificateFile ${ca}
TLSCertificateFile ${pair.certFile}
TLSCertificateKeyFile ${pair.keyFile}
database mdb
maxsize 8388608
suffix "dc=example,dc=org"
directory ${folder.at("db")}
access to attrs=userPassword by anonymous auth by * none
access to dn.exact="${BASE}" by * read
access to * by self read by dn.exact="${READER.bindDn}" read by * none
`;
}

const ROOT = `dn: dc=example,dc=org
objectClass: dcObject
objectClass: organization
o: example
dc: example

dn: ${BASE}
objectClass: organizationalUnit
ou: people

dn: ${READER.bindDn}
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: reader
userPassword: ${READER.bindPassword}
`;

function entry({ uid, userPassword, mail = [], mailAlternateAddress = [] }: Person): string {
  const name = uid.replace(/[^A-Za-z0-9\u0080-\uffff]/g, (c) => `\\${c.charCodeAt(0).toString(16).padStart(2, "0")}`);
  const line = (key: string, value: string) =>
    `${key}:: ${btoa(String.fromCharCode(...new TextEncoder().encode(value)))}`;
  return [
    line("dn", `uid=${name},${BASE}`),
    "objectClass: inetOrgPerson",
    "objectClass: testMailUser",
    line("uid", uid),
    "cn: person",
    "sn: person",
    ...userPassword === undefined ? [] : [line("userPassword", userPassword)],
    ...mail.map((each) => line("mail", each)),
    ...mailAlternateAddress.map((each) => line("mailAlternateAddress", each)),
    "",
  ].join("\n");
}

async function run(program: "slapadd", ...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(programOf(program)!, { args, stdin: "null" }).output();
  if (!success) throw new Error(`${program}: ${new TextDecoder().decode(stderr)}`);
}
