/**
 * A private Postfix on a port of loopback that hands everything on to one transport, or keeps mail for accounts of its own
 * in Maildirs: a real MTA in front of ours, or behind it. It starts as root only. Non-job: what it is told, and what became
 * of it (its log says).
 */
import { programOf } from "./debian.ts";
import { waitForMail } from "./maildir.ts";
import { freePort } from "./ports.ts";
import { TempFolder } from "./temp.ts";
import type { Pair } from "./tls.ts";
import { waitFor, within } from "./wait.ts";

/** What a test with it lacks, or null. */
export const POSTFIX_MISSING: string | null = programOf("postfix") === null
  ? "postfix: apt-get install postfix"
  : Deno.uid() === 0
  ? null
  : "root: Postfix starts as nobody else";

const SERVICES = `pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - 5 smtp
lmtp unix - - n - 5 lmtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
virtual unix - n n - - virtual
`;

export interface PostfixOptions {
  /** More lines of master.cf. */
  readonly services?: readonly string[];
  /** More files in $config_directory. */
  readonly files?: Readonly<Record<string, string>>;
  /** Addresses whose mail it keeps; all others of their domains are unknown. */
  readonly accounts?: readonly string[];
  /** Where it listens; a free port unless given. */
  readonly port?: number;
}

/** Who owns the Maildirs: every Debian has nobody. */
const OWNER = 65_534;

/** Lines of main.cf: STARTTLS with this certificate. */
export function offersTls({ certFile, keyFile }: Pair): string {
  return `smtpd_tls_security_level = may\nsmtpd_tls_chain_files = ${keyFile}, ${certFile}\n`;
}

/** Lines of main.cf: mail only from who has logged in over TLS, as a Dovecot's auth server says. */
export function demandsLogin(pair: Pair, authPort: number): string {
  return `${offersTls(pair)}smtpd_tls_security_level = encrypt
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = inet:127.0.0.1:${authPort}
smtpd_tls_auth_only = yes
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_recipient_restrictions = permit_sasl_authenticated, reject
`;
}

/** Lines of main.cf, of which `addresses` are kept in `folder`. */
function keeps(folder: string, addresses: readonly string[]): string {
  const domains = new Set(addresses.map((each) => each.slice(each.lastIndexOf("@") + 1)));
  return `virtual_mailbox_domains = ${[...domains].join(", ")}
virtual_mailbox_base = ${folder}
virtual_mailbox_maps = inline:{ ${addresses.map((each) => `{ ${each} = ${each}/ }`).join(", ")} }
virtual_uid_maps = static:${OWNER}
virtual_gid_maps = static:${OWNER}
smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination
`;
}

/**
 * The last of each setting alone. Postfix warns of the others, once in each of its processes, and more than ten lines to
 * its log before the log's own process is there make it wait for itself.
 */
function withoutRepeats(settings: string): string {
  const all = new Map<string, string>();
  for (const setting of settings.split(/\n(?=\S)/)) {
    all.set(setting.slice(0, setting.indexOf("=")).trim(), setting.trimEnd());
  }
  return `${[...all.values()].join("\n")}\n`;
}

export class Postfix implements AsyncDisposable {
  private constructor(
    readonly port: number,
    private readonly child: Deno.ChildProcess,
    private readonly folder: TempFolder,
  ) {}

  /** `settings`: lines of main.cf, such as default_transport. */
  static async start(settings: string, options: PostfixOptions = {}): Promise<Postfix> {
    const { services = [], files = {}, accounts = [], port = freePort() } = options;
    const folder = await TempFolder.make("postern-postfix-");
    await Deno.chmod(folder.path, 0o755);
    const more = services.map((line) => `${line}\n`).join("");
    await folder.file("etc/master.cf", `127.0.0.1:${port} inet n - n - - smtpd\n${SERVICES}${more}`);
    for (const [name, text] of Object.entries(files)) await folder.file(`etc/${name}`, text);
    await folder.file(
      "etc/main.cf",
      withoutRepeats(`compatibility_level = 3.6
queue_directory = ${folder.at("spool")}
data_directory = ${folder.at("data")}
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
shlib_directory = /usr/lib/postfix
maillog_file = ${folder.at("log")}
maillog_file_prefixes = ${folder.path}
myhostname = front.example
mydestination =
local_recipient_maps =
alias_maps =
alias_database =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
smtpd_peername_lookup = no
smtpd_relay_restrictions = permit_mynetworks, reject
${accounts.length > 0 ? keeps(folder.at("mail"), accounts) : ""}${settings}
`),
    );
    await Deno.mkdir(folder.at("spool"));
    await Deno.mkdir(folder.at("data"));
    await Deno.mkdir(folder.at("mail"));
    await Deno.chown(folder.at("mail"), OWNER, OWNER);
    await new Deno.Command("chown", { args: ["postfix", folder.at("data")] }).output();
    const child = new Deno.Command(programOf("postfix")!, {
      args: ["-c", folder.at("etc"), "start-fg"],
      ...{ stdin: "null", stdout: "null", stderr: "null" } as const,
    }).spawn();
    const postfix = new Postfix(port, child, folder);
    try {
      await waitFor(
        "Postfix",
        () => Deno.connect({ hostname: "127.0.0.1", port }).then((conn) => (conn.close(), true), () => false),
      );
    } catch (error) {
      const log = await postfix.log();
      await postfix[Symbol.asyncDispose]();
      throw new Error(`${(error as Error).message}: ${log}`);
    }
    return postfix;
  }

  async log(): Promise<string> {
    return await Deno.readTextFile(this.folder.at("log")).catch(() => "");
  }

  /** Waits for a line of the log about `recipient`; gives what it says of its fate. */
  async fateOf(recipient: string, status: string): Promise<string> {
    return await waitFor(`${status} for ${recipient}`, async () => {
      const lines = (await this.log()).split("\n");
      return lines.findLast((line) => line.includes(`to=<${recipient}>`) && line.includes(`status=${status}`));
    });
  }

  /** Waits for so many messages of an account, oldest first. */
  async mailOf(address: string, count = 1): Promise<Uint8Array<ArrayBuffer>[]> {
    return await waitForMail(this.folder.at(`mail/${address}`), { count, log: () => this.log() });
  }

  /** Tries everything again, now: also what has failed this moment, and is logged before it is put aside. */
  async flush(): Promise<void> {
    const busy = (name: string) => [...Deno.readDirSync(this.folder.at(`spool/${name}`))].length > 0;
    await waitFor("Postfix to be through with what it has", () => !busy("incoming") && !busy("active"));
    await new Deno.Command("postqueue", { args: ["-c", this.folder.at("etc"), "-f"] }).output();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Deno.Command(programOf("postfix")!, {
      args: ["-c", this.folder.at("etc"), "stop"],
      ...{ stdin: "null", stdout: "null", stderr: "null" } as const,
    }).output();
    await within("Postfix's end", this.child.status, 10_000, () => this.child.kill("SIGKILL")).catch(() => {});
    await this.child.status;
    await this.folder[Symbol.asyncDispose]();
  }
}
