/**
 * A private Exim on a port of loopback: keeps mail for the accounts of its domain in Maildirs, hands all other mail on to
 * one next hop. Offers what Exim has: 8BITMIME, DSN, CHUNKING, SMTPUTF8, STARTTLS with a certificate. Root only.
 */
import { Daemon } from "./daemon.ts";
import { waitForMail } from "./maildir.ts";
import { freePort } from "./ports.ts";
import { TempFolder } from "./temp.ts";
import type { Pair } from "./tls.ts";
import { inWorld, unpacked, whatLacks } from "./unpacked.ts";
import { waitFor } from "./wait.ts";

/** What a test with it lacks, or null. */
export const EXIM_MISSING: string | null = whatLacks("exim4");

export interface EximOptions {
  /** Whose mail it keeps (default peer.example). */
  readonly domain?: string;
  /** Local parts that are there; all others get 550. */
  readonly accounts?: readonly string[];
  /** A port of loopback where mail for other domains goes; absent, that is refused. */
  readonly onward?: number;
  readonly tls?: Pair;
  /** More lines of the main section. */
  readonly settings?: string;
  /** More lines of the transport to the next hop. */
  readonly transport?: string;
}

/** Whom it becomes: the account that its package would have made. */
export const EXIM_ACCOUNT = { "Debian-exim": { id: 64_003 } };

export class Exim implements AsyncDisposable {
  private constructor(
    readonly port: number,
    private readonly folder: TempFolder,
    private readonly daemon: Daemon,
  ) {}

  static async start(options: EximOptions = {}): Promise<Exim> {
    const folder = await TempFolder.make("postern-exim-"), port = freePort();
    try {
      await Deno.chmod(folder.path, 0o755);
      for (const name of ["spool", "log", "mail"]) {
        await Deno.mkdir(folder.at(name));
        await Deno.chown(folder.at(name), EXIM_ACCOUNT["Debian-exim"].id, EXIM_ACCOUNT["Debian-exim"].id);
      }
      await Deno.copyFile(unpacked("exim4"), folder.at("exim4")); // it starts itself again as its own user
      const pair = options.tls && {
        cert: await folder.file("cert.pem", options.tls.cert),
        key: await folder.file("key.pem", options.tls.key),
      };
      const conf = await folder.file("exim.conf", configuration(folder.path, port, { ...options, pair }));
      const command = [folder.at("exim4"), "-C", conf, "-bdf", "-q1m"];
      const daemon = await Daemon.start("Exim", await inWorld(folder.path, { accounts: EXIM_ACCOUNT }, command), [
        port,
      ]);
      return new Exim(port, folder, daemon);
    } catch (error) {
      await folder[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Waits for so many messages of an account, oldest first. */
  async mailOf(local: string, count = 1): Promise<Uint8Array<ArrayBuffer>[]> {
    return await waitForMail(this.folder.at(`mail/${local}`), { count, log: () => this.log() });
  }

  /** Waits for a line of the log. */
  async logged(what: RegExp): Promise<RegExpExecArray> {
    return await waitFor(`${what} in Exim's log`, async () => what.exec(await this.log())).catch(async (error) => {
      throw new Error(`${(error as Error).message}\n${await this.log()}`);
    });
  }

  async log(): Promise<string> {
    const texts = ["mainlog", "paniclog"].map((name) =>
      Deno.readTextFile(this.folder.at(`log/${name}`)).catch(() => "")
    );
    return (await Promise.all(texts)).join("") + this.daemon.output;
  }

  /** Tries everything that waits again, now. */
  async flush(): Promise<void> {
    const command = [this.folder.at("exim4"), "-C", this.folder.at("exim.conf"), "-qff"];
    const [program, ...args] = await inWorld(this.folder.path, { accounts: EXIM_ACCOUNT }, command);
    await new Deno.Command(program!, { args, stdout: "null", stderr: "null" }).output();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.daemon[Symbol.asyncDispose]();
    await this.folder[Symbol.asyncDispose]();
  }
}

interface Facts extends EximOptions {
  readonly pair: { readonly cert: string; readonly key: string } | undefined;
}

function configuration(folder: string, port: number, facts: Facts): string {
  const { domain = "peer.example", accounts = [], onward, pair, settings = "", transport = "" } = facts;
  return `exim_path = ${folder}/exim4
primary_hostname = mx.${domain}
spool_directory = ${folder}/spool
log_file_path = ${folder}/log/%slog
log_selector = +smtp_protocol_error +smtp_syntax_error +tls_cipher +tls_certificate_verified +smtp_confirmation
pid_file_path = ${folder}/exim.pid
keep_environment =
add_environment = PATH=/bin:/usr/bin
local_interfaces = 127.0.0.1
daemon_smtp_ports = ${port}
host_lookup =
rfc1413_query_timeout = 0s
deliver_drop_privilege = true
message_size_limit = 50M
smtp_accept_queue_per_connection = 0
never_users =
smtputf8_advertise_hosts = *
dsn_advertise_hosts = *
chunking_advertise_hosts = *
acl_smtp_rcpt = rcpt
acl_smtp_data = accept
domainlist own = ${domain}
${
    pair
      ? `tls_advertise_hosts = *\ntls_certificate = ${pair.cert}\ntls_privatekey = ${pair.key}`
      : "tls_advertise_hosts ="
  }
${settings}

begin acl
rcpt:
  accept domains = +own
         endpass
         verify = recipient
  ${onward === undefined ? "deny message = 5.7.1 Relaying denied" : "accept"}

begin routers
keep:
  driver = accept
  domains = +own
  local_parts = <; ${accounts.join("; ")}
  transport = maildir
  no_more
unknown:
  driver = redirect
  domains = +own
  allow_fail
  data = :fail: 550 5.1.1 No such user
${
    onward === undefined ? "" : `onward:
  driver = manualroute
  route_list = * 127.0.0.1::${onward} byname
  self = send
  transport = smtp
`
  }
begin transports
maildir:
  driver = appendfile
  directory = ${folder}/mail/$local_part_data
  maildir_format
  message_prefix =
  message_suffix =
  return_path_add
smtp:
  driver = smtp
  hosts_try_fastopen =
${transport}

begin retry
* * F,1h,2s
`;
}
