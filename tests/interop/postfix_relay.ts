/**
 * A private Postfix that hands everything on to a submission service, with a login and with TLS at the level `secure`: a
 * port for each way to do so. It runs as root only. Non-job: what the service makes of it.
 */
import { programOf, testUnless } from "../support/debian.ts";
import { freePort } from "../support/ports.ts";
import { SmtpClient } from "../support/smtp_client.ts";
import { TempFolder } from "../support/temp.ts";
import { waitFor, within } from "../support/wait.ts";

export interface RelayWay {
  /** A SASL mechanism of Cyrus SASL. */
  readonly mechanism: string;
  readonly to: number;
  /** TLS from the first octet. */
  readonly wrapper: boolean;
  /** The name that the certificate must have. */
  readonly name: string;
}

export interface RelayOptions {
  readonly caFile: string;
  readonly user: string;
  readonly password: string;
  readonly ways: readonly RelayWay[];
}

/** A test that runs Postfix. */
export function testWithPostfix(name: string, body: (t: Deno.TestContext) => Promise<void>): void {
  const missing = programOf("postfix") === null ? "postfix: apt-get install postfix libsasl2-modules" : null;
  testUnless(missing ?? (Deno.uid() === 0 ? null : "to be root, as Postfix does"), name, body);
}

export class PostfixRelay implements AsyncDisposable {
  private constructor(
    /** In the order of the ways. */
    readonly ports: readonly number[],
    private readonly child: Deno.ChildProcess,
    private readonly folder: TempFolder,
  ) {}

  static async start(options: RelayOptions): Promise<PostfixRelay> {
    const folder = await TempFolder.make("postern-postfix-"), ports = options.ways.map(() => freePort());
    await Deno.chmod(folder.path, 0o755); // its parts run as another user
    for (const name of ["spool", "data"]) await Deno.mkdir(folder.at(name));
    await command("chown", "postfix", folder.at("data"));
    await folder.file("etc/main.cf", mainOf(folder.path, options));
    await folder.file("etc/master.cf", masterOf(options.ways, ports));
    const logins = options.ways.map(({ to }) => `[127.0.0.1]:${to} ${options.user}:${options.password}\n`);
    await folder.file("etc/logins", [...new Set(logins)].join(""));
    const child = new Deno.Command(programOf("postfix")!, {
      args: ["-c", folder.at("etc"), "start-fg"],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    const relay = new PostfixRelay(ports, child, folder);
    let ended = false;
    child.status.then(() => ended = true);
    try {
      await waitFor("Postfix", async () => {
        if (ended) throw new Error("Postfix ended at once");
        return await greets(ports[0]!);
      }, { deadline: 20_000, every: 50 });
    } catch (error) {
      const log = await relay.log();
      await relay[Symbol.asyncDispose]();
      throw new Error(`${(error as Error).message}: ${log}`);
    }
    return relay;
  }

  async log(): Promise<string> {
    return await Deno.readTextFile(this.folder.at("log")).catch(() => "");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await command(programOf("postfix")!, "-c", this.folder.at("etc"), "stop").catch(() => {});
    await within("Postfix's end", this.child.status, 10_000, () => this.child.kill("SIGKILL")).catch(() => {});
    await this.child.status;
    await this.folder[Symbol.asyncDispose]();
  }
}

async function greets(port: number): Promise<boolean> {
  try {
    using client = await SmtpClient.ready(port, { deadline: 2000 });
    await client.quit();
    return true;
  } catch {
    return false;
  }
}

function mainOf(folder: string, { caFile }: RelayOptions): string {
  return `compatibility_level = 3.6
queue_directory = ${folder}/spool
data_directory = ${folder}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
shlib_directory = /usr/lib/postfix
mail_owner = postfix
setgid_group = postdrop
myhostname = relay.client.example
mydestination =
local_recipient_maps =
alias_maps =
alias_database =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
disable_dns_lookups = yes
smtp_host_lookup = native
smtpd_peername_lookup = no
smtpd_relay_restrictions = permit_mynetworks, reject
smtp_tls_security_level = secure
smtp_tls_CAfile = ${caFile}
smtp_tls_loglevel = 1
smtp_sasl_auth_enable = yes
smtp_sasl_password_maps = texthash:${folder}/etc/logins
smtp_sasl_tls_security_options = noanonymous
smtp_tls_session_cache_database = btree:${folder}/data/sessions
maillog_file = ${folder}/log
maillog_file_prefixes = ${folder}
`;
}

/** What it needs to take a message and send it; an inet service and a transport for each way. */
function masterOf(ways: readonly RelayWay[], ports: readonly number[]): string {
  const services = [
    "pickup unix n - n 60 1 pickup",
    "cleanup unix n - n - 0 cleanup",
    "qmgr unix n - n 300 1 qmgr",
    "tlsmgr unix - - n 1000? 1 tlsmgr",
    "rewrite unix - - n - - trivial-rewrite",
    ...["bounce", "defer", "trace"].map((name) => `${name} unix - - n - 0 bounce`),
    "verify unix - - n - 1 verify",
    "flush unix n - n 1000? 0 flush",
    "proxymap unix - - n - - proxymap",
    "proxywrite unix - - n - 1 proxymap",
    ...["smtp", "relay"].map((name) => `${name} unix - - n - - smtp`),
    ...["showq unix n - n - - showq", "error unix - - n - - error", "retry unix - - n - - error"],
    ...["anvil unix - - n - 1 anvil", "scache unix - - n - 1 scache", "postlog unix-dgram n - n - 1 postlogd"],
  ];
  for (const [index, { mechanism, to, wrapper, name }] of ways.entries()) {
    const filter = `content_filter=way${index}:[127.0.0.1]:${to}`;
    services.push(`127.0.0.1:${ports[index]} inet n - n - - smtpd -o ${filter}`);
    const settings = [
      `smtp_sasl_mechanism_filter=${mechanism.toLowerCase()}`,
      `smtp_tls_wrappermode=${wrapper ? "yes" : "no"}`,
      `smtp_tls_secure_cert_match=${name}`,
    ];
    services.push(`way${index} unix - - n - - smtp ${settings.map((each) => `-o ${each}`).join(" ")}`);
  }
  return services.map((line) => `${line}\n`).join("");
}

async function command(program: string, ...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(program, { args, stdout: "null", stderr: "piped" }).output();
  if (!success) throw new Error(`${program} ${args.join(" ")}: ${new TextDecoder().decode(stderr).trim()}`);
}
